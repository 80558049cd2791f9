# SPDX-License-Identifier: GPL-2.0-or-later
"""Components that make, meson or a script of the project builds: a server, a monitor, a tool in the guest.

Each is built in a copy of its sources that nobody else sees. So a build may write where it likes, and what is
kept is of exactly these sources.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from farwatch.builds import store
from farwatch.builds.store import Product
from farwatch.builds.subject import Subject
from farwatch.builds.workbench import Workbench
from farwatch.errors import FarwatchError
from farwatch.model import hash_of
from farwatch.revisions.components import Component
from farwatch.system import git, tools
from farwatch.system.locks import locked

_RECIPE_VERSION = "1"
"""Raise it when something here changes what is built from the same inputs."""
_LIMIT = 1800.0
"""Seconds that one step of a build may take."""
_SHELL = ("CFLAGS", "CPPFLAGS", "CXXFLAGS", "LDFLAGS", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR")
"""Variables of a person's shell that are kept out of the build."""


class PartBuild(Product):
    """A finished component, in Home.builds."""

    KIND = "part"

    @property
    def binary(self) -> Path:
        return self.folder / str(self.record["binary"])


class Parts:
    """All methods raise FarwatchError: "<component> does not build", with the first error of the log."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    def key(self, subject: Subject, part: Component) -> str:
        """Hash over everything that could change what comes out; builds nothing."""
        source = self._bench.source(subject, part.name)
        script = (self._script(part).read_bytes(),) if part.script else ()
        said = (part.build, part.program, tools.version_line("gcc"))
        return hash_of("part", _RECIPE_VERSION, *said, source.tree, *script)

    def build(self, subject: Subject, part: Component) -> PartBuild:
        """The component, built if it has to be."""
        bench, key = self._bench, self.key(subject, part)
        if done := store.find_product(bench.home, PartBuild, key):
            return done
        label = subject.label(part.name)
        lock = bench.home.objects / f"part-{key}.lock"
        with locked(lock, lambda who: bench.say(f"{label}: waiting for {who}, which builds it")):
            if done := store.find_product(bench.home, PartBuild, key):
                return done
            built = self._make(subject, part, key)
        bench.say(f"{label}: built in {built.seconds:.0f} s")
        return built

    def _make(self, subject: Subject, part: Component, key: str) -> PartBuild:
        bench, label, started = self._bench, subject.label(part.name), time.monotonic()
        source = bench.source(subject, part.name)
        log = bench.home.objects / f"{part.name}.log"
        log.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".part-{part.name}-", dir=bench.home.objects) as name:
            tree, made = Path(name, "source"), Path(name, "output")
            tree.mkdir()
            made.mkdir()
            git.unpack(git.git("archive", source.tree, cwd=bench.trees.repository(part.name)), tree)
            for step in self._steps(part, tree, made):
                self._run(step, part, tree, made, log, label)
            binary = (tree if part.build == "make" else made) / part.program
            _require_program(binary, part, label, log)
            record = {"binary": binary.name, "label": label, "seconds": round(time.monotonic() - started, 1)}
            files = {binary.name: binary, store.LOG: log}
            return store.keep_product(bench.home, PartBuild, key, record, files)

    def _steps(self, part: Component, tree: Path, made: Path) -> list[list[str]]:
        jobs = f"-j{self._bench.jobs}"
        if part.build == "make":
            return [["make", jobs]]
        if part.build == "meson":
            return [["meson", "setup", str(made), str(tree)], ["ninja", "-C", str(made), jobs]]
        return [[str(self._script(part))]]

    def _run(
        self, step: Sequence[str], part: Component, tree: Path, made: Path, log: Path, label: str
    ) -> None:
        places = {"SOURCE": tree, "OUTPUT": made, "JOBS": self._bench.jobs}
        said = {f"FARWATCH_{name}": str(value) for name, value in places.items()} if part.script else {}
        env = {**dict.fromkeys(_SHELL), "LC_ALL": "C", **said}
        status = tools.run_logged(step, cwd=tree, log=log, env=env, timeout=_LIMIT, append=True)
        if status != 0:
            from farwatch.builds.diagnose import failure  # no need of a build that works

            hint = f"see {log}: all that {part.script} has said" if part.script else ""
            raise failure(label, log, hint, prefix=f"{tree}/")

    def _script(self, part: Component) -> Path:
        """The script of the project; FarwatchError if it is not one."""
        path = self._bench.trees.catalog.folder / part.script
        if not path.is_file():
            raise FarwatchError(
                f"{part.name} cannot be built", cause=f"{path} is not there", hint="correct bases.toml"
            )
        if not os.access(path, os.X_OK):
            raise FarwatchError(
                f"{path} cannot be run", cause="it is not executable", hint=f"chmod +x {path}"
            )
        return path


def _require_program(path: Path, part: Component, label: str, log: Path) -> None:
    if not path.is_file():
        where = "" if part.build == "make" else " in $FARWATCH_OUTPUT" if part.script else " in its folder"
        raise FarwatchError(
            f"{label}: the build made no {part.program}{where}",
            cause=f"{part.build} ended well; what it said is in {log}",
            hint=f'say what it makes: program = "PATH" in [{part.name}] of bases.toml',
        )
