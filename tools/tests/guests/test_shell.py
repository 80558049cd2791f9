# SPDX-License-Identifier: GPL-2.0-or-later
"""A command in a guest that is a script: what goes in, what comes out, and its exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.guests.run import run_guests
from farwatch.guests.setting import Setting
from farwatch.guests.shell import Wanted, converse
from farwatch.system.home import Home
from tests.fakes.engine import FakeEngine


def run_command(home: Home, command: Sequence[str], *sysctls: str) -> int:
    engine, nothing = FakeEngine("normal"), Path("/bin/false")
    setting = Setting(engine, Path("/none"), Path("/bin/true"), nothing, "tmpfs", None, sysctls=sysctls)
    return run_guests(home, lambda run: converse(run, setting, Wanted(command), home.logs / "boot"))


@pytest.fixture(autouse=True)
def empty_input(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with Path(os.devnull).open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        yield


EVERY_BYTE = bytes(range(256)) * 40 + b"farwatch: end 1\nfarwatch: end"


def test_a_file_as_standard_input(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "file").write_bytes(EVERY_BYTE)
    with (tmp_path / "file").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert run_command(home, ["copy", "-r", "x"]) == 0
    assert capfdbinary.readouterr().out == EVERY_BYTE


def test_a_pipe_as_standard_input(
    home: Home, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    ours, theirs = os.pipe()
    os.write(theirs, EVERY_BYTE)
    os.close(theirs)
    with os.fdopen(ours) as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert run_command(home, ["copy", "-r", "x"]) == 0
    assert capfdbinary.readouterr().out == EVERY_BYTE


def test_input_that_nobody_asks_for_is_not_taken(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.pipe()
    os.write(theirs, b"for the next one")
    with os.fdopen(ours) as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert run_command(home, ["print", "-r", "x", ""]) == 3
        assert os.read(ours, 100) == b"for the next one"
    os.close(theirs)


def test_input_that_cannot_be_read_ends_and_is_said(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with os.fdopen(os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT), "w") as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert run_command(home, ["copy", "-r", "x"]) == 0
    assert "cannot read standard input: Bad file descriptor" in capfd.readouterr().err


def test_a_command_of_any_length(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    words = [f"word {number} {'%' * 500}" for number in range(100)]
    assert run_command(home, ["print", "-r", "x", "arrived", *words]) == 3
    assert capfd.readouterr().out == "arrived"


@pytest.mark.parametrize(
    ("words", "says"), [(["x" * 4000], "a word of the command is too long"), ([""] * 300, "303 words")]
)
def test_a_command_that_is_too_long(home: Home, words: list[str], says: str) -> None:
    with pytest.raises(FarwatchError, match=says):
        run_command(home, ["print", "-r", "x", *words])


def test_a_program_that_is_not_there(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command(home, ["missing", "-r", "x"]) == 127
    assert capfd.readouterr().err == "farwatch: no such program in the guest: no such\n"


def test_what_else_the_guest_says_against_a_command_is_said_in_words(home: Home) -> None:
    with pytest.raises(FarwatchError, match="no such device: No such device"):
        run_command(home, ["setup", "-r", "x"])


def test_a_sysctl_that_the_kernel_lacks_is_said_and_where_it_comes_from(home: Home) -> None:
    assert run_command(home, ["print", "-r", "x", ""], "some.remote=1") == 3
    with pytest.raises(FarwatchError, match=r"kernel has no sysctl none\.remote") as caught:
        run_command(home, ["print", "-r", "x", ""], "none.remote=1")
    assert "revision.toml" in caught.value.hint


def test_a_panic_is_named(home: Home) -> None:
    with pytest.raises(FarwatchError, match="ended before the command did") as caught:
        run_command(home, ["panic", "-r", "x"])
    assert "kernel panic: made up" in caught.value.cause


def test_nobody_who_reads_what_it_prints(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w") as file:
        monkeypatch.setattr(sys, "stdout", file)
        with pytest.raises(BrokenPipeError):
            run_command(home, ["output-flood", "-r", "x"])
        with Path(os.devnull).open("w") as null:
            os.dup2(null.fileno(), theirs)  # for what is flushed when it is closed


def test_standard_error_is_apart(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command(home, ["complain", "-r", "x"]) == 1
    assert tuple(capfd.readouterr()) == ("said", "complained")
