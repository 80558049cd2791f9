# SPDX-License-Identifier: GPL-2.0-or-later
"""Columns whose guests can be booted, as they come, and which of them the next guest is for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from farwatch.cells.jobs import ColumnWork


class Supply:
    """Used in one event loop.

    at_once: how many guests of a column's engine may run at once. Guests of one engine run at a time: what
             the machine carries is known of each engine alone.
    """

    def __init__(self, at_once: Callable[[ColumnWork], int]) -> None:
        self._at_once = at_once
        self._columns: list[ColumnWork] = []
        self._complete = False
        self._changed = asyncio.Event()

    def add(self, work: ColumnWork) -> None:
        """A column that can be run from now on."""
        self._columns.append(work)
        self._changed.set()

    def end(self) -> None:
        """Nothing more will be added."""
        self._complete = True
        self._changed.set()

    async def next(self) -> ColumnWork | None:
        """A column that gets a guest now, waited for; None when all are done. To be given back."""
        while True:
            if work := self._neediest():
                work.workers += 1
                work.coming += 1
                return work
            if self._complete and not self._running:
                return None
            self._changed.clear()
            await self._changed.wait()

    def give_back(self, work: ColumnWork) -> None:
        """Its guest has ended."""
        work.workers -= 1
        self._changed.set()

    @property
    def _running(self) -> list[ColumnWork]:
        return [work for work in self._columns if work.workers]

    def _neediest(self) -> ColumnWork | None:
        """Of the engine that runs; a guest that is on its way will take a test, and needs no other for it."""
        running = self._running
        engine = running[0].column.engine if running else None
        fit = [work for work in self._columns if len(work.jobs) > work.coming]
        fit = [work for work in fit if engine in (None, work.column.engine)]
        if not fit:
            return None
        # the engine of the column that has waited longest, until that is done
        engine = fit[0].column.engine
        work = max((one for one in fit if one.column.engine == engine), key=lambda one: one.need)
        return work if sum(one.workers for one in running) < self._at_once(work) else None
