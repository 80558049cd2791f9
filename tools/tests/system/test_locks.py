# SPDX-License-Identifier: GPL-2.0-or-later
"""The home folder and its locks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from farwatch.errors import FarwatchError
from farwatch.system.home import Home
from farwatch.system.locks import lock_if_free, locked, locked_folder


def test_a_lock_is_waited_for_no_longer_than_its_limit(tmp_path: Path) -> None:
    told: list[str] = []
    with locked(tmp_path / "lock"):
        waiting = locked(tmp_path / "lock", told.append, limit=0.05)
        with pytest.raises(FarwatchError, match="stays locked"), waiting:
            raise AssertionError("two hold it")
    assert told == ["another farwatch"]  # it is this very process
    with locked(tmp_path / "lock", limit=0):
        pass


HOLDER = """
import fcntl, os, sys
handle = os.open(sys.argv[1], os.O_RDONLY)
fcntl.flock(handle, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(path: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a lock until it is killed or the with block ends."""
    command = [sys.executable, "-c", HOLDER, str(path), *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process


def who_holds(path: Path) -> str:
    """What somebody who has to wait is told; he waits no longer than it takes to be told."""
    told: list[str] = []
    take = locked_folder if path.is_dir() else locked
    with ExitStack() as stack, pytest.raises(FarwatchError, match="stays locked") as caught:
        stack.enter_context(take(path, told.append, limit=0))
    assert told[0] in caught.value.cause
    return told[0]


def test_whoever_waits_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    with holder(path, "-m", "farwatch", "verify", "a b") as first:
        assert who_holds(path) == f"another farwatch (pid {first.pid}: farwatch verify 'a b')"
        first.kill()
    with holder(path, "something", "else") as second:
        assert who_holds(path).startswith(f"another program (pid {second.pid}: {sys.executable} -c ")
    path.unlink()
    with locked(path):  # another file, perhaps with the number of the one before
        assert who_holds(path) == "another farwatch"


def test_a_folder_is_locked_by_itself(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        assert f"(pid {process.pid}: " in who_holds(tmp_path)
    with locked_folder(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_a_command_line_is_shown_as_one_short_line(tmp_path: Path) -> None:
    with holder(tmp_path, "-m", "farwatch", "\x1b[31m\n" + "x" * 1000):
        told = who_holds(tmp_path)
    assert "\x1b" not in told and "\n" not in told
    assert len(told) < 150


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_holder_of_another_user_is_named() -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        command = ["flock", name, "sh", "-c", "echo held; read _"]
        with subprocess.Popen(
            command, user=65534, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None and process.stdout.readline() == "held\n"
            assert f"(pid {process.pid}: flock " in who_holds(folder)


def test_a_lock_is_taken_only_if_free_and_kept_by_who_inherits_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with lock_if_free(path) as handle:
        assert handle is not None
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[handle])
    with child, lock_if_free(path) as other:
        assert other is None
    with lock_if_free(path) as handle:
        assert handle is not None


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FARWATCH_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(FarwatchError, match="cannot use"):
        Home.from_env()
