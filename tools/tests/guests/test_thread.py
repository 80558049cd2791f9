# SPDX-License-Identifier: GPL-2.0-or-later
"""Work beside the caller's thread: how it ends, and that nothing of it stays."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.guests.run import run_guests
from farwatch.guests.thread import GuestThread
from farwatch.system.children import Run
from farwatch.system.home import Home

LIMIT = 30.0


def test_what_it_raises_is_raised_where_it_is_waited_for(home: Home) -> None:
    async def work(_run: Run) -> None:
        raise FarwatchError("no room")

    thread = GuestThread(home, work)
    thread.start()
    with pytest.raises(FarwatchError, match="no room"):
        thread.join()
    assert thread.over
    thread.call(lambda: pytest.fail("there is nobody to call it"))
    thread.cancel()


async def _two_tasks(error: Exception) -> None:
    async def fail() -> None:
        raise error

    async with asyncio.TaskGroup() as outer, asyncio.TaskGroup() as inner:
        outer.create_task(asyncio.Event().wait())
        inner.create_task(fail())


def test_of_several_tasks_the_error_that_somebody_can_do_something_about_is_raised(home: Home) -> None:
    with pytest.raises(FarwatchError, match="no room"):
        run_guests(home, lambda _run: _two_tasks(FarwatchError("no room")))


def test_a_defect_in_one_of_several_tasks_stays_what_it_is(home: Home) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        run_guests(home, lambda _run: _two_tasks(ZeroDivisionError()))
    assert caught.value.subgroup(ZeroDivisionError) is not None


def test_a_home_that_cannot_have_runs_is_an_error_too(home: Home) -> None:
    async def work(_run: Run) -> None: ...

    (home.root / "runs").write_text("no folder")
    thread = GuestThread(home, work)
    thread.start()
    thread.cancel()
    with pytest.raises(OSError):
        thread.join()


def test_what_was_never_started_ends_at_once(home: Home) -> None:
    async def work(_run: Run) -> None: ...

    GuestThread(home, work).cancel()


def test_children_are_gone_when_it_was_cancelled(home: Home) -> None:
    pids: list[int] = []
    begun = threading.Event()

    async def work(run: Run) -> None:
        child = await run.start("sleeper", ["sleep", "1000"])
        pids.append(child.pid)
        begun.set()
        await asyncio.Event().wait()

    thread = GuestThread(home, work)
    thread.start()
    assert begun.wait(LIMIT)
    thread.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
    assert not list(home.runs.iterdir())


def test_another_run_of_this_process_may_begin_meanwhile(home: Home) -> None:
    """As the trial of KVM does, in the same second."""
    called: list[Path] = []
    begun, ended = threading.Event(), asyncio.Event()

    async def work(run: Run) -> None:
        called.append(run.folder)
        begun.set()
        await ended.wait()

    async def other(run: Run) -> Path:
        return run.folder

    thread = GuestThread(home, work)
    thread.start()
    assert begun.wait(LIMIT)
    assert run_guests(home, other) not in called
    assert called[0].exists()
    thread.call(ended.set)
    thread.join()
    assert not list(home.runs.iterdir())


def test_guests_may_be_owned_by_a_thread_that_hears_no_signals(home: Home) -> None:
    """As that of a cluster's worker, which tries whether KVM works."""

    async def work(run: Run) -> str:
        return run.id

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run_guests, home, work).result(timeout=60)
    assert list(home.runs.iterdir()) == []
