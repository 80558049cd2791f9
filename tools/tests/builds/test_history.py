# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a build will take, by made up builds of the past."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from farwatch.builds.history import History, Past, about, duration
from farwatch.builds.kernel import KernelBuild
from farwatch.builds.server import ServerBuild
from farwatch.system.home import Home

PLAIN = "kernel 7.3 (um, plain)"
KASAN = "kernel 7.3 (um, kasan)"


def test_nobody_knows_what_was_never_done() -> None:
    assert History([]).seconds(f"{PLAIN} of v1", 640) is None
    assert History([Past(KASAN, 600, 640)]).seconds(f"{PLAIN} of v1", 640) is None


def test_steps_and_what_a_build_takes_anyway() -> None:
    history = History([Past(PLAIN, 10, 4), Past(PLAIN, 210, 400), Past(KASAN, 5000, 640)])
    assert history.seconds(f"{PLAIN} of v9", 640) == pytest.approx(10 + 640 * 0.5)
    assert history.seconds(f"{PLAIN} of v9", 3) == 10


def test_one_slow_day_is_not_the_machine() -> None:
    past = [Past(PLAIN, seconds, 100) for seconds in (100, 100, 900, 100, 100)]
    assert History(past).seconds(PLAIN, 200) == pytest.approx(200)


def test_another_compiler_is_soon_what_counts() -> None:
    past = [Past(PLAIN, 100, 100)] * 20 + [Past(PLAIN, 300, 100)] * 3
    assert History(past).seconds(PLAIN, 100) == pytest.approx(300)


def test_where_nobody_counts_steps_the_last_times_tell() -> None:
    past = [Past("virtiofsd 1.14.0", seconds) for seconds in (60, 20, 22, 24, 21, 23)]
    assert History(past).seconds("virtiofsd 1.14.0 of v2") == 22


def test_the_builds_of_a_home_are_its_history(tmp_path: Path) -> None:
    home = Home(tmp_path)

    def keep(name: str, made: int, **record: object) -> None:
        folder = home.builds / name
        folder.mkdir()
        (folder / "done.json").write_text(json.dumps(record))
        os.utime(folder, (made, made))

    keep("kernel-a", 2, label=f"{PLAIN} of v1", seconds=300.0, steps=100)
    keep("kernel-b", 1, label=f"{PLAIN} of v2", seconds=100.0, steps=100)
    keep("kernel-c", 3, label=f"{PLAIN} of v2", seconds=100.0)  # by an older farwatch
    keep("server-a", 1, label="virtiofsd 1.14.0 of v2", seconds=20.0)
    (home.builds / "kernel-d").mkdir()
    (home.builds / "kernel-d/done.json").write_text("half of")
    used = (home.builds / "kernel-a/done.json").stat().st_mtime_ns
    assert History.of(home, KernelBuild).seconds(PLAIN, 100) == pytest.approx(200)
    assert History.of(home, ServerBuild).seconds("virtiofsd 1.14.0 of v1") == 20
    assert (home.builds / "kernel-a/done.json").stat().st_mtime_ns == used, "prune goes by when it was used"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "about 5 s"), (38, "about 40 s"), (56, "about 1 min"), (170, "about 3 min"), (3650, "about 61 min")],
)
def test_no_more_digits_than_there_is_reason_for(seconds: float, words: str) -> None:
    assert about(seconds) == words


def test_durations() -> None:
    assert [duration(seconds) for seconds in (59.9, 80)] == ["59 s", "1 min 20 s"]
