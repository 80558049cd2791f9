# SPDX-License-Identifier: GPL-2.0-or-later
"""under_way.py: what a process says of itself is there while it lives, and is nobody else's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from farwatch.system.under_way import Doing, Note, forget_dead, under_way
from tests import TESTS

TASK = Doing("testing", 3, 9, "tests", "p:f.t")
WRITER = """
import sys
from pathlib import Path
from farwatch.system.under_way import Note
Note(Path(sys.argv[1]), ["farwatch", "verify"]).write(["said"], [])
print("written", flush=True)
sys.stdin.read()
"""


def test_what_is_written_is_read_until_it_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "live"
    note = Note(folder, ["farwatch", "test", "v1"])
    note.write(["one", "two"], [TASK])
    [found] = under_way(folder)
    assert (found.pid, found.command) == (os.getpid(), ("farwatch", "test", "v1"))
    assert (found.said, found.tasks) == (("one", "two"), (TASK,))
    note.write(["three"], [])
    assert [one.said for one in under_way(folder)] == [("three",)]
    note.remove()
    note.remove()
    assert under_way(folder) == [] and list(folder.iterdir()) == []


def test_of_one_that_was_killed_nothing_is_shown_and_it_is_swept(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path],
        env={**os.environ, "PYTHONPATH": str(TESTS.parent)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout and process.stdout.readline() == b"written\n"
        assert [one.pid for one in under_way(tmp_path)] == [process.pid]
        forget_dead(tmp_path)
        assert len(under_way(tmp_path)) == 1, "it lives"
        process.kill()
    assert len(list(tmp_path.iterdir())) == 1 and under_way(tmp_path) == []
    forget_dead(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_later_process_of_the_same_number_is_another(tmp_path: Path) -> None:
    Note(tmp_path, ["farwatch"]).write([], [])
    [file] = tmp_path.iterdir()
    pid, _, begun = file.stem.partition("-")
    file.rename(file.with_name(f"{pid}-{int(begun) - 1}.json"))
    assert under_way(tmp_path) == []


def test_another_machine_with_the_same_home_is_left_alone(tmp_path: Path) -> None:
    Note(tmp_path, ["farwatch"]).write([], [])
    [file] = tmp_path.iterdir()
    file.write_text(json.dumps({**json.loads(file.read_text()), "host": "elsewhere"}))
    assert under_way(tmp_path) == []
    file = file.rename(tmp_path / "1-1.json")
    forget_dead(tmp_path)
    assert file.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": 1}', "\x00", "9" * 100_000])
def test_damage_is_nothing(tmp_path: Path, text: str) -> None:
    Note(tmp_path, ["farwatch"]).write([], [])
    [file] = tmp_path.iterdir()
    file.write_text(text)
    (tmp_path / "x-y.json").write_text(text)
    assert under_way(tmp_path) == []
    forget_dead(tmp_path)


def test_where_nothing_can_be_written_a_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "live").write_text("a file")
    for folder in (tmp_path / "live", tmp_path / "no" / "live"):
        note = Note(folder, ["farwatch"])
        note.write([], [])
        note.remove()
        assert under_way(folder) == []
