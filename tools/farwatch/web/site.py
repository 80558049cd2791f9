# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages of a table: which there are, how they are called, and what is in each.

A page is made when it is asked for, so that the same pages are written into a folder and shown live. Their
links are relative. What a page may be called is known here alone: whoever serves them looks a name up, and
opens nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from farwatch.bench.page import render_page
from farwatch.bench.record import Record
from farwatch.model import CellResult, Column, Verdict, hash_of
from farwatch.reports.cell_html import render_cell
from farwatch.reports.history_html import render_history
from farwatch.reports.html import Link, render
from farwatch.reports.table_html import render_index
from farwatch.results.table import Cell, Change, Row, Table

Cells = Literal["surprising", "failing", "all"]
"""Which cells have a page: whose verdict surprises; or is no pass, or a change; or all that were run."""
INDEX, BENCHES = "index.html", "bench/index.html"
VERDICTS = 100
"""Of a cell's history, at most."""
Histories = Callable[[Row], Mapping[Column, Sequence[CellResult]]]


class Site:
    """Pages by name. cells: which of them have one; above: what the site is a part of"""

    def __init__(
        self,
        table: Table,
        logs: Path,
        histories: Histories,
        records: Sequence[Record],
        cells: Cells = "all",
        above: Sequence[Link] = (),
    ) -> None:
        self._table = table
        self._logs = logs
        self._histories = histories
        self._above = above
        self._rows = {page_name("rows", row.test): row for row in table.rows}
        self._row_names = {row.test: name for name, row in self._rows.items()}
        self._cells = {page_name("cells", cell.name): cell for cell in _wanted(table, cells)}
        self._cell_names = {cell.name: name for name, cell in self._cells.items()}
        self._records = {f"bench/{_slug(f'{one.kind}-{one.when}')}.html": one for one in records}
        self.remarks: list[str] = []
        """Said on the first page."""

    @property
    def cell_names(self) -> list[str]:
        """Pages of cells, what matters most first."""
        return list(self._cells)

    def without(self, names: Sequence[str]) -> None:
        """Leave pages of cells out; nothing links to them then."""
        for name in names:
            del self._cell_names[self._cells.pop(name).name]

    @property
    def other_names(self) -> list[str]:
        """All the other pages."""
        return [*self._rows, *([BENCHES] if self._records else []), *self._records, INDEX]

    def render(self, name: str) -> str | None:
        """The page of a name; None if there is none."""
        maker = self._maker(name)
        return None if maker is None else maker()

    def _maker(self, name: str) -> Callable[[], str] | None:
        if name == INDEX:
            return self._index
        if name in self._cells:
            return partial(self._cell, self._cells[name])
        if name in self._rows:
            return partial(self._row, self._rows[name])
        if name == BENCHES and self._records:
            return self._benches
        return partial(self._bench, self._records[name]) if name in self._records else None

    def _nav(self, here: str) -> list[Link]:
        up = "../" * here.count("/")
        pages = {INDEX: "Table", **({BENCHES: "Benchmarks"} if self._records else {})}
        above = [Link(link.text, up + link.target) for link in self._above]
        return [*above, *(Link(text, "" if name == here else up + name) for name, text in pages.items())]

    def _page_of(self, cell: Cell, up: str) -> str:
        name = self._cell_names.get(cell.name, "")
        return name and up + name

    def _index(self) -> str:
        return render_index(
            self._table,
            cell_page=partial(self._page_of, up=""),
            row_page=lambda row: self._row_names[row.test],
            nav=self._nav(INDEX),
            remarks=self.remarks,
        )

    def _cell(self, cell: Cell) -> str:
        return render_cell(cell, self._logs, self._nav("cells/"), f"../{self._row_names[cell.test]}")

    def _row(self, row: Row) -> str:
        of_cells = partial(self._page_of, up="../")
        return render_history(row, self._table.headings, self._histories(row), self._nav("rows/"), of_cells)

    def _benches(self) -> str:
        pages = [(one, name.partition("/")[2]) for name, one in self._records.items()]
        return render("benches.html.j2", nav=self._nav(BENCHES), pages=pages)

    def _bench(self, made: Record) -> str:
        alike = [one for one in self._records.values() if _comparable(one, made) and one.when < made.when]
        return render_page(made, alike[::-1], self._nav("bench/"))


def _comparable(one: Record, other: Record) -> bool:
    return (one.kind, one.machine, one.quick) == (other.kind, other.machine, other.quick)


def _wanted(table: Table, cells: Cells) -> list[Cell]:
    """What matters most first: a surprise, a change, what is no pass."""
    every = [cell for row in table.rows for cell in row.cells if cell.result is not None]
    ranked = sorted(every, key=_rank)
    most = {"surprising": 0, "failing": 2, "all": 3}[cells]
    return [cell for cell in ranked if _rank(cell) <= most]


def _rank(cell: Cell) -> int:
    changed = cell.change in (Change.BREAKS, Change.FIXES)
    passed = cell.verdict is Verdict.PASS
    return next(rank for rank, is_it in enumerate((cell.surprising, changed, not passed, True)) if is_it)


def page_name(folder: str, name: str) -> str:
    """Of a cell or a test, whatever that is called; two of them have two names."""
    return f"{folder}/{_slug(name)}-{hash_of(name)[:10]}.html"


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[-80:].strip("-")


def every_history(
    found: Mapping[tuple[Column, str], Sequence[CellResult]], columns: Sequence[Column]
) -> Histories:
    """Of rows, out of what was read of all of them at once."""
    return lambda row: {column: found.get((column, row.test), ()) for column in columns}


def names_of(site: Site) -> Iterator[str]:
    """Of all pages, those first that others link to."""
    yield from site.cell_names
    yield from site.other_names
