# SPDX-License-Identifier: GPL-2.0-or-later
"""doctor: findings follow from what is there."""

from __future__ import annotations

import os
from collections import namedtuple
from pathlib import Path

import pytest

from farwatch.engines import capacity, uml
from farwatch.engines.uml import UmlEngine, memory_folder
from farwatch.system.home import Home
from farwatch.system.needs import Need, load_needs
from farwatch.upkeep import doctor
from farwatch.upkeep.doctor import GIB, Condition
from tests.processes import script


def test_examines_everything_without_network(home: Home) -> None:
    names = [finding.name for finding in doctor.examine(home)]
    assert {"python", "gcc", "cargo >= 1.85", "disk", "guests", "kvm", "fanotify", "engine uml"} <= set(names)
    assert not [name for name in names if name.startswith("reach")]
    assert len(names) == len(set(names))


def test_engines_named_are_those_that_there_are(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ENGINES", {})
    assert not [finding for finding in doctor.examine(home) if "engine" in finding.name]


def test_status_is_2_only_for_what_is_missing() -> None:
    warned = [Condition("a", "ok", ""), Condition("b", "warn", "")]
    assert doctor.status(warned) == 0
    assert doctor.status([*warned, Condition("c", "missing", "")]) == 2


def test_report_shows_the_next_step_and_sums_up() -> None:
    text = doctor.report(
        [Condition("gcc", "missing", "compile", "apt-get install gcc"), Condition("git", "ok", "2")]
    )
    assert "next: apt-get install gcc" in text
    assert text.endswith("this machine lacks: gcc")


Space = namedtuple("Space", "f_bavail f_frsize f_flag")


@pytest.mark.parametrize(("free", "state"), [(2, "missing"), (10, "warn"), (20, "ok")])
def test_disk_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: Space(free * GIB // 4096, 4096, 0))
    assert doctor._disk(tmp_path).state == state


def test_a_home_that_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._runs_programs(tmp_path).state == "ok"
    monkeypatch.setattr(os, "statvfs", lambda _: Space(1, 1, os.ST_NOEXEC))
    assert doctor._runs_programs(tmp_path).state == "missing"


def test_too_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "available_memory", lambda: capacity.GUEST_MEMORY - 1)
    assert doctor._guests().state == "missing"
    monkeypatch.setattr(capacity, "available_memory", lambda: 1000 * GIB)
    monkeypatch.setattr(UmlEngine, "memory_room", lambda self: 1000 * GIB)
    at_once = uml.GUESTS_A_CORE * len(os.sched_getaffinity(0))
    assert f": {at_once} guests at once" in doctor._guests().detail


def test_a_vanished_program_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path / "apt-get", "")
    calls = tmp_path / "calls"
    script(tmp_path / "apt-cache", f"echo asked >>{calls}")
    (tmp_path / "list").write_text("prog:flubber  flubber-dev  # to flub\nprog:x  a | b\nprog:y  c | d\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    finding, *_ = doctor._needs(tmp_path / "list")
    assert (finding.state, finding.detail) == ("missing", "to flub")
    assert finding.next.endswith("install -y --no-install-recommends flubber-dev")
    assert calls.read_text() == "asked\n"


def test_each_list_is_looked_through_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    lists: list[str] = []

    def spied(path: Path) -> list[Need]:
        lists.append(path.name)
        return load_needs(path)

    monkeypatch.setattr(doctor, "load_needs", spied)
    doctor.examine(home)
    more = ("arm", "arm64", "sweep", "vng")
    assert sorted(lists) == sorted(["system-packages.txt", *(f"system-packages.{name}.txt" for name in more)])


def test_a_compiler_of_another_architecture_is_an_offer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "list").write_text("prog:flubber-gcc  gcc-flubber  # --arch flubber\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    script(tmp_path / "apt-get", "")
    finding = doctor._compiles("system-packages.arm.txt", tmp_path / "list")
    assert (finding.name, finding.state) == ("--arch arm", "warn")
    assert finding.detail == "bisectable lacks flubber-gcc"
    assert finding.next.endswith("gcc-flubber")
    script(tmp_path / "flubber-gcc", "")
    assert doctor._compiles("system-packages.arm.txt", tmp_path / "list").state == "ok"


def test_libraries_other_than_locked(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("pytest==0.0.1 \\\n    --hash=sha256:0\n")
    finding = doctor._libraries(lock)
    assert finding.state == "missing"
    assert "pytest" in finding.detail


def test_guest_memory_folder_is_the_one_that_uml_takes(tmp_path: Path) -> None:
    assert memory_folder({"TMP": "/b", "TMPDIR": str(tmp_path)}) == tmp_path
    assert memory_folder({"TMPDIR": "", "TEMP": "/c"}) == Path("/c")


def test_guest_memory_that_cannot_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(doctor, "_map_executable", refuse)
    finding = doctor._uml_memory()
    assert finding.state == "missing"
    assert "noexec" in finding.next


def test_a_registry_that_does_not_answer(tmp_path: Path) -> None:
    silent = script(tmp_path / "client", "echo reason >&2; exit 1")
    finding = doctor._reached("reach it", [str(silent)])
    assert (finding.state, finding.detail) == ("missing", "reason")
    assert doctor._reached("reach it", [str(script(tmp_path / "client", ""))]).state == "ok"
    assert doctor._reached("reach it", [str(tmp_path / "none")]).state == "missing"
