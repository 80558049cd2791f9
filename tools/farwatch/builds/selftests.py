# SPDX-License-Identifier: GPL-2.0-or-later
"""The test programs, their agent and their actor; and which cases they hold."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from farwatch.builds import store
from farwatch.errors import FarwatchError
from farwatch.model import TestCase, hash_of
from farwatch.system import git, tools
from farwatch.system.home import Home, checkout_root
from farwatch.system.locks import locked

_RECIPE_VERSION = "3"
"""Raise it when something here changes what is built from the same inputs."""
_SELFTESTS = "tools/testing/selftests"
_HARNESS = ("kselftest.h", "kselftest_harness.h", "lib.mk")
_LIMIT = 300.0
"""Seconds that the build of all programs may take."""
_LIST_LIMIT = 20.0
"""Seconds that a program may take to list its cases."""
_NOT_TESTS = ("agent", "actor", "measure", "observe", "plainfs", "replay")
_LOG = "build.log"
_LINK = "-static"
"""A guest takes a shared library from the host's root: with emulation that is milliseconds of every start."""
_SHELL = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "LDLIBS", "CPPFLAGS")
"""Variables of a person's shell that are kept out of the build."""
_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
_ABOUT = re.compile(r"/\*((?:(?!\*/).)*)\*/\s*TEST(?:_F\w*)?\(([^)]*?)\)", re.DOTALL)


@dataclass(frozen=True)
class TestsBuild:
    """Finished test programs, in Home.builds."""

    __test__ = False  # not a pytest class

    key: str
    dir: Path
    agent: Path
    """pid 1 of a guest."""
    actor: Path
    """Carries out steps on the host."""
    programs: tuple[Path, ...]
    cases: tuple[TestCase, ...]

    @property
    def plain_server(self) -> Path:
        """Serves a share of kind fuse, in a guest."""
        return self.dir / "plainfs"

    @property
    def replay(self) -> Path:
        return self.dir / "replay"

    @property
    def measure(self) -> Path:
        """Measures in a guest; tests nothing."""
        return self.dir / "measure"

    @property
    def observe(self) -> Path:
        """Watches, in a guest and on its host; tests nothing."""
        return self.dir / "observe"


@dataclass(frozen=True)
class Sources:
    """What programs are made from."""

    helpers: Path
    """kernel-tests/ of farwatch: what tests are written in, and run by."""
    tests: Path
    """Where the *_test.c are: the same folder, or that of a project, whose other *.c are part of each."""

    @property
    def foreign(self) -> bool:
        """Whether the tests are another project's than the helpers."""
        return self.tests.resolve() != self.helpers.resolve()

    def files(self) -> dict[str, Path]:
        """Name -> path of all that programs are made from."""
        kinds = ("*.c", "*.h", "Makefile", "guest/*.c", "guest/*.h", "plainfs/*.[ch]", "workloads/*.sh")
        paths = sorted(path for kind in kinds for path in self.helpers.glob(kind))
        found = {path.relative_to(self.helpers).as_posix(): path for path in paths}
        if not self.foreign:
            return found
        helping = {name: path for name, path in found.items() if not name.endswith("_test.c")}
        own = sorted(path for kind in ("*.c", "*.h") for path in self.tests.glob(kind))
        return {**helping, **{f"{_OWN}/{path.name}": path for path in own}}

    def names(self) -> list[str]:
        """Of the test programs."""
        return sorted(path.stem for path in self.tests.glob("*_test.c"))


_OWN = "own"
"""In the folder where make works: a link to a project's tests, whose path may have blanks."""


def tests(
    home: Home,
    commit: str,
    say: Callable[[str], None],
    folder: Path | None = None,
    tests: Path | None = None,
) -> TestsBuild:
    """The programs of kernel-tests/, built against the harness of a linux commit.

    commit: in Home.git/linux.git
    folder: instead of this checkout's kernel-tests/
    tests:  a project's kernel-tests/
    """
    if tests is not None and (tests / "guest" / "agent.c").exists():
        folder = tests  # another checkout of farwatch, which brings what its tests are written in
    folder = folder or checkout_root() / "kernel-tests"
    sources = Sources(folder, tests or folder)
    _require_some(sources)
    key = _key(sources, commit)
    done = _finished(home, key)
    if done is not None:
        return done
    lock = home.objects / f"tests-{key}.lock"
    with locked(lock, lambda who: say(f"tests: waiting for {who}, which builds them")):
        if (done := _finished(home, key)) is None:
            _build(home, key, sources, harness(home, commit))
            done = _finished(home, key)
            say(f"tests: built {len(done.cases) if done else 0} cases")
    assert done is not None
    return done


