# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of errands whose workers die, fail or stay away. Made up: nothing is waited for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from farwatch.cells.jobs import ColumnWork, Job
from farwatch.cluster import crew as crews
from farwatch.cluster.address import cluster_address
from farwatch.cluster.crew import MISSED, WITH_IT, ClusterCrew
from farwatch.cluster.errand import DEATHS, Delivery, Errand
from farwatch.engines.registry import engine_named
from farwatch.guests.setting import Setting
from farwatch.model import CellResult, Column, TestCase, Verdict
from farwatch.system.home import Home

COLUMN = Column("v1", "7.3")

pytestmark = pytest.mark.usefixtures("libraries")


@dataclass
class Task:
    """As schedulers.py:Submitted."""

    key: str
    errand: Errand
    done: Callable[[Any, BaseException | None], None]
    waits: bool = True
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class FakeReached:
    """A scheduler that keeps what it is given."""

    name: str = "127.0.0.1"
    tasks: list[Task] = field(default_factory=list)
    held_keys: set[str] = field(default_factory=set)

    def submit(
        self, done: Any, _perform: Any, _work: Any, errand: Errand, *, key: str, resources: Any
    ) -> Task:
        assert isinstance(resources, Mapping) and resources["cores"] == 0.125
        self.tasks.append(Task(key, errand, done))
        return self.tasks[-1]

    def held(self) -> frozenset[str]:
        return frozenset(self.held_keys)


class FakeRoster:
    """Two workers that carry two guests each."""

    def __init__(self) -> None:
        self.capacity = 4
        self.missing = ""
        self.hope = True
        self.refused: list[tuple[str, str]] = []
        self.events: deque[Callable[[], None]] = deque()
        self.put = self.events.append

    def lacking(self, _needs: object) -> str:
        return self.missing

    def hopeless(self, _needs: object) -> bool:
        return not self.hope

    def largest(self) -> dict[str, float]:
        return {"cores": 0.125, "memory": 1e9}

    def has_kvm(self) -> bool:
        return False

    def refuse(self, name: str, why: str) -> None:
        self.refused.append((name, why))


