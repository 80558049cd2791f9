# SPDX-License-Identifier: GPL-2.0-or-later
"""check: which tools are called with what, and what is said of them; the tools do not run here."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from farwatch.builds import store
from farwatch.cli import main
from farwatch.system.home import Home

fails = {"no such tool"}
"""Words whose tools fail."""


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """What would have been run."""
    made: list[list[str]] = []

    def run(command: Sequence[str], **_: object) -> SimpleNamespace:
        made.append([str(word) for word in command[1:]])
        return SimpleNamespace(returncode=int(not fails.isdisjoint(command)))

    monkeypatch.setenv("FARWATCH_HOME", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr("farwatch.system.bootstrap.development_venv", lambda _tools, home: home.root / "venv")
    return made


def marks(calls: list[list[str]]) -> list[str]:
    """What each call of pytest was asked for."""
    return [call[call.index("-m", 2) + 1] for call in calls if "pytest" in call]


def test_what_is_long_is_left_to_all(calls: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["check"]) == 0
    assert marks(calls) == ["not integration", "integration and not nightly"]
    calls.clear()
    assert main(["check", "--quick"]) == 0
    assert marks(calls) == ["not integration"]
    calls.clear()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert main(["check", "--all"]) == 0
    assert marks(calls) == ["not integration", "integration"] and calls[-1] == ["ci/fresh-machine"]


def test_a_bare_machine_takes_root(
    calls: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["check", "--all"]) == 0
    assert calls[-1] != ["ci/fresh-machine"] and "no bare machine is tried" in capsys.readouterr().out


def test_an_expression_is_for_tests_alone(calls: list[list[str]]) -> None:
    assert main(["check", "-k", "rename"]) == 0
    assert [("-k" in call) for call in calls] == ["pytest" in call for call in calls]


def test_a_tool_that_fails_is_named_and_the_others_run(
    calls: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(globals(), "fails", {"mypy"})
    assert main(["check"]) == 1
    assert capsys.readouterr().out.endswith("check: failed: types\n")
    assert len(marks(calls)) == 2


def test_all_and_quick_exclude_each_other(calls: list[list[str]]) -> None:
    assert main(["check", "--all", "--quick"]) == 2
    assert calls == []


def test_what_was_built_meanwhile_is_told(
    calls: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path)
    with store.fresh(home, "kernel", "old", {"image": "x", "label": "an old kernel", "seconds": 7}):
        pass
    os.utime(store.folder_of(home, "kernel", "old"), (1, 1))
    future = 2_000_000_000
    with store.fresh(home, "kernel-tools", "new", {"label": "scripts, which took no time to speak of"}):
        pass
    os.utime(store.folder_of(home, "kernel-tools", "new"), (future, future))
    for kind, label, seconds in (("kernel", "a kernel", 155.2), ("qemu", "a monitor", 300.0)):
        with store.fresh(home, kind, "new", {"image": "x", "label": label, "seconds": seconds}):
            pass
        os.utime(store.folder_of(home, kind, "new"), (future, future))
    assert main(["check"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if "built" in line] == [
        "check: built a monitor: 300 s",
        "check: built a kernel: 155 s",
    ]
    assert calls
