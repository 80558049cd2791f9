# SPDX-License-Identifier: GPL-2.0-or-later
"""The table as people paste it into a mail below the "---": plain text, no line longer than a mail's.

What says the same is folded, as it is on a terminal. Columns that have no room beside each other stand in
blocks of their own.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from farwatch.reports.table_text import (
    SHORT_LEGEND,
    TableLine,
    cell_marks,
    group_lines,
    headline,
    legend,
    listed_surprises,
    notes,
    summaries,
    surprise,
)
from farwatch.results.table import Group, Table
from farwatch.terminal.escape import printable

WIDTH = 78
LABELS = 26
"""What the names of tests have at least; a longer one has a line to itself."""


def render_mail(table: Table) -> str:
    """The text; ASCII, if names are."""
    lines = [*_wrapped(printable(headline(table))), ""]
    for block in _blocks(table):
        lines += [*_block(table, block), ""]
    lines += [*_wrapped(legend(table, SHORT_LEGEND, sign="#")), ""]
    for label, summary in summaries(table, printable):
        lines += _wrapped(f"{label}: {summary}", "  ")
    shown, more = listed_surprises(table, all_rows=False)
    if shown:
        lines += ["", "Surprising:"]
    for cell in shown:
        lines += _wrapped(f"{cell.name}: {surprise(cell)}", "  ")
    lines += _wrapped(more)
    for note in notes(table):
        lines += _wrapped(note, "  ")
    return "\n".join(lines).rstrip() + "\n"


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(printable(text), WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def _widths(table: Table) -> list[int]:
    """Of each column: its label and what its cells say."""
    said = [
        [cell_marks(cell) for row in table.rows for cell in row.cells[place : place + 1]]
        for place in _all(table)
    ]
    return [
        max(len(printable(heading.label)), *map(len, words), 0)
        for heading, words in zip(table.headings, said, strict=True)
    ]


def _all(table: Table) -> range:
    return range(len(table.headings))


def _blocks(table: Table) -> Iterator[list[int]]:
    """The places of columns that have room beside each other, in order; at least one."""
    widths = _widths(table)
    block: list[int] = []
    for place in _all(table):
        if block and LABELS + sum(widths[each] + 2 for each in (*block, place)) > WIDTH:
            yield block
            block = []
        block.append(place)
    if block:
        yield block


def _block(table: Table, block: Sequence[int]) -> Iterator[str]:
    widths = _widths(table)
    room = WIDTH - sum(widths[place] + 2 for place in block)
    labels = [line.label for group in table.groups for line in _lines(group)]
    room = min(room, max((len(printable(label)) + 2 for label in labels), default=0))

    def line(label: str, words: Sequence[str]) -> Iterator[str]:
        cells = "".join(f"  {words[place]:<{widths[place]}}" for place in block).rstrip()
        if len(label) > room and cells:
            yield from _wrapped(label, "    ")
            label = ""
        yield f"{label:<{room}}{cells}".rstrip()

    yield from line("test", [printable(heading.label) for heading in table.headings])
    for group in table.groups:
        yield from _wrapped(group.name)
        for each in _lines(group):
            yield from line(f"  {printable(each.label)}", [cell_marks(cell) for cell in each.cells])


def _lines(group: Group) -> list[TableLine]:
    return group_lines(group, all_rows=False)
