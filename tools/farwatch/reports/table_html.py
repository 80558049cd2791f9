# SPDX-License-Identifier: GPL-2.0-or-later
"""The table as one self-contained HTML file: light and dark, no script, nothing fetched."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from farwatch.model import Verdict
from farwatch.reports.table_text import headline, notes, show_command, surprise
from farwatch.results.table import Cell, Change, Row, Table
from farwatch.terminal.escape import printable, printable_lines


def environment() -> Environment:
    """Templates, with every value escaped and `printable` as a filter."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(printable=printable, printable_lines=printable_lines)
    return made


def render_html(table: Table) -> str:
    """The document. Equal tables give equal documents."""
    template = environment().get_template("table.html.j2")
    return template.render(
        table=table,
        headline=headline(table),
        notes=notes(table),
        anchors=_anchors(table),
        calm=_calm,
        calm_group=lambda group: all(map(_calm, group.rows)),
        classes=_classes,
        has_more=_has_more,
        show_command=show_command,
        surprise=surprise,
        words=_words,
    )


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


def _classes(cell: Cell) -> str:
    if cell.surprising:
        return "surprising"
    if cell.result is None:
        return "missing"
    if cell.expected_failure or cell.as_base or cell.result.verdict is not Verdict.PASS:
        return "known"
    return "pass fixed" if cell.change is Change.FIXES else "pass"


def _words(cell: Cell) -> Markup:
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
