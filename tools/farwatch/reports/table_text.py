# SPDX-License-Identifier: GPL-2.0-or-later
"""The table for people: as plain text, as Markdown, or as fits a stream.

Rows of a group that say the same are folded into one line, if the caller allows it; a surprising row never.
Drawing on a terminal is in table_terminal.py, which is imported only when there is one: it needs rich.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from farwatch.results.table import Cell, Change, Group, Row, Table
from farwatch.terminal.escape import markdown, printable

FOLD_FROM = 3
"""So many rows of a group that say the same become one line."""
SURPRISES_SHOWN = 20
"""Longest list of surprises when folding."""

LEGEND = (
    "fixed, broken: against the column to the left; known: expected by the revision; "
    "race: may fail as well; !: surprising"
)
SHORT_LEGEND = (
    "+ fixed, - broken: against the column to the left; ~ expected by the revision; "
    "? may fail as well; ! surprising"
)


@dataclass(frozen=True)
class TableLine:
    """One line below a group's heading: a row, or several folded into one."""

    label: str
    cells: tuple[Cell, ...]
    """Those of the row, or of the first of the folded rows: all say the same."""


# -- what to show


def group_lines(group: Group, all_rows: bool) -> list[TableLine]:
    """The lines of a group; without `all_rows`, rows that say the same are folded."""
    if all_rows:
        return [_line(row) for row in group.rows]
    if len(group.rows) > 1 and len({row.pattern for row in group.rows}) == 1 and not group.rows[0].surprising:
        return [TableLine(f"{len(group.rows)} tests", group.rows[0].cells)]
    return list(_fold(group.rows))


def _fold(rows: Sequence[Row]) -> Iterator[TableLine]:
    """Each folded line stands where the first of its rows was."""
    alike: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        alike.setdefault((row.case.variant, row.pattern), []).append(row)
    for row in rows:
        same = alike[row.case.variant, row.pattern]
        if row.surprising or len(same) < FOLD_FROM:
            yield _line(row)
        elif row is same[0]:
            variant = f" ({row.case.variant})" if row.case.variant else ""
            yield TableLine(f"{len(same)} tests{variant}", row.cells)


def _line(row: Row) -> TableLine:
    return TableLine(row.label, row.cells)


def cell_words(cell: Cell) -> str:
    """What a cell says, in words: "fail known", "pass fixed", "fail broken !"."""
    return " ".join([cell.word, *(word for word, _ in _remarks(cell))])


def cell_marks(cell: Cell) -> str:
    """The same in less room: "fail ~", "pass +", "fail -!"."""
    return f"{cell.word} {''.join(mark for _, mark in _remarks(cell))}".rstrip()


def _remarks(cell: Cell) -> Iterator[tuple[str, str]]:
    if cell.change is Change.FIXES:
        yield "fixed", "+"
    if cell.change is Change.BREAKS:
        yield "broken", "-"
    if cell.expected_failure:
        yield "known", "~"
    if cell.as_base:
        yield "as base", "="
    if cell.won_race:
        yield "race", "?"
    if cell.differs:
        yield "differs", "#"
    if cell.surprising:
        yield "!", "!"


def surprise(cell: Cell) -> str:
    """What is surprising, and what was expected."""
    title = cell.result.title if cell.result else ""
    return f"{cell.word}: {title} ({cell.expected})" if title else f"{cell.word} ({cell.expected})"


def show_command(cell: Cell) -> str:
    return f"./farwatch show {shlex.quote(cell.name)}"


def listed_surprises(table: Table, all_rows: bool) -> tuple[Sequence[Cell], str]:
    """The surprises to list, and a last line when not all are."""
    shown = table.surprises if all_rows else table.surprises[:SURPRISES_SHOWN]
    more = len(table.surprises) - len(shown)
    return shown, f"... and {more} more, with --all" if more else ""


def notes(table: Table) -> list[str]:
    """What else there is to say: tests on which engines disagree, expectations that cover nothing."""
    labels = {heading.column: heading.label for heading in table.headings}
    differing = [
        f"engines differ: {row.test}: {', '.join(f'{labels[cell.column]} {cell.word}' for cell in cells)}"
        for row in table.rows
        for cells in row.differing
    ]
    return [*differing, *table.remarks] + [
        f"no test is covered by the expectation {entry}" for entry in table.idle_expectations
    ]


