# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: mistakes get one message, the nearest name that exists, and status 2."""

from __future__ import annotations

import os
import re
import string
import subprocess
import sys
from pathlib import Path

import pytest

from farwatch.cells.plan import select
from farwatch.cli import COMMANDS, build_parser, main
from farwatch.errors import STATUS_USAGE, unknown
from farwatch.model import TestCase
from tests import TESTS


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARWATCH_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["vrify"], "did you mean 'verify'?"),
        (["verify", "basline"], "did you mean 'baseline'?"),
        (["verify", "--base", "7.33"], "did you mean '7.3'?"),
        (["verify", "--engine", "ulm"], "unknown engine"),
        (["verify", "--jobs", "none"], "'none' is not a number of guests"),
        (["verify", "--jobs", "0"], "'0' is not a number of guests"),
        (["verify", "--no-such-option"], "--no-such-option"),
        (["verify", "--bsae", "7.3"], "did you mean '--base'?"),
        (["show", "x", "--only", "consle"], "did you mean 'console'?"),
        (["show", "x", "--only", "moon"], "known: console, output, server, steps, control"),
        (["bench", "loup"], "did you mean 'loop'?"),
        (["verify", "--", "true"], "verify runs no command of yours"),
        (["boot", "v2", "sh"], "a -- is missing before 'sh'"),
        (["boot", "v2", "sh"], "next: farwatch boot v2 -- sh\n"),
        (["boot", "sh", "--base", "7.3", "sh", "-c", "sh x"], "boot sh --base 7.3 -- sh -c 'sh x'\n"),
        (["boot", "baseline", "--cpus", "0"], "'0' is not a number from 1 to 8"),
        (["boot", "baseline", "--cpus", "two"], "'two' is not a number from 1 to 8"),
        (["boot", "baseline", "--cpus", "2"], "has one processor on engine uml"),
        (["boot", "baseline", "--memory", "much"], "'much' is not a number of MB"),
        (["boot", "baseline", "--memory", "8"], "a guest of engine uml has at least"),
        (["boot", "baseline", "--engine", "vng", "--memory", "64"], "a guest of engine vng has at least"),
        (["boot", "baseline", "--memory", "99999999"], "MB for a guest here"),
        (["boot", "reference", "--server-option", "--xattr"], "reference has no server"),
        (["boot", "baseline", "--share", "/no/such/folder", "--", "true"], "next: mkdir /no/such/folder"),
        (["boot", "baseline", "--share", "/etc/passwd"], "it is a file\n  next: its folder: --share /etc\n"),
        (["table"], "no results are stored"),
        (["show", "x"], "no results are stored"),
        (["build", "baselin"], "did you mean 'baseline'?"),
        (["checkout", "baseline", "linus"], "did you mean 'linux'?"),
        (["bisectable", "v1", "--last"], "--last is for --arch"),
        (["bisectable", "v1", "--arch", "arm46"], "did you mean 'arm64'?"),
        (["bisectable", "v1", "virtiofsd", "--arch", "um"], "--arch is for linux"),
    ],
)
def test_a_mistake_is_one_message(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == STATUS_USAGE
    captured = capsys.readouterr()
    assert says in captured.err and "Traceback" not in captured.err
    assert captured.err.startswith("farwatch: ") and not captured.err.startswith("farwatch: farwatch")
    assert captured.out == ""


def test_a_test_that_does_not_exist_is_not_an_empty_success() -> None:
    cases = [TestCase("inotify_test", "directory", "remote", "create")]
    with pytest.raises(Exception, match="unknown test 'craete'\n  did you mean 'create'"):
        select(cases, "craete")
    assert select(cases, "create") == tuple(cases)


def test_every_command_has_a_parser_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    parser = build_parser()
    for command in COMMANDS:
        with pytest.raises(SystemExit) as caught:
            parser.parse_args([command, "--help"])
        assert caught.value.code == 0
    assert "Traceback" not in capsys.readouterr().out


SPY = """
import importlib, sys
load = importlib.import_module
importlib.import_module = lambda name: print(name, file=sys.stderr) or load(name)
from farwatch.cli import main
main([])
"""


@pytest.mark.parametrize(
    ("line", "offered", "loaded"),
    [
        ("./farwatch che", {"check", "checkout"}, set()),
        ("./farwatch checkout v", {"v1", "v2", "v3"}, {"checkout"}),
        ("./farwatch checkout v1 boot --ba", {"--base"}, {"checkout"}),
        ("FOO=1 ./farwatch boot --netw", {"--network"}, {"boot"}),
    ],
)
def test_completion_loads_one_command_at_most(
    line: str, offered: set[str], loaded: set[str], tmp_path: Path
) -> None:
    """As the shell function of `farwatch completion` calls it."""
    answer = tmp_path / "answer"
    environment = {
        **os.environ,
        "_ARGCOMPLETE": str(line.split().index("./farwatch") + 1),
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    command = [sys.executable, "-c", SPY]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert set(answer.read_text().split("\n")) == offered, done.stderr
    assert set(re.findall(r"^farwatch\.commands\.(\w+)$", done.stderr, re.MULTILINE)) == loaded


def test_no_command_is_a_usage_error() -> None:
    assert main([]) == STATUS_USAGE


def test_of_many_names_a_few_are_named_and_how_to_see_all() -> None:
    many = [f"{letter}{letter}" for letter in string.ascii_lowercase]
    assert str(unknown("thing", "???", many, "list them")).splitlines() == [
        "unknown thing '???'",
        "  known: aa, bb, cc, dd and 22 more",
        "  next: list them",
    ]
    assert unknown("thing", "???", many[:8]).cause == "known: aa, bb, cc, dd, ee, ff, gg, hh"
    assert unknown("thing", "xyzzy", []).cause == "known: none"


@pytest.mark.parametrize("stream", [0, 1, 2])
def test_a_stream_that_the_caller_has_closed(stream: int) -> None:
    """Nothing that is opened later gets its number, and nobody stumbles over None."""
    code = (
        "import os, sys; from farwatch.cli import main; main(['frobnicate']); "
        f"assert os.fstat({stream}).st_rdev == os.stat(os.devnull).st_rdev; "
        "sys.stdin.read(); print(); sys.exit(7)"
    )
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" {stream}{"<" if stream == 0 else ">"}&-', sys.executable, code],
        env={**os.environ, "PYTHONPATH": str(TESTS.parent)},
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 7
