# SPDX-License-Identifier: GPL-2.0-or-later
"""What a worker makes of an errand, and of what is wrong with its machine; guests are made up."""

from __future__ import annotations

import shutil
from collections import deque
from pathlib import Path
from types import SimpleNamespace

import pytest

from farwatch.builds import store
from farwatch.cells.jobs import ColumnWork, Job
from farwatch.cluster import errand as errands
from farwatch.cluster import workshop
from farwatch.cluster.artifacts import ArtifactServer
from farwatch.cluster.errand import Errand, errands_of, moved, needs_of, paths_of
from farwatch.guests.setting import Setting
from farwatch.model import Column, ShareSetting, TestCase, Verdict
from farwatch.system.home import Home
from tests.fakes.engine import FakeEngine

COLUMN = Column("v1", "7.3")


@pytest.fixture(autouse=True)
def here(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARWATCH_HOME", str(home.root))


def made(there: Home, server: ArtifactServer, *kinds: str, engine: FakeEngine | None = None) -> Errand:
    """For tests of these kinds (fakes/guest.py), whose program is in a build."""
    with store.fresh(there, "tests", "key", {}) as folder:
        for kind in kinds:
            (folder / kind).write_text(kind)
    build = store.folder_of(there, "tests", "key")
    setting = Setting(
        engine or FakeEngine(), Path("/none"), Path("/bin/true"), build / kinds[0], "tmpfs", None
    )
    jobs = [Job(TestCase("p", "f", "", kind), build / kind, kind) for kind in kinds]
    work = ColumnWork(COLUMN, setting, deque())
    errand = errands_of(there, work, jobs, 1, server.url("{host}"), "s", {})
    server.add(errand.artifacts)
    return errand


def test_verdicts_and_logs_go_back_and_nothing_stays(there: Home, home: Home, server: ArtifactServer) -> None:
    delivery = workshop.run(made(there, server, "pass", "fail"), "moon", "127.0.0.1")
    assert [each.verdict for each in delivery.results] == [Verdict.PASS, Verdict.FAIL]
    names = {name.rpartition("/")[2] for name, _ in delivery.logs}
    assert {"cell.json", "output"} <= {name.partition(".log")[0] for name in names}
    assert list(home.logs.iterdir()) == [] and list(home.runs.iterdir()) == []
    assert [path.name.partition("-")[0] for path in home.builds.iterdir()] == ["fetched"]


def test_one_that_hangs_has_a_limit(
    there: Home, server: ArtifactServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errands, "BOOT_LIMIT", 0.5)
    monkeypatch.setattr(errands, "CELL_LIMIT", 0.0)
    delivery = workshop.run(
        made(there, server, "pass", engine=FakeEngine("hang-at-boot")), "moon", "127.0.0.1"
    )
    assert delivery.results == () and delivery.unfit.startswith("its cells have not ended after")


def test_what_arrives_damaged_is_the_workers_trouble(there: Home, server: ArtifactServer) -> None:
    errand = made(there, server, "pass")
    (errand.artifacts[0].folder / "pass").write_text("pbss")
    delivery = workshop.run(errand, "moon", "127.0.0.1")
    assert delivery.unfit == "pass arrives damaged, also when it is fetched again" and delivery.results == ()


def test_an_error_on_a_full_disk_is_no_verdict(
    there: Home, server: ArtifactServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    errand = made(there, server, "missing")
    assert [each.verdict for each in workshop.run(errand, "moon", "127.0.0.1").results] == [Verdict.ERROR]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    delivery = workshop.run(errand, "moon", "127.0.0.1")
    assert delivery.results == () and "is full" in delivery.unfit


def test_a_home_that_cannot_be_written_is_the_workers_trouble(
    there: Home, home: Home, server: ArtifactServer
) -> None:
    errand = made(there, server, "pass")
    home.logs.rmdir()
    (home.root / "logs").write_text("in the way")
    assert "File exists" in workshop.run(errand, "moon", "127.0.0.1").unfit


def test_paths_are_those_of_this_home(there: Home) -> None:
    build = there.builds / "tests-key"
    setting = Setting(
        FakeEngine(), build / "linux", Path("/bin/agent"), build / "actor", "tmpfs", None, tools=(build,)
    )
    assert set(paths_of(setting)) == {build / "linux", Path("/bin/agent"), build / "actor", build}
    there_now = moved(setting, {build: Path("/new")})
    assert (there_now.image, there_now.actor) == (Path("/new/linux"), Path("/new/actor"))
    assert there_now.agent == Path("/bin/agent") and there_now.tools == (Path("/new"),)


def test_an_errand_says_what_not_every_worker_has() -> None:
    setting = Setting(
        FakeEngine(),
        Path("/i"),
        Path("/a"),
        Path("/b"),
        "tmpfs",
        None,
        share_setting=ShareSetting("on-xfs", "t"),
    )
    work = ColumnWork(COLUMN, setting, deque())
    jobs = [Job(TestCase(name, "f", "", "t"), Path("/p"), "x") for name in ("inotify_test", "workload_test")]
    assert needs_of(work, jobs[:1]) == ("engine fake", "share setting on-xfs")
    assert needs_of(work, jobs)[2:] == ("what workload_test runs",)
