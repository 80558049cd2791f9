# SPDX-License-Identifier: GPL-2.0-or-later
"""bisectable on small real trees, with kernels and guests that only pretend to be what a tree's files say."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from farwatch.app import App
from farwatch.builds.kernel import order
from farwatch.builds.selftests import TestsBuild
from farwatch.builds.subject import Subject
from farwatch.builds.workbench import Checked
from farwatch.cells.wish import Wish
from farwatch.engines.uml import UmlEngine
from farwatch.errors import BuildFailure, FarwatchError
from farwatch.model import CellResult, Column, TestCase, Verdict
from farwatch.results.store import Results
from farwatch.review import bisectable
from farwatch.review.bisectable import BOOTS, BisectReport, bisect_revision
from farwatch.review.bisectable_report import bisect_text
from farwatch.system import git
from farwatch.system.home import Home
from farwatch.trees.trees import Source
from tests.processes import script
from tests.samples.lint import Change, kernel_file, lint_app, revision

DIR, PAGE, RUST = "fs/fuse/dir.c", "mm/page.c", "src/main.rs"
CASES = tuple(TestCase("event_test", "dir", "", name) for name in ("create", "rename", "delete"))
NAMES = [case.name for case in CASES]


@dataclass
class World:
    """Stands for Builder and for the guests. A word in a file of either tree makes it behave:

    broken: does not build     dead: does not boot      warn X: a compiler warns about X
    does X: test X passes      skips X: test X is skipped      muddles X: X ends in an error of the machine
    """

    app: App
    tests_build: TestsBuild
    ran: list[tuple[str, str]] = field(default_factory=list)
    built: list[tuple[str, str]] = field(default_factory=list)
    stop_after: int = 1000
    options: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sysctls: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Column -> what the server is started with."""
    _content: dict[str, list[str]] = field(default_factory=dict)

    # -- builder

    def __post_init__(self) -> None:
        self.kernels = SimpleNamespace(
            key=lambda subject: subject.sources["linux"].tree,
            build=lambda subject: self._kernel(subject.sources["linux"]),
            complaints=lambda subject, files: self._complaints(subject.sources["linux"], files),
        )
        self.servers = SimpleNamespace(
            key=lambda subject: subject.sources["virtiofsd"].tree,
            build=lambda subject: self._server(subject.sources["virtiofsd"]),
        )

    def _kernel(self, source: Source) -> Any:
        return self._build(source, (DIR, PAGE), self._make_log(source, (DIR, PAGE)))

    def _server(self, source: Source) -> Any:
        log = "".join(
            f"warning: {line}\n --> {RUST}:{number}:1\n" for number, line in self._warnings(source, RUST)
        )
        return self._build(source, (RUST,), log)

    def tests(self, _base: object) -> TestsBuild:
        return self.tests_build

    def _complaints(self, source: Source, files: Sequence[str]) -> Checked:
        return Checked(self._make_log(source, self.app.trees.present(source, files)), True)

    def _build(self, source: Source, files: Sequence[str], log: str) -> Any:
        self.built.append((source.component, source.commit))
        if any("broken" in self.lines(source, file) for file in files):
            raise BuildFailure("kernel does not build", cause=f"{files[0]}:1: no way\nfailing command: cc")
        path = self.app.home.root / f"log-{source.tree}"
        path.write_text(log)
        options = [line for line in self.lines(source, files[0]) if line.startswith("knows ")]
        said = "".join(f"      {line.removeprefix('knows ')} <N>\n" for line in options)
        binary = script(self.app.home.root / f"binary-{source.tree}", f"cat <<'.'\nUsage\n{said}.")
        return SimpleNamespace(log=path, binary=binary)

    def _make_log(self, source: Source, files: Sequence[str]) -> str:
        return "".join(
            f"src/{file}:{number}:1: warning: {line}\n"
            for file in files
            for number, line in self._warnings(source, file)
        )

    def _warnings(self, source: Source, file: str) -> list[tuple[int, str]]:
        lines = enumerate(self.lines(source, file), start=1)
        return [(number, line) for number, line in lines if line.startswith("warn ")]

    def lines(self, source: Source, file: str) -> list[str]:
        name = f"{source.tree}:{file}"
        if name not in self._content:
            repository = self.app.trees.repository(source.component)
            self._content[name] = git.git("cat-file", "blob", name, cwd=repository).decode().splitlines()
        return self._content[name]

    # -- guests

    def fill_columns(
        self, _app: App, results: Results, plans: Sequence[Any], _crew: object
    ) -> list[CellResult]:
        [plan] = plans
        found = []
        for case in plan.todo:
            if len(self.ran) == self.stop_after:
                raise KeyboardInterrupt
            self.ran.append((plan.column.revision, case.name))
            self.options[plan.column.revision] = plan.subject.revision.server_options
            self.sysctls[plan.column.revision] = plan.subject.revision.sysctls
            verdict = self._verdict(plan.subject.sources, case)
            inputs = plan.inputs[case.name]
            cell = CellResult(plan.column, case.name, inputs, verdict, "because", started=time.time())
            results.store(cell)
            found.append(cell)
        return found

    def _verdict(self, sources: dict[str, Source], case: TestCase) -> Verdict:
        said = self.lines(sources["linux"], DIR) + self.lines(sources["virtiofsd"], RUST)
        if "dead" in said:
            return Verdict.CRASH
        if case == BOOTS or f"does {case.test}" in said:
            return Verdict.PASS
        if f"muddles {case.test}" in said:
            return Verdict.ERROR
        return Verdict.SKIP if f"skips {case.test}" in said else Verdict.FAIL


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imported")
    app = lint_app(folder)
    for component in ("linux", "virtiofsd"):
        app.trees.base_commit(app.catalog.base(component))
    return folder


