# SPDX-License-Identifier: GPL-2.0-or-later
"""timeline.py: what the runner writes is read back on one clock, also when it is damaged."""

from __future__ import annotations

import errno
import io
import itertools
import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farwatch.errors import FarwatchError
from farwatch.guests.logs import TimedLog
from farwatch.reports import timeline
from farwatch.reports.publish import show_timeline
from farwatch.reports.timeline import Entry, fold, only, read_timeline, show
from farwatch.reports.timeline_terminal import draw_timeline

CELL = {
    "begin": 10.0,
    "column": "v1/7.3/uml/plain",
    "test": "inotify:events.remote.create",
    "verdict": "fail",
    "title": "no event",
    "commands": [["inotify", "-t", "a b"]],
    "limits": {"event": 1.0, "test": 20},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cell.json").write_text(json.dumps(CELL))
    (tmp_path / "steps.log").write_bytes(b"10.100000 host: create a\n10.200000 host: ok\n")
    (tmp_path / "server.log").write_bytes(b"9.500000 listening\n10.150000 CREATE \xff\n")
    (tmp_path / "console.log").write_bytes(
        b"9.000000 [    0.000000] Linux\r\n10.000000 [    0.200000] farwatch: begin 7\r\n"
        + b"".join(b"10.%d00000 [    0.%d00000] again\n" % (n, n) for n in range(3, 8))
    )
    (tmp_path / "control.log").write_bytes(b"")
    (tmp_path / "output.log").write_bytes(b"10.150000 \x1b[31mnot ok\t1\n")
    return tmp_path


def test_the_logs_are_merged_by_time(folder: Path) -> None:
    assert show(folder) == [
        "cell: v1/7.3/uml/plain/inotify:events.remote.create",
        "verdict: fail: no event",
        "commands: inotify -t 'a b'",
        "limits: event 1.0, test 20",
        f"logs: {folder}",
        "",
        "   -1.000000 console [    0.000000] Linux",
        "   -0.500000 server  listening",
        "   +0.000000 console [    0.200000] farwatch: begin 7",
        "   +0.100000 steps   host: create a",
        "   +0.150000 server  CREATE \\xff",
        "   +0.150000 output  \\x1b[31mnot ok     1",
        "   +0.200000 steps   host: ok",
        "   +0.300000 console [    0.300000] again … 5 times until +0.700000",
    ]


def test_a_text_of_several_lines_is_shown_in_several(folder: Path) -> None:
    about = 'Rule: a watch sees a file.\nSource: a manual,\nchapter "5".\x1b'
    (folder / "cell.json").write_text(json.dumps({**CELL, "about": about}))
    shown = show(folder)
    place = shown.index("about: Rule: a watch sees a file.")
    assert shown[place + 1 : place + 3] == ["       Source: a manual,", '       chapter "5".\\x1b']
    stream = io.StringIO()
    draw_timeline(read_timeline(folder), stream)
    assert shown[place + 2] in stream.getvalue().splitlines()


SHORT = b"virtio-fs: response too short (0)"
END = b"10.900000 [    0.900000] farwatch: end 7"


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        ([b"10.8 [    0.800000] " + SHORT, END], 0),
        ([b"10.8 <4>[    0.800000] " + SHORT + b"\r", END], 0),
        # An answer that a server owed: in the middle, of a wrong size, twice, or before another message.
        ([b"10.8 [    0.800000] " + SHORT], 1),
        ([b"10.8 [    0.800000] " + SHORT.replace(b"0", b"8"), END], 1),
        ([b"10.8 [    0.800000] " + SHORT + b" and more", END], 1),
        ([b"10.7 [    0.700000] " + SHORT, b"10.8 [    0.800000] " + SHORT, END], 1),
        ([b"10.7 [    0.700000] " + SHORT, b"10.8 [    0.800000] other", END], 1),
    ],
)
def test_the_servers_silence_at_unmount_is_not_shown(folder: Path, lines: list[bytes], left: int) -> None:
    """virtiofsd does not answer FUSE_DESTROY, and Linux 7.3 says so at the end of each test."""
    (folder / "console.log").write_bytes(b"\n".join([*lines, b""]))
    (folder / "output.log").write_bytes(b"10.85 " + SHORT + b"\n")
    shown = [line for line in show(folder) if "too short" in line]
    assert sum(" console " in line for line in shown) == left
    assert sum(" output " in line for line in shown) == 1


def test_without_folding_every_line_is_there(folder: Path) -> None:
    assert sum("again" in line for line in show(folder, above=5)) == 5


def test_only_some_sources(folder: Path) -> None:
    lines = show(folder, ["steps", "output"])
    assert [line.split()[1] for line in lines[6:]] == ["steps", "output", "steps"]
    with pytest.raises(FarwatchError, match="unknown source 'step'"):
        only(read_timeline(folder), ["step"])


def test_without_cell_json_the_mark_on_the_console_is_the_begin(folder: Path) -> None:
    (folder / "cell.json").unlink()
    found = read_timeline(folder)
    assert found.begin == 10.0
    assert found.notes == ("cell.json: No such file or directory",)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"begin": "soon"}', b'{"begin": NaN}'])
