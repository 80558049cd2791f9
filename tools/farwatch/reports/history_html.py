# SPDX-License-Identifier: GPL-2.0-or-later
"""The history of a row as a page: every verdict that is stored of it, as a plot and as a list."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from farwatch.model import CellResult, Column, Verdict
from farwatch.reports.html import Link, render
from farwatch.reports.plots import Lane, lanes
from farwatch.reports.table_html import classes, words
from farwatch.results.table import Cell, Heading, Row

LISTED = 40
"""Verdicts of a column that are listed; the plot has all that it is given."""
_LEVELS = {Verdict.PASS: 0, Verdict.SKIP: 1, Verdict.XFAIL: 1}
"""Everything else is on the lowest one."""
_KINDS = {Verdict.PASS: "good", Verdict.SKIP: "other", Verdict.XFAIL: "other"}


def render_history(
    row: Row,
    headings: Sequence[Heading],
    histories: Mapping[Column, Sequence[CellResult]],
    nav: Sequence[Link],
    cell_page: Callable[[Cell], str],
) -> str:
    """The document. histories: of each column, the newest first"""
    having = [heading for heading in headings if histories.get(heading.column)]
    return render(
        "history.html.j2",
        nav=nav,
        row=row,
        headings=headings,
        plot=_plot(row, having, histories),
        having=having,
        listed={heading.column: list(histories[heading.column])[:LISTED] for heading in having},
        more={heading.column: max(0, len(histories[heading.column]) - LISTED) for heading in having},
        cell_page=cell_page,
        classes=classes,
        words=words,
        when=_when,
    )


def _plot(row: Row, headings: Sequence[Heading], histories: Mapping[Column, Sequence[CellResult]]) -> str:
    """Runs have the same distance, however long ago they were: what counts is what came after what."""
    moments: dict[str, float] = {}
    for heading in headings:
        for result in histories[heading.column]:
            key = _moment(result)
            moments[key] = min(moments.get(key, result.started), result.started)
    order = {key: place for place, key in enumerate(sorted(moments, key=lambda key: moments[key]))}
    rows = [_lane(heading, histories[heading.column], order) for heading in headings]
    times = sorted(moments.values())
    ends = sorted({0, len(times) // 2, len(times) - 1}) if times else []
    ticks = [(place, time.strftime("%Y-%m-%d %H:%M", time.gmtime(times[place]))) for place in ends]
    return lanes(f"Verdicts of {row.test} over time", rows, ticks, len(times)) if rows else ""


def _moment(result: CellResult) -> str:
    return result.run or f"{result.started:.0f}"


def _lane(heading: Heading, history: Sequence[CellResult], order: Mapping[str, int]) -> Lane:
    marks = sorted(
        (order[_moment(result)], _LEVELS.get(result.verdict, 2), _KINDS.get(result.verdict, "poor"))
        for result in history
    )
    return Lane(heading.label, marks)


def _when(result: CellResult) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(result.started)) if result.started else "-"
