# SPDX-License-Identifier: GPL-2.0-or-later
"""A real scheduler with worker processes that have homes of their own, and cells that are made up."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from farwatch.cells.jobs import ColumnWork, Job
from farwatch.cluster import crew as crews
from farwatch.cluster import roster
from farwatch.cluster.address import cluster_address
from farwatch.cluster.crew import ClusterCrew, Work
from farwatch.errors import FarwatchError
from farwatch.guests.setting import Setting
from farwatch.model import DEFAULT_SHARE, CellResult, Column, TestCase, Verdict
from farwatch.system.home import Home
from farwatch.system.procfs import command_line
from tests.cluster.jobs import begun, play
from tests.fakes.engine import FakeEngine

LIMIT = 120.0
"""Seconds in which a cluster has done what there is."""
COLUMN = Column("v1", "7.3")

pytestmark = pytest.mark.usefixtures("libraries")


class Cluster:
    """What Testing (cells/testing.py) does, for cells by name."""

    def __init__(
        self,
        home: Home,
        folder: Path,
        address: str,
        work: Work | None = play,
        *,
        most: int | None = None,
        fixture: str = "f",
    ) -> None:
        self.fixture = fixture
        self.began = 0.0
        self.ended = 0.0
        """When the cells were given to it, and when the last one came back."""
        self.home = home
        self.folder = folder
        self.limit = LIMIT
        self.said: list[str] = []
        self.results: list[CellResult] = []
        self.crew = ClusterCrew(cluster_address(address), home, self.said.append, most, work)
        self.engine = FakeEngine()
        self.engine.name = "uml"

    def run(self, *names: str, then: Callable[[], None] = lambda: None) -> None:
        """Each name a cell."""
        cases = [TestCase("p", self.fixture, "", name) for name in names]
        subject = SimpleNamespace(share_setting=DEFAULT_SHARE)
        plan = cast(Any, SimpleNamespace(column=COLUMN, todo=cases, subject=subject))
        try:
            self.crew.open([plan])
            logs = self.home.logs / "run"
            self.crew.begin(logs, "run", self.heard)
            setting = Setting(
                self.engine, Path("/none"), Path("/bin/true"), Path("/bin/false"), "tmpfs", None
            )
            jobs = deque(Job(case, self.folder / case.test, case.name) for case in cases)
            self.began = time.monotonic()
            self.crew.add(ColumnWork(COLUMN, setting, jobs))
            then()
            self.crew.end()
            pool = ThreadPoolExecutor(1)
            try:
                pool.submit(self.crew.join).result(timeout=self.limit)
            finally:
                self.crew.cancel()
                pool.shutdown()
        finally:
            self.crew.cancel()

    def heard(self, result: CellResult) -> None:
        self.results.append(result)
        self.ended = time.monotonic()

    def begun(self, name: str) -> list[str]:
        return begun(self.folder / name)

    def verdicts(self) -> dict[str, Verdict]:
        """Of each cell; a cell that has two is a failure."""
        names = [each.test.rpartition(".")[2] for each in self.results]
        assert len(names) == len(set(names))
        return dict(zip(names, (each.verdict for each in self.results), strict=True))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cells").mkdir()
    return tmp_path / "cells"


@pytest.fixture(autouse=True)
def installed_already(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not into the home of a test."""
    monkeypatch.setattr(crews, "ensure_libraries", lambda _home: None)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No process of a test outlives it."""
    yield
    until = time.monotonic() + LIMIT
    while left := workers():
        assert time.monotonic() < until, left
        time.sleep(0.01)


def workers() -> list[int]:
    """Processes of this one's clusters, whichever thread has started them."""
    pids: list[int] = []
    for path in Path("/proc/self/task").glob("*/children"):
        with suppress(FileNotFoundError):  # a thread that has ended meanwhile
            pids += map(int, path.read_text(encoding="ascii").split())
    return [pid for pid in pids if "spawn_main" in " ".join(command_line(pid))]


