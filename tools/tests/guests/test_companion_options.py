# SPDX-License-Identifier: GPL-2.0-or-later
"""What a server is started with, and which options a person may give it."""

from __future__ import annotations

from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.guests.companion import check_options, command_line, known_options

HELP = (
    "      --fd <FD>\n      --socket-path <P>\n      --cache <CACHE>\n      --xattr\n      Use --made-up=x\n"
)


@pytest.fixture
def server(tmp_path: Path) -> Path:
    program = tmp_path / "server"
    program.write_text(f"#!/bin/sh\nprintf '%s' '{HELP}'\n")
    program.chmod(0o755)
    return program


def test_of_options_that_name_the_same_thing_the_last_one_counts() -> None:
    usual = command_line(Path("server"), Path("share"), 3, [])
    assert usual[:4] == ["server", "--fd=3", "--shared-dir=share", "--tag=myfs"]
    options = ["--fsnotify", "--cache=always", "--xattr", "--cache=auto"]
    chosen = command_line(Path("server"), Path("share"), 3, options)
    assert chosen == ["--cache=auto" if word == "--cache=never" else word for word in usual] + ["--fsnotify"]


def test_options_that_the_server_knows(server: Path) -> None:
    check_options(server, ["--cache=auto", "--xattr"])
    assert known_options(server, ["--cache=auto", "--fsnotify"]) == ("--cache=auto",)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--cach=auto", "unknown option of the server '--cach'\n  did you mean '--cache'?"),
        ("xattr", "did you mean '--xattr'?"),
        ("--fd=3", "--fd of the server cannot be chosen"),
        ("--socket-path=x", "--socket-path of the server cannot be chosen"),
    ],
)
def test_options_that_it_does_not_know_or_may_not_get(server: Path, option: str, says: str) -> None:
    with pytest.raises(FarwatchError) as caught:
        check_options(server, [option])
    assert says in str(caught.value)


def test_a_server_that_cannot_be_asked(tmp_path: Path) -> None:
    with pytest.raises(FarwatchError, match="--help failed"):
        check_options(tmp_path / "none", ["--xattr"])
