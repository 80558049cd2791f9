# SPDX-License-Identifier: GPL-2.0-or-later
"""progress.py: lines come when they should, from any thread, and the terminal is left as it was."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import threading

import pytest

from farwatch.terminal.progress import (
    LINES_TOLD,
    TOLD_SECONDS,
    WIDTH_TOLD,
    LiveDisplay,
    PlainDisplay,
    Reporter,
    ToldDisplay,
    minutes,
)
from tests import TESTS

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def reporter(clock: Clock, stream: io.StringIO) -> Reporter:
    return Reporter(PlainDisplay(stream), clock)


def test_plain_lines_come_only_now_and_then(reporter: Reporter, clock: Clock, stream: io.StringIO) -> None:
    task = reporter.task("baseline uml", 92)
    for second in range(13):
        clock.now = second
        task.update(second * 3, "2 running")
    assert stream.getvalue().splitlines() == [
        "baseline uml: 15/92 tests, 2 running, 0:05",
        "baseline uml: 30/92 tests, 2 running, 0:10",
    ]


def test_the_end_of_a_task_is_said_if_there_is_something_to_say(
    reporter: Reporter, clock: Clock, stream: io.StringIO
) -> None:
    with reporter.task("silent"):
        pass
    task = reporter.task("linux-7.3", unit="files")
    clock.now = 65
    task.finish("built")
    task.finish("again")
    task.update(5)
    assert stream.getvalue() == "linux-7.3: built, 1:05\n"


def test_an_unknown_total(reporter: Reporter) -> None:
    task = reporter.task("fetch", unit="MB")
    assert task.line() == "fetch: 0:00"
    task.update(3)
    assert task.line() == "fetch: 3 MB, 0:00"


def test_what_is_said_cannot_steer_a_terminal(reporter: Reporter, stream: io.StringIO) -> None:
    reporter.say("two\nlines \x1b[31m")
    reporter.task("a\x1b[2Jb\n").finish("c\r")
    assert stream.getvalue() == "two\nlines \\x1b[31m\na\\x1b[2Jb\\n: c\\r, 0:00\n"


def test_a_stream_that_is_not_utf8() -> None:
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, "ascii")
    Reporter.for_stream(stream).say("café")
    assert buffer.getvalue() == b"caf\\xe9\n"


def test_threads(reporter: Reporter, stream: io.StringIO) -> None:
    def work(number: int) -> None:
        with reporter.task(f"task {number}", 50) as task:
            for step in range(50):
                task.update(step)
                reporter.say(f"{number}.{step}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(stream.getvalue().split()) == sorted(f"{n}.{s}" for n in range(4) for s in range(50))


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (12.9, "0:12"), (3723, "1:02:03"), (-1, "0:00")])
def test_minutes(seconds: float, text: str) -> None:
    assert minutes(seconds) == text


# -- on a terminal


def on_terminal(code: str, **more: str) -> tuple[str, int]:
    """What a process that runs `code` with a terminal as stderr writes there, and its exit status."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(TESTS.parent), "COLUMNS": "60"}
    env.pop("NO_COLOR", None)
    env |= more
    begin = (
        "import sys\nfrom farwatch.terminal.progress import Reporter\nr = Reporter.for_stream(sys.stderr)\n"
    )
    with subprocess.Popen([sys.executable, "-c", begin + code], stderr=theirs, env=env) as process:
        os.close(theirs)
        written = b"".join(iter(lambda: read_or_end(ours), b""))
    os.close(ours)
    return written.decode(), process.returncode


def read_or_end(fd: int) -> bytes:
    try:
        return os.read(fd, 4096)
    except OSError:  # the other side is closed
        return b""


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("with r:\n t = r.task('job', 9); t.update(3, 'busy'); r.say('hello')", 0),
        ("with r:\n t = r.task('job', 9); t.update(3, 'busy'); r.say('hello'); 1 / 0", 1),
        ("with r.task('job', 9) as t:\n t.update(3, 'busy'); r.say('hello'); raise KeyboardInterrupt", -2),
        ("t = r.task('job', 9); t.update(3, 'busy'); r.say('hello'); sys.exit(2)", 2),
    ],
)
def test_a_terminal_is_left_sane_however_it_ends(code: str, status: int) -> None:
    written, got = on_terminal(code)
    assert got == status
    assert "hello" in written
    assert written.count(HIDE) == written.count(SHOW) == 1
    assert written.index(HIDE) < written.index(SHOW)


def test_a_terminal_shows_the_state() -> None:
    code = "t = r.task('[job]', 9); t.update(3, 'busy'); import time; time.sleep(0.5); t.finish('all good')"
    written, _ = on_terminal(code)
    assert "[job]: 3/9 tests, busy, 0:00" in written
    assert "[job]: 3/9 tests, all good, 0:00\r\n" in written


@pytest.mark.parametrize("setting", [{"TERM": "dumb"}, {"NO_COLOR": "1"}])
def test_who_wants_no_escape_codes_gets_none(setting: dict[str, str]) -> None:
    code = "t = r.task('job', 9); t.update(3); r.say('hello'); t.finish('done')"
    written, _ = on_terminal(code, **setting)
    assert "\x1b" not in written
    assert written.splitlines() == ["hello", "job: 3/9 tests, done, 0:00"]


def test_rich_is_not_imported_before_a_live_line() -> None:
    code = "r.say('hello'); sys.exit('rich' in sys.modules)"
    assert on_terminal(code)[1] == 0


def test_a_live_display_can_be_used_again(stream: io.StringIO) -> None:
    reporter = Reporter(LiveDisplay(stream))
    for number in range(2):
        with reporter.task("job"):
            reporter.say(f"line {number}")
    reporter.close()
    reporter.close()
    assert "line 0" in stream.getvalue() and "line 1" in stream.getvalue()


# -- told to somebody else, too


def test_what_is_said_and_done_is_told_as_well(clock: Clock, stream: io.StringIO) -> None:
    told: list[tuple[list[str], list[int]]] = []
    gone: list[bool] = []
    display = ToldDisplay(
        PlainDisplay(stream),
        lambda said, tasks: told.append((list(said), [task.done for task in tasks])),
        lambda: gone.append(True),
        clock,
    )
    clock.now = 100.0
    reporter = Reporter(display, clock)
    reporter.say("one")
    task = reporter.task("testing", 9)
    for done in range(1, 4):
        task.update(done)
    clock.now += TOLD_SECONDS
    task.update(4)
    task.finish()
    assert told == [(["one"], []), (["one"], [0]), (["one"], [4]), (["one"], [])]
    assert stream.getvalue() == "one\n" and gone == []
    reporter.close()
    assert gone == [True]


def test_what_is_told_is_bounded(stream: io.StringIO) -> None:
    told: list[list[str]] = []
    display = ToldDisplay(PlainDisplay(stream), lambda said, _: told.append(list(said)), lambda: None)
    for number in range(100):
        display.say(f"{number} {'x' * 10_000}\n" * 50)
    assert len(told[-1]) == LINES_TOLD and max(map(len, told[-1])) == WIDTH_TOLD
