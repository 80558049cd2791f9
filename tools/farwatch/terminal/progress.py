# SPDX-License-Identifier: GPL-2.0-or-later
"""What a command says while it works: permanent lines, and the state of long tasks.

On a terminal each running task has a live line at the bottom; elsewhere it is a plain line now and then.
Rich is imported with the first live line, so that a command with nothing to do stays quick.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, TextIO

from farwatch.terminal.escape import printable, printable_lines
from farwatch.terminal.stream import wants_plain

PLAIN_SECONDS = 5.0
"""Least time between two plain lines of a task."""


LINES_TOLD, WIDTH_TOLD = 8, 300
TOLD_SECONDS = 0.25
"""Least time between two of the things that are told of a task alone."""

BUILD_SECONDS = 10.0
"""The same of a build tool's output."""


class Pace:
    """When it is time for another line about the output of a build tool."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said = clock()

    def due(self) -> bool:
        """Whether it is; if so, the time until the next one starts."""
        now = self._clock()
        if now - self._said < BUILD_SECONDS:
            return False
        self._said = now
        return True


class Task:
    """One long piece of work. Also a context manager, which finishes it. Safe for several threads."""

    def __init__(self, reporter: Reporter, title: str, total: int | None, unit: str) -> None:
        self.title = title
        self.total = total
        self.unit = unit
        self.done = 0
        self.note = ""
        self.finished = False
        self.started = reporter.clock()
        self.said = self.started
        """When the task was last mentioned in a plain line."""
        self._reporter = reporter

    def update(self, done: int | None = None, note: str | None = None) -> None:
        """Say how far it is (absolute, not a difference), and what it does now."""
        self._reporter.updated(self, done, note)

    def finish(self, note: str = "") -> None:
        """End it. With a note that becomes a permanent line, without it the task just disappears."""
        self._reporter.ended(self, note)

    def now(self) -> float:
        """The reporter's clock, seconds."""
        return self._reporter.clock()

    def line(self) -> str:
        """ "baseline uml: 34/92 tests, 2 running, 0:12" """
        parts = [self._count(), self.note, minutes(self.now() - self.started)]
        return printable(f"{self.title}: {', '.join(part for part in parts if part)}")

    def _count(self) -> str:
        if self.total is None and not self.done:
            return ""
        count = str(self.done) if self.total is None else f"{self.done}/{self.total}"
        return f"{count} {self.unit}".rstrip()

    def __enter__(self) -> Task:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()


class Display(Protocol):
    """How lines reach the stream. Called under the reporter's lock."""

    def say(self, text: str) -> None:
        """A permanent line (or lines)."""

    def show(self, tasks: list[Task]) -> None:
        """These tasks are running; called whenever the list or a task changes."""

    def close(self) -> None:
        """Leave the stream as it was found. May be used again afterwards."""


class Reporter:
    """Made once a process; used from any thread."""

    def __init__(self, display: Display, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._display = display
        self._tasks: list[Task] = []
        self._lock = threading.RLock()

    @classmethod
    def for_stream(cls, stream: TextIO) -> Reporter:
        """Live lines where the stream is a terminal that can show them, else plain ones."""
        return cls(display_for(stream))

    def say(self, text: str) -> None:
        """Print a permanent line."""
        with self._lock:
            self._display.say(printable_lines(text))

    def task(self, title: str, total: int | None = None, unit: str = "tests") -> Task:
        """Begin a task of `total` things (None: nobody knows), called `unit`."""
        task = Task(self, title, total, unit)
        with self._lock:
            self._tasks.append(task)
            self._display.show(self._tasks)
        return task

    def updated(self, task: Task, done: int | None, note: str | None) -> None:
        """Called by the task."""
        with self._lock:
            if task.finished:
                return
            task.done = task.done if done is None else done
            task.note = task.note if note is None else note
            self._display.show(self._tasks)

    def ended(self, task: Task, note: str) -> None:
        """Called by the task; a second time does nothing."""
        with self._lock:
            if task.finished:
                return
            task.finished = True
            task.note = note
            self._tasks.remove(task)
            if note:
                self._display.say(task.line())
            self._display.show(self._tasks)

    def close(self) -> None:
        """Drop all tasks and leave the terminal as it was."""
        with self._lock:
            for task in self._tasks:
                task.finished = True
            self._tasks.clear()
            self._display.close()

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ToldDisplay:
    """Passes everything on, and tells it to somebody else as well: the last lines, and the tasks.

    tell: called whenever a line is said or a task begins or ends, and in between now and then
    gone: called when nothing more comes
    """

    def __init__(
        self,
        display: Display,
        tell: Callable[[Sequence[str], Sequence[Task]], None],
        gone: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._display = display
        self._tell = tell
        self._gone = gone
        self._clock = clock
        self._said: deque[str] = deque(maxlen=LINES_TOLD)
        self._tasks: list[Task] = []
        self._told = 0.0

    def say(self, text: str) -> None:
        self._display.say(text)
        self._said.extend(line[:WIDTH_TOLD] for line in text.split("\n")[-LINES_TOLD:])
        self._now()

    def show(self, tasks: list[Task]) -> None:
        self._display.show(tasks)
        if tasks != self._tasks or self._clock() - self._told >= TOLD_SECONDS:
            self._tasks = list(tasks)
            self._now()

    def close(self) -> None:
        self._gone()
        self._display.close()

    def _now(self) -> None:
        self._told = self._clock()
        self._tell(list(self._said), self._tasks)


class PlainDisplay:
    """Lines without escape codes, for files, pipes and CI logs."""

    def __init__(self, stream: TextIO, every: float = PLAIN_SECONDS) -> None:
        self._stream = stream
        self._every = every

    def say(self, text: str) -> None:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        self._stream.flush()

    def show(self, tasks: list[Task]) -> None:
        for task in tasks:
            now = task.now()
            if now - task.said >= self._every:
                task.said = now
                self.say(task.line())

    def close(self) -> None:
        self._stream.flush()


class LiveDisplay:
    """Live lines, drawn with rich; made when the first task begins and undone when the last one ends."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live: LiveLines | None = None

    def say(self, text: str) -> None:
        if self._live:
            self._live.say(text)
        else:
            PlainDisplay(self._stream).say(text)

    def show(self, tasks: list[Task]) -> None:
        if not tasks:
            self.close()
            return
        if self._live is None:
            from farwatch.terminal.live import RichLines

            self._live = RichLines(self._stream)
        self._live.show([task.line for task in tasks])

    def close(self) -> None:
        live, self._live = self._live, None
        if live:
            live.close()


def display_for(stream: TextIO) -> Display:
    return PlainDisplay(stream) if wants_plain(stream) else LiveDisplay(stream)


class LiveLines(Protocol):
    """What LiveDisplay needs of progress_live.RichLines."""

    def say(self, text: str) -> None: ...

    def show(self, lines: list[Callable[[], str]]) -> None: ...

    def close(self) -> None: ...


def minutes(seconds: float) -> str:
    """ "0:12", "1:02:03" """
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
