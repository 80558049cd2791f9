# SPDX-License-Identifier: GPL-2.0-or-later
"""The one folder outside the checkout that holds everything big.

All of it can be deleted at any time; `farwatch prune` does it piece by piece.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from farwatch.errors import FarwatchError

SPARE_PREFIX = ".spare-"
"""In Home.trees: of worktrees that nobody has asked for yet (trees/spares.py)."""


_PACKAGE = Path(__file__).resolve().parents[1]

NOTE = "project"
"""File in Home.own that says which folder it belongs to."""


def installed() -> bool:
    """Whether this is an installed package, and not that of a checkout."""
    return (_PACKAGE / "data").is_dir()


def checkout_root() -> Path:
    """The checkout of farwatch that this package belongs to; of an installed one data/, with what it takes.

    Both have kernel-tests/ (what tests are written in, and run by), tools/ (lists of packages) and
    patches/bases.toml.
    """
    return _PACKAGE / "data" if installed() else _PACKAGE.parents[1]


@dataclass(frozen=True)
class Home:
    """$FARWATCH_HOME, default ~/.cache/farwatch, and where things are in it."""

    root: Path
    project: str = ""
    """Name in projects/ of what is one project's own; empty: of what the flagship has, in the root."""

    @classmethod
    def from_env(cls) -> Home:
        """The folder that the environment names; it is made when missing.

        Its real path: a guest reaches it below the host's root, where a link's absolute target is another's.
        """
        named = os.environ.get("FARWATCH_HOME")
        root = (Path(named) if named else Path.home() / ".cache" / "farwatch").resolve()
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FarwatchError(
                f"cannot use {root} as FARWATCH_HOME",
                cause=str(error),
                hint="set FARWATCH_HOME to a folder that you may write",
            ) from error
        return cls(root)

    def _folder(self, *parts: str) -> Path:
        path = self.root.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def own(self) -> Path:
        """What is one project's own: verdicts, logs, checkouts, mails. All else is shared by all of them."""
        return self._folder("projects", self.project) if self.project else self.root

    def _own_folder(self, name: str) -> Path:
        path = self.own / name
        path.mkdir(exist_ok=True)
        return path

    @property
    def folder(self) -> Path | None:
        """Of the project that its own things belong to; None if that is not known."""
        try:
            return Path((self.own / NOTE).read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError):
            return None

    def each(self) -> list[Home]:
        """This home as each project has it, the flagship first."""
        names = sorted(path.name for path in (self.root / "projects").glob("*/"))
        return [Home(self.root), *(Home(self.root, name) for name in names)]

    @property
    def git(self) -> Path:
        """Bare repositories, one a component: git/linux.git."""
        return self._folder("git")

    @property
    def bench(self) -> Path:
        """What benchmarks have measured on this machine, a file for each run."""
        return self._folder("bench")

    @property
    def trees(self) -> Path:
        """Managed worktrees, one a (component, base): trees/linux-7.3."""
        return self._folder("trees")

    @property
    def work(self) -> Path:
        """Worktrees that a person edits: work/<revision>-<base>/<component>."""
        return self._own_folder("work")

    @property
    def objects(self) -> Path:
        """Build directories (kbuild O=, cargo target): reused, never results."""
        return self._folder("objects")

    @property
    def builds(self) -> Path:
        """Finished builds by input hash: builds/<kind>-<hash>/."""
        return self._folder("builds")

    @property
    def downloads(self) -> Path:
        """Archives as fetched, by checksum, and private package lists."""
        return self._folder("downloads")

    @property
    def cargo(self) -> Path:
        """CARGO_HOME of the server builds."""
        return self._folder("cargo")

    @property
    def ccache(self) -> Path:
        """CCACHE_DIR of the kernel builds."""
        return self._folder("ccache")

    @property
    def runs(self) -> Path:
        """Live runs: sockets, shares, temporary files. Empty when nothing runs."""
        return self._folder("runs")

    @property
    def workers(self) -> Path:
        """Homes of the worker processes of a cluster on this machine."""
        return self._folder("workers")

    @property
    def logs(self) -> Path:
        """Logs of cells: logs/<run>/<cell>/."""
        return self._own_folder("logs")

    @property
    def live(self) -> Path:
        """What runs are doing, a file for each process (system/under_way.py). Made by who writes one."""
        return self.own / "live"

    @property
    def results(self) -> Path:
        """The SQLite file with every verdict."""
        return self.own / "results.db"
