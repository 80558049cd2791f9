# SPDX-License-Identifier: GPL-2.0-or-later
"""Worktrees laid out before anybody asks for them.

A kernel's 95,000 files take a file system 15 s or more, whatever writes them. Moving a worktree that is
there already takes nothing, and git then writes only what differs. So one is laid out for each base that
people work on, by a process in the background that gives way to everything else, while something is built
or after the last one was taken. It costs 2 GB for a kernel; `farwatch prune` removes it.

The background process is git itself, which holds the lock of the spare as a file that it inherited. One
that was interrupted is told by its lack of an index, which git writes last.
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.model import Base
from farwatch.system import git
from farwatch.system.home import SPARE_PREFIX, Home
from farwatch.system.locks import lock_if_free
from farwatch.trees.worktree import add_worktree, force, git_dir, is_worktree, require_free

WORTHWHILE = 1 << 20
"""Bytes of a worktree's index: some 8,000 files, of which git writes half a second."""
DISK_LEFT = 10 << 30
"""Bytes that must be free: a spare is a convenience."""
_LAY_OUT = 'rm -rf "$1" && exec git worktree add --quiet --force --force --detach "$1" "$2"'


class Spares:
    """Those of one repository."""

    def __init__(self, home: Home, repository: Path) -> None:
        self._home = home
        self._repository = repository

    def path(self, base: Base) -> Path:
        """Where the spare of a base is, or would be."""
        return self._home.trees / f"{SPARE_PREFIX}{base.label}"

    def add_worktree(self, base: Base, folder: Path, target: str, *options: str) -> None:
        """As worktree.add_worktree(), by the spare of the base if there is one. Then the next is laid out."""
        require_free(folder)
        if not self._take(base, folder, target, *options):
            add_worktree(self._repository, folder, target, *options)
        self.prepare(base, folder)

    def prepare(self, base: Base, like: Path) -> None:
        """Lay out the spare of a base in the background, if that is worth it and none is there yet.

        like: a worktree of that base
        """
        index = git_dir(like) / "index"
        if not index.is_file() or index.stat().st_size < WORTHWHILE:
            return
        if shutil.disk_usage(self._home.root).free < DISK_LEFT:
            return
        with self._free(base) as lock:
            if lock is not None and not self._is_ready(base):
                self._lay_out(base, git.line("rev-parse", "HEAD", cwd=like), lock)

    def _lay_out(self, base: Base, commit: str, lock: int) -> None:
        words = [
            "setsid",
            "--fork",
            "nice",
            "-n",
            "19",
            "sh",
            "-c",
            _LAY_OUT,
            "sh",
            str(self.path(base)),
            commit,
        ]
        env, nowhere = git.environment(), subprocess.DEVNULL
        with suppress(OSError):  # no setsid: no spares
            subprocess.run(
                words,
                cwd=self._repository,
                env=env,
                stdin=nowhere,
                stdout=nowhere,
                stderr=nowhere,
                pass_fds=[lock],
                check=False,
            )

    def _take(self, base: Base, folder: Path, target: str, *options: str) -> bool:
        """Make the spare the worktree at `folder`; False when there is none, or it is of no use."""
        spare = self.path(base)
        with self._free(base) as lock:
            if lock is None or not self._is_ready(base):
                return False
            try:
                force(spare, target, *options)
                if folder.is_dir():
                    folder.rmdir()  # or it would be moved into it
                git.git("worktree", "move", str(spare), str(folder), cwd=self._repository)
            except FarwatchError:
                shutil.rmtree(spare, ignore_errors=True)
                return False
        return True

    def _is_ready(self, base: Base) -> bool:
        spare = self.path(base)
        return is_worktree(spare) and (git_dir(spare) / "index").is_file()

    def _free(self, base: Base) -> AbstractContextManager[int | None]:
        """The lock of a spare; None while it is being laid out or taken."""
        return lock_if_free(self._home.trees / f"{SPARE_PREFIX}{base.label}.lock")