def _require_some(sources: Sources) -> None:
    """A project without a test can be built and booted, but there is nothing to be told about it."""
    if sources.foreign and not sources.names():
        raise FarwatchError(
            f"{sources.tests.parent.name} has no tests",
            cause=f"no file is called {sources.tests}/*_test.c",
            hint="write one with kselftest_harness.h, as `farwatch init` makes one",
        )


def _key(sources: Sources, commit: str) -> str:
    parts = [f"{name}\0{_text(path)}" for name, path in sources.files().items()]
    return hash_of("tests", _RECIPE_VERSION, commit, tools.version_line("gcc"), *parts)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FarwatchError(f"cannot read {path}", cause=str(error)) from error


def _finished(home: Home, key: str) -> TestsBuild | None:
    done = store.find(home, "tests", key)
    if done is None:
        return None
    record: Any = done.record
    programs = tuple(done.folder / name for name in record["programs"])
    cases = tuple(TestCase(**case) for case in record["cases"])
    return TestsBuild(key, done.folder, done.folder / "agent", done.folder / "actor", programs, cases)


def harness(home: Home, commit: str) -> Path:
    """kselftest.h and what belongs to it, of a linux commit, in a folder of its own."""
    if (done := store.find(home, "harness", commit)) is not None:
        return done.folder
    with store.fresh(home, "harness", commit, {"label": f"kselftest harness of {commit[:12]}"}) as folder:
        wanted = list(_HARNESS)
        for name in wanted:
            text = git.git("show", f"{commit}:{_SELFTESTS}/{name}", cwd=home.git / "linux.git")
            (folder / name).write_bytes(text)
            included = _INCLUDE.findall(text.decode("utf-8", "replace")) if name.endswith(".h") else []
            wanted += [other for other in included if "/" not in other and other not in wanted]
    return store.folder_of(home, "harness", commit)


def _build(home: Home, key: str, sources: Sources, headers: Path) -> None:
    work = _work_folder(home, sources, headers)
    with locked(work.parent / f"{work.name}.lock"):
        _drop_stale(work, sources)
        _make(sources, work, headers)
        programs = _programs(work, sources)
        about = dict(_abouts(sources.tests))
        cases = [case for program in programs for case in list_cases(program, about)]
        _refuse_twins(cases)
        record = {
            "label": f"{len(cases)} test cases",
            "programs": [path.name for path in programs],
            "cases": [asdict(case) for case in cases],
        }
        with store.fresh(home, "tests", key, record) as final:
            for path in [*programs, *(work / name for name in _NOT_TESTS)]:
                shutil.copy2(path, final / path.name)
            shutil.copy2(work / _LOG, final / _LOG)


def _flags(sources: Sources, headers: Path) -> str:
    """No path of this machine in the programs: the same sources give the same bytes anywhere."""
    return f"-O1 -g -ffile-prefix-map={sources.helpers}=kernel-tests -ffile-prefix-map={headers}=selftests"


def _work_folder(home: Home, sources: Sources, headers: Path) -> Path:
    """Where make works: one for everything that it does not look at by itself."""
    own = (str(sources.tests.resolve()),) if sources.foreign else ()
    name = hash_of(_RECIPE_VERSION, _flags(sources, headers), tools.version_line("gcc"), *own)
    path = home.objects / f"tests-{name[:12]}"
    path.mkdir(exist_ok=True)
    return path


