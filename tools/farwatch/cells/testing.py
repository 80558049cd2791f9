# SPDX-License-Identifier: GPL-2.0-or-later
"""The tests of columns, run beside whatever else is done: a column's as soon as it is there."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from farwatch.cells.crew import Crew
from farwatch.cells.jobs import ColumnWork
from farwatch.cells.plan import ColumnPlan
from farwatch.cells.rows import Rows
from farwatch.errors import FarwatchError
from farwatch.model import CellResult
from farwatch.results.old_logs import drop_old_logs
from farwatch.results.store import Results

if TYPE_CHECKING:
    from farwatch.app import App


class Testing:
    """A verdict is in the store before anything else happens to it.

    A context manager: the end of the block is that of all tests. If the block ends by a FarwatchError (what
    is next does not build), the tests of what was added are still run; by anything else they are broken off.

    plans: of all columns that will be added, if nothing goes wrong
    """

    __test__ = False  # for pytest, by its name

    def __init__(self, app: App, results: Results, plans: Sequence[ColumnPlan], crew: Crew) -> None:
        self._app = app
        self._results = results
        self._plans = plans
        self._crew = crew
        self._rows = Rows(app.reporter, plans)
        self._run_id = ""
        self.collected: list[CellResult] = []

    def add(self, work: ColumnWork) -> None:
        """Run the tests of this one as soon as there is room for a guest."""
        self._crew.make_room(work)
        if not self._run_id:
            self._begin()
        if self._crew.over:
            self._crew.join()
        self._crew.add(work)

    def __enter__(self) -> Self:
        try:
            self._crew.open(self._plans)
        except BaseException:
            self._crew.cancel()
            raise
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
        try:
            if self._run_id and not broken_off:
                self._crew.end()
                self._crew.join()
        finally:
            self._crew.cancel()

    def _say_that_it_goes_on(self, error: FarwatchError) -> None:
        if self._run_id and not self._crew.over:
            self._app.reporter.say(f"{error.what}; the tests of what is built still run")

    def _begin(self) -> None:
        drop_old_logs(self._app.home, self._app.reporter.say)
        self._run_id = self._results.begin_run(sys.argv, platform.platform())
        self._crew.begin(log_folder(self._app, self._run_id), self._run_id, self._on_result)

    def _on_result(self, result: CellResult) -> None:
        self._results.store(result)
        self.collected.append(result)
        self._rows.filled(result)


def log_folder(app: App, run_id: str) -> Path:
    folder = app.home.logs / run_id
    folder.mkdir(parents=True, exist_ok=True)
    return folder
