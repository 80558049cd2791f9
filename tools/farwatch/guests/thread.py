# SPDX-License-Identifier: GPL-2.0-or-later
"""Work that owns guests, in a thread of its own, while the caller's goes on with something else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from farwatch.guests.run import run_unheeding
from farwatch.system.home import Home

if TYPE_CHECKING:
    from farwatch.system.children import Run

_Running = tuple[asyncio.AbstractEventLoop, "asyncio.Task[None]"]


class GuestThread:
    """The caller's thread hears signals: what they raise there has to lead to cancel().

    The kernel ends the children with the thread that has started them, should it die before them.
    """

    def __init__(self, home: Home, work: Callable[[Run], Awaitable[None]]) -> None:
        self._home = home
        self._work = work
        self._running: Future[_Running] = Future()
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._main, name="guests")

    def start(self) -> None:
        """Begin. Apart from making it, so that whoever is interrupted here can still cancel()."""
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether the work has ended, in whatever way."""
        return self._ended.done()

    def call(self, function: Callable[[], None]) -> None:
        """Have a function called in the thread, between two steps of the work; not when that is over."""
        if loop := self._loop():
            with suppress(RuntimeError):  # it has been closed
                loop.call_soon_threadsafe(function)

    def join(self) -> None:
        """Wait for the end of the work, and raise what it has raised."""
        self._ended.result()

    def cancel(self) -> None:
        """End the work, guests and all, and wait for that."""
        if self._thread.ident is None:
            return
        self.call(self._break_off)
        wait([self._ended])

    def _break_off(self) -> None:
        self._running.result()[1].cancel()

    def _loop(self) -> asyncio.AbstractEventLoop | None:
        """Waited for; None if the work has not come that far."""
        either: list[Future[Any]] = [self._running, self._ended]
        wait(either, return_when="FIRST_COMPLETED")
        return self._running.result()[0] if self._running.done() else None

    def _main(self) -> None:
        try:
            run_unheeding(self._home, self._announced)
        except BaseException as error:  # raised by join(), where somebody can handle it
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)

    async def _announced(self, run: Run) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.set_result((asyncio.get_running_loop(), task))
        await self._work(run)
