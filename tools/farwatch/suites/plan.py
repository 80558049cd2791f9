# SPDX-License-Identifier: GPL-2.0-or-later
"""From "these suites on these revisions" to columns: which programs are known and which have to be run."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from farwatch.builds.subject import Subject
from farwatch.cells.plan import column_key, file_hash
from farwatch.cells.selection import compile_expression
from farwatch.cells.setting import built_setting, lacking_for, subject_of
from farwatch.cells.wish import Wish
from farwatch.errors import FarwatchError
from farwatch.model import DEFAULT_SHARE, CellResult, Column, Revision, Suite
from farwatch.results.store import REUSABLE, Results
from farwatch.suites.units import SuiteSubject, Unit, suite_subject

if TYPE_CHECKING:
    from farwatch.app import App
    from farwatch.builds.selftests import TestsBuild
    from farwatch.guests.setting import Setting


@dataclass
class SuitePlan:
    """One suite in one column."""

    made: SuiteSubject
    column: Column
    tests: TestsBuild
    """Our own: agent and actor are among them."""
    inputs: dict[str, str]
    """Name of a unit's row -> hash over everything that could change its rows."""
    found: list[CellResult]
    todo: tuple[Unit, ...]
    before: dict[str, list[CellResult]]
    """Inputs -> the rows of the last run with them, however that ended."""
    lacking: str = ""
    """Why what is to be run cannot be run on this machine."""


@dataclass
class SuiteWork:
    """The programs of one plan that are still to be run."""

    plan: SuitePlan
    setting: Setting
    absent: frozenset[str]
    """Kconfig symbols that its kernel was to have, and does not."""
    units: deque[tuple[Unit, int]]
    """Each with the attempts that it has had."""
    boots_failed: int = field(default=0)


def base_revision(app: App) -> Revision | None:
    """The revision that shows what the base does: it has a server, and patches for nothing."""
    for revision in app.catalog.revisions():
        if revision.share != "tmpfs" and not any(map(revision.patches, app.catalog.components())):
            return revision
    return None


def with_base(app: App, revisions: Sequence[Revision]) -> tuple[Revision, ...]:
    """The revisions, and the one that they are held against."""
    base = base_revision(app)
    if base is None or any(revision.name == base.name for revision in revisions):
        return tuple(revisions)
    return tuple(sorted((*revisions, base), key=lambda revision: revision.order))


def plan_suites(app: App, wishes: Sequence[Wish], names: Sequence[str], results: Results) -> list[SuitePlan]:
    """Look up every row. wishes: of the same revisions, one for each engine and share setting."""
    revisions = wishes[0].revisions
    plans: dict[tuple[str, Column], SuitePlan] = {}
    known = {name: app.catalog.suite(name, revisions) for name in names}
    for revision in revisions:
        for wish in wishes:
            subject = subject_of(app, wish, revision)
            for name in names:
                suite = known[name].get(revision.name)
                if suite is None or (subject.share == "tmpfs" and not suite.uses_share):
                    continue
                column = column_of(suite, subject)
                if (name, column) not in plans:
                    made = suite_subject(app, suite, subject)
                    plans[name, column] = _plan(app, wish, results, made, column)
    if not plans:
        raise FarwatchError(
            f"{', '.join(names)}: nothing to run on {', '.join(revision.name for revision in revisions)}",
            cause="these suites have no use for a share, and the reference has no kernel of its own",
        )
    return list(plans.values())


def column_of(suite: Suite, subject: Subject) -> Column:
    """The column of a suite's rows: how a share is served is nothing to who does not use it."""
    return subject.column() if suite.uses_share else replace(subject, share_setting=DEFAULT_SHARE).column()


def _plan(app: App, wish: Wish, results: Results, made: SuiteSubject, column: Column) -> SuitePlan:
    tests = app.builder.tests(made.subject.linux)
    key = column_key(app, made.subject)
    helpers = (file_hash(tests.agent), file_hash(tests.actor))
    units = chosen(made.units, wish.expression)
    inputs = {unit.test: unit.key("/".join((key, *helpers))) for unit in units}
    before = last_runs(results.suite_rows(column, made.suite.name), inputs.values())
    found = [] if wish.fresh else [row for key, rows in before.items() for row in reusable(rows)]
    done = {row.inputs for row in found}
    todo = tuple(unit for unit in units if inputs[unit.test] not in done)
    lacking = lacking_for(app, made.subject.share_setting) if todo and made.subject.has_server else ""
    return SuitePlan(made, column, tests, inputs, found, todo, before, lacking)


def last_runs(runs: Iterable[list[CellResult]], inputs: Iterable[str]) -> dict[str, list[CellResult]]:
    """Inputs -> the rows of the last run that had them; of several the last one speaks."""
    wanted = set(inputs)
    return {rows[0].inputs: rows for rows in runs if rows[0].inputs in wanted}


def reusable(rows: list[CellResult]) -> list[CellResult]:
    """The rows, if they may stand for a new run: the program's own one is the first."""
    return rows if rows[0].verdict in REUSABLE else []


def stored_rows(
    app: App, results: Results, revisions: Sequence[Revision], columns: Sequence[Column], names: Sequence[str]
) -> list[CellResult]:
    """What the store has of suites, of the last run of each program, whatever its inputs were."""
    for name in names:
        app.catalog.suite(name, revisions)
    rows: list[CellResult] = []
    for column in dict.fromkeys(columns):
        for name in names:
            last = {run[0].test: run for run in results.suite_rows(column, name)}
            rows += [row for run in last.values() for row in run]
    return rows


def chosen(units: Sequence[Unit], expression: str) -> tuple[Unit, ...]:
    """The programs that -k names; all, where it may mean tests in them."""
    if not expression:
        return tuple(units)
    matches = compile_expression(expression)
    return tuple(unit for unit in units if matches(unit.test)) or tuple(units)


def prepare(app: App, plan: SuitePlan) -> SuiteWork:
    """Build what the guests need, and put the programs in a queue, the longest first."""
    subject = plan.made.subject
    setting = replace(built_setting(app, subject, plan.tests), memory=plan.made.suite.memory)
    units = deque((unit, 0) for unit in plan.todo)
    return SuiteWork(plan, setting, absent_options(app, subject), units)


def absent_options(app: App, subject: Subject) -> frozenset[str]:
    """What a subject's kernel was to have, and does not; empty as long as it is not built."""
    kernel = app.builder.kernels.find(subject)
    return kernel.lacking if kernel else frozenset()


def troubled(plan: SuitePlan) -> list[Unit]:
    """The programs that need no guest: it is known that they cannot run."""
    return [unit for unit in plan.todo if unit.trouble is not None]
