# SPDX-License-Identifier: GPL-2.0-or-later
"""Plots as SVG, for a page that fetches nothing and runs nothing: their colours are those of the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from farwatch.terminal.escape import printable

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 40
POINTS = 200
"""Of a curve: more are not seen."""
BAR, LABEL = 22, 230
COLOURS = 6
LANE = 60


Scale = Callable[[float], float]


@dataclass(frozen=True)
class Curve:
    """One curve: a number for each time that something was measured."""

    label: str
    colour: int
    numbers: Sequence[float]


@dataclass(frozen=True)
class Bar:
    """One bar, and the interval that its runs were in."""

    label: str
    colour: int
    value: float
    least: float
    most: float


@dataclass(frozen=True)
class Lane:
    """A line of marks, each at a place from the left, on one of three levels: 0 is the upper one."""

    label: str
    marks: Sequence[tuple[int, int, str]]
    """Place, level, and the class of its colour."""


def lanes(title: str, rows: Sequence[Lane], ticks: Sequence[tuple[int, str]], places: int) -> Markup:
    """A lane below the other for each; what goes together has the same place in all of them. ticks: below"""
    drawn = []
    scale = _linear(0, max(places - 1, 1))
    for number, row in enumerate(rows):
        top = TOP + number * LANE
        drawn.append(_text(LEFT, top + 12, row.label, ""))
        drawn.append(_line(LEFT, top + 18, WIDTH - RIGHT, top + 18, "grid"))
        drawn.append(_line(LEFT, top + 46, WIDTH - RIGHT, top + 46, "grid"))
        drawn += _marks(row, scale, top + 18)
    floor = TOP + len(rows) * LANE + 4
    drawn.append(_line(LEFT, floor, WIDTH - RIGHT, floor, "axis"))
    for place, words in ticks:
        anchor = "" if place == 0 else "end" if place == places - 1 else "middle"
        drawn.append(_text(scale(place), floor + 18, words, anchor))
    return _svg(title, WIDTH, floor + 26, drawn)


def _marks(row: Lane, scale: Scale, top: float) -> list[Markup]:
    """The levels joined by a line, and a path of dots for each colour: a lane may have hundreds."""
    at = [(scale(place), top + 14 * level, kind) for place, level, kind in row.marks]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in at)
    kinds: dict[str, list[str]] = {}
    for x, y, kind in at:
        kinds.setdefault(kind, []).append(f"M{x:.1f} {y:.1f}h0")
    dots = [Markup('<path class="dots {}" d="{}"/>').format(kind, "".join(d)) for kind, d in kinds.items()]
    return [Markup('<polyline class="course" points="{}"/>').format(line), *dots]


def distribution(title: str, curves: Sequence[Curve], unit: str) -> Markup:
    """Which share of them is not above a number: one curve for each. Logarithmic, if nothing is below 0."""
    shown = [(curve, sorted(curve.numbers)) for curve in curves if curve.numbers]
    if not shown:
        return Markup("")
    low = min(numbers[0] for _, numbers in shown)
    high = max(_at(numbers, 0.995) for _, numbers in shown)
    scale = _log(low, high) if low > 0 else _linear(min(low, 0), high)
    drawn = [_axes(scale, low, high, unit, logarithmic=low > 0)]
    for place, (curve, numbers) in enumerate(reversed(shown)):
        drawn.append(_curve(curve.colour, numbers, scale))
        classes = f"end ink{curve.colour % COLOURS}"
        drawn.append(_text(WIDTH - RIGHT - 4, HEIGHT - BOTTOM - 8 - 16 * place, curve.label, classes))
    return _svg(title, WIDTH, HEIGHT, drawn)


def bars(title: str, rows: Sequence[Bar], unit: str) -> Markup:
    """A horizontal bar for each; what is 0 has none."""
    if not rows:
        return Markup("")
    most = max(max(row.most, row.value) for row in rows) or 1.0
    room = WIDTH - LABEL - 90
    drawn = []
    for place, row in enumerate(rows):
        top = TOP + place * BAR
        length, begin, end = (max(0.0, number) / most * room for number in (row.value, row.least, row.most))
        drawn.append(_text(LABEL - 8, top + 14, row.label, "end"))
        drawn.append(_rect(LABEL, top + 3, length, BAR - 8, row.colour))
        if row.most > row.least:
            drawn.append(_line(LABEL + begin, top + BAR / 2 - 1, LABEL + end, top + BAR / 2 - 1, "range"))
        drawn.append(_text(LABEL + max(length, end) + 6, top + 14, f"{_short(row.value)} {unit}".strip(), ""))
    return _svg(title, WIDTH, TOP * 2 + BAR * len(rows), drawn)


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _linear(low: float, high: float) -> Scale:
    span = high - low or 1.0
    return lambda number: LEFT + (min(number, high) - low) / span * (WIDTH - LEFT - RIGHT)


def _log(low: float, high: float) -> Scale:
    inner = _linear(math.log10(low), math.log10(max(high, low * 1.001)))
    return lambda number: inner(math.log10(number))


def _curve(colour: int, ordered: Sequence[float], scale: Scale) -> Markup:
    step = max(1, len(ordered) // POINTS)
    points = [(number, (rank + 1) / len(ordered)) for rank, number in enumerate(ordered)][::step]
    points.append((ordered[-1], 1.0))
    height = HEIGHT - TOP - BOTTOM
    path = " ".join(f"{scale(number):.1f},{TOP + height * (1 - share):.1f}" for number, share in points)
    return Markup('<polyline class="curve ink{}" points="{}"/>').format(colour % COLOURS, path)


def _axes(scale: Scale, low: float, high: float, unit: str, *, logarithmic: bool) -> Markup:
    floor = HEIGHT - BOTTOM
    drawn = [_line(LEFT, floor, WIDTH - RIGHT, floor, "axis"), _line(LEFT, TOP, LEFT, floor, "axis")]
    for share in (0.0, 0.5, 0.99):
        level = TOP + (floor - TOP) * (1 - share)
        drawn.append(_text(LEFT - 6, level + 4, f"{share:.0%}", "end"))
        drawn.append(_line(LEFT, level, WIDTH - RIGHT, level, "grid"))
    for tick in _ticks(low, high, logarithmic=logarithmic):
        drawn.append(_line(scale(tick), floor, scale(tick), floor + 4, "axis"))
        drawn.append(_text(scale(tick), floor + 18, _short(tick), "middle"))
    drawn.append(_text(WIDTH - RIGHT, floor + 34, unit, "end"))
    return Markup("").join(drawn)


def _ticks(low: float, high: float, *, logarithmic: bool) -> list[float]:
    if logarithmic:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        every = [digit * 10.0**power for power in range(first, last + 1) for digit in (1, 2, 5)]
        inside = [tick for tick in every if low <= tick <= high] or [low]
        return inside[:: max(1, len(inside) // 6)]
    low = min(low, 0)
    return [low + (high - low) * part / 5 for part in range(6)]


def _short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:,.3g}"


def _text(x: float, y: float, words: str, classes: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" class="{}">{}</text>').format(x, y, classes, printable(words))


def _line(x1: float, y1: float, x2: float, y2: float, classes: str) -> Markup:
    return Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="{}"/>').format(
        x1, y1, x2, y2, classes
    )


def _rect(x: float, y: float, width: float, height: float, colour: int) -> Markup:
    return Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="fill{}"/>').format(
        x, y, width, height, colour % COLOURS
    )


def _svg(title: str, width: int, height: int, drawn: Sequence[Markup]) -> Markup:
    head = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">')
    return Markup("").join([head.format(width, height, printable(title)), *drawn, Markup("</svg>")])
