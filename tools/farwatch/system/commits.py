# SPDX-License-Identifier: GPL-2.0-or-later
"""Commits as values: read from a repository, and written with another tree, parent, author or message."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from farwatch.system import git

_SIGNED = re.compile(rb"(?P<name>.*?) ?<(?P<email>.*)> (?P<date>\d+ [+-]\d+)")


@dataclass(frozen=True)
class Signature:
    """Who, and when: "@1767323045 +0000", or any date that git reads."""

    name: str
    email: str
    date: str

    def variables(self, role: str) -> dict[str, str]:
        """What tells git of it; role: AUTHOR or COMMITTER."""
        return {
            f"GIT_{role}_NAME": self.name,
            f"GIT_{role}_EMAIL": self.email,
            f"GIT_{role}_DATE": self.date,
        }


@dataclass(frozen=True)
class Commit:
    """All that a commit says."""

    tree: str
    parents: tuple[str, ...]
    author: Signature
    committer: Signature | None
    """None: whoever writes it."""
    message: bytes


def read(commit: str, cwd: Path, env: Mapping[str, str] | None = None) -> Commit:
    """One commit of a repository, its message to the byte."""
    raw = git.git("cat-file", "commit", commit, cwd=cwd, env=env)
    header, _, message = raw.partition(b"\n\n")
    fields: dict[bytes, list[bytes]] = {}
    for line in header.split(b"\n"):
        key, _, value = line.partition(b" ")
        fields.setdefault(key, []).append(value)
    parents = tuple(map(bytes.decode, fields.get(b"parent", [])))
    author, committer = (_signature(fields[key][0]) for key in (b"author", b"committer"))
    return Commit(fields[b"tree"][0].decode(), parents, author, committer, message)


def _signature(text: bytes) -> Signature:
    match = _SIGNED.fullmatch(text)
    assert match is not None, text
    name, email, date = map(os.fsdecode, match.groups())
    return Signature(name, email, f"@{date}")


def write(commit: Commit, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Put it into a repository; its id. FarwatchError, with git's reason, when it is none that git takes."""
    who = commit.author.variables("AUTHOR")
    if commit.committer is not None:
        who |= commit.committer.variables("COMMITTER")
    on = [word for parent in commit.parents for word in ("-p", parent)]
    command = ("commit-tree", commit.tree, *on, "-F", "-")
    return git.git(*command, cwd=cwd, stdin=commit.message, env={**(env or {}), **who}).decode().strip()
