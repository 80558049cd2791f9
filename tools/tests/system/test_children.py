# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing of a run is left: after a clean end, and, by the next run, after SIGKILL."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from farwatch.system.children import Run, kill_session, sweep
from farwatch.system.home import Home
from farwatch.system.procfs import environment, session_members, start_time

_RUN_THAT_IS_KILLED = """
import asyncio, os, sys
from pathlib import Path
from farwatch.system.children import Run
from farwatch.system.home import Home

async def main():
    run = Run(Home(Path(sys.argv[1])))
    child = await run.start("shell", ["/bin/sh", "-c", "sleep 1000 & sleep 1000 & wait"])
    print(child.pid, run.short, flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


def killed_run(home: Home) -> tuple[int, Path]:
    """A run with a child that has children, killed with SIGKILL; (session, short folder) of it."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _RUN_THAT_IS_KILLED, str(home.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        session, short = process.stdout.readline().split()
        while len(session_members(int(session))) < 3:
            pass
        process.kill()
    return int(session), Path(short)


def test_the_next_run_cleans_up_after_a_killed_one(home: Home) -> None:
    session, short = killed_run(home)
    assert short.is_dir() and len(session_members(session)) >= 2
    [swept] = sweep(home)
    assert swept.endswith(swept.rsplit("-", 1)[-1])
    while session_members(session):
        pass
    assert not short.exists() and list(home.runs.iterdir()) == []


def test_sweep_leaves_a_live_run_alone(home: Home) -> None:
    async def main() -> None:
        run = Run(home)
        child = await run.start("sleep", ["sleep", "1000"])
        assert sweep(home) == []
        assert run.folder.is_dir() and child.alive
        await run.close()

    asyncio.run(main())
    assert list(home.runs.iterdir()) == []


def test_sweep_leaves_a_run_alone_that_begins_at_the_same_moment(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, swept = fcntl.flock, []

    def slow(handle: Any, operation: int) -> None:
        if operation == fcntl.LOCK_EX:
            swept.extend(sweep(home))
        lock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", slow)
    run = Run(home)
    assert swept == [] and (run.folder / "sessions").exists()
    run.abandon()


def test_sweep_spares_a_process_that_merely_has_the_same_number(home: Home) -> None:
    """A recorded session id may have been given to somebody else since."""
    stranger = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        while not environment(stranger.pid):  # the end of exec(2) is no moment that anybody is told of
            time.sleep(0.001)
        folder = home.runs / "20200101-000000-1"
        folder.mkdir()
        (folder / "lock").touch()
        (folder / "sessions").write_text(f"{stranger.pid} {start_time(stranger.pid)}\n")
        assert sweep(home) == [folder.name]
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_child_is_killed_with_everything_it_started(home: Home) -> None:
    async def main() -> None:
        run = Run(home)
        child = await run.start("shell", ["/bin/sh", "-c", "sleep 1000 & sleep 1000 & wait"])
        while len(session_members(child.pid)) < 3:
            await asyncio.sleep(0.001)
        await run.stop(child)
        assert child.ending() == "killed by SIGKILL"
        assert session_members(child.pid) == []
        await run.close()

    asyncio.run(main())


def test_kill_session_of_nobody_is_harmless() -> None:
    kill_session(2**22 + 1)
