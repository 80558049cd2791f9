# SPDX-License-Identifier: GPL-2.0-or-later
"""The ends of series ([series.COMPONENT.NAME]) follow patches that get another subject."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.model import Base, Revision, unnumbered
from farwatch.revisions.edit import set_cut_end
from farwatch.revisions.parts import parts_of
from farwatch.trees.merge import PatchCommit, patches_of
from farwatch.trees.trees import Trees


def follow(
    trees: Trees, revision: Revision, base: Base, made: Sequence[str], files: Sequence[str], path: Path
) -> None:
    """Name ends anew in the revision.toml at `path`, where a patch of another subject makes the same change.

    made, files: the series as it is to be; the revision is as it was
    A patch whose change differs too, or that is gone, is for a person to decide: outcome() says so.
    """
    cuts = [cut for cut in revision.cuts if cut.component == base.component]
    if not cuts or not revision.patches(base.component):
        return
    old = {unnumbered(patch.file): patch for patch in trees.series(revision, base.component)}
    new = patches_of(trees.repository(base.component), trees.base_commit(base), made, files)
    for cut in cuts:
        for key, name in (("first", cut.first), ("last", cut.last)):
            if name in old and (other := _renamed(old[name], new)):
                set_cut_end(path, cut, key, other)


def _renamed(old: PatchCommit, new: Sequence[PatchCommit]) -> str:
    """The name of the patch that this one has become; empty if it has the same, or is not to be found."""
    names = [unnumbered(patch.file) for patch in new]
    if unnumbered(old.file) in names:
        return ""
    same = [name for name, patch in zip(names, new, strict=True) if patch.id == old.id]
    return same[0] if len(same) == 1 else ""


def outcome(revision: Revision, component: str) -> str:
    """What is wrong with the series of a component by now, in words; empty if nothing is."""
    try:
        parts_of(revision, component)
    except FarwatchError as error:
        return str(error)
    return ""