class Bench:
    def __init__(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(crews, "LOOK", 0.0)
        self.crew = ClusterCrew(cluster_address("local:2"), home, lambda _: None, work=cast(Any, None))
        self.reached, self.roster = FakeReached(), FakeRoster()
        self.results: list[CellResult] = []
        crew = cast(Any, self.crew)
        crew._reached, crew._roster, crew._on_result = self.reached, self.roster, self.results.append
        crew._logs, crew._run_id = home.logs / "run", "run"
        crew._server = type("Server", (), {"url": lambda *_: "http://x", "add": lambda *_: None})()
        monkeypatch.setattr(self.crew, "_tell", lambda event: event())
        self.inner = crew

    def add(self, *names: str) -> None:
        setting = Setting(engine_named("uml"), Path("/k"), Path("/a"), Path("/b"), "tmpfs", None)
        jobs = deque(Job(TestCase("p", "f", "", name), Path("/p"), name) for name in names)
        self.inner._take(ColumnWork(COLUMN, setting, jobs))
        self.go()

    def go(self) -> None:
        """What happens again and again."""
        self.inner._give_away(self.roster)
        self.inner._give_up(self.roster)
        self.inner._give_anew()

    def deliver(self, task: Task, *names: str, worker: str = "one") -> None:
        results = [CellResult(COLUMN, f"p:f.{name}", name, Verdict.PASS, logs="errand/1-x") for name in names]
        task.waits = False
        task.done(Delivery(worker, tuple(results)), None)
        self.go()

    def verdicts(self) -> list[tuple[str, str]]:
        return [(each.test, each.title or str(each.verdict)) for each in self.results]


@pytest.fixture
def bench(home: Home, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(home, monkeypatch)


def test_no_more_is_given_away_than_the_workers_can_soon_do(bench: Bench) -> None:
    bench.add(*map(str, range(200)))
    assert len(bench.reached.tasks) == crews.AHEAD * bench.roster.capacity
    assert {len(task.errand.jobs) for task in bench.reached.tasks} == {crews.BATCH}
    first = bench.reached.tasks[0]
    bench.deliver(first, *(job.case.test for job in first.errand.jobs))
    assert len(bench.reached.tasks) == crews.AHEAD * bench.roster.capacity + 1


def test_a_delivery_that_comes_twice_counts_once(bench: Bench) -> None:
    bench.add("a")
    [task] = bench.reached.tasks
    bench.deliver(task, "a")
    bench.deliver(task, "a")
    assert bench.verdicts() == [("p:f.a", "pass")]


def test_a_cell_that_is_not_in_the_delivery_is_run_again_alone(bench: Bench) -> None:
    bench.roster.capacity = 1
    bench.add("a", "b", "c", "d")
    [first, *_] = bench.reached.tasks
    assert [job.case.test for job in first.errand.jobs] == ["a", "b"]
    bench.deliver(first, "a", "stranger")
    again = bench.reached.tasks[-1]
    assert [job.case.test for job in again.errand.jobs] == ["b"]
    assert bench.verdicts() == [("p:f.a", "pass")]


def test_what_nobody_has_any_more_is_given_away_anew(bench: Bench) -> None:
    bench.add("a")
    [first] = bench.reached.tasks
    bench.inner._died(frozenset([first.key]))
    for _ in range(MISSED):
        bench.go()
    first, second = bench.reached.tasks
    assert first.cancelled and first.key != second.key
    bench.reached.held_keys = {second.key}
    bench.deliver(first, "a")  # it was with somebody after all
    assert bench.verdicts() == []
    bench.deliver(second, "a")
    assert bench.verdicts() == [("p:f.a", "pass")]


def test_what_a_worker_has_is_not(bench: Bench) -> None:
    bench.add("a")
    [task] = bench.reached.tasks
    bench.reached.held_keys = {task.key}
    for _ in range(5 * MISSED):
        bench.go()
    assert bench.reached.tasks == [task]


def test_workers_die_with_it_again_and_again(bench: Bench) -> None:
    bench.add("a")
    for _ in range(DEATHS):
        bench.inner._died(frozenset([bench.reached.tasks[-1].key]))
        for _ in range(MISSED):
            bench.go()
    assert bench.verdicts() == [("p:f.a", f"the cell could not be run: {WITH_IT}")]
    assert len(bench.reached.tasks) == DEATHS and bench.results[0].verdict is Verdict.ERROR


def test_a_scheduler_that_gives_up_sooner_is_given_it_again(bench: Bench) -> None:
    from distributed.scheduler import KilledWorker

    bench.add("a")
    first = bench.reached.tasks[0]
    bench.inner._died(frozenset([first.key]))
    first.done(None, KilledWorker("a", cast(Any, None), 0))
    bench.go()
    bench.deliver(bench.reached.tasks[-1], "a")
    assert bench.verdicts() == [("p:f.a", "pass")]


def test_worker_after_worker_cannot(bench: Bench) -> None:
    bench.add("a")
    for name in ("one", "two", "three"):
        bench.reached.tasks[-1].done(Delivery(name, unfit="its disk is gone"), None)
        bench.go()
    assert bench.roster.refused == [(name, "its disk is gone") for name in ("one", "two", "three")]
    why = "one: its disk is gone; two: its disk is gone; three: its disk is gone"
    assert bench.verdicts() == [("p:f.a", f"the cell could not be run: {why}")]


def test_what_nobody_ever_had_is_not_waited_for(bench: Bench) -> None:
    bench.roster.missing, bench.roster.hope = "engine vng", False
    bench.add("a")
    assert bench.verdicts() == [("p:f.a", "the cell could not be run: no worker has: engine vng")]


def test_who_had_it_may_come_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.roster.missing = "engine vng"
    bench.add("a")
    assert bench.verdicts() == []
    monkeypatch.setattr(crews, "ABSENCE_LIMIT", -1.0)
    bench.go()
    assert bench.verdicts() == [("p:f.a", "the cell could not be run: no worker has: engine vng")]


def test_what_not_every_worker_can_do_goes_alone(bench: Bench) -> None:
    bench.roster.capacity = 1
    setting = Setting(engine_named("uml"), Path("/k"), Path("/a"), Path("/b"), "tmpfs", None)
    cases = [TestCase(program, "f", "", str(n)) for n in range(4) for program in ("p", "workload_test")]
    bench.inner._take(ColumnWork(COLUMN, setting, deque(Job(case, Path("/p"), "x") for case in cases)))
    bench.inner._give_away(bench.roster)
    for task in bench.reached.tasks:
        [program] = {job.case.program for job in task.errand.jobs}
        assert ("what workload_test runs" in task.errand.needs) == (program == "workload_test")
