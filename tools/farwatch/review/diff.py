# SPDX-License-Identifier: GPL-2.0-or-later
"""Two revisions next to each other: range-diffs by git, and what else changed in their folders."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from farwatch.app import App
from farwatch.errors import FarwatchError
from farwatch.model import Base, Expectation, Revision
from farwatch.revisions.catalog import Catalog
from farwatch.system import git


@dataclass(frozen=True)
class Side:
    """A revision, and perhaps a base other than its own."""

    revision: Revision
    base: Base | None = None

    @property
    def label(self) -> str:
        return f"{self.revision.name}@{self.base.label}" if self.base else self.revision.name


@dataclass(frozen=True)
class Section:
    """What is said about one thing."""

    title: str
    summary: str
    lines: tuple[str, ...] = ()
    """Of a range-diff or a diff, with git's colours if they were asked for."""
    ranged: bool = False
    """The lines are a range-diff: a diff of diffs."""


def side(catalog: Catalog, text: str, base: str | None) -> Side:
    """What REV or REV@BASE means; `base` counts where nothing else is said."""
    name, _, own = text.partition("@")
    named = own or base
    return Side(catalog.revision(name), catalog.base_named(named) if named else None)


def compare(app: App, old: Side, new: Side, *, color: bool) -> list[Section]:
    """All that differs, and for each component and each text a word where nothing does."""
    sections = [
        _series(app, old, new, component, color=color)
        for component in app.catalog.components()
        if old.revision.patches(component) or new.revision.patches(component)
    ]
    if old.revision.folder != new.revision.folder:
        names = dict.fromkeys([*old.revision.texts(), *new.revision.texts()])
        texts = [_text(old.revision, new.revision, name, color=color) for name in names]
        sections += [section for section in texts if section is not None]
        sections.append(_expectations(old.revision, new.revision, color=color))
    return sections


def _base(app: App, chosen: Side, component: str) -> Base:
    if chosen.base is not None and chosen.base.component == component:
        return chosen.base
    return app.trees.own_base(chosen.revision, component)


def _series(app: App, old: Side, new: Side, component: str, *, color: bool) -> Section:
    """The range-diff of one component."""
    ranges, bases, counts = list[tuple[str, str]](), [], []
    for chosen in (old, new):
        base = _base(app, chosen, component)
        commit = app.trees.base_commit(base)
        tip = app.trees.tip(chosen.revision, component, base).commit
        ranges.append((commit, tip))
        bases.append(base.name)
        counts.append(len(app.trees.commits(chosen.revision, component, base)))
    lines = _range_diff(app.trees.repository(component), *ranges, color=color)
    plain = lines if not color else _range_diff(app.trees.repository(component), *ranges, color=False)
    where = bases[0] if bases[0] == bases[1] else f"{bases[0]} and {bases[1]}"
    return Section(f"{component}, on {where}", _counted(plain, *counts), tuple(lines), ranged=True)


def _range_diff(repository: Path, old: tuple[str, str], new: tuple[str, str], *, color: bool) -> list[str]:
    """git's range-diff of two series, each (base, tip); either may be empty."""
    options = ("--color=always", "--dual-color") if color else ("--no-color",)
    settings = ("-c", "core.abbrev=12", "-c", "diff.renames=true")
    fixed = ("--diff-algorithm=myers", "--no-notes", "--no-ext-diff", "--no-textconv")
    if old[0] == old[1]:
        ranges = [new[0], new[0], new[1]]  # git refuses a range A..A, but not this form of it
    elif new[0] == new[1]:
        ranges = [old[0], old[1], old[0]]
    else:
        ranges = [f"{base}..{tip}" for base, tip in (old, new)]
    made = git.git(*settings, "range-diff", *options, *fixed, *ranges, cwd=repository)
    return made.decode("utf-8", "replace").rstrip("\n").split("\n") if made else []


def _counted(lines: list[str], before: int, after: int) -> str:
    """How many patches there are, and what became of them, from a range-diff without colours."""
    marks = [words[2] for line in lines if (words := _head(line))]
    names = {"=": "unchanged", "!": "changed", "<": "dropped", ">": "new"}
    parts = [f"{marks.count(mark)} {name}" for mark, name in names.items() if mark in marks]
    return f"{before} patches, then {after}: {', '.join(parts) or 'nothing to compare'}"


def _head(line: str) -> list[str]:
    """ "1:  abc = 2:  def subject" as its words; empty when the line is no head of a patch."""
    words = line.split()
    known = len(words) > 4 and words[0].endswith(":") and words[2] in "=!<>" and words[3].endswith(":")
    return words if known and not line.startswith("    ") else []


def _text(old: Revision, new: Revision, name: str, *, color: bool) -> Section | None:
    """What changed in a text; None when neither revision has it."""
    paths = [revision.folder / name for revision in (old, new)]
    if not any(path.exists() for path in paths):
        return None
    contents = [
        path.read_text("utf-8", "replace").splitlines() if path.exists() else list[str]() for path in paths
    ]
    lines = _diff(contents[0], contents[1], f"{old.name}/{name}", f"{new.name}/{name}", color=color)
    gone = [revision.name for revision, path in zip((old, new), paths, strict=True) if not path.exists()]
    summary = f"{gone[0]} has none" if gone else "changed" if lines else "unchanged"
    return Section(name, summary, tuple(lines))


def _expectations(old: Revision, new: Revision, *, color: bool) -> Section:
    lines = _diff(_expected(old), _expected(new), old.name, new.name, color=color)
    count = f"{len(old.expectations)}, then {len(new.expectations)}"
    return Section("expectations", f"{count}: {'changed' if lines else 'unchanged'}", tuple(lines))


def _expected(revision: Revision) -> list[str]:
    return [line for entry in revision.expectations for line in _expectation_lines(entry)]


def _expectation_lines(entry: Expectation) -> Iterator[str]:
    says = f', saying "{entry.says}"' if entry.says else ""
    race = ", or pass by a race" if entry.race else ""
    named = {"engines": entry.engines, "bases": entry.bases, "flavors": entry.flavors}
    named["share settings"] = entry.settings
    conditions = "; ".join(f"{kind} {', '.join(names)}" for kind, names in named.items() if names)
    where = f" ({conditions})" if conditions else ""
    yield f"{', '.join(entry.tests)}{where}: {entry.verdict}{says}{race}"
    yield f"    because {entry.reason}"


def _diff(old: list[str], new: list[str], before: str, after: str, *, color: bool) -> list[str]:
    lines = list(difflib.unified_diff(old, new, before, after, lineterm=""))
    return [_coloured(line) for line in lines] if color else lines


def _coloured(line: str) -> str:
    """As git colours a diff."""
    code = "1" if line.startswith(("---", "+++")) else {"-": "31", "+": "32", "@": "36"}.get(line[:1], "")
    return f"\x1b[{code}m{line}\x1b[m" if code else line


def require_something(sections: list[Section], old: Side, new: Side) -> None:
    """FarwatchError when two sides are the same thing."""
    if not sections or old == new:
        hint = "farwatch diff v1 v2, or farwatch diff v2 v2@BASE"
        raise FarwatchError(f"{old.label} and {new.label} are the same", hint=hint)


def terminal(sections: list[Section], *, color: bool) -> str:
    """The sections one below the other."""
    bold, normal = ("\x1b[1m", "\x1b[m") if color else ("", "")
    blocks = []
    for section in sections:
        head = f"{bold}{section.title}{normal}: {section.summary}"
        blocks.append("\n".join([head, *(f"  {line}".rstrip() for line in section.lines)]))
    return "\n\n".join(blocks)
