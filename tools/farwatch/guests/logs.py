# SPDX-License-Identifier: GPL-2.0-or-later
"""The logs of a guest: every line with its time, none longer than it may be."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from farwatch.errors import FarwatchError

TRUNCATED = "… truncated"
LOG_LIMIT_BYTES = 8 * 1024 * 1024


class TimedLog:
    """Writes one log of a cell. Safe for several threads; each line is in the file when `append` returns.

    clock:       gives the seconds since the start of the run, on a clock that never steps back
    limit_bytes: size at which the log ends with the line "… truncated"
    """

    def __init__(self, path: Path, clock: Callable[[], float], limit_bytes: int = LOG_LIMIT_BYTES) -> None:
        self.path = path
        self.truncated = False
        self._clock = clock
        self._left = limit_bytes
        self._lock = threading.Lock()
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)

    def append(self, line: bytes) -> None:
        """Write one line, with or without its newline. Inner newlines make more lines of the same time.

        FarwatchError: the disk is full, or the file cannot be written.
        """
        text = line.removesuffix(b"\n")
        with self._lock:
            # The time is taken inside the lock, so that a log's times never go back.
            stamp = b"%.6f " % self._clock()
            for part in text.split(b"\n"):
                self._append_one(stamp, part)

    def _append_one(self, stamp: bytes, text: bytes) -> None:
        if self.truncated:
            return
        record = stamp + text + b"\n"
        if len(record) > self._left:
            self.truncated = True
            record = stamp + TRUNCATED.encode() + b"\n"
        self._left -= len(record)
        self._write(record)

    def _write(self, record: bytes) -> None:
        with _explained(self.path):
            while record:
                record = record[os.write(self._fd, record) :]

    def close(self) -> None:
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> TimedLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _explained:
    """Turns an OSError on a log into an error for the user: never a verdict about the test."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            raise FarwatchError(
                f"cannot write the log {self._path}",
                cause=str(error),
                hint="free some space (./farwatch prune) or check FARWATCH_HOME, then run it again",
            ) from error


class LogSet:
    """The logs of one folder, a file a stream, each made when there is something to write."""

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        self.folder = folder
        self._clock = clock
        self._files: dict[str, TimedLog] = {}

    def append(self, stream: str, line: bytes) -> None:
        """FarwatchError when the disk is full."""
        if stream not in self._files:
            self._files[stream] = TimedLog(self.folder / f"{stream}.log", self._clock)
        self._files[stream].append(line)

    def close(self) -> None:
        for log in self._files.values():
            log.close()
