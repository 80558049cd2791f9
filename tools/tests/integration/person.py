# SPDX-License-Identifier: GPL-2.0-or-later
"""Somebody at a terminal of their own."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

SCRIPT = '"$@"; echo status $?; stty -a | grep -o -e -icanon -e " icanon"'
"""A shell that runs a command, and tells then how it ended and how that left the terminal."""
LIMIT = 60.0
"""Seconds for what a person waits for; commands whose parts have to be built first are no good here."""


class Person:
    """Runs a command from a shell, reads what it says and types answers."""

    def __init__(
        self, words: Sequence[str], variables: Mapping[str, str], folder: Path | None = None
    ) -> None:
        self.seen = b""
        self._place = 0
        """Of `seen`: behind what was waited for last."""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
            # as in a session of one's own, also where the tests run in the background
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            if folder is not None:
                os.chdir(folder)
            os.execvpe("bash", ["bash", "-c", SCRIPT, "bash", *words], dict(variables))

    def sees(self, text: bytes) -> None:
        """Until a text comes, behind the one before."""
        until = time.monotonic() + LIMIT
        while (found := self.seen.find(text, self._place)) < 0:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._fd], [], [], left)[0]:
                os.close(self._fd)  # the terminal hangs up, and with it ends what was run
                raise AssertionError((text, self.seen[self._place :]))
            self.seen += self._read()
        self._place = found + len(text)

    def _read(self) -> bytes:
        try:
            return os.read(self._fd, 4096)
        except OSError:  # EIO: nobody is there any more
            raise AssertionError(f"the end of {self.seen.decode(errors='replace')}") from None

    def types(self, keys: bytes) -> None:
        while keys:
            keys = keys[os.write(self._fd, keys[:1000]) :]

    def resizes(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def leaves(self, status: int) -> None:
        """Wait for the end; the terminal is as it was."""
        self.sees(b" icanon")
        found = re.search(rb"status (\d+)\r\n icanon", self.seen)
        assert found is not None and int(found[1]) == status, self.seen
        os.waitpid(self.pid, 0)
        os.close(self._fd)
