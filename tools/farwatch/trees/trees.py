# SPDX-License-Identifier: GPL-2.0-or-later
"""Trees made from bases and patch files: commits, and the worktrees that are built.

All of them come from one bare repository for each component and can be thrown away, except what
somebody has edited in a checkout (checkouts.py): that is never overwritten.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from farwatch.bases import importer
from farwatch.bases.fetch import fetch
from farwatch.errors import FarwatchError
from farwatch.model import Base, Revision, hash_of
from farwatch.revisions.catalog import Catalog
from farwatch.system import git
from farwatch.system.home import Home
from farwatch.system.locks import locked
from farwatch.trees.apply import Target, apply_mails, apply_series
from farwatch.trees.checkouts import Checkouts
from farwatch.trees.merge import PatchCommit, patches_of
from farwatch.trees.mover import Mover, Stop, stale_line
from farwatch.trees.patch_mail import read_foreign_patch
from farwatch.trees.resolutions import Memory, Resolution
from farwatch.trees.spares import Spares
from farwatch.trees.worktree import add_worktree, force, is_worktree, require_repository

Say = Callable[[str], None]

SERIES_REFS = "refs/farwatch/series/"


@dataclass(frozen=True)
class Source:
    """The content of one component that something is built from."""

    component: str
    base: Base
    revision: str
    commit: str
    """The commit; of a dirty checkout, the one it is on."""
    tree: str
    """Id of the git tree with this content, what is changed and not committed included."""
    path: Path | None
    """A checkout to build in place; None: managed() provides a folder."""
    label: str
    """For messages: "v1 on linux 7.3", "v1 on linux 7.3, edited"."""
    partial: bool = False
    """Not the whole series: options that its later patches bring are not there yet."""


class Trees:
    """Makes and finds trees. All methods may raise FarwatchError, and import a base that is not there yet."""

    def __init__(self, home: Home, catalog: Catalog, say: Say) -> None:
        self.home = home
        self.catalog = catalog
        self.say = say
        self._base_commits: dict[Base, str] = {}
        self._tips: dict[tuple[str, str], tuple[str, str]] = {}
        self._checkouts = Checkouts(home, say)

    def repository(self, component: str) -> Path:
        """The bare repository of a component."""
        return importer.repository(self.home, component)

    def imported(self, base: Base) -> bool:
        return importer.imported(base, self.home) is not None

    def base_commit(self, base: Base) -> str:
        """Commit id of a base; imported if it is not there yet."""
        if base not in self._base_commits:
            self._base_commits[base] = importer.import_base(base, self.home, self.say)
        return self._base_commits[base]

    def archive(self, pinned: Base) -> Path:
        """What is pinned as bases are, fetched and verified, for who needs it as a file."""
        return fetch(pinned, self.home, self.say)

    def tip(self, revision: Revision, component: str, base: Base) -> Source:
        """The base with the revision's patches on top; the base itself when it has none for the component."""
        keys = self._keys(revision, component, base)
        wanted = SERIES_REFS + keys[-1] if keys else importer.base_ref(base)
        cached = (component, wanted)
        if cached not in self._tips:
            found = git.resolve(self.repository(component), wanted)
            self._tips[cached] = found or self._make(revision, component, base, keys)
        commit, tree = self._tips[cached]
        label = f"{revision.name} on {component} {base.name}"
        return Source(component, base, revision.name, commit, tree, None, label)

    def base_source(self, base: Base) -> Source:
        """A base without anybody's patches."""
        commit = self.base_commit(base)
        tree = git.line("rev-parse", f"{commit}^{{tree}}", cwd=self.repository(base.component))
        return Source(base.component, base, "base", commit, tree, None, f"{base.component} {base.name}")

    def commits(self, revision: Revision, component: str, base: Base) -> tuple[str, ...]:
        """Commit ids of the revision's patches, in order; on another base than its own perhaps fewer."""
        self.tip(revision, component, base)
        found = [
            git.resolve(self.repository(component), SERIES_REFS + key)
            for key in self._keys(revision, component, base)
        ]
        made = dict.fromkeys(commit for commit, _ in filter(None, found))
        return tuple(commit for commit in made if commit != self.base_commit(base))

    def own_base(self, revision: Revision, component: str) -> Base:
        """The base that the revision's patches are written for."""
        return self.catalog.base_of(revision, component)

    def series(self, revision: Revision, component: str) -> list[PatchCommit]:
        """The revision's patches as commits on their own base."""
        own = self.own_base(revision, component)
        files = [path.name for path in revision.patches(component)]
        commits = self.commits(revision, component, own)
        return patches_of(self.repository(component), self.base_commit(own), commits, files)

    def mover(self, revision: Revision, component: str, base: Base) -> Mover:
        """What puts the patches of the revision onto another base."""
        memory = Memory.load(revision.folder / component)
        own = self.own_base(revision, component)
        # what was resolved for a release mostly fits its other versions; where it does not, move() sees that
        return Mover(self.repository(component), memory, own.pin.name, base.pin.name)

    def prefixes(self, revision: Revision, component: str, base: Base) -> tuple[Source, ...]:
        """The base, the base with the first patch, ... and last the whole series.

        One more than there are patches: one that another base has already gives the same content again.
        """
        whole = self.tip(revision, component, base)
        parts = [(self.base_commit(base), "nothing")]
        keys = self._keys(revision, component, base)
        for path, key in zip(revision.patches(component), keys, strict=True):
            found = git.resolve(self.repository(component), SERIES_REFS + key)
            parts.append((found[0] if found else parts[-1][0], path.name))
        return tuple(
            whole if commit == whole.commit else self._part(whole, commit, name) for commit, name in parts
        )

    def _part(self, whole: Source, commit: str, name: str) -> Source:
        tree = git.line("rev-parse", f"{commit}^{{tree}}", cwd=self.repository(whole.component))
        label = f"{whole.revision} up to {name} on {whole.component} {whole.base.name}"
        return replace(whole, commit=commit, tree=tree, label=label, partial=True)

    def present(self, source: Source, files: Iterable[str]) -> list[str]:
        """Those of `files` that a source has, sorted."""
        wanted = sorted(set(files))
        if not wanted:
            return []
        found = git.git(
            "ls-tree", "-z", "--name-only", source.tree, "--", *wanted, cwd=self.repository(source.component)
        )
        return sorted(os.fsdecode(name) for name in found.split(b"\0") if name)

    def content(self, source: Source, file: str) -> bytes | None:
        """A file as a source has it; None when it has none of that name."""
        where = self.repository(source.component)
        found = git.run("cat-file", "blob", f"{source.tree}:{file}", cwd=where)
        return found.stdout if found.returncode == 0 else None

    def files_below(self, source: Source, folder: str) -> list[str]:
        """All files of a source that are in a folder or below it."""
        where = self.repository(source.component)
        found = git.git("ls-tree", "-r", "-z", "--name-only", source.tree, "--", f"{folder}/", cwd=where)
        return [os.fsdecode(name) for name in found.split(b"\0") if name]

    def ids(self, source: Source, names: Sequence[str]) -> list[str]:
        """What git calls the content of these files and folders of a source, "MODE TYPE ID NAME" each."""
        where = self.repository(source.component)
        found = git.git("ls-tree", "-z", source.tree, "--", *names, cwd=where)
        return [os.fsdecode(entry) for entry in found.split(b"\0") if entry]

    def unpack(self, source: Source, names: Sequence[str], folder: Path) -> None:
        """Put these files and folders of a source, as far as it has them, into a new folder."""
        folder.mkdir()
        where = self.repository(source.component)
        git.unpack(git.git("archive", source.tree, "--", *self.present(source, names), cwd=where), folder)

    def changed(self, before: Source, after: Source) -> list[str]:
        """The files that differ between two sources, under both names if renamed."""
        options = ("-r", "-z", "--name-only", "--no-renames", before.tree, after.tree)
        found = git.git("diff-tree", *options, cwd=self.repository(after.component))
        return [os.fsdecode(name) for name in found.split(b"\0") if name]

    def matching(self, source: Source, pattern: str, files: Iterable[str]) -> list[str]:
        """The lines of some files of a source that match an extended pattern, "FILE:LINE"."""
        present = self.present(source, files)
        if not present:
            return []
        options = ("-E", "-e", pattern, source.tree, "--", *(f":(literal){name}" for name in present))
        found = git.run("grep", *options, cwd=self.repository(source.component))
        lines = found.stdout.decode("utf-8", "replace").splitlines()
        return [line.removeprefix(f"{source.tree}:") for line in lines]

    def matching_anywhere(self, source: Source, pattern: str, *names: str) -> list[str]:
        """The same of all files whose names match: in the worktree, ten times as fast as in git."""
        with self.managed(source) as folder:
            found = git.run("grep", "-I", "-E", "-e", pattern, "--", *names, cwd=folder)
        return found.stdout.decode("utf-8", "replace").splitlines()

    def declares(self, source: Source, symbol: str) -> bool:
        """Whether a Kconfig file of a source has that symbol."""
        pattern = rf"^[[:space:]]*(menu)?config[[:space:]]+{symbol}[[:space:]]*$"
        options = ("--quiet", "-E", "-e", pattern, source.tree, "--", "*Kconfig*")
        return git.run("grep", *options, cwd=self.repository(source.component)).returncode == 0

    def outdated(self, revision: Revision, component: str) -> list[Resolution]:
        """Remembered resolutions for patches that have changed since."""
        own = self.own_base(revision, component).name
        entries = Memory.load(revision.folder / component).resolutions
        known = {patch.id for patch in self.series(revision, component)} if entries else set()
        return [entry for entry in entries if entry.origin == own and entry.patch_id not in known]

    @contextmanager
    def managed(self, source: Source) -> Iterator[Path]:
        """A folder with the content of `source`, ours until the end of the with block.

        There is one for each (component, base), for all revisions. Switching it touches only files that
        differ, so that a build in it repeats little. A source that has a path is that path, unlocked.
        """
        if source.path is not None:
            yield source.path
            return
        folder = self.home.trees / source.base.label
        lock = self.home.trees / f"{source.base.label}.lock"
        with locked(lock, lambda who: self.say(f"waiting for {who}, which builds in {folder}")):
            self.switch(source, folder)
            if source.base == self.catalog.base(source.component):
                Spares(self.home, self.repository(source.component)).prepare(source.base, folder)
            yield folder

    def work_path(self, revision: Revision, component: str, base: Base) -> Path:
        """Where checkout() puts a revision's tree, whether it is there or not."""
        del component  # it is that of the base
        return self._checkouts.path(revision.name, base)

    def checkout(self, revision: Revision, component: str, base: Base) -> Path:
        """A worktree with the series as commits on branch REVISION/BASE, for a person to edit.

        One that is there and holds work that is not in the patch files is left as it is, and that is said.
        """
        return self._checkouts.make(revision.name, base, self.tip(revision, component, base).commit)

    def branch(self, revision: Revision, base: Base) -> str:
        """What the checkout of a revision on a base is on."""
        return self._checkouts.branch(revision.name, base)

    def set_placed(self, source: Source, commit: str) -> None:
        """Note where farwatch itself left a checkout: what is elsewhere was put there by a person."""
        self._checkouts.set_placed(source.revision, source.base, commit)

    def unsaved(self, revision: Revision, component: str, base: Base) -> str:
        """What of a revision's checkout is nowhere else, in words; empty when there is nothing."""
        own = self.own_base(revision, component) == base
        known = {self.tip(revision, component, base).commit} if own else set()
        return self._checkouts.unsaved(revision.name, base, known)

    def place(self, revision: Revision, component: str, base: Base, commit: str) -> Path:
        """The revision's checkout, made when missing, with exactly the content of a commit; on no branch."""
        del component  # it is that of the base
        return self._checkouts.place(revision.name, base, commit)

    def working(self, revision: Revision, component: str, base: Base) -> Source | None:
        """The checkout of a revision as a source, if its content is not that of the patches."""
        path = self._checkouts.path(revision.name, base)
        if not is_worktree(path):
            return None
        require_repository(path)
        tip = self.tip(revision, component, base)
        head, tree = self._checkouts.content(revision.name, base, tip.commit)
        if tree in ("", tip.tree):
            return None
        return Source(component, base, revision.name, head, tree, path, f"{tip.label}, edited")

    def apply(self, revision: Revision, component: str, base: Base, patches: tuple[Path, ...]) -> list[str]:
        """Commits of these patch files on a base; nothing remembers them yet."""
        return apply_series(self._target(revision, component, base, self.base_commit(base)), patches)

    def apply_foreign(
        self, revision: Revision, component: str, base: Base, patches: Sequence[tuple[Path, int]]
    ) -> list[str]:
        """As apply(), of mails that somebody else wrote, each with its -p (git apply)."""
        mails = [read_foreign_patch(path, self.repository(component), strip) for path, strip in patches]
        return apply_mails(self._target(revision, component, base, self.base_commit(base)), mails)

    def remember(self, base: Base, patches: tuple[Path, ...], commits: list[str]) -> None:
        """Keep the commits that apply() gave for patch files which are now a revision's."""
        self._remember(base.component, _chain(self.base_commit(base), patches), commits)

    def _keys(self, revision: Revision, component: str, base: Base) -> list[str]:
        patches = revision.patches(component)
        if not patches:
            return []
        start = self.base_commit(base)
        own = self.own_base(revision, component)
        if own != base:
            start = hash_of(importer.base_ref(own), start, *Memory.load(revision.folder / component).key())
        return _chain(start, patches)

    def _make(self, revision: Revision, component: str, base: Base, keys: list[str]) -> tuple[str, str]:
        commit = self.base_commit(base)
        if keys:
            self.say(f"applying {len(keys)} patches of {revision.name} to {component} {base.name}")
            own = self.own_base(revision, component) == base
            commit = (self._extend if own else self._move)(revision, component, base, keys)
        return commit, git.line("rev-parse", f"{commit}^{{tree}}", cwd=self.repository(component))

    def _extend(self, revision: Revision, component: str, base: Base, keys: list[str]) -> str:
        """Apply what is new of a series on top of what is known of it."""
        patches = revision.patches(component)
        start, done = self.base_commit(base), 0
        for place, key in enumerate(keys, start=1):
            found = git.resolve(self.repository(component), SERIES_REFS + key)
            if found is None:
                break
            start, done = found[0], place
        commits = apply_series(self._target(revision, component, base, start), patches[done:])
        self._remember(component, keys[done:], commits)
        return commits[-1]

    def _move(self, revision: Revision, component: str, base: Base, keys: list[str]) -> str:
        """The series on another base than its own, by merges and what is remembered."""
        mover = self.mover(revision, component, base)
        tips: list[str] = []
        for patch in self.series(revision, component):
            step = mover.move(patch, tips[-1] if tips else self.base_commit(base))
            if isinstance(step, Stop):
                what = f"{revision.name} {component}: {patch.file} conflicts on {component} {base.name}"
                hint = _unfit(base) or f"farwatch rebase {revision.name} --onto {base.label} --keep"
                raise FarwatchError(what, cause="\n".join(step.reasons), hint=hint)
            if step.how in ("skipped", "there already"):
                self.say(f"{patch.file}: {step.how} on {component} {base.name}")
            for entry in step.ignored:
                self.say(f"{patch.file}: {stale_line(entry)}")
            tips.append(step.commit)
        self._remember(component, keys, tips)
        return tips[-1]

    def _remember(self, component: str, keys: list[str], commits: list[str]) -> None:
        lines = [f"update {SERIES_REFS}{key} {commit}\n" for key, commit in zip(keys, commits, strict=True)]
        git.git("update-ref", "--stdin", cwd=self.repository(component), stdin="".join(lines).encode())

    def _target(self, revision: Revision, component: str, base: Base, commit: str) -> Target:
        hint = "correct the patch file, or take back what was changed in it; the patches before it apply"
        hint = _unfit(base) or hint
        label = f"{component} {base.name}"
        return Target(self.repository(component), commit, f"{revision.name} {component}", label, hint)

    def switch(self, source: Source, folder: Path) -> None:
        """Make `folder` a worktree with the content of `source`; the caller holds it for himself."""
        if is_worktree(folder):
            with suppress(FarwatchError):
                force(folder, source.commit, "--detach")
                return
            self.say(f"{folder} is damaged: making it anew")
        else:
            self.say(f"unpacking {source.component} {source.base.name}")
        shutil.rmtree(folder, ignore_errors=True)
        add_worktree(self.repository(source.component), folder, source.commit, "--detach")


def _unfit(base: Base) -> str:
    """What to do where a series does not go on a base that stands in for another; "" for a pinned one."""
    if base.stands_for is None:
        return ""
    ways = f"name places that still have {base.pin.version}, or add a base that pins {base.version}"
    return f"in patches/bases.toml, {ways} and rebase the series onto that"


def _chain(base_commit: str, patches: tuple[Path, ...]) -> list[str]:
    """A key for each patch that stands for it and all before it."""
    keys, last = [], base_commit
    for path in patches:
        last = hash_of(last, path.read_bytes())
        keys.append(last)
    return keys
