# SPDX-License-Identifier: GPL-2.0-or-later
"""What prune takes away, and what it must not."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.model import CellResult, Column, Verdict
from farwatch.results.store import Results
from farwatch.system.home import Home
from farwatch.upkeep.prune import prune, size_of, usage

NOW = time.time()
DAY = 24 * 3600.0


def put(path: Path, age: float = 0, size: int = 10) -> Path:
    """A file of that age in days; the folders above it are as old."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    grow_old(path, age)
    return path


def grow_old(path: Path, age: float) -> None:
    os.utime(path, (NOW - age * DAY,) * 2)
    os.utime(path.parent, (NOW - age * DAY,) * 2)


def names(home: Home, **options: object) -> set[str]:
    outcome = prune(home, now=NOW, **options)  # type: ignore[arg-type]
    return {str(removal.path.relative_to(home.root)) for removal in outcome.removed}


@contextmanager
def held(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@invalid"]
    subprocess.run(["git", *identity, "-C", folder, *words], check=True, capture_output=True)


def with_worktree(home: Home, place: Path) -> Path:
    """A repository of linux with one commit, and a worktree of it at `place`."""
    repository = home.git / "linux.git"
    git(home.root, "init", "--bare", "-q", str(repository))
    seed = home.root.parent / "seed"
    git(home.root, "clone", "-q", str(repository), str(seed))
    put(seed / "Makefile")
    git(seed, "add", "Makefile")
    git(seed, "commit", "-qm", "base")
    git(seed, "push", "-q", "origin", "HEAD:refs/heads/base")
    git(repository, "worktree", "add", "-q", "--detach", str(place), "base")
    return place


def test_an_empty_home_gives_nothing_away(home: Home) -> None:
    assert names(home) == set()
    assert names(home, everything=True) == set()


def test_builds_go_by_last_use(home: Home) -> None:
    old = put(home.builds / "kernel-old" / "linux", 40)
    put(old.parent / "done.json", 40)
    used = put(home.builds / "kernel-used" / "linux", 40)
    put(used.parent / "done.json", 1)
    put(home.objects / "linux-um" / "vmlinux.o", 40)
    put(home.objects / "linux-um.lock", 40)
    assert names(home) == {"builds/kernel-old", "objects/linux-um"}
    assert used.exists()
    assert not old.exists()
    assert (home.objects / "linux-um.lock").exists()


def test_dry_run_removes_nothing(home: Home) -> None:
    old = put(home.builds / "kernel-old" / "done.json", 40)
    assert names(home, dry=True) == {"builds/kernel-old"}
    assert old.exists()


def test_leftovers_go_when_they_can_have_no_owner(home: Home) -> None:
    put(home.builds / ".kernel-x" / "half", 2)
    put(home.downloads / "partial-x" / "half", 2)
    put(home.git / ".import-x" / "half", 2)
    put(home.git / ".import-y" / "half", 0)
    assert names(home) == {"builds/.kernel-x", "downloads/partial-x", "git/.import-x"}


def test_old_environments_go_and_the_own_one_stays(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("venv-old", "venv-mine"):
        put(home.root / name / "ready")
    monkeypatch.setattr(sys, "prefix", str(home.root / "venv-mine"))
    assert names(home) == {"venv-old"}


def test_killed_runs_go_and_live_ones_stay(home: Home) -> None:
    put(home.runs / "dead" / "lock")
    with held(home.runs / "live" / "lock"):
        assert names(home) == {"runs/dead"}
        assert (home.runs / "live").is_dir()


@pytest.mark.parametrize("lock", ["runs/x/lock", "objects/linux-um.lock", "git/linux.lock"])
def test_nothing_that_could_be_in_use_goes(home: Home, lock: str) -> None:
    put(home.builds / "kernel-old" / "done.json", 40)
    put(home.root / "venv-old" / "ready", 40)
    with held(home.root / lock):
        assert names(home) == set()
        with pytest.raises(FarwatchError, match="something is running") as caught:
            prune(home, everything=True)
        assert lock in caught.value.cause
    assert names(home) >= {"builds/kernel-old", "venv-old"}


def test_logs_of_the_newest_verdicts_stay(home: Home) -> None:
    with_results(home, ["run1/1-a", "run2/1-a", "run2/2-b"])
    for name in ("run1/1-a", "run1/guest-0", "run2/1-a", "run2/guest-0", "boot-x/log", "run3/1-c"):
        put(home.logs / name / "console", 20)
        grow_old(home.logs / name, 20)
    assert names(home) == {"logs/run1", "logs/boot-x", "logs/run3"}
    assert (home.logs / "run2" / "guest-0").is_dir()


def test_superseded_logs_of_a_run_that_still_speaks(home: Home) -> None:
    with_results(home, ["run1/1-a", "run1/2-b", "run2/1-a"])
    for name in ("run1/1-a", "run1/2-b", "run2/1-a"):
        put(home.logs / name / "console", 20)
        grow_old(home.logs / name, 20)
    assert names(home) == {"logs/run1/1-a"}


def test_young_logs_stay(home: Home) -> None:
    with_results(home, ["run1/1-a", "run2/1-a"])
    for name in ("run1/1-a", "run3/1-c"):
        put(home.logs / name / "console", 0.5)
        grow_old(home.logs / name, 0.5)
    assert names(home) == set()
    assert names(home, days=0) == {"logs/run1"}


def with_results(home: Home, logs: list[str]) -> None:
    """A verdict for each log folder; the test is named by its last part."""
    results = Results.open(home.results)
    column = Column("v1", "7.3")
    for name in logs:
        test = name.rpartition("-")[2]
        results.store(CellResult(column, test, "inputs", Verdict.PASS, logs=name))
    results.close()


def test_everything_is_all_but_verdicts_and_own_work(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(home.root / "venv-mine"))
    with_results(home, ["run1/1-a"])
    for name in ("ccache/a/b", "cargo/c", "downloads/x.archive", "logs/run1/1-a/console", "venv-mine/ready"):
        put(home.root / name)
    checkout = with_worktree(home, home.work / "v1-7.3" / "linux")
    outcome = prune(home, everything=True)
    assert outcome.removed[-1].path == home.root / "venv-mine"
    assert home.results.exists()
    assert (checkout / "Makefile").exists()
    git(checkout, "log", "-1")
    assert [kept.path for kept in outcome.kept] == [home.git / "linux.git"]
    assert [item.kind for item in usage(home)] == ["results", "work", "git"]


def test_everything_spares_an_edited_tree(home: Home) -> None:
    tree = with_worktree(home, home.trees / "linux-7.3")
    put(tree / "Makefile", size=20)
    with_edits = prune(home, everything=True)
    assert [kept.path for kept in with_edits.kept] == [tree]
    assert (tree / "Makefile").exists()


def test_everything_takes_a_clean_tree(home: Home) -> None:
    tree = with_worktree(home, home.trees / "linux-7.3")
    assert names(home, everything=True) == {"trees/linux-7.3", "git/linux.git"}
    assert not tree.exists()


def test_what_cannot_be_removed_is_not_counted(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    put(home.builds / "kernel-old" / "done.json", 40)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    outcome = prune(home, now=NOW)
    assert outcome.removed == ()
    assert [kept.path.name for kept in outcome.kept] == ["kernel-old"]


def test_sizes_count_a_file_once_and_follow_no_link(tmp_path: Path) -> None:
    file = put(tmp_path / "tree" / "file", size=100_000)
    alone = size_of(tmp_path / "tree")
    os.link(file, tmp_path / "tree" / "again")
    (tmp_path / "tree" / "away").symlink_to("/usr")
    assert alone <= size_of(tmp_path / "tree") < alone + 50_000


def test_of_other_projects_only_logs_go(home: Home) -> None:
    other = Home(home.root, "mine-1234")
    log, edited = put(other.logs / "run" / "console", 40), put(other.work / "v1-7.3" / "linux" / "notes", 40)
    other.results.touch()
    assert names(home) == {"projects/mine-1234/logs/run"}
    assert not log.exists() and edited.exists() and other.results.exists()
    put(other.logs / "new" / "console")
    assert "projects/mine-1234/logs/new" in names(home, everything=True)
    assert edited.exists() and other.results.exists()


def test_what_is_held_of_another_project_is_in_use(home: Home) -> None:
    put(home.builds / "kernel-old" / "done.json", 40)
    with held(Home(home.root, "mine-1234").own / "send-v1.lock"):
        assert names(home) == set()


@pytest.mark.parametrize(
    ("there", "age", "checkout", "goes"),
    [
        (False, 40, False, True),
        (False, 1, False, False),
        (False, 40, True, False),
        (True, 40, False, False),
    ],
)
def test_what_a_project_had_that_is_gone(
    home: Home, tmp_path: Path, there: bool, age: float, checkout: bool, goes: bool
) -> None:
    other, folder = Home(home.root, "mine-1234"), tmp_path / "mine"
    if there:
        folder.mkdir()
    if checkout:
        put(other.work / "v1-7.3" / "linux" / "notes", 40)
    for part in (other.work, other.logs):
        grow_old(part, 40)
    put(other.results, age, size=0)
    note = put(other.own / "project", age)
    note.write_text(f"{folder}\n")
    grow_old(note, age)
    assert names(home) == ({"projects/mine-1234"} if goes else set())
