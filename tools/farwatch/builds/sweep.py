# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of a kernel with everything in it (allmodconfig), compiled and checked; nothing is linked or booted.

One object folder an architecture and base. From step to step of a series only that is made anew which a
change may touch, and all of that: what make says about a step does not depend on what was built there before.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from farwatch.builds import freshness
from farwatch.builds.architectures import Architecture, Config
from farwatch.builds.kbuild import Kbuild, toolchain
from farwatch.builds.progress import BuildProgress
from farwatch.builds.sparse import Sparse
from farwatch.model import Base, hash_of
from farwatch.system import tools
from farwatch.system.home import Home

_RECIPE_VERSION = "2"
"""Raise it when something here changes what is said about the same inputs."""
_LEFT_OUT = {
    "WERROR": "a warning that was there before would hide all that comes after it",
    "GCC_PLUGINS": "needs headers of the very compiler, and no warning comes of it",
    "DEBUG_INFO_BTF": "takes a program of its own, and no warning comes of it",
}
"""Options that are off, and why."""
FRAGMENT = "".join(f"# CONFIG_{symbol} is not set\n" for symbol in _LEFT_OUT)
OPTIONS = ("W=1", "C=1")
"""Of make: gcc's warnings that robots look at, and sparse for each file that is compiled."""
NEEDS = "  NEEDS "
"""How a line of the log begins that is ours: what a module wants from outside of itself."""
_OBJECT = re.compile(r"^  CC(?: \[\w\])? ")


@dataclass(frozen=True)
class SweepOrder:
    """What is compiled: targets of make ("fs/fuse/", "kernel/audit_tree.o") for an architecture."""

    base: Base
    architecture: Architecture
    targets: tuple[str, ...]
    sparse: Sparse
    config: Config = "allmodconfig"

    @property
    def label(self) -> str:
        return f"{self.architecture.name} {self.config}, {self.base.label}"

    @property
    def objects_name(self) -> str:
        return f"{self.base.label}-{self.architecture.name}-{self.config}"

    def key(self, before: str | None, after: str) -> str:
        """Hash over all that could change what is said about a step; before, after: ids of its trees."""
        return hash_of(
            *(
                "sweep",
                _RECIPE_VERSION,
                self.architecture.name,
                self.config,
                FRAGMENT,
                *OPTIONS,
                self.sparse.identity,
            ),
            *(toolchain(self.architecture.cross), before or "", after, *self.targets),
        )


class SweepBuilder:
    """Compiles in a source folder that nobody else touches meanwhile."""

    def __init__(
        self, home: Home, order: SweepOrder, tree: Path, log: Path, say: Callable[[str], None], jobs: int
    ) -> None:
        self._order = order
        self._tree = tree
        self._log = log
        self._say = say
        self._jobs = jobs
        self._objects = home.objects / order.objects_name
        architecture = order.architecture
        self._kbuild = Kbuild(
            home, self._objects, tree, architecture.name, absolute=True, cross=architecture.cross
        )

    def compile(self, content: str, targets: Sequence[str], changed: Sequence[str] | None) -> bool:
        """Make the targets; whether all of them could be made.

        content: git tree id of the sources
        targets: those of the order that the sources have
        changed: files that differ from the step before: what was made of them is made anew; None: all is
        """
        self._objects.mkdir(exist_ok=True)
        freshness.refresh(self._objects, self._tree, content)
        self._kbuild.point_at_tree()
        self._prepare()
        # what stays without a .mod is no module of this step, and is not asked for what it needs
        for made in [*self._stale(changed), *self._there("*.mod")]:
            made.unlink(missing_ok=True)
        progress = BuildProgress(self._order.label, self._say, _OBJECT, _words)
        options = ("--keep-going", *self._options, *targets)
        status = self._kbuild.make(self._log, *options, jobs=self._jobs, on_line=progress.line)
        freshness.ended(self._objects, content)
        self._note_needs()
        return status == 0

    @property
    def _options(self) -> tuple[str, ...]:
        return (*OPTIONS, *self._order.sparse.options)

    def _prepare(self) -> None:
        """What comes before the first object; it has a log of its own, as it is nothing that is looked at."""
        log = self._objects / "farwatch.log"
        log.unlink(missing_ok=True)
        if not self._configured():
            self._configure(log)
        self._make_or_fail(log, *self._options, "prepare")

    @property
    def _stamp(self) -> Path:
        return self._objects / "farwatch.configured"

    def _wanted_stamp(self) -> str:
        return hash_of(_RECIPE_VERSION, FRAGMENT, toolchain(self._order.architecture.cross), str(self._tree))

    def _configured(self) -> bool:
        try:
            made = self._stamp.stat().st_mtime_ns
            return self._stamp.read_text() == self._wanted_stamp() and self._kbuild.same_kconfig(made)
        except OSError:
            return False

    def _configure(self, log: Path) -> None:
        """All that there is, without what is left out."""
        self._stamp.unlink(missing_ok=True)
        began = time.time_ns()
        fragment = self._objects / "farwatch.fragment"
        fragment.write_text(FRAGMENT)
        self._say(f"{self._order.label}: making the configuration")
        self._make_or_fail(log, f"KCONFIG_ALLCONFIG={fragment}", self._order.config)
        self._stamp.write_text(self._wanted_stamp())
        os.utime(self._stamp, ns=(began, began))

    def _make_or_fail(self, log: Path, *targets: str) -> None:
        from farwatch.builds.diagnose import failure  # no need of a build that works

        if self._kbuild.make(log, *targets, jobs=self._jobs) != 0:
            what = f"what comes before the first object ({self._order.label})"
            raise failure(what, log, prefix=f"{self._kbuild.sources}/")

    def _note_needs(self) -> None:
        """Put into the log what each module wants from outside: "  NEEDS fs/fuse/fuse.ko: kfree ..."."""
        nm = f"{self._order.architecture.cross}nm"
        with self._log.open("a", encoding="utf-8") as log:
            for listed in sorted(self._there("*.mod")):
                module = listed.with_suffix(".o")
                if module.exists():
                    words = tools.output_of([nm, "--undefined-only", "--format=posix", module]).splitlines()
                    needs = " ".join(word.split()[0] for word in words if " U" in word)
                    name = module.with_suffix(".ko").relative_to(self._objects)
                    log.write(f"{NEEDS}{name}: {needs}\n")

    def _stale(self, changed: Sequence[str] | None) -> Iterator[Path]:
        """Objects of the targets that a change may touch."""
        everything = changed is None or any(Path(name).name.startswith("Kconfig") for name in changed)
        folders = {
            f"{Path(name).parent}/" for name in changed or () if Path(name).name in ("Makefile", "Kbuild")
        }
        names = {f"{self._kbuild.sources}/{name}" for name in changed or ()}
        for made in self._there("*.o"):
            inside = str(made.relative_to(self._objects)).startswith(tuple(folders)) if folders else False
            if everything or inside or not names.isdisjoint(_made_from(made)):
                yield made

    def _there(self, pattern: str) -> Iterator[Path]:
        """What was made of the targets."""
        for target in self._order.targets:
            path = self._objects / target
            yield from path.rglob(pattern) if target.endswith("/") else []
            if path.match(pattern) and path.exists():
                yield path


def _made_from(made: Path) -> Iterable[str]:
    """What kbuild noted of an object: the files that it was made from, among other words."""
    try:
        return made.with_name(f".{made.name}.cmd").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return ()


def _words(_match: re.Match[str], objects: int, seconds: float) -> str:
    return f"{objects} objects, {seconds:.0f} s"
