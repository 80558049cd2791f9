# SPDX-License-Identifier: GPL-2.0-or-later
"""events.py: what measure.c prints is read; and once for real, small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from farwatch.bench.events import QUICK, parse
from farwatch.cli import main
from farwatch.errors import FarwatchError


def test_parse() -> None:
    assert parse([b"# step 1: host fill -> 0", b"add_ns 1 2", b"", b"idle 3"]) == {
        "add_ns": [1.0, 2.0],
        "idle": [3.0],
    }
    with pytest.raises(FarwatchError, match="measure printed 'add_ns 1 x'"):
        parse([b"add_ns 1 x"])


@pytest.mark.integration
def test_for_real(tmp_path: Path) -> None:
    """Each kind of column once: no server, a server that is silent, one that reports."""
    files = [f"--json={tmp_path / 'figures'}", f"--html={tmp_path / 'page'}"]
    assert main(["bench", "events", "reference", "baseline", "v1", "--quick", *files]) == 0
    document = json.loads((tmp_path / "figures").read_text())
    found = {(line["column"], line["key"]): line for line in document["lines"]}
    assert ("baseline", "event_us") not in found and found["baseline", "burst_200_lost"]["median"] == 200
    for name in ("reference", "v1"):
        for key in ("event_us", "event_awake_us", "event_call_us"):
            assert found[name, key]["median"] > 0, (name, key)
            assert len(found[name, key]["samples"]) == QUICK.latency, (name, key)
        assert found[name, "burst_200_lost"]["median"] == 0, name
    assert found["v1", "event_us"]["ratio"] > 0 and found["v1", "event_us"]["peer"] == "reference"
    assert all(found[name, "getattr_us"]["median"] > 0 for name in ("reference", "baseline", "v1"))
    assert found["v1", "groups_watches"]["median"] == QUICK.groups
    assert (tmp_path / "page").read_text().count("<svg") > 5
