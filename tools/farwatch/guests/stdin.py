# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's side of kernel-tests/guest/input.c: our standard input, for a program in a guest."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

from farwatch.guests.agent import escape

PIECE = 1024
"""Bytes: three times as many, which they may become on the line, still fit there (steps.h)."""


class StandardInput:
    """Answers each question of the guest with the next piece of a file descriptor, once there is one.

    Nothing is read ahead: what the guest does not ask for is left to whoever reads it next.
    """

    def __init__(self, fd: int, answer: Callable[[bytes], None]) -> None:
        self._fd = fd
        self._answer = answer
        self._loop = asyncio.get_running_loop()

    def hear(self, data: bytes) -> None:
        """Bytes from the guest: a question is a line, and there is never more than one."""
        if b"\n" not in data:
            return
        try:
            self._loop.add_reader(self._fd, self._read)
        except PermissionError:
            # epoll(7) takes no file that always has something to read, or its end.
            self._read()

    def _read(self) -> None:
        try:
            piece = os.read(self._fd, PIECE)
        except BlockingIOError:
            return
        except OSError as error:
            print(f"farwatch: cannot read standard input: {error.strerror}", file=sys.stderr)
            piece = b""
        self.close()
        self._answer(escape(piece).encode() + b"\n")

    def close(self) -> None:
        """Read no more."""
        self._loop.remove_reader(self._fd)
