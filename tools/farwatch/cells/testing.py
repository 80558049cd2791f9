# SPDX-License-Identifier: GPL-2.0-or-later
"""The tests of columns, run beside whatever else is done: a column's as soon as it is there."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from farwatch.cells.jobs import ColumnWork
from farwatch.cells.plan import ColumnPlan
from farwatch.cells.rows import Rows
from farwatch.cells.runner import Runner
from farwatch.cells.supply import Supply
from farwatch.engines.capacity import guests_at_once
from farwatch.errors import FarwatchError
from farwatch.guests.thread import GuestThread
from farwatch.model import CellResult
from farwatch.results.old_logs import drop_old_logs
from farwatch.results.store import Results

if TYPE_CHECKING:
    from farwatch.app import App
    from farwatch.system.children import Run


class Testing:
    """A verdict is in the store before anything else happens to it.

    A context manager: the end of the block is that of all tests. If the block ends by a FarwatchError (what
    is next does not build), the tests of what was added are still run; by anything else they are broken off.

    plans:  of all columns that will be added, if nothing goes wrong
    guests: at once; None: what the machine carries
    """

    __test__ = False  # for pytest, by its name

    def __init__(self, app: App, results: Results, plans: Sequence[ColumnPlan], guests: int | None) -> None:
        self._app = app
        self._results = results
        self._guests = guests
        self._at_once: dict[str, int] = {}
        self._supply = Supply(lambda work: self._at_once[work.column.engine])
        self._rows = Rows(app.reporter, plans)
        self._run_id = ""
        self._thread: GuestThread | None = None
        self.collected: list[CellResult] = []

    def add(self, work: ColumnWork) -> None:
        """Run the tests of this one as soon as there is room for a guest."""
        self._make_room(work)
        if self._thread is None:
            self._thread = self._begin()
            self._thread.start()
        if self._thread.over:
            self._thread.join()
        self._thread.call(lambda: self._supply.add(work))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended = "failed"
        try:
            if isinstance(error, FarwatchError):
                self._say_that_it_goes_on(error)
            self._finish(broken_off=error is not None and not isinstance(error, FarwatchError))
            ended = "failed" if error else "done"
        except KeyboardInterrupt:
            ended = "interrupted"
            raise
        finally:
            self._rows.close()
            if self._run_id:
                interrupted = isinstance(error, KeyboardInterrupt)
                self._results.end_run(self._run_id, "interrupted" if interrupted else ended)

    def _finish(self, *, broken_off: bool) -> None:
        if self._thread is None:
            return
        try:
            if not broken_off:
                self._thread.call(self._supply.end)
                self._thread.join()
        finally:
            self._thread.cancel()

    def _say_that_it_goes_on(self, error: FarwatchError) -> None:
        if self._thread and not self._thread.over:
            self._app.reporter.say(f"{error.what}; the tests of what is built still run")

    def _make_room(self, work: ColumnWork) -> None:
        name = work.column.engine
        room = self._at_once.get(name) or self._guests or guests_at_once(work.setting.engine)
        if not room:
            raise FarwatchError("no room for a guest", cause="memory is short", hint="farwatch doctor")
        self._at_once[name] = room

    def _begin(self) -> GuestThread:
        drop_old_logs(self._app.home, self._app.reporter.say)
        self._run_id = self._results.begin_run(sys.argv, platform.platform())
        logs = log_folder(self._app, self._run_id)

        async def work(run: Run) -> None:
            await Runner(run, logs, self._on_result, self._run_id).work(self._supply)

        return GuestThread(self._app.home, work)

    def _on_result(self, result: CellResult) -> None:
        self._results.store(result)
        self.collected.append(result)
        self._rows.filled(result)


def log_folder(app: App, run_id: str) -> Path:
    folder = app.home.logs / run_id
    folder.mkdir(parents=True, exist_ok=True)
    return folder
