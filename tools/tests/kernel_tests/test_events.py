# SPDX-License-Identifier: GPL-2.0-or-later
"""Which events kernel-tests/events.c wants to have FAN_REMOTE: it is no part of what a test says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import TESTS

SOURCES = TESTS.parents[1] / "kernel-tests"
UNKNOWN, HERE, ELSEWHERE = "0", "1", "2"
CREATE, OVERFLOW, REMOTE = 0x100, 0x4000, 0x00800000


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("bin") / "reader"
    source = Path(__file__).with_name("events_reader.c")
    flags = ["-Wall", "-Wextra", "-Werror", "-O2", f"-I{SOURCES}", "-D_GNU_SOURCE="]
    sources = [source, *(SOURCES / name for name in ("events.c", "steps.c"))]
    subprocess.run(["gcc", *flags, "-o", str(program), *map(str, sources)], check=True)
    return program


def said(reader: Path, others: str, asks: bool, pid: str, mask: int, wanted: int = CREATE) -> str:
    words = [str(reader), others, str(int(asks)), pid, f"{mask:x}", f"{wanted:x}"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    ("others", "asks", "pid", "remote"),
    [
        (ELSEWHERE, True, "0", True),
        (ELSEWHERE, True, "1", True),
        (ELSEWHERE, True, "own", False),
        (ELSEWHERE, False, "0", False),
        (HERE, True, "1", False),
        (HERE, True, "own", False),
    ],
)
def test_who_did_it_and_who_asks_say_whether_it_is_remote(
    reader: Path, others: str, asks: bool, pid: str, remote: bool
) -> None:
    right, wrong = (CREATE | REMOTE, CREATE) if remote else (CREATE, CREATE | REMOTE)
    assert said(reader, others, asks, pid, right) == "fine"
    how = "without" if remote else "with"
    assert said(reader, others, asks, pid, wrong).startswith(
        f"wrong event: came FAN_CREATE on (no object), {how} FAN_REMOTE; wanted FAN_CREATE on"
    )


def test_where_nobody_says_who_others_are_it_does_not_matter(reader: Path) -> None:
    assert {said(reader, UNKNOWN, True, "1", CREATE | bit) for bit in (0, REMOTE)} == {"fine"}


def test_an_overflow_is_nobodys_doing(reader: Path) -> None:
    assert said(reader, ELSEWHERE, True, "0", OVERFLOW, OVERFLOW) == "fine"
