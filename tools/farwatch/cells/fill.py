# SPDX-License-Identifier: GPL-2.0-or-later
"""The main job: look up, build, boot, test, store; what verify and test share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from farwatch.cells.plan import ColumnPlan, plan, prepare
from farwatch.cells.wish import Wish
from farwatch.model import CellResult
from farwatch.results.store import Results
from farwatch.results.table import Table, build_table

if TYPE_CHECKING:
    from farwatch.app import App
    from farwatch.cells.crew import Crew


def execute(app: App, wishes: Sequence[Wish], guests: int | None, crew: Crew | None = None) -> Table:
    """Fill every cell of the wishes, from the store or by running it, and make the table of them.

    crew:   who runs it instead of guests of this machine
    wishes: of the same revisions, one for each engine and share setting; those of a revision get columns
            side by side
    """
    with Results.open(app.home.results) as results:
        columns = plan(app, wishes, results)
        collected = [result for column in columns for result in column.found.values()]
        if to_run := [column for column in columns if column.todo and not column.lacking]:
            from farwatch.cells.crew import OwnGuests

            collected += fill_columns(app, results, to_run, crew or OwnGuests(app.home, guests))
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


def fill_columns(app: App, results: Results, plans: Sequence[ColumnPlan], crew: Crew) -> list[CellResult]:
    """Build what each column's guests need, and run its tests while the next one's is built.

    FarwatchError when something does not build: then what was built before has been tested.
    """
    from farwatch.cells.testing import Testing

    # what takes no building first, then what takes least: a first row is soon on the screen
    missing = [(app.builder.missing(plan.subject), plan) for plan in plans]
    missing.sort(key=lambda each: len(each[0]))
    if said := app.builder.expect(one for wanted, _ in missing for one in wanted):
        app.reporter.say(said)
    with Testing(app, results, plans, crew) as testing:
        for _, column in missing:
            testing.add(prepare(app, column))
    return testing.collected
