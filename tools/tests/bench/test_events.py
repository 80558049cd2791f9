# SPDX-License-Identifier: GPL-2.0-or-later
"""events.py: from what measure.c prints to the figures; and once for real, small."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from farwatch.bench.events import (
    QUICK,
    Measured,
    Samples,
    hot,
    measurements,
    parse,
    percentile,
    render_json,
    render_text,
    rows,
)
from farwatch.cli import main
from farwatch.errors import FarwatchError
from farwatch.model import Column

PRINTED: dict[str, Samples] = {
    "latency": {"latency_ns": [3000.0, 1000.0, 2000.0], "wakeups": [6.0]},
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


def column(**changed: Samples) -> Measured:
    printed = PRINTED | changed
    every = (*measurements(SIZES), *hot(SIZES))
    return Measured(Column("v1", "7.3"), {words: printed[words[0]] for words in every})


def figures(of: Measured) -> dict[str, float | None]:
    return {row.key: row.of(of) for row in rows(SIZES)}


def test_figures() -> None:
    found = figures(column())
    assert found["event_us"] == 2.0 and found["event_p99_us"] == 3.0
    assert found["getattr_us"] == 1.0 and found["event_per_getattr"] == 2.0
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
    found = figures(Measured(Column("v1", "7.3"), samples))
    assert others and [found[key] for key in ("hot_min_ns", "hot_ns", "hot_max_ns")] == [800.0, 800.0, 1000.0]


def test_where_no_event_comes_there_is_no_figure() -> None:
    silent = column(
        latency={"latency_ns": [], "wakeups": [0.0]}, burst={"burst": [0.0, 0.0, 0.0], "wakeups": [0.0]}
    )
    found = figures(silent)
    assert found["event_us"] is found["event_per_getattr"] is found["burst_200_per_s"] is None
    assert found["burst_200_lost"] == 200
    assert render_text([silent], SIZES).splitlines()[1].endswith(" -")


def test_a_measurement_that_lacks_a_number_is_an_error() -> None:
    with pytest.raises(FarwatchError, match="'measure idle 100' of v1 printed no idle"):
        figures(column(idle={}))


def test_parse() -> None:
    assert parse([b"# step 1: host fill -> 0", b"add_ns 1 2", b"", b"idle 3"]) == {
        "add_ns": [1.0, 2.0],
        "idle": [3.0],
    }
    with pytest.raises(FarwatchError, match="measure printed 'add_ns 1 x'"):
        parse([b"add_ns 1 x"])


@pytest.mark.parametrize(("share", "wanted"), [(0.0, 1.0), (0.5, 3.0), (0.99, 4.0), (1.0, 4.0)])
def test_percentile(share: float, wanted: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == wanted
    assert percentile([], share) is None


def test_json_has_every_figure_of_every_column() -> None:
    document = json.loads(render_json([column(), column()], QUICK))
    assert document["schema"] == 2 and document["sizes"]["bursts"] == list(QUICK.bursts)
    assert [set(entry["figures"]) for entry in document["columns"]] == [{row.key for row in rows(QUICK)}] * 2


@pytest.mark.integration
def test_for_real(tmp_path: Path) -> None:
    """Each kind of column once: no server, a server that is silent, one that reports."""
    code = main(
        ["bench", "events", "reference", "baseline", "v1", "--quick", f"--json={tmp_path / 'figures'}"]
    )
    assert code == 0
    document = json.loads((tmp_path / "figures").read_text())
    found = {entry["revision"]: entry["figures"] for entry in document["columns"]}
    assert found["baseline"]["event_us"] is None and found["baseline"]["burst_200_lost"] == 200
    for name in ("reference", "v1"):
        assert found[name]["event_us"] > 0 and found[name]["burst_200_lost"] == 0, name
    assert all(entry["getattr_us"] > 0 for entry in found.values())
    assert found["v1"]["groups_watches"] == QUICK.groups