@pytest.fixture
def world(tmp_path: Path, imported: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    for name in ("root", "home"):
        shutil.copytree(imported / name, tmp_path / name, symlinks=True)
    app = App(tmp_path / "root", Home(tmp_path / "home"))
    program = script(tmp_path / "event_test", "exit 0")
    world = World(app, TestsBuild("key", tmp_path, program, program, (program,), CASES))
    app.__dict__["builder"] = world
    monkeypatch.setattr("farwatch.cells.fill.fill_columns", world.fill_columns)
    return world


def kernel(*lines: str, file: str = DIR) -> Change:
    """A patch after which the file has these lines behind those of the base."""
    text = "".join(f"{line}\n" for line in lines)
    return Change({file: kernel_file(file) + text.encode()}, f"fuse: {' '.join(lines)[:30] or 'x'}\n\nWhy.\n")


def server(*lines: str) -> Change:
    text = "".join(f"{line}\n" for line in lines)
    return Change({RUST: b"fn main() {}\n" + text.encode()}, f"main: {' '.join(lines)[:30]}\n\nWhy.\n")


def bisect(
    world: World, claims: str = "", component: str | None = None, **series: Sequence[Change]
) -> BisectReport:
    revision(world.app, "v1", f"[tests]\n{claims}\n" if claims else "", **series)
    return again(world, component)


def again(world: World, component: str | None = None) -> BisectReport:
    found = world.app.catalog.revision("v1")
    return bisect_revision(world.app, Wish((found,)), found, component, None)


def faults(report: BisectReport) -> dict[int, tuple[str, ...]]:
    """Number of patch -> what it does wrong; those without a fault are left out."""
    return {number: one.faults for number, one in enumerate(report.patches, start=1) if one.faults}


def unclear(report: BisectReport) -> list[int]:
    return [number for number, one in enumerate(report.patches, start=1) if one.unclear]


# -- what is judged


def test_a_series_that_does_what_it_claims(world: World) -> None:
    claims = f'1 = ["{NAMES[0]}"]\n2 = ["event_test:dir.r*"]'
    report = bisect(world, claims, linux=[kernel("does create"), kernel("does create", "does rename")])
    assert report.ok and faults(report) == {}
    assert [(one.builds, one.boots, one.passed, one.tests) for one in report.patches] == [
        (True, True, 1, 1)
    ] * 2
    assert bisect_text(report).endswith("v1: every patch builds, boots and does what it claims")


def test_tests_are_run_only_where_they_are_claimed(world: World) -> None:
    bisect(world, f'2 = ["{NAMES[0]}"]', linux=[kernel("x"), kernel("x", "does create"), kernel("y")])
    where = [column for column, test in world.ran if test == NAMES[0]]
    assert where == ["v1@linux-1", "v1@linux-2"]
    assert [column for column, test in world.ran if test == BOOTS.name] == [
        "v1@linux-0",
        "v1@linux-1",
        "v1@linux-2",
        "v1@whole",
    ]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (("does create",), "does not fail before it: pass"),
        (("skips create",), "does not fail before it: skip"),
    ],
)
def test_a_test_that_did_not_fail_before(world: World, lines: tuple[str, ...], says: str) -> None:
    report = bisect(world, f'2 = ["{NAMES[0]}"]', linux=[kernel(*lines), kernel("does create", "more")])
    assert list(faults(report)) == [2] and faults(report)[2] == (f"{NAMES[0]} {says}",)


