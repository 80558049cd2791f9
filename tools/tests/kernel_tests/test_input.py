# SPDX-License-Identifier: GPL-2.0-or-later
"""A program's standard input as kernel-tests/guest/input.c hands it over, over a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import TESTS

SOURCES = TESTS.parents[1] / "kernel-tests"


@pytest.fixture(scope="session")
def taker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("bin") / "taker"
    sources = [Path(__file__).with_name("input_taker.c"), SOURCES / "guest" / "input.c", SOURCES / "steps.c"]
    flags = ["-Wall", "-Wextra", "-Werror", "-O2", f"-I{SOURCES / 'guest'}"]
    subprocess.run(["gcc", *flags, "-o", program, *sources], check=True)
    return program


@pytest.fixture
def line() -> Iterator[tuple[int, str]]:
    """Our end of a serial line, and the path of the other one."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_what_is_asked_for_piece_by_piece_arrives_whole(taker: Path, line: tuple[int, str]) -> None:
    pieces = [bytes(range(256)), b"%\n\0 " * 256, b"last"]
    with subprocess.Popen([taker, line[1], "cat"], stdout=subprocess.PIPE) as program:
        for piece in [*pieces, b""]:
            assert os.read(line[0], 100) == b"input\n"
            os.write(line[0], (b"".join(b"%%%02X" % byte for byte in piece) or b"%") + b"\n")
        assert program.communicate()[0] == b"".join(pieces)


def test_a_program_that_takes_nothing_is_not_kept(taker: Path, line: tuple[int, str]) -> None:
    assert subprocess.run([taker, line[1], "true"], check=False).returncode == 0


def test_the_program_has_no_child_that_it_did_not_make(taker: Path, line: tuple[int, str]) -> None:
    os.write(line[0], b"%\n")
    code = "import os\ntry: os.wait()\nexcept ChildProcessError: print('none')"
    done = subprocess.run([taker, line[1], sys.executable, "-c", code], capture_output=True, check=False)
    assert done.stdout == b"none\n", done.stderr


def test_a_line_that_is_not_there(taker: Path, tmp_path: Path) -> None:
    done = subprocess.run([taker, tmp_path / "none", "true"], capture_output=True, check=False)
    assert done.returncode == 1 and b"No such file" in done.stderr
