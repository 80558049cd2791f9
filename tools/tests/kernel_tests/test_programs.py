# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel tests themselves: they say their rule, they build, and they hold where events surely come."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from farwatch.app import App
from farwatch.builds import selftests
from farwatch.system.home import checkout_root

SOURCES = checkout_root() / "kernel-tests"
PROGRAMS = sorted(SOURCES.glob("*_test.c"))
FEW = [path for path in PROGRAMS if path.stem in ("fanotify_test", "optin_test", "server_test")]
TREE_FOLDER = "tools/testing/selftests/filesystems/remote-notify"
GROUPS = ("inotify", "fanotify")
SIDES = {
    "": ("local", "remote"),
    "LOCAL_ONLY": ("local",),
    "REMOTE_ONLY": ("remote",),
    "NO_VARIANTS": (),
    "EACH_KIND": GROUPS,
    "EACH_PAIR": tuple(f"{one}_beside_{other}" for one in GROUPS for other in GROUPS),
}
LIMIT = 300.0
"""Seconds that a build, or a run of one program, may take."""


def defined(source: str) -> list[tuple[str, str]]:
    """(fixture, test) of each test of a program."""
    return re.findall(r"^TEST_F\((\w+), (\w+)\)", source, re.MULTILINE)


def variants(source: str) -> list[tuple[str, str]]:
    """(fixture, variant), as fixture.h makes them."""
    said = re.findall(
        r"^#define FIXTURE_NAME (\w+)\n(?:#define FIXTURE_SIDES (\w+)\n)?", source, re.MULTILINE
    )
    return [(fixture, variant) for fixture, sides in said for variant in SIDES[sides]]


def alone_and_others(source: str) -> tuple[int, int]:
    """Numbers of cases that need nobody else, and that need another actor: all but the local ones."""
    of = Counter(fixture for fixture, _ in defined(source))
    total = sum(
        number * (sum(f == fixture for f, _ in variants(source)) or 1) for fixture, number in of.items()
    )
    alone = sum(of[fixture] for fixture, variant in variants(source) if variant == "local")
    return alone, total - alone


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_every_case_says_its_rule_and_where_it_comes_from(program: Path) -> None:
    source = program.read_text(encoding="utf-8")
    about = dict(selftests.abouts(source))
    assert defined(source)
    for case in defined(source):
        assert re.fullmatch(r"Rule: .+\nSource: .+", about.get(case, ""), re.DOTALL), case


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_names_are_fit_for_a_public_table(program: Path) -> None:
    source = program.read_text(encoding="utf-8")
    names = {name for case in defined(source) for name in case}
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)
    assert "FIXTURE_VARIANT" not in source


def test_the_suite_is_large() -> None:
    numbers = [alone_and_others(path.read_text(encoding="utf-8")) for path in PROGRAMS]
    assert sum(alone for alone, _ in numbers) >= 100 and sum(others for _, others in numbers) >= 100


def make(folder: Path, *words: str) -> None:
    done = subprocess.run(
        ["make", "-s", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=LIMIT
    )
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr, done.stderr


def results(program: Path, **environment: str) -> dict[str, int]:
    """Numbers of results of one run, by kind."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("FARWATCH_")}
    done = subprocess.run(
        [program],
        env={**env, **environment},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=LIMIT,
    )
    totals = re.findall(r"^# Totals: (.*)$", done.stdout, re.MULTILINE)
    assert len(totals) == 1, done.stdout[-2000:] + done.stderr[-2000:]
    numbers = {kind: int(number) for kind, number in re.findall(r"(\w+):(\d+)", totals[0])}
    assert numbers["fail"] == numbers["error"] == 0, done.stdout + done.stderr
    return numbers


def programs_in(folder: Path, sources: Sequence[Path]) -> Iterator[tuple[Path, int, int]]:
    """Each program and the numbers of its cases, as alone_and_others."""
    for source in sources:
        yield folder / source.stem, *alone_and_others(source.read_text(encoding="utf-8"))


def may_serve() -> bool:
    """Whether /dev/fuse is to be had: containers often have none."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError:
        return False
    return True


def check_out_of_tree(harness: Path, folder: Path, sources: Sequence[Path]) -> None:
    names = " ".join(source.stem for source in sources)
    make(SOURCES, f"OUTPUT={folder}", f"KSELFTEST={harness}", f"TEST_GEN_PROGS={names}")
    assert (folder / "actor").is_file() and (folder / "agent").is_file()
    if os.geteuid():
        pytest.skip("built; to run them needs a mount namespace, so root")
    for program, alone, others in programs_in(folder, sources):
        counted = results(program, FARWATCH_STEPS="process", FARWATCH_PYTHON=sys.executable)
        assert counted["pass"] + counted["skip"] == alone + others, program
        assert not counted["skip"] or (program.name == "optin_test" and not may_serve()), program


def check_in_tree(harness: Path, folder: Path, sources: Sequence[Path]) -> None:
    """As a kernel tree has it, where nobody else acts."""
    ours = folder / TREE_FOLDER
    shutil.copytree(SOURCES, ours)
    for path in harness.iterdir():
        if path.suffix in (".h", ".mk"):
            shutil.copy2(path, ours.parents[1])
    make(ours, f"TEST_GEN_PROGS={' '.join(source.stem for source in sources)}")
    assert not list(ours.rglob("actor")) and not list(ours.rglob("agent"))
    if os.geteuid():
        pytest.skip("built; to run them needs a mount namespace, so root")
    for program, alone, others in programs_in(ours, sources):
        counted = results(program)
        assert (counted["pass"], counted["skip"]) == (alone, others), program


Check = Callable[[Path, Path, Sequence[Path]], None]
CHECKS = pytest.mark.parametrize("check", [check_out_of_tree, check_in_tree])


@CHECKS
def test_with_the_harness_that_the_environment_names(check: Check, tmp_path: Path) -> None:
    """KSELFTEST: tools/testing/selftests of some kernel tree."""
    named = os.environ.get("KSELFTEST")
    if not named:
        pytest.skip("KSELFTEST names no tools/testing/selftests")
    check(Path(named), tmp_path, PROGRAMS)


@pytest.mark.integration
@pytest.mark.parametrize(
    "sources", [FEW, pytest.param(PROGRAMS, marks=pytest.mark.nightly)], ids=["few", "all"]
)
@CHECKS
def test_with_the_harness_of_the_default_base(check: Check, sources: Sequence[Path], tmp_path: Path) -> None:
    """Few of them in an ordinary check: all have run on a tmpfs there, as the column `reference`."""
    app = App.here()
    commit = app.trees.base_commit(app.catalog.base("linux"))
    check(selftests.harness(app.home, commit), tmp_path, sources)