def test_a_test_that_does_not_pass_after(world: World) -> None:
    report = bisect(world, f'1 = ["{NAMES[0]}", "{NAMES[1]}"]', linux=[kernel("does create")])
    assert faults(report) == {1: (f"{NAMES[1]} does not pass after it: fail: because",)}
    assert (report.patches[0].passed, report.patches[0].tests) == (1, 2)


def test_the_patch_that_breaks_the_build_is_at_fault_not_those_behind_it(world: World) -> None:
    series = [kernel("x"), kernel("broken"), kernel("broken", "y"), kernel("does create")]
    report = bisect(world, f'4 = ["{NAMES[0]}"]', linux=series)
    assert faults(report) == {2: ("does not build: kernel does not build: fs/fuse/dir.c:1: no way",)}
    assert unclear(report) == [3, 4]
    assert "still does not build" in report.patches[2].unclear[0]
    assert bisect_text(report).endswith("v1: at fault: linux/0002-fuse-broken.patch")


def test_the_patch_that_does_not_boot_is_at_fault(world: World) -> None:
    report = bisect(world, linux=[kernel("x"), kernel("dead"), kernel("dead", "y"), kernel("z")])
    assert faults(report) == {2: ("does not boot: crash: because",)}
    assert unclear(report) == [3] and report.patches[2].unclear == ("still does not boot: crash: because",)
    assert report.patches[3].boots


def test_an_error_of_the_machine_is_nobodys_fault_and_no_success(world: World) -> None:
    report = bisect(world, f'2 = ["{NAMES[0]}"]', linux=[kernel("muddles create"), kernel("does create")])
    assert not report.ok and faults(report) == {} and unclear(report) == [2]
    assert bisect_text(report).endswith("v1: not all of it could be judged")


def test_a_warning_counts_for_the_patch_that_brings_it(world: World) -> None:
    series = [kernel("x"), kernel("warn a"), kernel("", "warn a"), kernel("", "warn a", "warn b")]
    report = bisect(world, linux=series)
    assert list(faults(report)) == [2, 4]
    assert faults(report)[4] == ("new warning: fs/fuse/dir.c:25: warn b",)


def test_a_warning_elsewhere_is_compared_with_what_was_said_there_before(world: World) -> None:
    """The file is made again because of a header: what it says is new only if it said nothing before."""
    old = kernel("warn old", file=PAGE)
    report = bisect(world, linux=[old, kernel("x"), kernel("y")])
    assert list(faults(report)) == [1]