def legend(table: Table, text: str, *, sign: str = "differs") -> str:
    """LEGEND or SHORT_LEGEND, with what only a table of several engines needs."""
    several = len({heading.column.engine for heading in table.headings}) > 1
    signs = [text, *([f"{sign}: from another engine"] if several else [])]
    if any(cell.suite for row in table.rows for cell in row.cells):
        signs.append(f"{'=' if sign == '#' else 'as base'}: the same without the series, so not its fault")
    return "; ".join(signs)


def headline(table: Table) -> str:
    return f"Regression table ({table.setting})" if table.setting else "Regression table"


def summaries(table: Table, escape: Callable[[str], str]) -> list[tuple[str, str]]:
    return [(escape(heading.label), heading.summary or "nothing run") for heading in table.headings]


# -- plain text


def render_text(table: Table, all_rows: bool = True) -> str:
    """Text without escape codes or line drawing; columns are lined up with blanks."""
    body = [
        ["test", *(printable(heading.label) for heading in table.headings)],
        *(line for group in table.groups for line in _text_group(group, all_rows)),
    ]
    lines = [printable(headline(table)), "", *_lined_up(body), "", legend(table, LEGEND), ""]
    lines += _lined_up([f"{label}:", summary] for label, summary in summaries(table, printable))
    lines += _text_surprises(table, all_rows)
    lines += [printable(note) for note in notes(table)]
    return "\n".join(lines) + "\n"


def _text_group(group: Group, all_rows: bool) -> Iterator[list[str]]:
    yield [printable(group.name)]
    for line in group_lines(group, all_rows):
        yield [f"  {printable(line.label)}", *map(cell_words, line.cells)]


def _text_surprises(table: Table, all_rows: bool) -> Iterator[str]:
    shown, more = listed_surprises(table, all_rows)
    if shown:
        yield from ("", "Surprising:")
    for cell in shown:
        yield from (f"  {printable(surprise(cell))}", f"    {printable(show_command(cell))}")
    if more:
        yield f"  {more}"


def _lined_up(rows: Iterable[Sequence[str]]) -> list[str]:
    """Pad the fields to columns. A row with one field is a heading and widens nothing."""
    table = [list(row) for row in rows]
    full = [row for row in table if len(row) > 1]
    widths = [max(map(len, fields)) for fields in zip(*full, strict=True)] if full else []
    return [
        "  ".join(field.ljust(width) for field, width in zip(row, widths, strict=False)).rstrip()
        if len(row) > 1
        else row[0]
        for row in table
    ]


# -- Markdown


def render_markdown(table: Table, all_rows: bool = True) -> str:
    """GitHub Markdown: a table, a list of what the columns add up to, a list of surprises."""
    labels = [markdown(heading.label) for heading in table.headings]
    lines = [f"### {markdown(headline(table))}", "", _markdown_row(["test", *labels])]
    lines.append("|" + " --- |" * (len(labels) + 1))
    for group in table.groups:
        lines.append(_markdown_row([f"**{markdown(group.name)}**", *[""] * len(labels)]))
        lines += [
            _markdown_row([markdown(line.label), *(_markdown_cell(cell) for cell in line.cells)])
            for line in group_lines(group, all_rows)
        ]
    lines += ["", markdown(legend(table, LEGEND)), ""]
    lines += [f"- **{label}**: {summary}" for label, summary in summaries(table, markdown)]
    lines += _markdown_surprises(table, all_rows)
    lines += [f"- {markdown(note)}" for note in notes(table)]
    return "\n".join(lines) + "\n"


def _markdown_row(fields: Sequence[str]) -> str:
    return f"| {' | '.join(fields)} |"


def _markdown_cell(cell: Cell) -> str:
    words = markdown(cell_words(cell))
    return f"**{words}**" if cell.surprising or cell.change in (Change.FIXES, Change.BREAKS) else words


def _markdown_surprises(table: Table, all_rows: bool) -> Iterator[str]:
    shown, more = listed_surprises(table, all_rows)
    if shown:
        yield from ("", "#### Surprising", "")
    for cell in shown:
        yield f"- {markdown(cell.name)}: {markdown(surprise(cell))}"
    if more:
        yield f"- {markdown(more)}"


# -- terminal
