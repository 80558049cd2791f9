# SPDX-License-Identifier: GPL-2.0-or-later
"""The main job: look up, build, boot, test, store; what verify and test share."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.errors import FarwatchError
from farwatch.model import CellResult
from farwatch.plan import ColumnPlan, plan, prepare
from farwatch.results import Results
from farwatch.table import Table, build_table
from farwatch.work import ColumnWork, Wish

if TYPE_CHECKING:
    from farwatch.app import App
    from farwatch.children import Run


def execute(app: App, wish: Wish, guests: int | None) -> Table:
    """Fill every cell of the wish, from the store or by running it, and make the table of them."""
    with Results.open(app.home.results) as results:
        columns = plan(app, wish, results)
        collected = [result for column in columns for result in column.found.values()]
        if any(column.todo for column in columns):
            works = [prepare(app, wish, column) for column in columns if column.todo]
            collected += run_works(app, results, works, guests)
    return _table(columns, collected, whole=not wish.expression)


def _table(columns: Sequence[ColumnPlan], results: Sequence[CellResult], *, whole: bool) -> Table:
    tests = dict.fromkeys(name for column in columns for name in column.inputs)
    revisions = [column.revision for column in columns]
    return build_table(results, revisions, [column.column for column in columns], list(tests), whole=whole)


def run_works(
    app: App, results: Results, works: Sequence[ColumnWork], guests: int | None
) -> list[CellResult]:
    """Run the queues; every verdict is in the store before anything else happens to it."""
    from farwatch.app import run_guests
    from farwatch.capacity import guests_at_once
    from farwatch.runner import Runner

    at_once = guests or guests_at_once(works[0].setting.engine)
    if not at_once:
        raise FarwatchError("no room for a guest", cause="memory is short", hint="farwatch doctor")
    run_id = results.begin_run(sys.argv, platform.platform())
    collected: list[CellResult] = []
    total = sum(len(work.jobs) for work in works)
    ended = "failed"
    try:
        with app.reporter.task("testing", total) as task:

            def on_result(result: CellResult) -> None:
                results.store(result)
                collected.append(result)
                task.update(len(collected), result.test)

            async def work(run: Run) -> None:
                runner = Runner(run, _log_folder(app, run_id), on_result, run_id)
                await runner.work(works, at_once)

            run_guests(app.home, work)
        ended = "done"
    except KeyboardInterrupt:
        ended = "interrupted"
        raise
    finally:
        results.end_run(run_id, ended)
    return collected


def _log_folder(app: App, run_id: str) -> Path:
    folder = app.home.logs / run_id
    folder.mkdir(parents=True, exist_ok=True)
    return folder