def test_cells_come_back_as_if_they_had_been_run_here(home: Home, folder: Path) -> None:
    cluster = Cluster(home, folder, "local:2")
    cluster.run("one", "two", "three", "yesterday", "forgotten", *map(str, range(20)))
    assert set(cluster.verdicts().values()) == {Verdict.PASS} and len(cluster.results) == 25
    assert cluster.said == ["local:2: 2 workers"]
    for each in cluster.results:
        assert (home.logs / each.logs / "who").read_text() in ("local-1", "local-2")
        assert each.run == "run" and each.logs.startswith("run/") and each.logs.count("/") == 1
        assert abs(each.started - time.time()) < 3600
    homes = {path.name for path in home.workers.iterdir()}
    assert homes == {"local-1", "local-2"}


def test_what_a_worker_dies_with_is_run_elsewhere_once(home: Home, folder: Path) -> None:
    cluster = Cluster(home, folder, "local:2")
    cluster.run("dies-once", *map(str, range(10)))
    assert set(cluster.verdicts().values()) == {Verdict.PASS} and len(cluster.results) == 11
    assert len(cluster.begun("dies-once")) == 2


def test_a_worker_that_has_lost_its_disk_is_named_and_used_no_more(home: Home, folder: Path) -> None:
    cluster = Cluster(home, folder, "local:2")
    cluster.run("sick-once", *map(str, range(10)))
    assert set(cluster.verdicts().values()) == {Verdict.PASS} and len(cluster.results) == 11
    sick, other = cluster.begun("sick-once")
    assert sick != other and f"{sick} is not used: its disk is gone" in cluster.said


def test_nobody_is_left(home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "ABSENCE_LIMIT", 0.5)
    cluster = Cluster(home, folder, "local:2")
    with pytest.raises(FarwatchError, match="no worker of the cluster") as caught:
        cluster.run("sick")
    assert "local-1: nobody can do this" in caught.value.cause
    assert "local-2: nobody can do this" in caught.value.cause
    assert cluster.results == []


def test_nobody_fits(home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here every disk is full."""
    monkeypatch.setattr("farwatch.cluster.admission.LEAST_FREE", 1 << 80)
    cluster = Cluster(home, folder, "local:2")
    with pytest.raises(FarwatchError, match="no worker of the cluster") as caught:
        cluster.run("one")
    assert "local-2: its disk is full" in caught.value.cause
    assert any(line.startswith("local-1 is not used: its disk is full") for line in cluster.said)


def test_what_nobody_has_is_no_verdict(home: Home, folder: Path) -> None:
    cluster = Cluster(home, folder, "local:1")
    cluster.engine.name = "quantum"
    cluster.run("one")
    [result] = cluster.results
    assert result.verdict is Verdict.ERROR
    assert result.title == "the cell could not be run: no worker has: engine quantum"


def test_an_interrupted_run_ends_its_workers(home: Home, folder: Path) -> None:
    def interrupt() -> None:
        assert len(workers()) == 2
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Cluster(home, folder, "local:2").run("one", then=interrupt)


def test_guests_are_booted_by_a_worker(home: Home, folder: Path) -> None:
    """With what a worker really does, and an engine whose guests are scripts (fakes/guest.py)."""
    cluster = Cluster(home, folder, "local:2", None)
    cluster.run("pass", "fail")
    assert cluster.verdicts() == {"pass": Verdict.PASS, "fail": Verdict.FAIL}
    for each in cluster.results:
        assert (home.logs / each.logs / "cell.json").exists()
    left = [path for name in ("local-1", "local-2") for path in Home(home.workers / name).logs.iterdir()]
    assert left == []


def test_a_worker_without_a_compiler_runs_cells(
    home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is compiled there: what a guest runs comes from who asks."""
    monkeypatch.setenv("PATH", str(tmp_path))
    cluster = Cluster(home, folder, "local:1", None)
    cluster.run("pass")
    assert cluster.verdicts() == {"pass": Verdict.PASS}


def test_no_cluster_is_there(home: Home, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from farwatch.cluster import schedulers

    monkeypatch.setattr(schedulers, "CONNECT_LIMIT", 0.5)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(FarwatchError, match=f"there is no cluster at {address}"):
            Cluster(home, folder, address).run("one")
