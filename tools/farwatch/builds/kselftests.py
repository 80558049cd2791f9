# SPDX-License-Identifier: GPL-2.0-or-later
"""Selftests of a kernel tree, tools/testing/selftests: built and installed once, by their own makefiles.

Documentation/dev-tools/kselftest.rst. They are programs of the host's architecture whatever engine runs
them. What does not build does not stop the rest: it is listed with the compiler's first error.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, cast

from farwatch.builds import store
from farwatch.builds.diagnose import diagnose
from farwatch.builds.store import Product
from farwatch.builds.workbench import Workbench
from farwatch.errors import FarwatchError
from farwatch.model import hash_of
from farwatch.system import tools
from farwatch.system.locks import locked

if TYPE_CHECKING:
    from farwatch.trees.trees import Source

_RECIPE_VERSION = "1"
"""Raise it when something here changes what is built from the same inputs."""
_FOLDER = "tools/testing/selftests"
_SOURCES = (
    *("Makefile", "Kbuild", "Kconfig", "scripts", "include", "usr", "arch/x86", "arch/um/scripts"),
    *("tools/testing/selftests", "tools/include", "tools/scripts", "tools/arch", "tools/build", "tools/lib"),
)
"""Of the kernel tree: what it takes to install its headers for programs, and to make the tests."""
_ARCH = "ARCH=x86_64"
_LIMIT = 900.0
"""Seconds that one make may take."""
_SHELL = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CFLAGS", "LDFLAGS", "LDLIBS", "CPPFLAGS", "O", "KBUILD_OUTPUT")
"""Variables of a person's shell that are kept out of the build."""


class KselftestBuild(Product):
    """Installed selftests, in Home.builds: run_kselftest.sh and what it runs."""

    KIND = "kselftests"

    @property
    def installed(self) -> Path:
        return self.folder / "installed"

    @property
    def tests(self) -> list[tuple[str, str]]:
        """(target, program), as kselftest-list.txt has them."""
        return [(target, program) for target, program in cast(list[list[str]], self.record["tests"])]

    @property
    def broken(self) -> Mapping[str, str]:
        """ "target/program", or a target, that could not be built -> the first error."""
        return cast(dict[str, str], self.record["broken"])


class Kselftests:
    """All methods raise FarwatchError where nothing can be built at all."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    def targets(self, source: Source, patterns: Sequence[str]) -> tuple[list[str], list[str]]:
        """The folders of tests that patterns name, and the patterns that name none."""
        known = list(self._folders(source))
        found = [name for name in known if any(fnmatchcase(name, pattern) for pattern in patterns)]
        missing = [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in known)]
        return found, missing

    def _folders(self, source: Source) -> Iterator[str]:
        for path in self._bench.trees.files_below(source, _FOLDER):
            folder, _, name = path.removeprefix(f"{_FOLDER}/").rpartition("/")
            if name == "Makefile" and folder:
                yield folder

    def config(self, source: Source, target: str) -> str:
        """The Kconfig fragment that a target brings; empty where it has none."""
        return (self._bench.trees.content(source, f"{_FOLDER}/{target}/config") or b"").decode()

    def build(self, source: Source, targets: Sequence[str]) -> KselftestBuild:
        """The targets of a tree, installed; built if they have to be."""
        bench = self._bench
        key = hash_of(
            *("kselftests", _RECIPE_VERSION, tools.version_line("gcc"), *targets),
            *bench.trees.ids(source, _SOURCES),
        )
        if done := store.find_product(bench.home, KselftestBuild, key):
            return done
        work = bench.home.objects / f"kselftests-{key[:12]}"
        with locked(
            bench.home.objects / f"{work.name}.lock",
            lambda who: bench.say(f"kselftests: waiting for {who}, which builds them"),
        ):
            done = store.find_product(bench.home, KselftestBuild, key)
            return done or self._make(source, targets, key, work)

    def _make(self, source: Source, targets: Sequence[str], key: str, work: Path) -> KselftestBuild:
        bench = self._bench
        bench.say(f"kselftests of {source.label}: building {len(targets)} targets")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            bench.trees.unpack(source, _SOURCES, work / "src")
            made = _Maker(work, bench.jobs)
            broken = made.all(targets)
            tests = made.install(targets)
            broken |= made.missing(tests, broken)
            record: dict[str, object] = {
                "label": f"kselftests of {source.label}: {len(tests)} programs",
                "tests": tests,
                "broken": broken,
            }
            with store.fresh(bench.home, KselftestBuild.KIND, key, record) as folder:
                shutil.copytree(made.installed, folder / "installed", symlinks=True)
                shutil.copy2(made.log, folder / store.LOG)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        done = store.find_product(bench.home, KselftestBuild, key)
        assert done is not None
        unable = f", {len(broken)} not" if broken else ""
        bench.say(f"kselftests of {source.label}: {len(tests)} programs{unable}")
        return done


class _Maker:
    """The makefiles of the tests, in an unpacked tree that is ours."""

    def __init__(self, work: Path, jobs: int) -> None:
        self._work = work
        self._source = work / "src"
        self._objects = work / "obj"
        self._jobs = jobs
        self.installed = work / "installed"
        self.log = work / store.LOG

    def all(self, targets: Sequence[str]) -> dict[str, str]:
        """Make everything that can be made; what could not -> why."""
        if self._run(self.log, "-s", f"O={self._objects}", "headers", cwd=self._source) != 0:
            raise FarwatchError(
                "the kernel's headers for programs cannot be made", cause=first_error(self.log.read_text())
            )
        broken = {}
        for target in targets:
            log = self._work / "target.log"
            log.unlink(missing_ok=True)
            if self._tests(log, "-k", f"TARGETS={target}", "all") != 0:
                broken[target] = first_error(log.read_text(errors="replace"))
            with self.log.open("ab") as whole:
                whole.write(log.read_bytes())
        return broken

    def install(self, targets: Sequence[str]) -> list[tuple[str, str]]:
        """Put it where it can be run from. -i: a file that could not be made does not hold up the rest."""
        words = ("-i", f"TARGETS={' '.join(targets)}", f"KSFT_INSTALL_PATH={self.installed}", "install")
        self._tests(self.log, *words)
        try:
            listed = (self.installed / "kselftest-list.txt").read_text().split()
        except OSError:
            raise FarwatchError(
                "no selftest could be installed", cause=first_error(self.log.read_text(errors="replace"))
            ) from None
        pairs = (entry.rpartition(":") for entry in listed)
        return [(target, program) for target, _, program in pairs]

    def missing(self, tests: Sequence[tuple[str, str]], broken: Mapping[str, str]) -> dict[str, str]:
        """The programs that are listed and not there."""
        return {
            f"{target}/{program}": broken.get(target, "it was not made")
            for target, program in tests
            if not (self.installed / target / program).exists()
        }

    def _tests(self, log: Path, *words: str) -> int:
        return self._run(log, f"O={self._objects}", *words, cwd=self._source / _FOLDER)

    def _run(self, log: Path, *words: str, cwd: Path) -> int:
        return tools.run_logged(
            ["make", f"-j{self._jobs}", _ARCH, *words],
            cwd=cwd,
            log=log,
            env={"LC_ALL": "C", **dict.fromkeys(_SHELL)},
            timeout=_LIMIT,
            append=True,
        )


def first_error(log: str) -> str:
    """What is wrong in a log, in one line."""
    found = diagnose(log)
    if found is None:
        return next((line for line in reversed(log.splitlines()) if line.strip()), "make said nothing")
    return f"{Path(found.where).name}: {found.message}" if found.where else found.message
