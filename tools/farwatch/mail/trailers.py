# SPDX-License-Identifier: GPL-2.0-or-later
"""Trailers that reviewers gave, from an mbox into the patches they are for: found and placed by b4."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.errors import FarwatchError
from farwatch.mail.letters import Draft, Recipients, make_prep_branch
from farwatch.mail.scratch import BASE, SERIES, Scratch, scratch
from farwatch.model import Revision
from farwatch.revisions.identity import NEUTRAL, Identity
from farwatch.series.reword import Words, words
from farwatch.system.commits import read

if TYPE_CHECKING:
    from farwatch.app import App

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
    app: App, revision: Revision, component: str, mbox: Path, *, fuzzy: bool = False, sloppy: bool = False
) -> Collected:
    """Let b4 look for replies with trailers; nothing is written.

    fuzzy:  also for patches that have changed since they were mailed: by subject
    sloppy: also those whose sender is not the one they name
    """
    if not mbox.exists():
        raise FarwatchError(f"there is no {mbox}", hint="an mbox file, or a maildir")
    base = app.catalog.base_of(revision, component)
    commits = app.trees.commits(revision, component, base)
    start = app.trees.base_commit(base)
    before = words(app, revision, component)
    with scratch(app.trees.repository(component), start, commits[-1], _SETTINGS) as repo:
        # b4 rewrites none but its user's own commits
        repo.git("update-ref", f"refs/heads/{SERIES}", _as_ours(repo, commits, start))
        make_prep_branch(repo, Draft(revision.title, "", 1, "farwatch-trailers-0", NEUTRAL, Recipients()))
        options = ["--fuzzy"] * fuzzy + ["--sloppy-trailers"] * sloppy
        said = repo.b4("trailers", "--update", "-m", mbox.absolute(), *options)
        after = _read(repo)
    return Collected(component, before, after, _remarks(said))


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
