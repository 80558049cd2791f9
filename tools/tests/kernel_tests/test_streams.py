# SPDX-License-Identifier: GPL-2.0-or-later
"""What a program by hand reads and prints, as kernel-tests/guest/streams.c passes it on over three lines."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
import tty
from pathlib import Path

import pytest

from tests import TESTS

SOURCES = TESTS.parents[1] / "kernel-tests"
PLENTY = 1 << 40
LIMIT = 20.0
"""Seconds for a program to say what it is waited for."""
Piece = bytes | tuple[bytes, bytes]
"""Of standard input; or what the program has to print first, and the piece."""


@pytest.fixture(scope="session")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("bin") / "runner"
    sources = [SOURCES / "guest" / "streams.c", SOURCES / "guest" / "lines.c", SOURCES / "steps.c"]
    flags = ["-D_GNU_SOURCE=", "-Wall", "-Wextra", "-Werror", "-O2", f"-I{SOURCES / 'guest'}"]
    main = Path(__file__).with_name("streams_runner.c")
    subprocess.run(["gcc", *flags, "-o", program, main, *sources], check=True)
    return program


class Lines:
    """Three serial lines, and a host that answers questions and keeps what it hears."""

    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = pieces
        self.asked = 0
        self.ends = [pty.openpty() for _ in range(3)]
        for _, theirs in self.ends:
            tty.setraw(theirs)
        self.paths = [os.ttyname(theirs) for _, theirs in self.ends]
        self.heard = [b"", b"", b""]
        self._said = threading.Condition()
        self._threads = [threading.Thread(target=self._hear, args=(number,)) for number in range(3)]
        for thread in self._threads:
            thread.start()

    def _hear(self, number: int) -> None:
        while True:
            try:
                data = os.read(self.ends[number][0], 65536)
            except OSError:  # EIO: nobody has the other end
                return
            with self._said:
                self.heard[number] += data
                self._said.notify_all()
            if number == 0 and data.endswith(b"input\n"):
                self._answer()

    def _answer(self) -> None:
        self.asked += 1
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, tuple):
            first, piece = piece
            with self._said:
                assert self._said.wait_for(lambda: first in self.heard[1], LIMIT)
        os.write(self.ends[0][0], b"%d\n" % len(piece) + piece)

    def close(self) -> None:
        """Ours too; what was on its way has been heard then."""
        for _, theirs in self.ends:
            os.close(theirs)
        for thread in self._threads:
            thread.join()
        for ours, _ in self.ends:
            os.close(ours)


class Result:
    def __init__(self, said: str, lines: Lines) -> None:
        self.said = said.strip()
        self.output, self.errors = lines.heard[1:]
        self.asked = lines.asked


def played(
    runner: Path, program: list[str], *pieces: Piece, flags: str = "a", allowed: int = PLENTY
) -> Result:
    lines = Lines(list(pieces))
    try:
        words = [str(runner), *lines.paths, flags, str(allowed), *program]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
    finally:
        lines.close()
    return Result(done.stdout, lines)


def test_what_is_asked_for_piece_by_piece_arrives_whole(runner: Path) -> None:
    pieces = [bytes(range(256)), b"%\n\0 " * 256, b"5\nlast", os.urandom(3800)]
    result = played(runner, ["cat"], *pieces)
    assert (result.output, result.errors) == (b"".join(pieces), b"")
    assert result.said == f"{len(result.output)} 0"
    assert result.asked == len(pieces) + 1


def test_a_program_that_takes_nothing_is_not_kept(runner: Path) -> None:
    assert played(runner, ["true"]).said == "0 0"


def test_input_that_the_program_has_closed_is_not_asked_for_again(runner: Path) -> None:
    script = ["sh", "-c", "head -c 3; exec <&-; echo on"]
    result = played(runner, script, b"first piece", (b"on", b"second"))
    assert result.output == b"firon\n" and result.asked <= 2


def test_standard_error_is_apart_or_in_its_place(runner: Path) -> None:
    script = ["sh", "-c", "for n in 1 2 3; do echo out $n; echo err $n >&2; done"]
    apart = played(runner, script)
    assert (apart.output, apart.errors) == (b"out 1\nout 2\nout 3\n", b"err 1\nerr 2\nerr 3\n")
    together = played(runner, script, flags="-")
    assert (together.output, together.errors) == (b"out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n", b"")


def test_a_megabyte_arrives_whole(runner: Path) -> None:
    pieces = [os.urandom(3800) for _ in range(263)]
    assert played(runner, ["cat"], *pieces).output == b"".join(pieces)


def test_no_more_is_passed_on_than_the_host_takes(runner: Path) -> None:
    result = played(runner, ["head", "-c", "100000", "/dev/zero"], allowed=5000)
    assert (len(result.output), result.said) == (5000, "5000 0 stuck")


def test_a_terminal_of_our_size_that_knows_the_keys(runner: Path) -> None:
    code = "import os, sys; print(os.get_terminal_size(), os.isatty(2), flush=True); sys.stdin.read()"
    # the whole line: an unbuffered Python writes its end apart, and the key would come in between
    result = played(runner, [sys.executable, "-c", code], (b"True\r\n", b"\x03"), flags="t")
    assert result.output.startswith(b"os.terminal_size(columns=99, lines=33) True\r\n^C")
    assert b"KeyboardInterrupt" in result.output


def test_standard_error_apart_from_a_terminal(runner: Path) -> None:
    script = ["sh", "-c", "echo out; echo err >&2; cat"]
    result = played(runner, script, (b"out", b"typed\r"), (b"typed\r\ntyped", b"\x04"), flags="ta")
    assert (result.output, result.errors) == (b"out\r\ntyped\r\ntyped\r\n", b"err\n")


def test_the_program_has_no_child_that_it_did_not_make(runner: Path) -> None:
    code = "import os\ntry: os.wait()\nexcept ChildProcessError: print('none')"
    assert played(runner, [sys.executable, "-c", code]).output == b"none\n"


def test_none_of_our_descriptors_is_the_programs(runner: Path) -> None:
    result = played(runner, ["sh", "-c", "ls /proc/self/fd | wc -l"])
    assert result.output.strip() == b"4"  # three, and the folder
