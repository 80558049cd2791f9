# SPDX-License-Identifier: GPL-2.0-or-later
"""Many watches, and many folders in one.

How fast a machine is must not matter, so one thing is compared with another that was done on it just before.
FARWATCH_MANY_REVISION says on which revision (default v3).
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from farwatch.app import App
from farwatch.guests.agent import GUEST_HOST_ROOT
from farwatch.guests.logs import LogSet
from farwatch.guests.run import run_guests
from farwatch.guests.session import Session
from farwatch.guests.trace import Limits, Trace
from farwatch.system.children import Run
from farwatch.verdicts.splat import scan
from tests.integration.forged_stage import setting_of

pytestmark = pytest.mark.integration

REVISION = os.environ.get("FARWATCH_MANY_REVISION", "v3")
PROGRAM = Path(__file__).parent / "programs" / "many.py"
DEARER = 12
"""How much longer it may take to watch a folder than to look at it."""
LATER = 10
"""How much longer it may take until a change is heard of than to search all folders."""
GRACE = 3.0
"""Seconds that are too little to compare."""
LIMIT = 900.0
"""Seconds for all of it, on the slowest machine."""


@dataclass(frozen=True)
class Played:
    said: dict[str, list[float]]
    """First word of each line of many.py -> numbers in it."""
    search: float
    """Seconds that the host was at work."""
    lag: float
    """Seconds until the guest was told of the last thing that it did."""


def need_descriptors(objects: int) -> None:
    """A server that keeps an object open has one for each; with too few the guest is told ENFILE."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and limit < objects * 3 // 2:
        pytest.skip(f"only {limit} descriptors for {objects} objects: raise the hard limit (ulimit -Hn)")


async def appears(path: Path, task: asyncio.Task[None]) -> None:
    while not path.exists() and not task.done():
        await asyncio.sleep(0.005)


async def many(
    run: Run, folder: Path, how: str, make: Callable[[Path], None], act: Callable[[Path], None]
) -> Played:
    session = Session(run, setting_of(REVISION), 1, folder / "logs", lambda _trace: None)
    trace = Trace("many", 1, LogSet(folder / "trace", run.clock))
    python = f"{GUEST_HOST_ROOT}{os.path.realpath(sys.executable)}"
    try:
        await session.boot(120)
        share = session.share / "c1"
        (share / "w").mkdir(parents=True)
        share.chmod(0o777)
        await asyncio.to_thread(make, share / "w")
        words = [python, "-I", f"{GUEST_HOST_ROOT}{PROGRAM}", how]
        task = asyncio.create_task(session.test(trace, words, {}))
        await appears(share / "ready", task)
        started = time.monotonic()
        await asyncio.to_thread(act, share / "w")
        search = time.monotonic() - started
        (share / "last").mkdir()
        await appears(share / "heard", task)
        lag = time.monotonic() - started - search
        await task
        await session.power_off()
    finally:
        await session.close()
    lines = [line.decode("utf-8", "replace") for line in trace.output]
    console = "".join(path.read_text("utf-8", "replace") for path in sorted(folder.rglob("console.log")))
    assert trace.ended == "exit 0" and scan(console.splitlines()) == [], lines[-3:]
    return Played(
        {line.split()[0]: [float(word) for word in line.split()[1:]] for line in lines}, search, lag
    )


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(test=LIMIT, event=10.0, end=60.0)
    monkeypatch.setattr(Limits, "measured", classmethod(lambda cls, boot: limits))


@pytest.mark.parametrize(
    "outer", [30, *(pytest.param(outer, marks=pytest.mark.nightly) for outer in (100, 833))]
)
def test_a_watch_costs_little_however_many_there_are(
    tmp_path: Path, tell: Callable[[str], None], outer: int
) -> None:
    """3,631, 12,101 and 100,794 watches."""
    need_descriptors(121 * outer)

    def make(top: Path) -> None:
        for name in range(outer):
            (top / f"p{name}").mkdir()
            for inner in range(120):
                (top / f"p{name}" / f"q{inner}").mkdir()

    def act(top: Path) -> None:
        for name in range(outer):
            for inner in (0, 40, 80):
                (top / f"p{name}" / f"q{inner}" / "new").touch()

    played = run_guests(App.here().home, lambda run: many(run, tmp_path, "watches", make, act))
    (look,), (count, added), (_, beside) = (played.said[word] for word in ("look", "added", "close"))
    tell(f"{REVISION}: {played}")
    assert count == 121 * outer + 1
    assert played.said["seen"] == [3 * outer]
    assert added / 1000 <= max(GRACE, DEARER * look / 1000)
    assert beside / 1000 <= max(GRACE, look / 1000)


@pytest.mark.parametrize("folders", [2000, pytest.param(20000, marks=pytest.mark.nightly)])
def test_folders_of_one_folder_are_searched(
    tmp_path: Path, tell: Callable[[str], None], folders: int
) -> None:
    """The host reads each of them, as grep -r does, and the guest is told of all that; then of one change."""
    need_descriptors(folders)

    def make(top: Path) -> None:
        for name in range(folders):
            (top / f"package{name}").mkdir()

    def act(top: Path) -> None:
        for _ in os.walk(top):
            pass

    played = run_guests(App.here().home, lambda run: many(run, tmp_path, "search", make, act))
    (worst,) = played.said["worst"]
    tell(f"{REVISION}: {played}")
    assert played.lag <= max(GRACE, LATER * played.search)
    assert worst / 1000 <= max(GRACE, LATER * played.search)
