# SPDX-License-Identifier: GPL-2.0-or-later
"""A run of a benchmark as one self-contained HTML page: plots, every figure, and earlier runs beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from farwatch.bench.record import Line, Record
from farwatch.reports.html import Link, render
from farwatch.reports.plots import Bar, Curve, bars, distribution

EARLIER = 5
"""Runs that are shown beside it."""
MANY = 10
"""Samples of which a distribution can be drawn."""


@dataclass(frozen=True)
class Plot:
    """A plot under its title."""

    title: str
    svg: Markup


def render_page(made: Record, earlier: Sequence[Record], nav: Sequence[Link] = ()) -> str:
    """The document. Equal records give equal documents."""
    shown = list(earlier)[-EARLIER:]
    return render(
        "bench.html.j2",
        nav=nav,
        record=made,
        plots=list(_plots(made)),
        keys=made.keys,
        earlier=shown,
        lines=lambda key: [line for line in made.lines if line.key == key],
        then=_then,
        ratio=made.ratio,
        number=_number,
    )


def _plots(made: Record) -> Iterator[Plot]:
    colours = {column: place for place, column in enumerate(made.columns)}
    for key in made.keys:
        lines = [line for line in made.lines if line.key == key]
        title = _title(lines[0])
        if min(len(line.samples) for line in lines) >= MANY:
            curves = [Curve(line.column, colours[line.column], line.samples) for line in lines]
            yield Plot(title, distribution(title, curves, lines[0].unit))
        elif lines[0].unit:
            yield Plot(
                title, bars(title, [_bar(line, colours[line.column]) for line in lines], lines[0].unit)
            )


def _title(line: Line) -> str:
    return line.title.removesuffix(f", {line.unit}") if line.unit else line.title


def _bar(line: Line, colour: int) -> Bar:
    return Bar(line.column, colour, line.median, min(line.samples), max(line.samples))


def _then(run: Record, line: Line) -> float | None:
    found = run.line(line.key, line.column)
    return None if found is None else found.median


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"
