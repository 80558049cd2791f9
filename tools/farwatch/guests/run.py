# SPDX-License-Identifier: GPL-2.0-or-later
"""Asynchronous work that owns guests, and the end of it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from farwatch.errors import FarwatchError
from farwatch.system.home import Home

if TYPE_CHECKING:
    from farwatch.system.children import Run


T = TypeVar("T")


def run_guests(home: Home, work: Callable[[Run], Awaitable[T]]) -> T:
    """Run asynchronous work that owns guests; nothing of it is left on any way out.

    Ctrl-C, SIGTERM and SIGHUP cancel the work, whose own clean-up then ends
    the guests; whatever that misses is killed here. A thread that is not the
    main one hears none: there it is for who has started it to end the process.
    """
    if threading.current_thread() is not threading.main_thread():
        return run_unheeding(home, work)

    async def heeding_signals(run: Run) -> T:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, task.cancel)
        return await work(run)

    try:
        return run_unheeding(home, heeding_signals)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def run_unheeding(home: Home, work: Callable[[Run], Awaitable[T]]) -> T:
    """The same, but whoever calls takes care of signals."""
    from farwatch.system.children import Run

    run = Run(home)

    async def main() -> T:
        try:
            return await work(run)
        except BaseExceptionGroup as several:  # of tasks, each with a guest: one explanation is enough
            raise _explained(several) from None
        finally:
            await run.close()

    try:
        return asyncio.run(main())
    finally:
        run.abandon()


def _explained(several: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of them that a user can do something about; all of them if there is none."""
    for error in several.exceptions:
        found = _explained(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(found, FarwatchError):
            return found
    return several
