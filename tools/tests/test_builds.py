# SPDX-License-Identifier: GPL-2.0-or-later
"""Finished builds: whole, or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from farwatch import builds
from farwatch.system.home import Home


def test_what_was_made_is_found(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert builds.find(home, "kernel", "k1") is None
    with builds.fresh(home, "kernel", "k1", {"image": "linux"}) as folder:
        (folder / "linux").write_text("image")
        assert builds.find(home, "kernel", "k1") is None
    kept = builds.find(home, "kernel", "k1")
    assert kept is not None
    assert kept.record == {"image": "linux"}
    assert (kept.folder / "linux").read_text() == "image"
    assert [path.name for path in home.builds.iterdir()] == ["kernel-k1"]


def test_what_failed_half_way_leaves_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with pytest.raises(RuntimeError), builds.fresh(home, "kernel", "k1", {}) as folder:
        (folder / "linux").write_text("half")
        raise RuntimeError
    assert not list(home.builds.iterdir())


def test_the_first_of_two_equal_builds_stays(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with builds.fresh(home, "kernel", "k1", {"who": 2}) as late:
        with builds.fresh(home, "kernel", "k1", {"who": 1}):
            pass
        (late / "linux").write_text("late")
    kept = builds.find(home, "kernel", "k1")
    assert kept is not None
    assert kept.record == {"who": 1}


def test_a_folder_without_a_record_is_replaced(tmp_path: Path) -> None:
    home = Home(tmp_path)
    broken = builds.folder_of(home, "kernel", "k1")
    broken.mkdir()
    (broken / "linux").write_text("half")
    with builds.fresh(home, "kernel", "k1", {"who": 1}):
        pass
    assert not (broken / "linux").exists()
    assert builds.find(home, "kernel", "k1") is not None
