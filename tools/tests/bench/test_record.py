# SPDX-License-Identifier: GPL-2.0-or-later
"""record.py: what was measured is kept, and found beside the next run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from farwatch.bench.record import KEPT, Line, Record, Records, from_json, percentile, to_json

LINES = (
    Line("event_us", "event, us", "us", "reference", (1.0, 2.0, 3.0), "reference"),
    Line("event_us", "event, us", "us", "v3", (4.0, 9.0, 8.0), "reference"),
    Line("lost", "lost", "", "v3", (0.0,)),
)
MADE = Record("events", "ash", "2026-01-02T03:04:05+00:00", False, LINES)


def at(minute: int) -> Record:
    return replace(MADE, when=f"2026-01-02T03:{minute:02}:05+00:00")


def test_it_is_what_it_was_after_json() -> None:
    assert from_json(to_json(MADE)) == MADE
    read = json.loads(to_json(MADE))["lines"]
    assert [(line["median"], line["p99"], line["ratio"]) for line in read] == [
        (2.0, 3.0, None),
        (8.0, 9.0, 4.0),
        (0.0, 0.0, None),
    ]


def test_a_peer_that_took_no_time_has_no_ratio() -> None:
    nothing = replace(MADE, lines=(replace(LINES[0], samples=(0.0,)), LINES[1]))
    assert nothing.ratio(LINES[1]) is None


def test_earlier_ones_of_the_same_machine_and_size(tmp_path: Path) -> None:
    records = Records(tmp_path)
    others = (replace(at(1), machine="elm"), replace(at(2), quick=True), replace(at(3), kind="loop"))
    for one in (at(5), at(4), *others, at(8)):
        records.keep(one)
    assert records.earlier(at(7)) == [at(4), at(5)]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 2}', '{"schema": 3}'])
def test_a_damaged_one_counts_as_none(tmp_path: Path, content: str) -> None:
    records = Records(tmp_path)
    records.keep(at(1))
    (tmp_path / "events-0.json").write_text(content)
    assert records.earlier(at(2)) == [at(1)]


def test_a_line_without_samples_is_damaged() -> None:
    document = json.loads(to_json(MADE))
    document["lines"][1]["samples"] = []
    with pytest.raises(ValueError, match="without samples"):
        from_json(json.dumps(document))


def test_the_oldest_go(tmp_path: Path) -> None:
    records = Records(tmp_path)
    for minute in range(KEPT + 2):
        records.keep(at(minute))
    assert records.earlier(at(59)) == [at(minute) for minute in range(2, KEPT + 2)]


@pytest.mark.parametrize(("share", "wanted"), [(0.0, 1.0), (0.5, 3.0), (0.99, 4.0), (1.0, 4.0)])
def test_percentile(share: float, wanted: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == wanted
