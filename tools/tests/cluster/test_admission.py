# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is let in, and by which clock its times are told."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from farwatch.cluster import greeting
from farwatch.cluster.admission import LEAST_FREE, Facts, clock_note, put_right, refusal

OURS = Facts(1000.0, "here", "x86_64", "3.11", "glibc 2.36", "abc", "/home", 2 * LEAST_FREE)
DAY = 24 * 3600.0


def test_one_like_us_is_let_in() -> None:
    assert refusal(replace(OURS, host="there", libc="glibc 2.41"), OURS) == ""


@pytest.mark.parametrize(
    ("theirs", "why"),
    [
        (replace(OURS, version=""), "it has no farwatch"),
        (replace(OURS, version="def"), "its farwatch is another one (def, and not abc)"),
        (replace(OURS, arch="aarch64"), "its architecture is aarch64, and not x86_64"),
        (replace(OURS, libc="glibc 2.9"), "its C library is older (glibc 2.9, and not glibc 2.36)"),
        (replace(OURS, libc=""), "its C library is older (another one, and not glibc 2.36)"),
        (replace(OURS, free=LEAST_FREE - 1), "its disk is full: 1023 MiB are free for /home"),
    ],
)
def test_one_that_does_not_fit_is_told_why(theirs: Facts, why: str) -> None:
    assert refusal(theirs, OURS) == why


def test_a_clock_that_is_off_by_a_day_is_told() -> None:
    ahead = replace(OURS, time=1000 + DAY)
    assert clock_note(ahead, 999, 1001) == "its clock is 86399 s ahead of this machine's; times are put right"
    behind = replace(OURS, time=1000 - DAY)
    assert clock_note(behind, 999, 1001) == "its clock is 86399 s behind this machine's; times are put right"


def test_a_clock_that_may_be_right_is_left_alone() -> None:
    assert clock_note(OURS, 999, 1001) == "" and clock_note(OURS, 1003, 1010) == ""


@pytest.mark.parametrize("off", [DAY, -DAY])
def test_times_are_put_right_by_when_they_come(off: float) -> None:
    assert put_right(1000 + off, 1010 + off, 1010.5) == pytest.approx(1000.5)


def test_times_of_a_clock_that_agrees_stay() -> None:
    assert put_right(1000, 1010, 1012) == 1000


def test_a_greeting_is_answered_as_text_by_any_python() -> None:
    """As roster.py has it sent: nothing of farwatch's has to be there."""
    text = Path(greeting.__file__).read_text(encoding="utf-8")
    program = (
        "import sys; exec(sys.stdin.read(), (names := {})); print(names['greet']()['version'] or 'none')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], input=text, capture_output=True, text=True, check=True
    )
    assert done.stdout == "none\n"


def test_what_is_free_is_asked_of_the_disk_of_a_home_that_is_yet_to_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FARWATCH_HOME", str(tmp_path / "not" / "yet"))
    facts = Facts.read(greeting.greet())
    status = os.statvfs(tmp_path)
    assert 0 < facts.free <= status.f_blocks * status.f_frsize and len(facts.version) == 16


def test_a_changed_source_is_another_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "farwatch"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(
        greeting, "find_spec", lambda _: type("Spec", (), {"origin": str(package / "__init__.py")})
    )
    before = greeting.greet()["version"]
    (package / "data").mkdir()
    (package / "data" / "copied.py").write_text("")
    assert greeting.greet()["version"] == before
    (package / "more.py").write_text("x = 1\n")
    assert greeting.greet()["version"] != before
