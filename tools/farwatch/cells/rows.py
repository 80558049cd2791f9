# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said of tests while they run: how many, what surprises, and which row is full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from farwatch.cells.plan import ColumnPlan
from farwatch.model import CellResult, Column
from farwatch.results.names import column_name
from farwatch.results.table import Cell

if TYPE_CHECKING:
    from farwatch.terminal.progress import Reporter, Task

NAMED = 5
"""Surprises of a column that are named before there is a table."""


class Rows:
    """Safe for one thread at a time.

    Of a single column nothing is said but how far it is: its table follows at once.
    """

    def __init__(self, reporter: Reporter, plans: Sequence[ColumnPlan]) -> None:
        self._reporter = reporter
        self._plans = {plan.column: plan for plan in plans}
        self._filled: Counter[Column] = Counter()
        self._surprises: Counter[Column] = Counter()
        self._task: Task | None = None

    def filled(self, result: CellResult) -> None:
        """A cell has its verdict, and is in the store."""
        self._filled[result.column] += 1
        if self._task is None:
            self._task = self._reporter.task("testing", sum(len(plan.todo) for plan in self._plans.values()))
        self._task.update(self._filled.total(), result.test)
        self._look_for_surprise(result)
        if self._filled[result.column] == len(self._plans[result.column].todo):
            self._say(self._full(result.column))

    def close(self) -> None:
        """Nothing more comes."""
        if self._task:
            self._task.finish()

    def _look_for_surprise(self, result: CellResult) -> None:
        column = result.column
        expectation = self._plans[column].subject.revision.expectation(result.test, column)
        cell = Cell(column, result.test, result, expectation, None)
        if not cell.surprising:
            return
        self._surprises[column] += 1
        if self._surprises[column] <= NAMED:
            title = f": {result.title}" if result.title else ""
            self._say(f"{self._name(column)}: surprise: {result.test}: {cell.word}{title}")

    def _full(self, column: Column) -> str:
        tests, surprises = self._filled[column], self._surprises[column]
        known = len(self._plans[column].found)
        counted = f"{tests} test{'s' * (tests != 1)} run{f', {known} known' if known else ''}"
        said = f"{surprises} surprise{'s' * (surprises != 1)}" if surprises else "all as expected"
        return f"{self._name(column)}: {counted}, {said}"

    def _name(self, column: Column) -> str:
        """Of its parts only those that tell it from the others."""
        revisions = {one.revision for one in self._plans}
        return column.revision if len(revisions) == len(self._plans) else column_name(column)

    def _say(self, text: str) -> None:
        if len(self._plans) > 1:
            self._reporter.say(text)
