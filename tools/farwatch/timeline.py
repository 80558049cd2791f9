# SPDX-License-Identifier: GPL-2.0-or-later
"""The logs of a cell: written line by line with a time, read back as one merged timeline.

A cell's folder holds, as far as there was something to write,

  console.log  the guest kernel's console        output.log  what the test program printed
  server.log   the companion server's messages   steps.log   steps of other actors, and their answers

each line being `<seconds since the start of the run, monotonic, %.6f> <text>\n` where text may be any bytes,
and cell.json, one JSON object: what was run. Of its keys this module reads

  begin    seconds on the same clock at which the test program was started (else found in the console)
  column, test, verdict, title, commands, limits, versions, inputs: shown on top, any value, all optional
"""

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
