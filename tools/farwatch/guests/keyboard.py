# SPDX-License-Identifier: GPL-2.0-or-later
"""A person's terminal, whose keys are for a program in a guest, as with ssh."""

from __future__ import annotations

import asyncio
import contextlib
import os
import termios
import tty
from collections.abc import Callable, Iterator, Mapping

from farwatch.guests.stdin import PIECE, answer

ESCAPE, LEAVE, RELOAD = b"~", b".", b"r"
"""After Enter, as in ssh(1), for us and not for the guest, which may not answer any more."""
_CHUNK = 4096
_AHEAD = 64 * 1024
"""Bytes that wait for the guest before no more are read."""


@contextlib.contextmanager
def raw(fd: int) -> Iterator[None]:
    """Every key as it is, and the terminal as it was on every way out."""
    before = termios.tcgetattr(fd)
    tty.setraw(fd)
    try:
        yield
    finally:
        # Not TCSADRAIN: a terminal that is gone, or stopped, would keep us.
        with contextlib.suppress(termios.error):
            termios.tcsetattr(fd, termios.TCSANOW, before)


class Keyboard:
    """Reads keys all the time, so that a person can leave, and hands them on when the guest asks for them.

    ours: what is to be done when a person types a key after ESCAPE; gone: there is no terminal any more
    """

    def __init__(
        self,
        fd: int,
        send: Callable[[bytes], None],
        ours: Mapping[bytes, Callable[[], None]],
        gone: Callable[[], None],
    ) -> None:
        self._fd = fd
        self._send = send
        self._ours = ours
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._waiting = bytearray()
        self._asked = False
        self._line_begins = True
        self._escaped = False
        self._loop.add_reader(fd, self._read)

    def hear(self, data: bytes) -> None:
        """Bytes from the guest: a question is a line, and there is never more than one."""
        self._asked = self._asked or b"\n" in data
        self._answer()

    def _answer(self) -> None:
        if not (self._asked and self._waiting):
            return
        self._asked = False
        piece = bytes(self._waiting[:PIECE])
        del self._waiting[:PIECE]
        self._loop.add_reader(self._fd, self._read)
        self._send(answer(piece))

    def _read(self) -> None:
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            self._gone()
            return
        for number in data:
            self._type(bytes((number,)))
        if len(self._waiting) >= _AHEAD:
            self.close()
        self._answer()

    def _type(self, key: bytes) -> None:
        """One key, or what is part of one. A second ~ means the first one."""
        if self._escaped:
            self._escaped = False
            if key in self._ours:
                self._ours[key]()
                return
            self._waiting += ESCAPE if key == ESCAPE else ESCAPE + key
        elif self._line_begins and key == ESCAPE:
            self._escaped = True
            return
        else:
            self._waiting += key
        self._line_begins = key in b"\r\n"

    def close(self) -> None:
        """Read no more."""
        self._loop.remove_reader(self._fd)
