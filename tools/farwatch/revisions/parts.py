# SPDX-License-Identifier: GPL-2.0-or-later
"""What is posted as a series: all patches of a component, or one of the runs that it is cut into.

Everything but mail goes on treating a component as one stack of commits. A cut ([series.COMPONENT.NAME] in
revision.toml) names the first and the last patch of a run by what they are about. So it says nothing about
where the patches are kept or how they are numbered, which is for `save` to say, and a patch that is added
at a border belongs to no series until somebody has decided which.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from farwatch.errors import FarwatchError, unknown
from farwatch.model import COVER, Cut, Posting, Revision, series_cover, unnumbered

_FILE = "revision.toml"


@dataclass(frozen=True)
class Part:
    """A series to be posted."""

    component: str
    name: str
    """Empty: the component is one series."""
    start: int
    """How many patches of the component stand below it, in other series."""
    patches: tuple[Path, ...]
    posting: Posting

    @property
    def label(self) -> str:
        return label(self.component, self.name)

    @property
    def end(self) -> int:
        return self.start + len(self.patches)


def label(component: str, name: str) -> str:
    """ "linux", or "linux/fuse" """
    return f"{component}/{name}" if name else component


def parts_of(revision: Revision, component: str) -> tuple[Part, ...]:
    """The series of a component, in the order in which they are posted; none if it has no patches.

    FarwatchError unless each patch is in exactly one of them, and they are in the order of the patches.
    """
    patches = revision.patches(component)
    cuts = [cut for cut in revision.cuts if cut.component == component]
    common = revision.postings.get(component, Posting())
    if not cuts:
        return (Part(component, "", 0, patches, common),) if patches else ()
    if not patches:
        what = f"{component} has no patches, but {_FILE} cuts it into {', '.join(cut.name for cut in cuts)}"
        raise _error(revision, what, "")
    names = [unnumbered(path.name) for path in patches]
    runs = [_run(revision, cut, names) for cut in cuts]
    _require_whole(revision, cuts, runs, names)
    return tuple(
        Part(component, cut.name, run.start, patches[run.start : run.stop], _joined(cut.posting, common))
        for cut, run in zip(cuts, runs, strict=True)
    )


def all_parts(revision: Revision, components: Iterable[str]) -> tuple[Part, ...]:
    """The series of several components."""
    return tuple(part for component in components for part in parts_of(revision, component))


def chosen_parts(
    revision: Revision, components: Sequence[str], wanted: str | None = None
) -> tuple[Part, ...]:
    """What [COMPONENT[/SERIES]] means: one series, those of a component, or all. Never none of them.

    components: all that there are
    """
    component, _, name = (wanted or "").partition("/")
    having = [one for one in components if revision.patches(one)]
    if not having or (component and component not in having):
        what = f"{revision.name} has no patches{f' for {component}' if component and having else ''}"
        raise FarwatchError(what, cause=f"it has some for: {', '.join(having)}" if having else "")
    found = all_parts(revision, [component] if component else having)
    if not name:
        return found
    if not found[0].name:
        what = f"{revision.name} {component} is one series: it has no '{name}'"
        hint = f"[series.{component}.NAME] in {revision.folder / _FILE} cuts it into several"
        raise FarwatchError(what, hint=hint)
    named = [part for part in found if part.name == name]
    if not named:
        what = f"{revision.name} has no series '{component}/{name}'"
        raise FarwatchError(what, cause=f"there are: {', '.join(part.label for part in found)}")
    return tuple(named)


def cover_of(revision: Revision, part: Part) -> Path | None:
    """The file with the cover letter: the series' own, or the component's, or the revision's.

    Of several series each has its own or none: the same letter twice would tell nobody anything.
    """
    if part.name:
        places = [revision.folder / part.component / series_cover(part.name)]
    else:
        places = [revision.folder / part.component / COVER, revision.folder / COVER]
    return next((path for path in places if path.is_file()), None)


def read_cover(revision: Revision, part: Part) -> tuple[str, str]:
    """Subject and body of the cover letter; without one just a title."""
    path = cover_of(revision, part)
    if path is None:
        return (f"{revision.title}: {part.name}" if part.name else revision.title), ""
    subject, _, body = path.read_text(encoding="utf-8").strip().partition("\n")
    return subject.strip(), body.strip()


def _joined(own: Posting, common: Posting) -> Posting:
    return Posting(
        tuple(dict.fromkeys((*own.to, *common.to))),
        tuple(dict.fromkeys((*own.cc, *common.cc))),
        own.prefixes or common.prefixes,
    )


# Whether the cut is one


def _run(revision: Revision, cut: Cut, names: Sequence[str]) -> range:
    """The places of a series' patches."""
    first, last = (_place(revision, cut, key, names) for key in ("first", "last"))
    if first > last:
        cause = f"its first patch is number {first + 1} of {cut.component}, its last is number {last + 1}"
        raise _error(revision, f"series {cut.label} is empty", cause)
    return range(first, last + 1)


def _place(revision: Revision, cut: Cut, key: str, names: Sequence[str]) -> int:
    wanted = cut.first if key == "first" else cut.last
    if names.count(wanted) == 1:
        return names.index(wanted)
    if wanted in names:
        raise _error(revision, f"{key} of {cut.label} is '{wanted}'", "more than one patch is called so")
    found = unknown(f"{key} patch of {cut.label}", wanted, names)
    raise _error(revision, found.what, found.cause)


def _require_whole(
    revision: Revision, cuts: Sequence[Cut], runs: Sequence[range], names: Sequence[str]
) -> None:
    counts = Counter(place for run in runs for place in run)
    if twice := [place for place in range(len(names)) if counts[place] > 1]:
        inside = [cut.label for cut, run in zip(cuts, runs, strict=True) if twice[0] in run]
        raise _error(revision, f"{names[twice[0]]} is in more than one series", ", ".join(inside))
    for (cut, run), (other, after) in pairwise(zip(cuts, runs, strict=True)):
        if after.start < run.start:
            cause = f"it stands after {cut.label}, and its patches come before"
            raise _error(revision, f"series {other.label} is out of order", cause)
    if missing := [place for place in range(len(names)) if not counts[place]]:
        raise _error(revision, f"{names[missing[0]]} is in no series", _beside(missing[0], cuts, runs))


def _beside(place: int, cuts: Sequence[Cut], runs: Sequence[range]) -> str:
    """Between which series a patch is."""
    pairs = list(zip(cuts, runs, strict=True))
    before = next((cut.label for cut, run in reversed(pairs) if run.stop <= place), "")
    after = next((cut.label for cut, run in pairs if run.start > place), "")
    if before and after:
        return f"it comes after the last patch of {before} and before the first of {after}"
    return f"it comes after the last patch of {before}" if before else f"it comes before the first of {after}"


def _error(revision: Revision, what: str, cause: str) -> FarwatchError:
    hint = f"correct first and last of the [series...] in {revision.folder / _FILE}"
    return FarwatchError(f"{revision.name}: {what}", cause=cause, hint=hint)
