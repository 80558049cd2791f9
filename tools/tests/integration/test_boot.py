# SPDX-License-Identifier: GPL-2.0-or-later
"""boot: a command in a guest behaves as one that is called here."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.integration.commands import LONG_ENOUGH, command, environment, farwatch

pytestmark = pytest.mark.integration


def boot(*words: str | Path, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """`farwatch boot baseline WORDS` with data in a pipe as its standard input."""
    return subprocess.run(
        command("boot", "baseline", *words),
        input=data,
        capture_output=True,
        check=False,
        timeout=LONG_ENOUGH,
        env=environment(),
    )


def test_standard_input_reaches_the_command_and_ends() -> None:
    done = boot("--", "cat", data=b"hello")
    assert (done.returncode, done.stdout) == (0, b"hello"), done.stderr


def test_a_megabyte_of_any_bytes_comes_back_as_it_was() -> None:
    data = os.urandom(1 << 20)
    done = boot("--", "cat", data=data)
    assert done.returncode == 0 and done.stdout == data, done.stderr


def test_a_file_and_nothing_as_standard_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(range(256)))
    line = '"$@" < file && "$@" <&- && echo end'
    done = subprocess.run(
        ["sh", "-c", line, "sh", *command("boot", "baseline", "--", "od", "-An", "-tx1", "-w256")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONG_ENOUGH,
        env=environment(),
    )
    assert bytes.fromhex(done.stdout.removesuffix("end\n")) == bytes(range(256))
    assert done.stdout.endswith("\nend\n") and done.stderr == ""


def test_a_command_that_takes_no_input_is_not_kept_by_it() -> None:
    reading, writing = os.pipe()
    try:
        done = subprocess.run(
            command("boot", "baseline", "--", "echo", "done"),
            stdin=reading,
            capture_output=True,
            check=False,
            timeout=LONG_ENOUGH,
            env=environment(),
        )
    finally:
        os.close(reading)
        os.close(writing)
    assert (done.returncode, done.stdout) == (0, b"done\n"), done.stderr


def test_nobody_who_reads_on_ends_it_as_a_pipe_does() -> None:
    with subprocess.Popen(
        command("boot", "baseline", "--", "yes"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"y\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 128 + signal.SIGPIPE


def test_a_shell_reads_its_commands_from_a_pipe() -> None:
    done = boot(data=b"cd /\npwd\nexit 5\n")
    assert (done.returncode, done.stdout) == (5, b"/\n"), done.stderr


def test_a_program_that_is_not_there_or_is_none() -> None:
    done = farwatch("boot", "baseline", "--", "nosuch")
    assert (done.returncode, done.stdout) == (127, "")
    assert done.stderr == "farwatch: no such program in the guest: nosuch\n"
    assert farwatch("boot", "baseline", "--", "/etc/passwd").returncode == 126


def test_a_command_that_is_longer_than_a_line() -> None:
    words = [str(number) * 20 for number in range(200)]
    done = boot("--", "echo", *words)
    assert done.stdout.decode().split() == words, done.stderr


def test_memory_of_the_guest() -> None:
    done = farwatch("boot", "baseline", "--memory", "96", "--", "grep", "MemTotal", "/proc/meminfo")
    assert 64 << 10 < int(done.stdout.split()[1]) < 96 << 10, done.stderr


def test_options_of_the_server() -> None:
    """A server that is told so refuses what it does by itself, and one that is told nonsense says so."""
    words = ["--", "sh", "-c", "touch file; echo $?"]
    assert farwatch("boot", "baseline", *words).stdout == "0\n"
    refused = farwatch("boot", "baseline", "--server-option", "--readonly", *words)
    assert "Read-only file system" in refused.stdout and refused.stdout.endswith("1\n")
    wrong = farwatch("boot", "baseline", "--server-option", "--cache=sometimes", *words)
    assert wrong.returncode == 2 and "invalid value 'sometimes' for '--cache" in wrong.stderr
    unknown = farwatch("boot", "baseline", "--server-option=--no-such-thing", *words)
    assert unknown.returncode == 2 and "unknown option of the server '--no-such-thing'" in unknown.stderr
