# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of one column run while the next is built; what happens to them when something goes wrong."""

from __future__ import annotations

import io
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from farwatch.cells import fill
from farwatch.cells.jobs import ColumnWork, Job
from farwatch.cells.plan import ColumnPlan
from farwatch.errors import FarwatchError
from farwatch.guests.setting import Setting
from farwatch.model import CellResult, Column, Revision, TestCase, Verdict
from farwatch.results.store import Results
from farwatch.system.home import Home
from farwatch.terminal.progress import PlainDisplay, Reporter
from tests.fakes.engine import FakeEngine

LIMIT = 30.0
"""Seconds after which what a test waits for does not come."""


class World:
    """Columns whose building is a function of the test's, with guests that are scripts."""

    def __init__(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.said = io.StringIO()
        self.plans: list[ColumnPlan] = []
        self.engines: dict[str, FakeEngine] = {}
        self.built: list[str] = []
        self.missing: dict[str, int] = {}
        self.outlook = ""
        self.on_build: Callable[[str], None] = lambda _name: None
        self.app: Any = SimpleNamespace(
            home=home,
            reporter=Reporter(PlainDisplay(self.said, every=1e9)),
            catalog=SimpleNamespace(suite_names=lambda _revisions: ()),
            builder=SimpleNamespace(missing=self._missing, expect=lambda _subjects: self.outlook),
        )
        monkeypatch.setattr(fill, "plan", lambda *_: self.plans)
        monkeypatch.setattr(fill, "prepare", self._prepare)

    def column(self, name: str, *kinds: str, engine: str = "fake") -> None:
        """A column with a test of each kind (see fakes/guest.py)."""
        cases = tuple(TestCase("p", "fixture", "", kind) for kind in kinds)
        subject = cast(Any, SimpleNamespace(revision=Revision(name, "title", Path(), "tmpfs", {})))
        column = Column(name, "7.3", engine)
        inputs = {case.name: case.name for case in cases}
        self.plans.append(ColumnPlan(subject, column, cast(Any, None), inputs, {}, cases))

    def run(self, guests: int | None = 1) -> Any:
        return fill.execute(self.app, [cast(Any, SimpleNamespace(expression=""))], guests)

    def stored(self) -> list[CellResult]:
        with Results.open(self.home.results) as results:
            return results.latest()

    def wait_for(self, revision: str) -> None:
        """Until a test of that column has its verdict in the store."""
        self.wait_until(lambda: any(cell.column.revision == revision for cell in self.stored()))

    def wait_until(self, ready: Callable[[], bool]) -> None:
        until = time.monotonic() + LIMIT
        while not ready():
            assert time.monotonic() < until
            time.sleep(0.01)

    def has_guest(self) -> bool:
        """Whether a run of this home has recorded a process."""
        return any(record.stat().st_size for record in self.home.runs.glob("*/sessions"))

    def _missing(self, subject: Any) -> Sequence[object]:
        return [None] * self.missing.get(subject.revision.name, 0)

    def _prepare(self, _app: object, plan: ColumnPlan) -> ColumnWork:
        self.on_build(plan.column.revision)
        self.built.append(plan.column.revision)
        engine = self.engines.setdefault(plan.column.engine, FakeEngine())
        setting = Setting(engine, Path("/none"), Path("/bin/true"), Path("/bin/false"), "tmpfs", None)
        jobs = deque(Job(case, Path("/") / case.test, case.name) for case in plan.todo)
        return ColumnWork(plan.column, setting, jobs)


@pytest.fixture
def world(home: Home, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(home, monkeypatch)


def test_a_row_is_there_while_the_next_one_is_built(world: World) -> None:
    world.column("first", "pass", "fail")
    world.column("second", "pass")
    world.on_build = lambda name: world.wait_for("first") if name == "second" else None
    table = world.run()
    assert [heading.column.revision for heading in table.headings] == ["first", "second"]
    assert {(cell.column.revision, cell.test, cell.verdict) for cell in world.stored()} == {
        ("first", "p:fixture.pass", Verdict.PASS),
        ("first", "p:fixture.fail", Verdict.FAIL),
        ("second", "p:fixture.pass", Verdict.PASS),
    }


def test_what_needs_least_building_goes_first(world: World) -> None:
    for name, missing in (("new", 2), ("server alone", 1), ("built", 0), ("also built", 0)):
        world.column(name, "pass")
        world.missing[name] = missing
    table = world.run()
    assert world.built == ["built", "also built", "server alone", "new"]
    assert [heading.column.revision for heading in table.headings] == [
        "new",
        "server alone",
        "built",
        "also built",
    ]


def test_what_does_not_build_is_said_when_the_rest_has_been_tested(world: World) -> None:
    world.column("first", "pass", "fail", "splat")
    world.column("broken", "pass")
    world.column("third", "pass")

    def build(name: str) -> None:
        if name == "broken":
            raise FarwatchError("kernel 7.3 does not build", cause="an error in C")

    world.on_build = build
    with pytest.raises(FarwatchError, match="does not build"):
        world.run()
    assert {cell.column.revision for cell in world.stored()} == {"first"}
    assert len(world.stored()) == 3 and world.built == ["first"]
    assert "kernel 7.3 does not build; the tests of what is built still run" in world.said.getvalue()


def test_the_first_build_fails_and_nothing_has_run(world: World) -> None:
    world.column("broken", "pass")

    def build(_name: str) -> None:
        raise FarwatchError("kernel 7.3 does not build")

    world.on_build = build
    with pytest.raises(FarwatchError, match="does not build"):
        world.run()
    assert world.said.getvalue() == "" and world.stored() == [] and list(world.home.logs.iterdir()) == []


def test_nothing_is_left_of_an_interrupted_build(world: World) -> None:
    world.column("first", "pass", "hang")
    world.column("second", "pass")

    def build(name: str) -> None:
        if name == "second":
            world.wait_for("first")
            world.wait_until(world.has_guest)
            raise KeyboardInterrupt

    world.on_build = build
    with pytest.raises(KeyboardInterrupt):
        world.run()
    assert list(world.home.runs.iterdir()) == []
    assert [cell.test for cell in world.stored()] == ["p:fixture.pass"]
    assert not [thread for thread in threading.enumerate() if thread.name == "guests"]


def test_a_guest_that_cannot_be_started_is_an_error_with_a_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeEngine, "command", lambda *_: ["/no/such/program"])
    world.column("first", "pass")
    with pytest.raises(FarwatchError, match="cannot start"):
        world.run()


def test_no_guest_has_room(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farwatch.cells.crew.guests_at_once", lambda _engine: 0)
    world.column("first", "pass")
    with pytest.raises(FarwatchError, match="no room for a guest"):
        world.run(guests=None)


def test_full_rows_and_surprises_are_said_as_they_come(world: World) -> None:
    world.column("first", "pass", "fail")
    world.column("second", "pass")
    world.run()
    lines = world.said.getvalue().splitlines()
    assert lines == [
        "first: surprise: p:fixture.fail: fail: failed without a reason",
        "first: 2 tests run, 1 surprise",
        "second: 1 test run, all as expected",
    ]


def test_of_a_single_column_the_table_says_all(world: World) -> None:
    world.column("first", "pass", "fail")
    world.run()
    assert world.said.getvalue() == ""
