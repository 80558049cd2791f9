# SPDX-License-Identifier: GPL-2.0-or-later
"""again.py: a call for each change, its status and its end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from farwatch.app import App
from farwatch.cells import again
from farwatch.cells.again import decides, run_again
from tests.processes import children_of_this_process, interruptible

LIMIT = 30.0
"""Seconds in which a call surely has ended, on the slowest machine."""


class Teller:
    """Hears what is said; does something when it hears a word."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.then: list[tuple[str, Callable[[], None]]] = []

    def say(self, text: str) -> None:
        self.said.append(text)
        if self.then and self.then[0][0] in text:
            self.then.pop(0)[1]()


@pytest.fixture(autouse=True)
def _interruptible() -> None:
    interruptible()


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def touch(*paths: Path) -> None:
    for path in paths:
        path.write_text("x")


def script(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "call.py"
    path.write_text(text)
    return [sys.executable, str(path)]


def test_each_change_is_a_call_and_the_last_status_counts(tmp_path: Path) -> None:
    (folder := tmp_path / "watched").mkdir()
    (done := tmp_path / "done").write_text("")
    command = script(
        tmp_path, f"with open({str(done)!r}, 'r+') as f: n = len(f.read()); f.write('x')\nexit(n)"
    )
    teller = Teller()
    teller.then = [
        ("waiting for a change", lambda: touch(folder / "other", folder / "file")),
        ("a surprise", interrupt),
    ]
    status = run_again([folder], lambda path: path.name == "file", command, teller.say)
    assert status == 1 and done.read_text() == "xx"
    assert [line for line in teller.said if line.startswith("changed")] == ["changed: file"]
    assert [line.split(": ")[1].split(",")[0] for line in teller.said if line[2] == ":"] == [
        "as expected",
        "a surprise",
    ]


def test_an_interrupted_call_is_ended_and_may_put_things_away(tmp_path: Path) -> None:
    (folder := tmp_path / "watched").mkdir()
    away = tmp_path / "away"
    command = script(
        tmp_path,
        f"""
import os, signal, sys, time
def end(*_):
    open({str(away)!r}, "w").close()
    sys.exit(130)
signal.signal(signal.SIGTERM, end)
os.kill(os.getppid(), signal.SIGINT)
time.sleep({LIMIT})
""",
    )
    with pytest.raises(KeyboardInterrupt):
        run_again([folder], lambda path: True, command, lambda text: None)
    assert away.exists() and not children_of_this_process()


def test_one_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "END_LIMIT", 0.2)
    command = script(
        tmp_path,
        f"""
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.kill(os.getppid(), signal.SIGINT)
time.sleep({LIMIT})
""",
    )
    with pytest.raises(KeyboardInterrupt):
        run_again([tmp_path], lambda path: True, command, lambda text: None)
    assert not children_of_this_process()


def test_other_revisions_patches_decide_nothing() -> None:
    app = App.here()
    patches = app.catalog.patches
    yes = (patches / "v1" / "linux" / "0001.patch", patches / "bases.toml", Path("/tree/fs/fuse/dir.c"))
    assert all(decides(app, "v1", path) for path in yes)
    assert not decides(app, "v1", patches / "v11" / "revision.toml")
