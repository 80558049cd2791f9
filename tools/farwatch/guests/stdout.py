# SPDX-License-Identifier: GPL-2.0-or-later
"""What a program in a guest prints, on a file descriptor of ours whose reader may be slow, or gone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

WINDOW = 64 * 1024
"""Bytes that a guest may be ahead of whoever reads them."""
_CHUNK = 4096
"""PIPE_BUF: a pipe that poll(2) calls writable takes that much, so that no write to it blocks us."""


class StandardOutput:
    """Passes bytes on to a descriptor, as fast as that takes them.

    allow:  is called whenever `allowed` has grown so much that the guest should know
    failed: is called once, when nothing can be written any more
    """

    def __init__(self, fd: int, allow: Callable[[], None], failed: Callable[[OSError], None]) -> None:
        self._fd = fd
        self._allow = allow
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._pending = bytearray()
        self._received = self._written = self._told = 0
        self._dead = False
        self._change = asyncio.Event()

    @property
    def allowed(self) -> int:
        """How many bytes, from the first one on, there is room for."""
        self._told = self._written + WINDOW
        return self._told

    def hear(self, data: bytes) -> None:
        """Bytes from the guest."""
        self._received += len(data)
        self._change.set()
        if self._dead:
            return
        self._pending += data
        try:
            self._loop.add_writer(self._fd, self._write)
        except PermissionError:
            # epoll(7) takes no file that one can always write to.
            while self._pending:
                self._write()

    def _write(self) -> None:
        try:
            written = os.write(self._fd, self._pending[:_CHUNK])
        except BlockingIOError:
            return
        except OSError as error:
            self._give_up(error)
            return
        del self._pending[:written]
        self._written += written
        if not self._pending:
            self._loop.remove_writer(self._fd)
            self._change.set()
        if self._written + WINDOW - self._told >= WINDOW // 2:
            self._allow()

    def _give_up(self, error: OSError) -> None:
        self._dead = True
        self.close()
        self._failed(error)

    async def heard(self, count: int) -> None:
        """Until so many bytes have come."""
        while self._received < count:
            await self._changed()

    async def passed_on(self) -> None:
        """Until all that has come is where it belongs."""
        while self._pending:
            await self._changed()

    async def _changed(self) -> None:
        self._change.clear()
        await self._change.wait()

    def close(self) -> None:
        """Write no more; what has not been passed on is dropped."""
        self._loop.remove_writer(self._fd)
        self._pending.clear()
        self._change.set()
