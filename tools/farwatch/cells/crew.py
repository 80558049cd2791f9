# SPDX-License-Identifier: GPL-2.0-or-later
"""Who runs the tests of columns: guests of this machine's own, or others that do the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from farwatch.cells.jobs import ColumnWork
from farwatch.cells.plan import ColumnPlan
from farwatch.cells.runner import Runner
from farwatch.cells.supply import Supply
from farwatch.engines.capacity import guests_at_once
from farwatch.errors import FarwatchError
from farwatch.guests.thread import GuestThread
from farwatch.model import CellResult
from farwatch.system.home import Home

if TYPE_CHECKING:
    from farwatch.system.children import Run

OnResult = Callable[[CellResult], None]


class Crew(Protocol):
    """Used by one thread, while its work goes on in another."""

    def open(self, plans: Sequence[ColumnPlan]) -> None:
        """Be ready for these, before anything is built. FarwatchError if that cannot be."""

    def make_room(self, work: ColumnWork) -> None:
        """FarwatchError if no guest of this one can be had."""

    def begin(self, logs: Path, run_id: str, on_result: OnResult) -> None:
        """Begin; on_result hears each verdict, from the thread of the work."""

    @property
    def over(self) -> bool:
        """Whether the work has ended, in whatever way."""

    def add(self, work: ColumnWork) -> None:
        """Run the tests of this one, too."""

    def end(self) -> None:
        """Nothing more will be added."""

    def join(self) -> None:
        """Wait for the end of the work, and raise what it has raised."""

    def cancel(self) -> None:
        """End the work, guests and all, and wait for that; nothing of it is left. Always called."""


class OwnGuests:
    """Guests of this machine, in a thread of their own.

    guests: at once; None: what the machine carries
    """

    def __init__(self, home: Home, guests: int | None) -> None:
        self._home = home
        self._guests = guests
        self._at_once: dict[str, int] = {}
        self._supply = Supply(lambda work: self._at_once[work.column.engine])
        self._thread: GuestThread | None = None

    def open(self, plans: Sequence[ColumnPlan]) -> None:
        del plans  # nothing has to be looked for

    def make_room(self, work: ColumnWork) -> None:
        name = work.column.engine
        room = self._at_once.get(name) or self._guests or guests_at_once(work.setting.engine)
        if not room:
            raise FarwatchError("no room for a guest", cause="memory is short", hint="farwatch doctor")
        self._at_once[name] = room

    def begin(self, logs: Path, run_id: str, on_result: OnResult) -> None:
        async def work(run: Run) -> None:
            await Runner(run, logs, on_result, run_id).work(self._supply)

        self._thread = GuestThread(self._home, work)
        self._thread.start()

    @property
    def over(self) -> bool:
        return self._thread is not None and self._thread.over

    def add(self, work: ColumnWork) -> None:
        if self._thread:
            self._thread.call(lambda: self._supply.add(work))

    def end(self) -> None:
        if self._thread:
            self._thread.call(self._supply.end)

    def join(self) -> None:
        if self._thread:
            self._thread.join()

    def cancel(self) -> None:
        if self._thread:
            self._thread.cancel()