def test_a_warning_that_a_header_brings_to_another_file(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = World._warnings

    def with_header(self: World, source: Source, file: str) -> list[tuple[int, str]]:
        header = self.lines(source, "fs/fuse/fuse.h") if file == PAGE else []
        return [*plain(self, source, file), *((7, "bad macro") for _ in header[1:])]

    monkeypatch.setattr(World, "_warnings", with_header)
    report = bisect(world, linux=[kernel("x"), kernel("#define Y", file="fs/fuse/fuse.h"), kernel("y")])
    assert faults(report) == {2: ("new warning: mm/page.c:7: bad macro",)}


# -- two series


def test_each_series_is_judged_with_the_whole_of_the_other(world: World) -> None:
    claims = f'"linux/1" = ["{NAMES[0]}"]\n"virtiofsd/1" = ["{NAMES[1]}"]'
    report = bisect(
        world,
        claims,
        linux=[kernel("does create")],
        virtiofsd=[server("does rename"), server("does rename", "x")],
    )
    assert report.ok, bisect_text(report)
    assert [one.patch.partition("/")[0] for one in report.patches] == ["linux", "virtiofsd", "virtiofsd"]
    trees, found = world.app.trees, world.app.catalog.revision("v1")
    whole = {
        name: trees.tip(found, name, world.app.catalog.base(name)).commit for name in ("linux", "virtiofsd")
    }
    half = len(world.built) - 6
    assert {commit for name, commit in world.built[:half] if name == "virtiofsd"} == {whole["virtiofsd"]}
    assert {commit for name, commit in world.built[half:] if name == "linux"} == {whole["linux"]}
    assert [column for column, test in world.ran if test == BOOTS.name].count("v1@whole") == 1


def test_a_partial_server_is_started_without_the_options_of_later_patches(world: World) -> None:
    series = {"linux": [kernel("x")], "virtiofsd": [server("knows --one"), server("knows --one", "two")]}
    revision(world.app, "v1", '[server]\noptions = ["--one=1", "--never"]\n', **series)
    again(world)
    assert world.options == {
        "v1@linux-0": ("--one=1", "--never"),
        "v1@virtiofsd-0": (),
        "v1@virtiofsd-1": ("--one=1",),
        "v1@whole": ("--one=1", "--never"),
    }


def test_a_partial_kernel_may_lack_what_its_guests_are_set_to(world: World) -> None:
    series = {"linux": [kernel("x"), kernel("x", "y")], "virtiofsd": [server("x")]}
    revision(world.app, "v1", '[guest]\nsysctl = { "fs.inotify.remote" = 1 }\n', **series)
    again(world)
    assert world.sysctls == {
        "v1@linux-0": ("-fs.inotify.remote=1",),
        "v1@linux-1": ("-fs.inotify.remote=1",),
        "v1@virtiofsd-0": ("fs.inotify.remote=1",),
        "v1@whole": ("fs.inotify.remote=1",),
    }


def test_a_warning_of_the_server(world: World) -> None:
    report = bisect(world, virtiofsd=[server("warn a"), server("x", "warn a"), server("warn a", "warn b")])
    assert faults(report) == {
        1: ("new warning: src/main.rs:2: warn a",),
        3: ("new warning: src/main.rs:3: warn b",),
    }


def test_one_component_alone(world: World) -> None:
    report = bisect(world, component="virtiofsd", linux=[kernel("x")], virtiofsd=[server("y")])
    assert [one.patch for one in report.patches] == ["virtiofsd/0001-main-y.patch"]


def test_no_patches(world: World) -> None:
    report = bisect(world)
    assert report.ok and bisect_text(report) == "v1 has no patches"


# -- stopping and going on


def test_a_stopped_run_goes_on_where_it_was(world: World) -> None:
    series = [kernel("x"), kernel("does create"), kernel("does create", "y")]
    world.stop_after = 3
    with pytest.raises(KeyboardInterrupt):
        bisect(world, f'2 = ["{NAMES[0]}"]', linux=series)
    first = list(world.ran)
    world.stop_after = 1000
    report = again(world)
    assert report.ok and world.ran[:3] == first
    assert len(world.ran) == len(set(world.ran)) == 6
    again(world)
    assert len(world.ran) == 6


def test_a_changed_patch_is_looked_at_again_and_those_before_it_are_not(world: World) -> None:
    bisect(world, linux=[kernel("x"), kernel("y"), kernel("z")])
    world.ran.clear()
    shutil.rmtree(world.app.root / "patches" / "v1")
    bisect(world, linux=[kernel("x"), kernel("y"), kernel("other")])
    assert world.ran == [("v1@whole", BOOTS.name)]


# -- claims


@pytest.mark.parametrize(
    "name",
    [
        *("1", '"0001-fuse-does-create.patch"', '"linux/0001-fuse-does-create"', '"linux/1"'),
        *('"fuse-does-create"', '"linux/fuse-does-create"'),
    ],
)
def test_ways_to_name_a_patch(world: World, name: str) -> None:
    assert bisect(world, f'{name} = ["{NAMES[0]}"]', linux=[kernel("does create")]).patches[0].tests == 1


@pytest.mark.parametrize(
    ("claims", "what"),
    [
        (f'3 = ["{NAMES[0]}"]', "unknown patch '3'"),
        (f'"0009-x.patch" = ["{NAMES[0]}"]', "unknown patch '0009-x.patch'"),
        (f'"qemu/1" = ["{NAMES[0]}"]', "unknown patch 'qemu/1'"),
        (f'1 = ["{NAMES[0]}"]', "which patch is 1?"),
        ('"linux/1" = ["event_test:dir.no_such"]', "unknown test 'event_test:dir.no_such'"),
        ("1 = []", "'1' is wrong"),
    ],
)
def test_claims_that_mean_nothing(world: World, claims: str, what: str) -> None:
    with pytest.raises(FarwatchError) as caught:
        bisect(world, claims, linux=[kernel("x")], virtiofsd=[server("y")])
    assert what in caught.value.what
    assert world.built == []


# -- parts of a series


def test_prefixes_are_one_more_than_there_are_patches(world: World) -> None:
    revision(world.app, "v1", linux=[kernel("x"), kernel("x", "y")])
    app, found = world.app, world.app.catalog.revision("v1")
    base = app.catalog.base("linux")
    parts = app.trees.prefixes(found, "linux", base)
    assert [part.partial for part in parts] == [True, True, False]
    assert parts[0].commit == app.trees.base_commit(base)
    assert parts[-1] == app.trees.tip(found, "linux", base)
    assert len({part.tree for part in parts}) == 3


def test_an_option_that_a_later_patch_brings_is_left_out(world: World) -> None:
    brings = Change({"fs/Kconfig": b"config NEW_THING\n\tbool\n"}, "fs: x\n\nWhy.\n")
    revision(world.app, "v1", linux=[kernel("x"), brings])
    app, found = world.app, world.app.catalog.revision("v1")
    (found.folder / "linux" / "config").write_text("CONFIG_NEW_THING=y\n")
    base = app.catalog.base("linux")
    parts = app.trees.prefixes(found, "linux", base)
    orders = [
        order(Subject(found, {"linux": base}, UmlEngine()), part, partial(app.trees.declares, part))
        for part in parts
    ]
    assert ["CONFIG_NEW_THING=y" in order.fragment for order in orders] == [False, False, True]
    assert len({order.objects_name for order in orders}) == 1
    assert not app.trees.declares(parts[-1], "NEW") and app.trees.declares(parts[-1], "NEW_THING")


# -- the smallest test program


@pytest.mark.parametrize(
    ("console", "mount", "good"),
    [
        ("Linux version 7.3\nvirtiofs virtio0: discovered", "/proc", True),
        ("WARNING: CPU: 0 PID: 1 at fs/fuse/dir.c:1", "/proc", False),
        ("BUG: sleeping function called from invalid context", "/proc", False),
        ("Linux version 7.3", "/no/mount", False),
    ],
)
def test_boots(tmp_path: Path, console: str, mount: str, good: bool) -> None:
    script(tmp_path / "dmesg", f"echo '{console}'")
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "FARWATCH_MOUNT": mount}
    program = Path(bisectable.__file__).with_name("boots")
    done = subprocess.run(
        [program, "-r", "guest.boots"], env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) is good
    assert f"{'ok' if good else 'not ok'} 1 guest.boots" in done.stdout.splitlines()


def test_the_command_exits_1_when_a_patch_is_at_fault(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from farwatch.cli import main

    monkeypatch.setattr(App, "here", classmethod(lambda cls, project=None: world.app))
    revision(world.app, "v1", linux=[kernel("x")])
    revision(world.app, "v2", linux=[kernel("dead")])
    assert main(["bisectable", "v1"]) == 0
    assert main(["bisectable", "v2"]) == 1
    assert "v2: at fault: linux/0001-fuse-dead.patch" in capsys.readouterr().out
    assert Column("v1@whole", "1.0") in Results.open(world.app.home.results).columns()
