# SPDX-License-Identifier: GPL-2.0-or-later
"""trace: an event that arrives is seen by each layer; the one that loses it is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from farwatch.tracing.join import Layer
from tests.integration.commands import farwatch

pytestmark = pytest.mark.integration


def trace(tmp_path: Path, status: int, *words: str | Path) -> dict[str, Any]:
    """What `farwatch trace --patches WORDS` writes as JSON."""
    report = tmp_path / "report.json"
    done = farwatch("trace", "--patches", "--json", report, *words)
    assert done.returncode == status, done.stdout + done.stderr
    content: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return content


def test_each_layer_of_v3_sees_an_event(tmp_path: Path) -> None:
    report = trace(tmp_path, 0, "v3", "--", "create", "d/f", "644")
    assert [event["event"] for event in report["events"]] == ["CREATE d/f", "CLOSE_WRITE d/f"]
    assert {event["outcome"] for event in report["events"]} == {"arrived"} and not report["silent"]
    first = {layer["layer"]: layer["time"] for layer in report["events"][0]["layers"]}
    assert list(first) == list(Layer) and None not in first.values()
    order = [first[layer] for layer in (Layer.CALL, Layer.READ, Layer.MADE, Layer.WIRE)]
    assert order == sorted(order)
    # The guest's clock is known as well as that, and tells of both when it is their turn
    earliest = first[Layer.MADE] - report["clocks_agree_to"]
    assert earliest <= min(first[Layer.KERNEL], first[Layer.PROGRAM])


def test_a_server_that_may_not_tell_is_where_it_got_lost(tmp_path: Path) -> None:
    mask = ("--server-option", "--fsnotify-mask=create", "--wait", "1")
    report = trace(tmp_path, 1, "v3", *mask, "--", "chmod", "d/f", "600")
    [event] = report["events"]
    assert (event["outcome"], event["layer"]) == ("lost", Layer.ASKED)
    assert event["why"] == "the server has agreed to tell CREATE, not ATTRIB"


def test_v2_keeps_the_deletions_of_a_tree(tmp_path: Path) -> None:
    """E1: the end of a folder was told before what had happened in it, and that found no watch."""
    steps = [step for d in "abc" for step in (f"unlink {d}/1", f"unlink {d}/2", f"rmdir {d}")]
    report = trace(tmp_path, 0, "v2", "--flavor", "plain", "--", *steps)
    assert [event["event"] for event in report["events"]].count("DELETE_SELF a itself") == 1
    assert report["counts"]["arrived"] == 12
    assert report["silent"] == {Layer.KERNEL: "this kernel has no tracefs (--flavor trace has)"}
