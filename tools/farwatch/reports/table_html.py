# SPDX-License-Identifier: GPL-2.0-or-later
"""The table as one self-contained HTML file: light and dark, no script, nothing fetched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from farwatch.model import Verdict
from farwatch.reports.html import Link, render, script
from farwatch.reports.table_text import headline, notes, show_command, surprise
from farwatch.results.table import Cell, Change, Row, Table


def _nowhere(_: object) -> str:
    return ""


def render_html(table: Table) -> str:
    """The document. Equal tables give equal documents."""
    return _rendered(table)


def render_index(
    table: Table,
    *,
    cell_page: Callable[[Cell], str],
    row_page: Callable[[Row], str],
    nav: Sequence[Link],
    remarks: Sequence[str],
) -> str:
    """The same as the first page of many, with a filter. The pages of cells and rows: "" for none."""
    return _rendered(
        table,
        cell_page=cell_page,
        row_page=row_page,
        nav=nav,
        remarks=remarks,
        programs=list(dict.fromkeys(_program(row) for row in table.rows)),
        script=script("filter.js"),
    )


def _rendered(table: Table, **more: Any) -> str:
    alone = {"cell_page": _nowhere, "row_page": _nowhere, "remarks": (), "programs": ()}
    return render(
        "table.html.j2",
        **{**alone, **more},
        table=table,
        headline=headline(table),
        notes=notes(table),
        anchors=_anchors(table),
        calm=_calm,
        calm_group=lambda group: all(map(_calm, group.rows)),
        classes=classes,
        has_more=_has_more,
        program=_program,
        show_command=show_command,
        surprise=surprise,
        words=words,
    )


def _program(row: Row) -> str:
    return row.case.program


def _anchors(table: Table) -> dict[str, str]:
    """Name of a cell -> id of its element: names may hold what an id must not."""
    return {
        cell.name: f"cell-{line}-{place}"
        for line, row in enumerate(table.rows)
        for place, cell in enumerate(row.cells)
    }


def _calm(row: Row) -> bool:
    return not any(cell.surprising or cell.differs or _changed(cell) for cell in row.cells)


def _changed(cell: Cell) -> bool:
    return cell.change in (Change.FIXES, Change.BREAKS)


def _has_more(cell: Cell) -> bool:
    return cell.result is not None and (cell.result.verdict is not Verdict.PASS or cell.surprising)


def classes(cell: Cell) -> str:
    if cell.surprising:
        return "surprising"
    if cell.result is None:
        return "missing"
    if cell.expected_failure or cell.as_base or cell.result.verdict is not Verdict.PASS:
        return "known"
    return "pass fixed" if cell.change is Change.FIXES else "pass"


def words(cell: Cell) -> Markup:
    """The verdict, and what is to be said of it, in words."""
    tags = []
    if _changed(cell):
        tags.append("fixed" if cell.change is Change.FIXES else "broken")
    if cell.expected_failure:
        tags.append("known")
    if cell.as_base:
        tags.append("as base")
    if cell.won_race:
        tags.append("race")
    if cell.differs:
        tags.append("differs")
    if cell.surprising:
        tags.append("surprising")
    spans = (Markup(' <span class="tag">{}</span>').format(tag) for tag in tags)
    return Markup("{}").format(cell.word) + Markup("").join(spans)