def test_a_damaged_cell_json_is_noted_not_fatal(folder: Path, content: bytes) -> None:
    (folder / "cell.json").write_bytes(content)
    assert read_timeline(folder).begin == 10.0
    assert any("+0.100000 steps" in line for line in show(folder))


def test_damaged_and_missing_logs_are_noted(folder: Path) -> None:
    (folder / "steps.log").write_bytes(b"10.5 a\nno time\n10.4 back\n10.6 cut o")
    (folder / "server.log").unlink()
    found = read_timeline(folder)
    steps = [(entry.time, entry.text) for entry in found.entries if entry.source == "steps"]
    assert steps == [(10.5, "a"), (10.5, "no time"), (10.5, "back"), (10.6, "cut o")]
    assert found.notes == (
        "steps.log: ends within a line",
        "steps.log: 1 without a time, put after the line before",
        "steps.log: time goes back 1 times",
        "server.log: no such file, so nothing was said there",
    )


def test_a_folder_that_is_gone_is_explained(tmp_path: Path) -> None:
    with pytest.raises(FarwatchError, match="there are no logs"):
        read_timeline(tmp_path / "gone")


def test_a_terminal_gets_the_same_lines_with_colours(folder: Path) -> None:
    stream = io.StringIO()
    draw_timeline(read_timeline(folder), stream)
    assert [line.rstrip() for line in stream.getvalue().splitlines()] == [
        line.rstrip() for line in show(folder)
    ]


def test_a_stream_without_utf8(folder: Path) -> None:
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, "ascii")
    show_timeline(folder, stream)
    stream.flush()
    assert b"again \\u2026 5 times" in buffer.getvalue()


@given(st.lists(st.sampled_from("ab"), max_size=30), st.integers(0, 5))
def test_folding_loses_no_line(texts: list[str], above: int) -> None:
    entries = [Entry(float(time), "output", text) for time, text in enumerate(texts)]
    folded = list(fold(entries, above))
    assert "".join(entry.text * entry.repeats for entry in folded) == "".join(texts)
    assert all(entry.repeats == 1 or entry.repeats > above for entry in folded)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(timeline.SOURCES), st.binary()), max_size=20))
def test_any_bytes_are_read_back_in_order(tmp_path: Path, lines: list[tuple[str, bytes]]) -> None:
    for log in tmp_path.glob("*.log"):
        log.unlink()
    clock = itertools.count()
    logs = {
        source: TimedLog(tmp_path / f"{source}.log", lambda: float(next(clock)))
        for source in timeline.SOURCES
    }
    for source, line in lines:
        logs[source].append(line)
    for log_ in logs.values():
        log_.close()
    found = read_timeline(tmp_path)
    wanted = [
        (source, part.rstrip(b"\r").decode("utf-8", "backslashreplace"))
        for source, line in lines
        for part in line.removesuffix(b"\n").split(b"\n")
    ]
    assert [(entry.source, entry.text) for entry in found.entries] == wanted
    assert all("within" not in note and "without" not in note for note in found.notes)


@given(st.binary())
def test_any_file_can_be_read(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    for name in ("cell.json", "output.log"):
        (folder / name).write_bytes(data)
    assert all(line.isprintable() for line in show(folder))


# -- writing


def test_a_line_is_on_disk_at_once_with_its_time(tmp_path: Path) -> None:
    with TimedLog(tmp_path / "new" / "a.log", lambda: 1.25) as log:
        log.append(b"one\n")
        assert log.path.read_bytes() == b"1.250000 one\n"
        log.append(b"two\nthree")
        log.append(b"")
    assert log.path.read_bytes() == b"1.250000 one\n1.250000 two\n1.250000 three\n1.250000 \n"


def test_a_log_ends_at_its_limit_and_says_so(tmp_path: Path) -> None:
    log = TimedLog(tmp_path / "a.log", lambda: 0.0, limit_bytes=40)
    for number in range(100):
        log.append(b"line %d" % number)
    log.close()
    assert log.truncated
    assert log.path.read_text().splitlines() == ["0.000000 line 0", "0.000000 line 1", "0.000000 … truncated"]


def test_lines_of_many_threads_stay_whole_and_in_order(tmp_path: Path) -> None:
    clock = itertools.count()
    log = TimedLog(tmp_path / "a.log", lambda: float(next(clock)))

    def write(number: int) -> None:
        for _ in range(50):
            log.append(b"%d " % number * 50)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    times = [float(line.split()[0]) for line in log.path.read_text().splitlines()]
    assert times == sorted(times) and len(times) == 200


def test_a_full_disk_is_an_error_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with TimedLog(tmp_path / "a.log", lambda: 0.0) as log:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(FarwatchError, match=r"cannot write the log .*a\.log"):
            log.append(b"x")
        monkeypatch.undo()


def test_a_short_write_is_carried_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:3]))
    with TimedLog(tmp_path / "a.log", lambda: 0.0) as log:
        log.append(b"a longer line")
    monkeypatch.undo()
    assert log.path.read_bytes() == b"0.000000 a longer line\n"
