# SPDX-License-Identifier: GPL-2.0-or-later
"""Worktrees laid out beforehand: what a checkout is does not depend on whether there was one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from farwatch.system import git
from farwatch.system.locks import lock_if_free, locked
from farwatch.trees import spares
from farwatch.trees.worktree import git_dir
from farwatch.upkeep.prune import prune
from tests.samples.tree import FILES, Desk, contents, desk


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Trees of which even the smallest is worth a spare."""
    monkeypatch.setattr(spares, "WORTHWHILE", 0)
    monkeypatch.setattr(spares, "DISK_LEFT", 0)
    return desk(tmp_path, "v1", "v2", "v3")


def spare(bench: Desk) -> Path:
    """The spare, laid out: the process in the background holds its lock until then."""
    with locked(lock_file(bench)):
        return bench.home.trees / ".spare-thing-1.0"


def lock_file(bench: Desk) -> Path:
    return bench.home.trees / ".spare-thing-1.0.lock"


def number(path: Path) -> int:
    """What tells a file that was moved from one that was written."""
    return (path / "Makefile").stat().st_ino


def require_checkout(bench: Desk, path: Path, name: str) -> None:
    assert contents(path) == FILES
    assert git.git("status", "--porcelain", "--ignored", cwd=path) == b""
    assert git.line("symbolic-ref", "HEAD", cwd=path) == f"refs/heads/{name}/1.0"
    commit = bench.trees.tip(bench.revision(name), "thing", bench.base).commit
    assert git.line("rev-parse", "HEAD", cwd=path) == commit
    assert str(path) in git.line("worktree", "list", cwd=bench.trees.repository("thing"))


def test_a_checkout_takes_the_spare_and_leaves_the_next_one(bench: Desk) -> None:
    first = bench.checkout("v1")
    laid_out = number(spare(bench))
    second = bench.checkout("v2")
    assert number(second) == laid_out
    for path, name in ((first, "v1"), (second, "v2")):
        require_checkout(bench, path, name)
    assert number(spare(bench)) != laid_out
    assert bench.again().working(bench.revision("v2"), "thing", bench.base) is None


def test_an_empty_folder_is_no_hindrance(bench: Desk) -> None:
    bench.checkout("v1")
    laid_out = number(spare(bench))
    bench.trees.work_path(bench.revision("v2"), "thing", bench.base).mkdir(parents=True)
    assert number(bench.checkout("v2")) == laid_out


def test_a_spare_that_somebody_was_at_is_put_right(bench: Desk) -> None:
    bench.checkout("v1")
    place = spare(bench)
    (place / "Makefile").write_text("not all\n")
    (place / "new.o").write_text("left over\n")
    (place / "fs/dir.c").unlink()
    require_checkout(bench, bench.checkout("v2"), "v2")


def test_one_that_was_interrupted_is_laid_out_anew(bench: Desk) -> None:
    bench.checkout("v1")
    place = spare(bench)
    kept = git_dir(place)
    (kept / "index").unlink()
    (kept / "locked").write_text("initializing\n")  # as git leaves it when it is killed
    interrupted = number(place)
    path = bench.checkout("v2")
    require_checkout(bench, path, "v2")
    assert number(path) != interrupted
    place = spare(bench)
    assert contents(place) == FILES and (git_dir(place) / "index").exists()


def test_one_without_its_repository_is_of_no_use(bench: Desk) -> None:
    bench.checkout("v1")
    shutil.rmtree(git_dir(spare(bench)))
    require_checkout(bench, bench.checkout("v2"), "v2")
    assert contents(spare(bench)) == FILES


def test_nobody_waits_for_one_that_is_being_laid_out(bench: Desk) -> None:
    bench.checkout("v1")
    place = spare(bench)
    with lock_if_free(lock_file(bench)) as handle:
        assert handle is not None
        require_checkout(bench, bench.checkout("v2"), "v2")
    assert place.is_dir()


def test_a_build_leaves_one_too(bench: Desk) -> None:
    source = bench.trees.tip(bench.revision("v1"), "thing", bench.base)
    with bench.trees.managed(source):
        pass
    assert contents(spare(bench)) == FILES


def test_a_small_tree_is_not_worth_it_and_a_full_disk_has_no_room(
    bench: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(spares, "WORTHWHILE", 1 << 20)
        bench.checkout("v1")
    with monkeypatch.context() as patch:
        patch.setattr(spares, "DISK_LEFT", 1 << 60)
        bench.checkout("v2")
    assert not spare(bench).exists()


def test_prune_removes_it_unless_it_is_being_laid_out(bench: Desk) -> None:
    bench.checkout("v1")
    place = spare(bench)
    with lock_if_free(lock_file(bench)):
        assert place not in [removal.path for removal in prune(bench.home).removed]
    assert place in [removal.path for removal in prune(bench.home).removed]
    assert not place.exists()
    require_checkout(bench, bench.checkout("v2"), "v2")