def _drop_stale(work: Path, sources: Sources) -> None:
    """Remove the programs whose sources are not those of the last time.

    By content: make goes by times, and a file that is moved back has an old one.
    """
    state = work / "sources.json"
    now = {name: hash_of(path.read_bytes()) for name, path in sources.files().items()}
    try:
        before = json.loads(state.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = {}
    changed = {name for name in now.keys() | before.keys() if now.get(name) != before.get(name)}
    folder = f"{_OWN}/" if sources.foreign else ""
    tests = {*sources.names(), *(path.name for path in work.glob("*_test"))}
    shared = changed - {f"{folder}{name}.c" for name in tests}
    helping = {name for name in shared if not (folder and name.startswith(folder))}
    for path in work.iterdir():
        stale = f"{folder}{path.name}.c" in changed or helping or (shared and path.name in tests)
        if path.suffix == "" and not path.is_dir() and stale:
            path.unlink()
    state.write_text(json.dumps(now), encoding="utf-8")


def _make(sources: Sources, work: Path, headers: Path) -> None:
    words = ["make", f"-j{len(os.sched_getaffinity(0))}", f"OUTPUT={work}", f"KSELFTEST={headers}"]
    flags = _flags(sources, headers)
    if sources.foreign:
        own = work / _OWN
        own.unlink(missing_ok=True)
        own.symlink_to(sources.tests.resolve())
        words.append(f"TESTS={own}")
        flags += f" -ffile-prefix-map={own}=kernel-tests"
    status = tools.run_logged(
        words,
        cwd=sources.helpers,
        log=work / _LOG,
        env={"CFLAGS": flags, "LDFLAGS": _LINK, "LC_ALL": "C", **dict.fromkeys(_SHELL)},
        timeout=_LIMIT,
    )
    if status != 0:
        from farwatch.builds.diagnose import failure  # no need of a build that works

        raise failure("kernel-tests", work / _LOG, prefix=f"{work / _OWN}/")


def _programs(work: Path, sources: Sources) -> list[Path]:
    names = sources.names()
    missing = [name for name in [*names, *_NOT_TESTS] if not (work / name).is_file()]
    if missing:
        raise FarwatchError(f"kernel-tests made no {' and no '.join(missing)}", hint=f"see {work / _LOG}")
    return [work / name for name in names]


def list_cases(program: Path, about: dict[tuple[str, str], str]) -> list[TestCase]:
    """The cases of a program: every test of a fixture with every variant.

    about: (fixture, test) -> comment
    """
    try:
        done = subprocess.run(
            [str(program), "-l"], capture_output=True, text=True, check=False, timeout=_LIST_LIMIT
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FarwatchError(f"{program.name} cannot list its tests", cause=str(error)) from error
    cases = [
        TestCase(program.name, fixture, variant, test, about.get((fixture, test), ""))
        for fixture, variants, names in parse_list(done.stderr)
        for test in names
        for variant in variants or [""]
    ]
    if not cases:
        raise FarwatchError(
            f"{program.name} lists no tests",
            cause=(done.stderr or done.stdout).strip() or f"status {done.returncode}",
            hint="a program ends with TEST_HARNESS_MAIN, of kselftest_harness.h",
        )
    return cases


def parse_list(text: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """(fixture, its variants, its tests) of what `PROGRAM -l` prints.

    kselftest_harness.h, test_harness_list_tests(): three columns of 20, 25 and
    any width. Variants and tests of a fixture stand side by side without
    belonging together; a name that is too long pushes the rest to the right.
    """
    fixture = ""
    variants: list[str] = []
    names: list[str] = []
    for line in [*text.splitlines(), "-" * 80]:
        if line.startswith("#"):
            continue
        if line.startswith("---"):
            if fixture:
                yield fixture, variants, names
            fixture, variants, names = "", [], []
            continue
        first, rest = _column(line, 20)
        variant, test = _column(rest, 25)
        fixture = first or fixture
        variants += [variant] if variant else []
        names += [test.strip()] if test.strip() else []


def _column(line: str, width: int) -> tuple[str, str]:
    """A column's name, which may be empty, and what follows it."""
    if line.startswith(" ") or not line:
        return "", line[width + 1 :]
    name = line.split(" ", 1)[0]
    return name, line[max(width, len(name)) + 1 :]


def _abouts(folder: Path) -> Iterator[tuple[tuple[str, str], str]]:
    for path in sorted(folder.glob("*.c")):
        yield from abouts(path.read_text(encoding="utf-8"))


def abouts(source: str) -> Iterator[tuple[tuple[str, str], str]]:
    """(fixture, test) and the comment that stands right before it, without its stars."""
    for match in _ABOUT.finditer(source):
        words = [word.strip() for word in match[2].split(",")]
        fixture, test = (words[0], words[1]) if len(words) > 1 else ("global", words[0])
        lines = [line.strip().removeprefix("*").strip() for line in match[1].splitlines()]
        yield (fixture, test), "\n".join(line for line in lines if line)


def _refuse_twins(cases: list[TestCase]) -> None:
    seen: set[str] = set()
    for case in cases:
        if case.name in seen:
            raise FarwatchError(f"two tests are called {case.name}", hint="rename one of them")
        seen.add(case.name)
