# SPDX-License-Identifier: GPL-2.0-or-later
"""Trailers that reviewers gave, from an mbox into the patches they are for: found and placed by b4."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from farwatch.mail.letters import Draft, Recipients, make_prep_branch
from farwatch.mail.replies import Discussion, stood_in, write_maildir
from farwatch.mail.scratch import BASE, SERIES, Scratch, scratch
from farwatch.model import Revision
from farwatch.revisions.identity import NEUTRAL, Identity
from farwatch.revisions.parts import parts_of, read_cover
from farwatch.series.reword import Words, words
from farwatch.system.commits import read

if TYPE_CHECKING:
    from farwatch.app import App

_BY = re.compile(r"\s*[\w-]+-by:\s*\S", re.IGNORECASE)
_SETTINGS = (
    ("user.name", NEUTRAL.name),
    ("user.email", NEUTRAL.email),
    ("b4.attestation-policy", "off"),
)


@dataclass(frozen=True)
class Collected:
    """What b4 made of one component's series."""

    component: str
    before: list[Words]
    after: list[Words]
    remarks: list[str]
    """What b4 did not take, and why."""
    by_subject: tuple[str, ...] = ()
    """Patches that would change if subjects alone had to fit."""

    @property
    def changed(self) -> bool:
        return self.before != self.after

    def shown(self) -> str:
        """The patches that change, with the lines that come and go."""
        lines = []
        for old, new in zip(self.before, self.after, strict=True):
            if old != new:
                lines.append(f"{self.component}: {new.subject}")
                lines += [f"  {line}" for line in _difference(old.message, new.message)]
        return "\n".join(lines)


def collect(
    app: App,
    revision: Revision,
    component: str,
    found: Discussion,
    *,
    fuzzy: bool = False,
    sloppy: bool = False,
) -> Collected:
    """Let b4 look for replies with trailers; nothing is written.

    fuzzy:  also for patches that have changed since they were mailed, or are not there: by subject
    sloppy: also those whose sender is not the one they name
    """
    before = words(app, revision, component)
    if not found.given:
        return Collected(component, before, before, [])
    made = _asked(app, revision, component, found, fuzzy=fuzzy, sloppy=sloppy)
    if fuzzy or _all_there(found, made.after):
        return made
    more = _asked(app, revision, component, found, fuzzy=True, sloppy=sloppy)
    both = zip(made.after, more.after, strict=True)
    return replace(made, by_subject=tuple(one.subject for one, other in both if one != other))


def _asked(
    app: App, revision: Revision, component: str, found: Discussion, *, fuzzy: bool, sloppy: bool
) -> Collected:
    """What b4 makes of it."""
    base = app.catalog.base_of(revision, component)
    commits = app.trees.commits(revision, component, base)
    start = app.trees.base_commit(base)
    before = words(app, revision, component)
    with scratch(app.trees.repository(component), start, commits[-1], _SETTINGS) as repo:
        # b4 rewrites none but its user's own commits
        repo.git("update-ref", f"refs/heads/{SERIES}", _as_ours(repo, commits, start))
        make_prep_branch(repo, Draft(revision.title, "", 1, "farwatch-trailers-0", NEUTRAL, Recipients()))
        if fuzzy:
            subjects = [one.subject for one in before]
            found = stood_in(found, _changes(repo, before, commits), _covers(revision, component, subjects))
        maildir = write_maildir(found.mails, repo.path / ".git" / "thread")
        options = ["--fuzzy"] * fuzzy + ["--sloppy-trailers"] * sloppy
        said = repo.b4("trailers", "--update", "-m", maildir, *options)
        after = _read(repo)
    return Collected(component, before, after, _remarks(said))


def _covers(revision: Revision, component: str, subjects: Sequence[str]) -> dict[str, Sequence[str]]:
    """Title of a cover letter -> the patches that it is for."""
    parts = parts_of(revision, component)
    found = {read_cover(revision, part)[0]: subjects[part.start : part.end] for part in parts}
    return {revision.title: subjects, **found}


def _changes(repo: Scratch, before: Sequence[Words], commits: Sequence[str]) -> dict[str, str]:
    """Subject -> what the patch changes."""
    shown = (repo.git("show", "--format=", "--binary", commit) for commit in commits)
    return {one.subject: text.decode("utf-8", "replace") for one, text in zip(before, shown, strict=True)}


def _all_there(found: Discussion, after: Sequence[Words]) -> bool:
    """Whether each reply with trailers has some of them in a patch."""
    whole = b"\n".join(one.message for one in after).decode("utf-8", "replace").lower()
    return all(
        any(line.strip().lower() in whole for line in mail.body.splitlines() if _BY.match(line))
        for mail in found.given
    )


def _as_ours(repo: Scratch, commits: Sequence[str], parent: str) -> str:
    """The series, with the scratch repository's user as committer; its tip."""
    for commit in commits:
        parent = repo.write(replace(read(commit, repo.path), parents=(parent,), committer=None))
    return parent


def _read(repo: Scratch) -> list[Words]:
    form = "--format=%an%x00%ae%x00%B%x00"
    shown = repo.git("log", "--reverse", form, f"{BASE}..{SERIES}").split(b"\0\n")
    entries = [entry.split(b"\0", 2) for entry in shown if entry]
    return [
        Words(Identity(os.fsdecode(name), os.fsdecode(email)), message.strip(b"\n") + b"\n")
        for name, email, message in entries
    ]


def _remarks(said: str) -> list[str]:
    """The lines of b4 about trailers that it left out."""
    marks = ("! Trailer:", "Msg From:", "fuzzy-matched", "ignored due to")
    return [line.strip() for line in said.splitlines() if any(mark in line for mark in marks)]


def _difference(old: bytes, new: bytes) -> list[str]:
    one, other = (message.decode("utf-8", "replace").splitlines() for message in (old, new))
    return [line for line in difflib.ndiff(one, other) if line[0] in "+-" and line[2:].strip()]
