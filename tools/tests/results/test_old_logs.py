# SPDX-License-Identifier: GPL-2.0-or-later
"""Logs that go by themselves, and those that must not."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from farwatch.model import CellResult, Column, Verdict
from farwatch.results.old_logs import drop_old_logs
from farwatch.results.store import Results
from farwatch.system.home import Home

NOW = time.time()
DAY = 24 * 3600.0


def put(home: Home, name: str, days: float) -> Path:
    """A log folder whose content is so old."""
    folder = home.logs / name
    folder.mkdir(parents=True)
    (folder / "console.log").write_text("x")
    grow_old([folder / "console.log", folder, *list(folder.parents)[: name.count("/")]], days)
    return folder


def grow_old(paths: list[Path], days: float) -> None:
    for path in paths:
        os.utime(path, (NOW - days * DAY,) * 2)


def store(home: Home, *logs: str) -> None:
    """A verdict for each log folder, one newer than the other; the test is named by its last part."""
    with Results.open(home.results) as results:
        for name in logs:
            test = name.rpartition("-")[2]
            results.store(CellResult(Column("v1", "7.3"), test, "inputs", Verdict.PASS, logs=name))


def dropped(home: Home, now: float = NOW) -> set[str]:
    """What goes, by its name below Home.logs; a line is said about it."""
    before, said = set(home.logs.glob("*")) | set(home.logs.glob("*/*")), list[str]()
    drop_old_logs(home, said.append, now)
    gone = {path for path in before if not path.exists()}
    assert len(said) == bool(gone)
    return {str(path.relative_to(home.logs)) for path in gone if path.parent not in gone}


def test_old_logs_go_unless_the_table_shows_their_verdict(home: Home) -> None:
    store(home, "run1/1-a", "run2/1-a", "run2/2-b", "run3/1-b")
    for name in ("run1/1-a", "run1/guest-0", "run2/1-a", "run2/2-b", "run2/guest-0", "run3/1-b", "boot-old"):
        put(home, name, 31)
    put(home, "boot-new", 29)
    put(home, "run4/1-a", 29)
    assert dropped(home) == {"run1", "run2/2-b", "boot-old"}


def test_they_are_looked_for_once_a_day(home: Home) -> None:
    assert dropped(home) == set()
    put(home, "boot-1", 40)
    assert dropped(home, NOW + DAY / 2) == set()
    assert dropped(home, NOW + DAY + 1) == {"boot-1"}
    put(home, "boot-2", 80)
    assert dropped(home, NOW - 3 * DAY) == {"boot-2"}  # the clock was set back


def test_logs_of_a_live_run_stay_however_old(home: Home) -> None:
    put(home, "boot-live", 40)
    put(home, "boot-dead", 42)
    lock = home.runs / "run" / "lock"
    lock.parent.mkdir()
    with lock.open("w") as handle:
        grow_old([lock], 40)
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert dropped(home) == {"boot-dead"}
    assert dropped(home, NOW + 2 * DAY) == {"boot-live"}


def test_a_store_that_cannot_be_read_stops_nothing_and_loses_nothing(home: Home) -> None:
    home.results.write_text("this is no SQLite file")
    put(home, "boot-1", 40)
    assert dropped(home) == set()
