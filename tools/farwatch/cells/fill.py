# SPDX-License-Identifier: GPL-2.0-or-later
"""The main job: look up, build, boot, test, store; what verify and test share."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.cells.jobs import ColumnWork
from farwatch.cells.plan import ColumnPlan, plan, prepare
from farwatch.cells.wish import Wish
from farwatch.errors import FarwatchError
from farwatch.model import CellResult
from farwatch.results.old_logs import drop_old_logs
from farwatch.results.store import Results
from farwatch.results.table import Table, build_table

if TYPE_CHECKING:
    from farwatch.app import App
    from farwatch.system.children import Run


def execute(app: App, wishes: Sequence[Wish], guests: int | None) -> Table:
    """Fill every cell of the wishes, from the store or by running it, and make the table of them.

    wishes: of the same revisions, one for each engine and share setting; those of a revision get columns
            side by side
    """
    with Results.open(app.home.results) as results:
        columns = plan(app, wishes, results)
        collected = [result for column in columns for result in column.found.values()]
        works = [prepare(app, column) for column in columns if column.todo and not column.lacking]
        if works:
            collected += run_works(app, results, works, guests)
    return _table(app, columns, collected, whole=not wishes[0].expression)


def _table(app: App, columns: Sequence[ColumnPlan], results: Sequence[CellResult], *, whole: bool) -> Table:
    tests = dict.fromkeys(name for column in columns for name in column.inputs)
    revisions = [column.subject.revision for column in columns]
    lacking = {column.column: column.lacking for column in columns if column.lacking}
    return build_table(
        results,
        revisions,
        [column.column for column in columns],
        list(tests),
        whole=whole,
        lacking=lacking,
        suites=app.catalog.suite_names(revisions),
    )


def run_works(
    app: App, results: Results, works: Sequence[ColumnWork], guests: int | None
) -> list[CellResult]:
    """Run the queues, one engine at a time; a verdict is in the store before anything else happens to it."""
    from farwatch.cells.runner import Runner
    from farwatch.engines.capacity import guests_at_once
    from farwatch.guests.run import run_guests

    batches: dict[str, list[ColumnWork]] = {}
    for each in works:
        batches.setdefault(each.column.engine, []).append(each)
    at_once = {name: guests or guests_at_once(batch[0].setting.engine) for name, batch in batches.items()}
    if not all(at_once.values()):
        raise FarwatchError("no room for a guest", cause="memory is short", hint="farwatch doctor")
    drop_old_logs(app.home, app.reporter.say)
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
                runner = Runner(run, log_folder(app, run_id), on_result, run_id)
                for name, batch in batches.items():
                    await runner.work(batch, at_once[name])

            run_guests(app.home, work)
        ended = "done"
    except KeyboardInterrupt:
        ended = "interrupted"
        raise
    finally:
        results.end_run(run_id, ended)
    return collected


def log_folder(app: App, run_id: str) -> Path:
    folder = app.home.logs / run_id
    folder.mkdir(parents=True, exist_ok=True)
    return folder
