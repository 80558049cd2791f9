# SPDX-License-Identifier: GPL-2.0-or-later
"""Move a series onto another commit, with the resolutions of an earlier time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from farwatch.system import git
from farwatch.trees.merge import Merge, PatchCommit, change, changed_by, commit_like, markers, merge, tree_of
from farwatch.trees.resolutions import Memory, Resolution


@dataclass(frozen=True)
class Moved:
    """A patch that found its place."""

    patch: PatchCommit
    commit: str
    """The tip after it."""
    how: str
    """"merged", "resolved", "skipped" or "there already"."""
    used: Resolution | None = None
    ignored: tuple[Resolution, ...] = ()
    """Made for an older form of the patch, and not needed or not right for this one."""


@dataclass(frozen=True)
class Stop:
    """A patch that needs a person."""

    patch: PatchCommit
    merge: Merge
    stale: tuple[Resolution, ...]
    """For an older form of the patch: not used."""
    unfit: tuple[Resolution, ...]
    """For this patch, on this base, but no longer for what is there now."""

    @property
    def reasons(self) -> list[str]:
        """In words, one line each."""
        lines = list(self.merge.messages)
        for entry in self.stale:
            lines.append(stale_line(entry))
        for entry in self.unfit:
            lines.append(f"{entry.path}: does not fit what is there now, not used")
        return lines


def stale_line(entry: Resolution) -> str:
    return f"{entry.path}: made when this patch was another one, not used"


@dataclass(frozen=True)
class Mover:
    """Puts the patches of a series onto another base, one at a time."""

    repository: Path
    memory: Memory
    origin: str
    onto: str

    def move(self, patch: PatchCommit, tip: str) -> Moved | Stop:
        """The patch on top of the commit `tip`, by what is remembered where a merge is not enough."""
        ground = tree_of(self.repository, tip)
        merged = merge(self.repository, patch, ground)
        fitting = self.memory.for_patch(patch, self.origin, self.onto)
        unfit = []
        for entry in fitting:
            here = entry.onto == self.onto
            if entry.skip and here:
                return Moved(patch, tip, "skipped", entry)
            tree = self._resolved(merged, entry) if here or not merged.clean else None
            if tree is not None:
                return self._step(patch, tip, ground, tree, "resolved", entry)
            if here and entry.origin == self.origin and not (merged.clean and entry.conflicts):
                unfit.append(entry)
        stale = tuple(self.memory.stale(patch, self.onto))
        if merged.clean and not unfit:
            return self._step(patch, tip, ground, merged.tree, "merged", None, stale)
        return Stop(patch, merged, stale, tuple(unfit))

    def remember(self, patch: PatchCommit, tip: str, commit: str | None, note: str) -> Resolution | None:
        """What has to be kept so that move() gives `commit` (None: leaves the patch out); None: nothing."""
        merged = merge(self.repository, patch, tree_of(self.repository, tip))
        wanted = tree_of(self.repository, commit or tip)
        if merged.clean and merged.tree == wanted:
            return None
        known = self.memory.for_patch(patch, self.origin, self.onto)
        same = [
            entry.note for entry in known if entry.onto == self.onto or entry.conflicts == merged.conflicts
        ]
        diff = change(self.repository, merged.tree, wanted) if commit else b""
        return Resolution(
            origin=self.origin,
            onto=self.onto,
            patch=patch.file,
            subject=patch.subject,
            patch_id=patch.id,
            conflicts=merged.conflicts,
            note=note or next(filter(None, same), ""),
            diff=diff,
            skip=commit is None,
        )

    def remember_all(
        self,
        patches: Sequence[PatchCommit],
        start: str,
        commits: Sequence[str | None],
        notes: Mapping[str, str],
    ) -> list[Resolution]:
        """What has to be kept so that a series becomes `commits`, one a patch, on top of `start`.

        notes: patch id -> why
        """
        kept, tip = [], start
        for patch, commit in zip(patches, commits, strict=True):
            kept.append(self.remember(patch, tip, commit, notes.get(patch.id, "")))
            tip = commit or tip
        return [entry for entry in kept if entry is not None]

    def _resolved(self, merged: Merge, entry: Resolution) -> str | None:
        if entry.skip or not set(merged.conflicts) <= set(entry.conflicts):
            return None
        if merged.clean and entry.conflicts:
            return None
        tree = changed_by(self.repository, merged.tree, entry.diff)
        if tree is None or _unresolved(self.repository, merged, tree):
            return None
        return tree

    def _step(
        self,
        patch: PatchCommit,
        tip: str,
        ground: str,
        tree: str,
        how: str,
        used: Resolution | None,
        ignored: tuple[Resolution, ...] = (),
    ) -> Moved:
        if tree == ground:
            return Moved(patch, tip, "there already", used, ignored)
        return Moved(patch, commit_like(self.repository, patch, tree, tip), how, used, ignored)


def _unresolved(repository: Path, merged: Merge, tree: str) -> bool:
    """Whether a tree still has conflict markers."""
    for path in merged.files:
        name = b"%s:%s" % (tree.encode(), path)
        shown = git.run("cat-file", "blob", name.decode("utf-8", "surrogateescape"), cwd=repository)
        if shown.returncode == 0 and markers(shown.stdout):
            return True
    return False
