# SPDX-License-Identifier: GPL-2.0-or-later
"""page.py, plots.py: one document that is well-formed, whatever was measured."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from farwatch.bench.page import render_page
from farwatch.bench.record import Line, Record
from farwatch.reports.plots import Bar, Curve, bars, distribution

NASTY = '<v3> & "x"'
LINES = (
    Line("event_us", "event, us", "us", "reference", tuple(float(n) for n in range(1, 300)), "reference"),
    Line("event_us", "event, us", "us", NASTY, tuple(10.0 * n for n in range(1, 300)), "reference"),
    Line("after_us", "after, us", "us", NASTY, tuple(float(n) for n in range(-20, 20))),
    Line("slab", "slab, B", "B", "reference", (512.0,)),
    Line("slab", "slab, B", "B", NASTY, (1024.0,)),
    Line("lost", "lost", "", NASTY, (0.0,)),
)
MADE = Record("events", "ash", "2026-01-02T03:04:05+00:00", False, LINES)


def drawings(page: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(found) for found in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]


def test_each_thing_with_a_unit_has_a_plot_and_every_figure_a_row() -> None:
    page = render_page(MADE, [])
    drawn = drawings(page)
    assert [one.get("aria-label") for one in drawn] == ["event", "after", "slab"]
    assert len(drawn[0].findall("polyline")) == 2 and len(drawn[2].findall("rect")) == 2
    assert page.count("<tr>") == len(LINES) + 1
    assert "10.00" in page and "reference</span>" in page


def test_nothing_is_fetched_or_run_and_names_are_only_names() -> None:
    page = render_page(MADE, [])
    assert "<v3>" not in page and "<script" not in page
    assert not re.search(r"(src|href)=|url\(", page)


def test_a_longer_bar_is_more() -> None:
    *_, slab = drawings(render_page(MADE, []))
    short, long = [float(one.get("width", "")) for one in slab.findall("rect")]
    assert long == pytest.approx(2 * short)


def test_a_curve_only_rises_and_ends_at_the_top() -> None:
    [curve] = ElementTree.fromstring(distribution("t", [Curve("a", 0, [3.0, 1.0, 2.0, 5.0])], "us")).findall(
        "polyline"
    )
    points = [tuple(map(float, point.split(","))) for point in curve.get("points", "").split()]
    assert points == sorted(points, key=lambda point: (point[0], -point[1])) and points[-1][1] == min(
        y for _, y in points
    )


def test_earlier_runs_stand_beside_it() -> None:
    before = replace(MADE, when="2026-01-01T00:00:00+00:00", lines=(replace(LINES[3], samples=(777.0,)),))
    page = render_page(MADE, [before])
    assert "2026-01-01T00:00" in page and page.count(">777<") == 1


@pytest.mark.parametrize("numbers", [[1.0], [5.0, 5.0], [0.0, 0.0], [-1.0, 1.0], [0.001, 1e9], []])
def test_any_numbers_can_be_drawn(numbers: list[float]) -> None:
    drawn = distribution("t", [Curve("a", 0, numbers)], "us")
    assert "nan" not in drawn and "inf" not in drawn
    assert (not drawn) == (not numbers)


def test_bars_of_nothing() -> None:
    assert not bars("t", [], "s")
    assert "nan" not in bars("t", [Bar("a", 0, 0.0, 0.0, 0.0)], "s")
