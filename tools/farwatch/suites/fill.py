# SPDX-License-Identifier: GPL-2.0-or-later
"""Suites from end to end: look up, build, run, store, and the table of them."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from farwatch.cells.selection import compile_expression
from farwatch.cells.testing import log_folder
from farwatch.cells.wish import Wish
from farwatch.errors import FarwatchError, unknown
from farwatch.model import CellResult, Revision, Verdict
from farwatch.results.old_logs import drop_old_logs
from farwatch.results.store import Results
from farwatch.results.table import Table, build_table
from farwatch.suites.plan import (
    SuitePlan,
    SuiteWork,
    absent_options,
    base_revision,
    plan_suites,
    prepare,
    troubled,
)
from farwatch.suites.runner import SuiteRunner, options

if TYPE_CHECKING:
    from farwatch.app import App
    from farwatch.system.children import Run


def execute_suites(app: App, wishes: Sequence[Wish], names: Sequence[str], guests: int | None) -> Table:
    """Fill the rows of these suites, from the store or by running them, and make the table of them."""
    with Results.open(app.home.results) as results:
        plans = plan_suites(app, wishes, names, results)
        collected = [row for plan in plans for row in plan.found]
        if any(plan.todo and not plan.lacking for plan in plans):
            collected += _run(app, results, plans, guests)
    remarks = (*left_out(wishes[0].revisions, plans), *_not_run(plans), *_absent(app, plans))
    return suite_table(app, plans, collected, wishes[0].expression, remarks)


def suite_table(
    app: App,
    plans: Sequence[SuitePlan],
    rows: Sequence[CellResult],
    expression: str,
    remarks: tuple[str, ...],
) -> Table:
    """The table of the rows that -k names, with what is to be said of the suites as a whole."""
    wanted = _named(rows, expression) if expression else list(rows)
    columns = list(dict.fromkeys(plan.column for plan in plans))
    revisions = {plan.made.subject.revision.name: plan.made.subject.revision for plan in plans}
    base = base_revision(app)
    lacking = {plan.column: plan.lacking for plan in plans if plan.lacking}
    return build_table(
        wanted,
        revisions.values(),
        columns,
        list(dict.fromkeys(row.test for row in wanted)),
        whole=False,
        lacking=lacking,
        suites=dict.fromkeys(plan.made.suite.name for plan in plans),
        base=base.name if base else "",
        remarks=remarks,
    )


def _named(rows: Sequence[CellResult], expression: str) -> list[CellResult]:
    matches = compile_expression(expression)
    found = [row for row in rows if matches(row.test)]
    if not found:
        raise unknown("test", expression, dict.fromkeys(row.test for row in rows))
    return found


def left_out(revisions: Sequence[Revision], plans: Sequence[SuitePlan]) -> Iterator[str]:
    """The revisions that have no column of a suite that others have, and why."""
    names = dict.fromkeys(plan.made.suite.name for plan in plans)
    having = {(plan.made.subject.revision.name, plan.made.suite.name) for plan in plans}
    for revision in revisions:
        missing = ", ".join(name for name in names if (revision.name, name) not in having)
        why = (
            "no use for a share, and the kernel is the base's" if revision.share == "tmpfs" else "it has none"
        )
        if missing:
            yield f"{missing}: not on {revision.name}: {why}"


def _not_run(plans: Sequence[SuitePlan]) -> Iterator[str]:
    """What of a suite could not be run, and why."""
    same: dict[tuple[str, Verdict, str], dict[str, None]] = {}
    for plan in plans:
        for unit in plan.made.units:
            if unit.trouble is not None:
                same.setdefault((plan.made.suite.name, *unit.trouble), {})[unit.name] = None
    for (suite, verdict, why), names in same.items():
        yield f"{suite}: {', '.join(names)}: {verdict}: {why}"


def _absent(app: App, plans: Sequence[SuitePlan]) -> Iterator[str]:
    """Said once for all columns that lack the same."""
    same: dict[tuple[str, frozenset[str]], list[SuitePlan]] = {}
    for plan in plans:
        absent = absent_options(app, plan.made.subject)
        if absent:
            same.setdefault((plan.made.suite.name, absent), []).append(plan)
    for (suite, absent), having in same.items():
        columns = ", ".join(f"{plan.column.revision} ({plan.column.engine})" for plan in having)
        why = f"farwatch config {having[0].column.revision} --suite {suite} --why SYMBOL"
        yield f"{suite}: the kernel of {columns} lacks {options(sorted(absent))}, which it asks for: {why}"


def _run(app: App, results: Results, plans: Sequence[SuitePlan], guests: int | None) -> list[CellResult]:
    """Run what is not known; the rows of a program are in the store before anything else happens to them."""
    drop_old_logs(app.home, app.reporter.say)
    run_id = results.begin_run(sys.argv, platform.platform())
    collected: list[CellResult] = []
    ended = "failed"
    try:
        for plan in plans:
            for rows in _troubles(plan, run_id):
                results.store_all(rows)
                collected += rows
        works = [prepare(app, plan) for plan in plans if plan.todo and not plan.lacking]
        if any(work.units for work in works):
            _work(app, results, works, guests, run_id, collected)
        ended = "done"
    except KeyboardInterrupt:
        ended = "interrupted"
        raise
    finally:
        results.end_run(run_id, ended)
    return collected


def _troubles(plan: SuitePlan, run_id: str) -> Iterator[list[CellResult]]:
    """The rows of programs of which it is known that they cannot run; they need no guest."""
    for unit in troubled(plan):
        verdict, title = unit.trouble or (Verdict.ERROR, "")
        inputs = plan.inputs[unit.test]
        yield [CellResult(plan.column, unit.test, inputs, verdict, title, started=time.time(), run=run_id)]
    plan.todo = tuple(unit for unit in plan.todo if unit.trouble is None)


def _work(
    app: App,
    results: Results,
    works: Sequence[SuiteWork],
    guests: int | None,
    run_id: str,
    collected: list[CellResult],
) -> None:
    """Run the queues, one engine at a time."""
    from farwatch.engines.capacity import guests_at_once
    from farwatch.guests.run import run_guests

    batches: dict[str, list[SuiteWork]] = {}
    for each in works:
        batches.setdefault(each.plan.column.engine, []).append(each)
    at_once = {
        name: guests or guests_at_once(batch[0].setting.engine, _memory(batch))
        for name, batch in batches.items()
    }
    if not all(at_once.values()):
        raise FarwatchError("no room for a guest", cause="memory is short", hint="farwatch doctor")
    with app.reporter.task("suites", sum(len(work.units) for work in works)) as task:
        ended: list[str] = []

        def on_rows(plan: SuitePlan, rows: list[CellResult]) -> None:
            results.store_all(rows)
            collected.extend(rows)
            ended.append(rows[0].test)
            tests = f"{len(rows) - 1} tests" if len(rows) > 1 else str(rows[0].verdict)
            task.update(len(ended), f"{plan.column.revision} {rows[0].test}: {tests}")

        async def work(run: Run) -> None:
            runner = SuiteRunner(run, log_folder(app, run_id), on_rows, run_id)
            for name, batch in batches.items():
                await runner.work(batch, at_once[name])

        run_guests(app.home, work)


def _memory(works: Sequence[SuiteWork]) -> int:
    """Bytes that a guest may take, with its server."""
    return max(work.setting.memory for work in works) + 64 << 20
