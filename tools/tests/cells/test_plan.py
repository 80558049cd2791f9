# SPDX-License-Identifier: GPL-2.0-or-later
"""What could change a verdict is part of what a stored one is looked up by."""

from __future__ import annotations

from pathlib import Path

import pytest

from farwatch.builds.selftests import TestsBuild
from farwatch.cells import plan
from farwatch.model import TestCase


def _tests(folder: Path) -> TestsBuild:
    for name in ("agent", "actor", "workload_test", "inotify_test"):
        (folder / name).write_text(name)
    programs = (folder / "workload_test", folder / "inotify_test")
    return TestsBuild("key", folder, folder / "agent", folder / "actor", programs, ())


def _key(tests: TestsBuild, program: str) -> tuple[str, ...]:
    plan.file_hash.cache_clear()
    plan._installed.cache_clear()
    return plan._test_key(tests, TestCase(program, "fixture", "remote", "test", ""))


def test_another_git_makes_the_workloads_run_again_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests, git = _tests(tmp_path), tmp_path / "git"
    monkeypatch.setenv("PATH", str(tmp_path))
    keys = []
    for text in ("git 2.47", "git 2.48"):
        git.write_text(text)
        git.chmod(0o755)
        keys.append((_key(tests, "workload_test"), _key(tests, "inotify_test")))
    assert keys[0][0] != keys[1][0]
    assert keys[0][1] == keys[1][1]
