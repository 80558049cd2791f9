# SPDX-License-Identifier: GPL-2.0-or-later
"""What could change a verdict is part of what a stored one is looked up by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from farwatch.builds.selftests import TestsBuild
from farwatch.builds.subject import Subject
from farwatch.cells import plan
from farwatch.engines.registry import engine_named
from farwatch.model import DEFAULT_SHARE, Base, Revision, ShareSetting, TestCase
from tests.fakes.engine import FakeEngine

PLAIN = ShareSetting("plain", kind="fuse")


def _tests(folder: Path) -> TestsBuild:
    for name in ("agent", "actor", "plainfs", "workload_test", "inotify_test"):
        (folder / name).write_text(name)
    programs = (folder / "workload_test", folder / "inotify_test")
    return TestsBuild("key", folder, folder / "agent", folder / "actor", programs, ())


def _key(tests: TestsBuild, program: str, share: ShareSetting = DEFAULT_SHARE) -> tuple[str, ...]:
    revision = Revision("v1", "title", tests.dir, "virtiofs", {})
    bases = {"linux": Base("linux", "7.3", "git")}
    subject = Subject(revision, bases, engine_named("uml"), share_setting=share)
    plan.file_hash.cache_clear()
    plan.installed.cache_clear()
    return plan._test_key(subject, tests, TestCase(program, "fixture", "remote", "test", ""))


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


def test_what_the_guests_are_set_to_is_looked_up_by(tmp_path: Path) -> None:
    app: Any = SimpleNamespace(
        builder=SimpleNamespace(kernels=SimpleNamespace(key=lambda _subject: "kernel"))
    )
    revision = Revision("v1", "title", tmp_path, "tmpfs", {})
    subject = cast(Any, Subject)(revision, {}, FakeEngine())
    sysctls = ((), ("fs.inotify.remote=0",), ("fs.inotify.remote=1",))
    keys = [
        plan.column_key(app, replace(subject, revision=replace(revision, sysctls=one))) for one in sysctls
    ]
    assert len(set(keys)) == 3


def test_another_plain_server_makes_what_it_serves_run_again_and_nothing_else(tmp_path: Path) -> None:
    tests = _tests(tmp_path)
    keys = []
    for text in ("one", "two"):
        tests.plain_server.write_text(text)
        keys.append((_key(tests, "inotify_test", PLAIN), _key(tests, "inotify_test")))
    assert keys[0][0] != keys[1][0]
    assert keys[0][1] == keys[1][1]
