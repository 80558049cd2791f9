# SPDX-License-Identifier: GPL-2.0-or-later
"""What a cluster loses by being one: cells that only sleep; and what is lost when its workers are killed.

    FARWATCH_CLUSTER_WORKERS=1,2,4,8,16,32,64 ./farwatch check --all -k test_cells_a_minute
    FARWATCH_CLUSTER_CELLS=10000 FARWATCH_CLUSTER_KILLS=100 ./farwatch check --all -k test_nothing_is_lost

A figure is told, and not held against anything: it is that of the machine.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from farwatch.cluster import crew as crews
from farwatch.cluster.libraries import ensure_libraries
from farwatch.model import Verdict
from farwatch.system.home import Home
from tests.cluster.jobs import nap
from tests.cluster.test_crew import Cluster, workers

pytestmark = [pytest.mark.integration, pytest.mark.nightly]

WORKERS = [int(word) for word in os.environ.get("FARWATCH_CLUSTER_WORKERS", "1,2,4").split(",")]
CELLS = int(os.environ.get("FARWATCH_CLUSTER_CELLS", "500"))
KILLS = int(os.environ.get("FARWATCH_CLUSTER_KILLS", "5"))
PAUSE = 1.0
"""Seconds between two kills."""
NAP = 1000
"""Milliseconds of a cell of the first test, which has so many for each worker:"""
EACH = 20
LONG_ENOUGH = 45 * 60.0


@pytest.fixture(autouse=True)
def installed_already(monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_libraries(Home.from_env())
    monkeypatch.setattr(crews, "ensure_libraries", lambda _home: None)


@pytest.mark.parametrize("count", WORKERS)
def test_cells_a_minute(
    home: Home, tmp_path: Path, count: int, tell: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each cell an errand of its own: it is the scheduling that is measured."""
    monkeypatch.setattr(crews, "BATCH", 1)
    cluster = Cluster(home, tmp_path, f"local:{count}", nap, most=1, fixture=str(NAP))
    cluster.limit = LONG_ENOUGH
    cluster.run(*map(str, range(EACH * count)))
    assert len(cluster.verdicts()) == EACH * count
    seconds = cluster.ended - cluster.began
    rate, best = 60 * EACH * count / seconds, 60_000 / NAP * count
    tell(f"{count} workers: {rate:.0f} cells of {NAP} ms a minute, {rate / best:.2f} of what they can do")


def test_nothing_is_lost(home: Home, tmp_path: Path, tell: Callable[[str], None]) -> None:
    """While workers are killed at random, and others take their places."""
    cluster = Cluster(home, tmp_path, "local:8", nap, most=1, fixture="100")
    cluster.limit = LONG_ENOUGH
    over = threading.Event()
    killed: list[int] = []

    def kill() -> None:
        chance = random.Random(7)
        while len(killed) < KILLS and not over.wait(PAUSE):
            if alive := workers():
                killed.append(chance.choice(alive))
                os.kill(killed[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    try:
        cluster.run(*map(str, range(CELLS)), then=killer.start)
    finally:
        over.set()
        killer.join()
    verdicts = cluster.verdicts()
    assert len(verdicts) == CELLS
    without = sum(verdict is not Verdict.PASS for verdict in verdicts.values())
    tell(f"{CELLS} cells, {len(killed)} workers killed: each has one verdict, {without} could not be run")
    assert without == 0
