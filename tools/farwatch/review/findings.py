# SPDX-License-Identifier: GPL-2.0-or-later
"""What the families of lint rules share: the series they look at, and what they say about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from farwatch.builds.subject import Subject
from farwatch.engines.registry import engine_named
from farwatch.errors import FarwatchError
from farwatch.model import Base, Posting, Revision
from farwatch.revisions.parts import Part, parts_of
from farwatch.system import git

if TYPE_CHECKING:
    from collections.abc import Callable

    from farwatch.app import App
    from farwatch.trees.trees import Source

T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    rule:   "checkpatch:LONG_LINE"; before the colon is the group
    patch:  "linux/0001-....patch", "cover-letter.txt", "changelog.txt" or "revision.toml"
    where:  "fs/fuse/dir.c:12", or empty
    waived: the reason why it does not count, or empty
    """

    patch: str
    rule: str
    message: str
    where: str = ""
    waived: str = ""


@dataclass(frozen=True)
class NotRun:
    """A rule that was not looked at, and why.

    waived: the revision's reason why that does not matter, or empty
    """

    rule: str
    reason: str
    waived: str = ""


@dataclass(frozen=True)
class PatchRecipients:
    """Who would get a patch."""

    patch: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Instead:
    """What is done with the series of a component whose tree does not say who gets it."""

    component: str
    text: str


ENGINE = "uml"
Outcome = Finding | NotRun | PatchRecipients | Instead


@dataclass(frozen=True)
class ReviewedPatch:
    """A patch of a series, as file and as commit."""

    component: str
    path: Path
    source: Source
    """The tree after it."""
    before: Source
    author: str
    email: str
    message: str
    """Subject and body, without what stands below its line "---"."""
    trailers: tuple[tuple[str, str], ...]
    """Name and value, in order, as git reads them."""
    files: tuple[str, ...]
    """Those it changes, adds, deletes or renames, under both names."""
    moved: dict[str, str]
    """Old name -> new name."""
    added: int
    removed: int

    @property
    def name(self) -> str:
        return f"{self.component}/{self.path.name}"

    @property
    def subject(self) -> str:
        return self.message.partition("\n")[0]

    @property
    def body(self) -> str:
        return self.message.partition("\n")[2].strip("\n")


@dataclass(frozen=True)
class Review:
    """A revision to be looked at."""

    app: App
    revision: Revision
    bases: dict[str, Base]
    """Component -> base, for those with patches; linux too, as its scripts serve other trees."""
    patches: tuple[ReviewedPatch, ...]
    adopted: bool
    """A human has taken the series over."""
    previous: Revision | None
    """The revision before it."""

    @property
    def subject(self) -> Subject:
        """What compilers look at: the kernel that is built in the least time."""
        return Subject(self.revision, self.bases, engine_named(ENGINE))

    def of(self, component: str) -> tuple[ReviewedPatch, ...]:
        return tuple(patch for patch in self.patches if patch.component == component)

    def parts(self, component: str) -> tuple[Part, ...]:
        """The series of a component; FarwatchError where it is cut wrongly."""
        return parts_of(self.revision, component)

    def posting_of(self, patch: ReviewedPatch) -> Posting:
        """What is said of the mails of a patch's series."""
        with suppress(FarwatchError):  # that has a rule of its own
            for part in self.parts(patch.component):
                if patch.path in part.patches:
                    return part.posting
        return self.revision.postings.get(patch.component, Posting())

    def repository(self, component: str) -> Path:
        return self.app.trees.repository(component)

    def content(self, source: Source, file: str) -> bytes | None:
        """A file as a source has it; None when it has none of that name."""
        return self.app.trees.content(source, file)


def read_patches(app: App, revision: Revision, component: str, base: Base) -> Iterator[ReviewedPatch]:
    """The patches of a component; FarwatchError when they do not apply."""
    repository = app.trees.repository(component)
    sources = app.trees.prefixes(revision, component, base)
    for path, (before, after) in zip(revision.patches(component), pairwise(sources), strict=True):
        form = "--format=%an%x00%ae%x00%B"
        author, email, text = _text("log", "-1", form, after.commit, cwd=repository).split("\0", 2)
        message = text.partition("\n---\n")[0].strip("\n")
        names, moved, added, removed = _changes(before, after, repository)
        yield ReviewedPatch(
            component,
            path,
            after,
            before,
            author,
            email,
            message,
            trailers_of(message, repository),
            names,
            moved,
            added,
            removed,
        )


def _text(*args: str, cwd: Path, stdin: str = "") -> str:
    return git.git(*args, cwd=cwd, stdin=stdin.encode("utf-8", "surrogateescape")).decode("utf-8", "replace")


def trailers_of(message: str, repository: Path) -> tuple[tuple[str, str], ...]:
    """Name and value of each trailer, as git reads them; `repository` is where git runs."""
    said = _text("interpret-trailers", "--parse", cwd=repository, stdin=message.rstrip("\n") + "\n")
    return tuple(_trailer(line) for line in said.splitlines() if ":" in line)


def _trailer(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def _changes(
    before: Source, after: Source, repository: Path
) -> tuple[tuple[str, ...], dict[str, str], int, int]:
    """(files, old name -> new name, lines added, lines removed); what is only moved is no change."""
    options = ("-r", "-z", "--numstat", "-M", before.tree, after.tree)
    fields = git.git("diff-tree", *options, cwd=repository).decode("utf-8", "surrogateescape").split("\0")
    names, moved, added, removed = list[str](), dict[str, str](), 0, 0
    entries = iter(fields[:-1])
    for entry in entries:
        plus, minus, name = entry.split("\t", 2)
        if not name:
            name, new = next(entries), next(entries)
            moved[name] = new
            names.append(new)
        names.append(name)
        added += int(plus) if plus != "-" else 0
        removed += int(minus) if minus != "-" else 0
    return tuple(names), moved, added, removed


def in_parallel(
    work: Callable[[ReviewedPatch], Iterable[Outcome]], patches: Iterable[ReviewedPatch]
) -> Iterator[Outcome]:
    """The outcomes of many patches, in order; other programs do the work, two a core at a time."""
    import os

    with ThreadPoolExecutor(2 * len(os.sched_getaffinity(0))) as pool:
        for outcomes in pool.map(lambda patch: list(work(patch)), patches):
            yield from outcomes
