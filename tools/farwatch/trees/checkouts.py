# SPDX-License-Identifier: GPL-2.0-or-later
"""The worktrees that people edit: work/REVISION-BASE/COMPONENT, one for each revision and base.

What somebody has edited in one, and is nowhere else, is never overwritten. For that a ref remembers where
farwatch itself left each of them: on the patches of that time, and on nothing of a person's.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from pathlib import Path

from farwatch.bases import importer
from farwatch.model import Base
from farwatch.system import git
from farwatch.system.home import Home
from farwatch.system.locks import locked
from farwatch.trees.spares import Spares
from farwatch.trees.worktree import (
    changed_names,
    content_tree,
    is_worktree,
    operation,
    require_repository,
    show_new_files,
    shown,
)


class Checkouts:
    """Makes and finds them. A base says the component too; all methods may raise FarwatchError."""

    def __init__(self, home: Home, say: Callable[[str], None]) -> None:
        self._home = home
        self._say = say

    def path(self, revision: str, base: Base) -> Path:
        """Where the checkout of a revision is, or would be."""
        return self._home.work / f"{revision}-{base.name}" / base.component

    def make(self, revision: str, base: Base, tip: str) -> Path:
        """A worktree on branch REVISION/BASE at the commit `tip`; one with unsaved work is left as it is."""
        path, branch = self.path(revision, base), self.branch(revision, base)
        repository = self._repository(base)
        lock = path.parent / f".{base.component}.lock"
        with locked(lock, lambda who: self._say(f"waiting for {who}, which works on {path}")):
            git.git("worktree", "prune", cwd=repository)
            unsaved = self.unsaved(revision, base, {tip})
            if unsaved:
                self._say(f"kept {path} as it is: {unsaved}; next: farwatch save {revision}")
            if not is_worktree(path):
                target, *options = [branch] if unsaved else [tip, "-B", branch]
                Spares(self._home, repository).add_worktree(base, path, target, *options)
            elif not unsaved:
                git.git("checkout", "--quiet", "-B", branch, tip, cwd=path)
            show_new_files(path)
            if not unsaved:
                self.set_placed(revision, base, tip)
        return path

    def place(self, revision: str, base: Base, commit: str) -> Path:
        """The checkout, made when missing, with exactly the content of a commit; on no branch."""
        path = self.path(revision, base)
        if is_worktree(path):
            git.git("checkout", "--quiet", "--force", "--detach", commit, cwd=path)
        else:
            self._say(f"unpacking {base.component} {base.name} into {path}")
            repository = self._repository(base)
            git.git("worktree", "prune", cwd=repository)
            Spares(self._home, repository).add_worktree(base, path, commit, "--detach")
        show_new_files(path)
        return path

    def set_placed(self, revision: str, base: Base, commit: str) -> None:
        """Note where farwatch itself left a checkout: what is elsewhere was put there by a person."""
        git.git("update-ref", self._placed_ref(revision, base), commit, cwd=self._repository(base))

    def unsaved(self, revision: str, base: Base, known: Set[str]) -> str:
        """What of a checkout is nowhere else, in words; empty when it may be moved.

        known: commits on which it holds nothing that is not in the patches
        """
        path, branch = self.path(revision, base), self.branch(revision, base)
        harmless = known | self._placed(revision, base)
        if is_worktree(path):
            require_repository(path)
            if operation(path):
                return f"a {operation(path)} is going on in it"
            if changed := changed_names(path):
                return f"{shown(changed)} changed"
            if git.line("rev-parse", "HEAD", cwd=path) not in harmless:
                return "it has commits that are not in the patches"
        found = git.resolve(self._repository(base), f"refs/heads/{branch}")
        if found is None or found[0] in harmless:
            return ""
        return f"its branch {branch} has commits that are not in the patches"

    def content(self, revision: str, base: Base, tip: str) -> tuple[str, str]:
        """(HEAD, git tree of what is there now) of a checkout; no tree when it is as farwatch left it."""
        path = self.path(revision, base)
        head, tree = git.line("log", "-1", "--format=%H %T", cwd=path).split()
        changed = changed_names(path)
        if changed:
            return head, content_tree(path, changed)
        # perhaps of older patches: those that are there now count
        return head, "" if head in {tip} | self._placed(revision, base) else tree

    def _placed(self, revision: str, base: Base) -> set[str]:
        """Where farwatch last left a checkout: perhaps on patches of an older form, but on no others."""
        found = git.resolve(self._repository(base), self._placed_ref(revision, base))
        return {found[0]} if found else set()

    def _repository(self, base: Base) -> Path:
        return importer.repository(self._home, base.component)

    def branch(self, revision: str, base: Base) -> str:
        """REVISION/BASE; of a project that is not the flagship, with its name in front."""
        return "/".join(filter(None, (self._home.project, revision, base.name)))

    def _placed_ref(self, revision: str, base: Base) -> str:
        return f"refs/farwatch/checkout/{self.branch(revision, base)}"
