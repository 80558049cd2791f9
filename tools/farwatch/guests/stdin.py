# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's side of kernel-tests/guest/streams.c: our standard input, for a program in a guest."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

PIECE = 3800
"""Bytes: with their number in front of them they still fit on the line (PIECE_MAX of streams.c)."""


def answer(piece: bytes) -> bytes:
    """A piece as the guest wants it; an empty one: that was all."""
    return b"%d\n" % len(piece) + piece


class StandardInput:
    """Answers each question of the guest with the next piece of a file descriptor, once there is one.

    Nothing is read ahead: what the guest does not ask for is left to whoever reads it next.
    """

    def __init__(self, fd: int, send: Callable[[bytes], None]) -> None:
        self._fd = fd
        self._send = send
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
        self._send(answer(piece))

    def close(self) -> None:
        """Read no more."""
        self._loop.remove_reader(self._fd)
