# SPDX-License-Identifier: GPL-2.0-or-later
"""Finished builds: whole, or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from farwatch.builds import store
from farwatch.builds.kernel import KernelBuild
from farwatch.system.home import Home


def test_what_was_made_is_found(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert store.find(home, "kernel", "k1") is None
    with store.fresh(home, "kernel", "k1", {"image": "linux"}) as folder:
        (folder / "linux").write_text("image")
        assert store.find(home, "kernel", "k1") is None
    kept = store.find(home, "kernel", "k1")
    assert kept is not None
    assert kept.record == {"image": "linux"}
    assert (kept.folder / "linux").read_text() == "image"
    assert [path.name for path in home.builds.iterdir()] == ["kernel-k1"]


def test_what_failed_half_way_leaves_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with pytest.raises(RuntimeError), store.fresh(home, "kernel", "k1", {}) as folder:
        (folder / "linux").write_text("half")
        raise RuntimeError
    assert not list(home.builds.iterdir())


def test_the_first_of_two_equal_builds_stays(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with store.fresh(home, "kernel", "k1", {"who": 2}) as late:
        with store.fresh(home, "kernel", "k1", {"who": 1}):
            pass
        (late / "linux").write_text("late")
    kept = store.find(home, "kernel", "k1")
    assert kept is not None
    assert kept.record == {"who": 1}


def test_a_folder_without_a_record_is_replaced(tmp_path: Path) -> None:
    home = Home(tmp_path)
    broken = store.folder_of(home, "kernel", "k1")
    broken.mkdir()
    (broken / "linux").write_text("half")
    with store.fresh(home, "kernel", "k1", {"who": 1}):
        pass
    assert not (broken / "linux").exists()
    assert store.find(home, "kernel", "k1") is not None


def test_kinds_of_which_one_begins_like_another(home: Home) -> None:
    for kind, record in (("kernel", {"seconds": 2.0}), ("kernel-tools", {"label": "scripts"})):
        with store.fresh(home, kind, "0123", record):
            pass
    assert [product.seconds for product in store.kept(home, KernelBuild)] == [2.0]
