# SPDX-License-Identifier: GPL-2.0-or-later
"""event_figures.py: from what measure.c has printed to the figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from farwatch.bench.event_figures import PEER, figures, lines, pairs, render_text
from farwatch.bench.events import QUICK, Measured, Samples, hot, measurements
from farwatch.errors import FarwatchError
from farwatch.model import Column

PRINTED: dict[str, Samples] = {
    "latency": {"latency_ns": [3000.0, 1000.0, 2000.0], "call_ns": [500.0] * 3, "wakeups": [6.0]},
    "getattr": {"getattr_ns": [1000.0, 500.0, 1000.0]},
    "watches": {
        **{"add_ns": [4000.0], "slab_kib": [50.0], "rss_kib": [100.0], "close_ns": [2e6]},
        **{"native_ns": [1000.0], "native_slab_kib": [25.0]},
    },
    "burst": {"burst": [150.0, 1.0, 1e9], "wakeups": [20.0]},
    "idle": {"idle": [0.0, 10.0]},
    "groups": {"groups": [3.0]},
    "hot": {"hot_ns": [900.0, 700.0, 800.0]},
}
SIZES = replace(QUICK, hot_guests=3)


def column(name: str = "v1", **changed: Samples) -> Measured:
    printed = PRINTED | changed
    every = (*measurements(SIZES), *hot(SIZES))
    return Measured(Column(name, "7.3"), {words: printed[words[0]] for words in every})


def values(of: Measured) -> dict[str, float | None]:
    return {figure.key: figure.value(of) for figure in figures(SIZES)}


def test_figures() -> None:
    found = values(column())
    assert (found["event_us"], found["event_call_us"], found["event_after_us"]) == (2.0, 0.5, 1.5)
    assert (
        found["getattr_us"] == 1.0 and found["event_round_trips"] == found["event_awake_round_trips"] == 1.5
    )
    assert found["watch_50_add_us"] == 4.0 and found["watch_50_close_ms"] == 2.0
    assert found["watch_50_slab_bytes"] == 1024.0 and found["watch_50_server_bytes"] == 2048.0
    assert (found["watch_50_add_per_native"], found["watch_50_native_slab_bytes"]) == (4.0, 512.0)
    assert [found[f"burst_200_{key}"] for key in ("seen", "lost", "overflows")] == [150.0, 50.0, 1.0]
    assert found["burst_200_per_s"] == 150.0
    assert found["event_wakeups"] == 2.0 and found["burst_200_wakeups"] == 100.0
    assert (found["idle_server_ms"], found["idle_guest_ms"]) == (0.0, 10.0)
    assert found["groups_watches"] == 3.0


def test_guests_that_differ_say_by_how_much() -> None:
    slow, *others = hot(SIZES)
    samples = {**column().samples, slow: {"hot_ns": [1000.0]}}
    found = values(Measured(Column("v1", "7.3"), samples))
    assert others and [found[key] for key in ("hot_min_ns", "hot_ns", "hot_max_ns")] == [800.0, 800.0, 1000.0]


def test_where_no_event_comes_there_is_no_figure() -> None:
    silent = column(
        latency={"latency_ns": [], "call_ns": [], "wakeups": [0.0]},
        burst={"burst": [0.0, 0.0, 0.0], "wakeups": [0.0]},
    )
    found = values(silent)
    assert found["event_us"] is found["event_round_trips"] is found["burst_200_per_s"] is None
    assert found["burst_200_lost"] == 200
    assert render_text([silent], SIZES).splitlines()[1].endswith(" -")
    assert not {"event_us", "burst_200_per_s"} & {line.key for line in lines([silent], SIZES)}


def test_a_measurement_that_lacks_a_number_is_an_error() -> None:
    with pytest.raises(FarwatchError, match="'measure idle 100' of v1 printed no idle"):
        values(column(idle={}))


def test_each_has_its_tail_and_its_ratio_to_the_peer() -> None:
    slow = column("v3", getattr={"getattr_ns": [4000.0, 2000.0, 4000.0]})
    shown = render_text([column(PEER), slow], SIZES).splitlines()
    place = next(number for number, line in enumerate(shown) if line.startswith("one GETATTR"))
    assert [line.split() for line in shown[place : place + 3]] == [
        ["one", "GETATTR,", "us", "1.0", "4.0"],
        ["99th", "percentile", "1.0", "4.0"],
        ["times", "the", PEER, "1.00", "4.00"],
    ]
    [line] = [
        line for line in lines([column(PEER), slow], SIZES) if (line.key, line.column) == ("getattr_us", "v3")
    ]
    assert (line.samples, line.peer, line.unit) == ((4.0, 2.0, 4.0), PEER, "us")


def test_without_the_peer_there_is_no_ratio() -> None:
    assert f"times the {PEER}" not in render_text([column()], SIZES)
    assert {line.peer for line in lines([column()], SIZES)} == {""}


def test_only_what_can_be_better_or_worse_is_compared_and_less_is_better() -> None:
    found = {pair.key: pair for pair in pairs([column(), column()], [column("v2")] * 2, SIZES)}
    assert {"event_us", "watch_50_slab_bytes", "hot_ns"} <= set(found)
    assert not {"burst_200_seen", "event_wakeups", "groups_watches"} & set(found)
    assert found["burst_200_per_s"].mine == (1 / 150, 1 / 150)


def test_what_one_side_has_not_is_not_compared() -> None:
    silent = column(latency={"latency_ns": [], "call_ns": [], "wakeups": [0.0]})
    assert "event_us" not in {pair.key for pair in pairs([column(), silent], [column("v2")] * 2, SIZES)}
