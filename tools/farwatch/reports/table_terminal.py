# SPDX-License-Identifier: GPL-2.0-or-later
"""The table drawn on a terminal with rich: colours and symbols beside the words of reports/table_text.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TextIO

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from farwatch.model import Verdict
from farwatch.reports.table_text import (
    LEGEND,
    SHORT_LEGEND,
    cell_marks,
    cell_words,
    group_lines,
    headline,
    legend,
    listed_surprises,
    notes,
    show_command,
    summaries,
    surprise,
)
from farwatch.results.table import Cell, Change, Table
from farwatch.terminal.escape import printable

_SYMBOLS = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.SKIP: "-",
    Verdict.XFAIL: "✗",
    Verdict.CRASH: "✗",
    Verdict.HANG: "✗",
    Verdict.ERROR: "?",
}


def draw_table(table: Table, stream: TextIO, all_rows: bool = False, width: int | None = None) -> None:
    """Draw the table with colours. Every colour is also said by a symbol and a word."""
    console = Console(file=stream, highlight=False, width=width)
    console.print(Text(printable(headline(table)), "bold"))
    drawn, signs = _rich_table(table, all_rows, cell_words), legend(table, LEGEND)
    if Measurement.get(console, console.options.update(max_width=10_000), drawn).maximum > console.width:
        drawn = _rich_table(table, all_rows, cell_marks)
        signs = legend(table, SHORT_LEGEND, sign="#")
    console.print(drawn)
    console.print(Text(signs, "dim"))
    console.print()
    for heading, (label, summary) in zip(table.headings, summaries(table, printable), strict=True):
        style = "bold red" if heading.surprises else "green"
        console.print(Text.assemble((f"{label}: ", "bold"), (summary, style)))
    for line in _rich_surprises(table, all_rows):
        console.print(line, soft_wrap=True)
    for note in notes(table):
        console.print(Text(printable(note), "yellow"))


def _rich_table(table: Table, all_rows: bool, words: Callable[[Cell], str]) -> RichTable:
    drawn = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    drawn.add_column("test", overflow="fold")
    for heading in table.headings:
        drawn.add_column(Text(printable(heading.label)), no_wrap=True)
    for group in table.groups:
        drawn.add_row(Text(printable(group.name), "bold"))
        for line in group_lines(group, all_rows):
            cells = (_rich_cell(cell, words(cell)) for cell in line.cells)
            drawn.add_row(Text(f"  {printable(line.label)}"), *cells)
    return drawn


def _rich_cell(cell: Cell, words: str) -> Text:
    symbol = _SYMBOLS[cell.result.verdict] if cell.result else "·"
    return Text(f"{symbol} {words}", _style(cell))


def _style(cell: Cell) -> str:
    if cell.surprising:
        return "bold red"
    if cell.result is None:
        return "dim"
    if cell.change is Change.FIXES:
        return "bold green"
    return "green" if cell.result.verdict is Verdict.PASS and not cell.won_race else "yellow"


def _rich_surprises(table: Table, all_rows: bool) -> Iterator[Text]:
    shown, more = listed_surprises(table, all_rows)
    if shown:
        yield from (Text(), Text("Surprising:", "bold red"))
    for cell in shown:
        yield from (
            Text(f"  {printable(surprise(cell))}"),
            Text(f"    {printable(show_command(cell))}", "dim"),
        )
    if more:
        yield Text(f"  {more}")
