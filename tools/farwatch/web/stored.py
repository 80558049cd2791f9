# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of what is stored, without running anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from farwatch.model import DEFAULT_SHARE, Column, Revision
from farwatch.results.store import Results
from farwatch.results.table import Table, build_table
from farwatch.suites.plan import base_revision, stored_rows

if TYPE_CHECKING:
    from farwatch.app import App


def stored_table(
    app: App,
    results: Results,
    revisions: Sequence[Revision],
    columns: Sequence[Column],
    suites: Sequence[str] = (),
) -> Table | None:
    """The newest verdicts of these columns: of our own tests, or of suites. None if there are none."""
    if suites:
        stored = stored_rows(app, results, revisions, columns, suites)
    else:
        others = app.catalog.suite_names(revisions)
        stored = [row for row in results.latest(columns) if row.test.partition(":")[0] not in others]
    if not stored:
        return None
    base = base_revision(app)
    return build_table(stored, revisions, columns, whole=False, suites=suites, base=base.name if base else "")


@dataclass(frozen=True, order=True)
class Stored:
    """A table that there is: what its columns have in common."""

    suite: str
    """Empty: our own tests."""
    base: str
    engine: str
    flavor: str
    share_setting: str

    @property
    def title(self) -> str:
        shared = () if self.share_setting == DEFAULT_SHARE.name else (self.share_setting,)
        return ", ".join(
            [*([self.suite] if self.suite else []), f"linux {self.base}", self.engine, self.flavor, *shared]
        )

    def columns(self, revisions: Iterable[Revision]) -> list[Column]:
        """A revision that has no server has no share setting either."""
        return [
            Column(
                revision.name,
                self.base,
                self.engine,
                self.flavor,
                self.share_setting if revision.share == "virtiofs" else DEFAULT_SHARE.name,
            )
            for revision in revisions
        ]


def stored_tables(results: Results, revisions: Sequence[Revision], suites: frozenset[str]) -> list[Stored]:
    """Those with a verdict of a revision that there is; our own tests first, as they are run by default."""
    names = {revision.name for revision in revisions}
    found = {
        Stored(program if program in suites else "", *_parts(column))
        for column, program in results.programs()
        if column.revision in names
    }
    return sorted(found, key=lambda one: (one.suite, one.engine != "uml", one.flavor != "plain", _order(one)))


def _parts(column: Column) -> tuple[str, str, str, str]:
    return column.base, column.engine, column.flavor, column.share_setting


def _order(one: Stored) -> tuple[bool, Stored]:
    return one.share_setting != DEFAULT_SHARE.name, one
