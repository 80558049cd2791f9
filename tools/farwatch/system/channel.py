# SPDX-License-Identifier: GPL-2.0-or-later
"""A line-wise connection to something that may be broken: a guest's serial line, a console, a log."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

LINE_MAX = 64 * 1024
"""Bytes; a longer line is handed on in pieces, so that garbage cannot fill the memory."""


class Channel(asyncio.Protocol):
    """Calls on_line(bytes) for each line without its newline, and on_end() once at the end.

    An unterminated last line is handed on at the end of file.
    """

    def __init__(
        self,
        on_line: Callable[[bytes], None],
        on_end: Callable[[], None] = lambda: None,
        line_max: int = LINE_MAX,
    ) -> None:
        self._on_line = on_line
        self._on_end = on_end
        self._line_max = line_max
        self._rest = b""
        self._transport: asyncio.Transport | None = None
        self.ended = asyncio.Event()
        self.on_bytes: Callable[[bytes], None] | None = None
        """When set, takes the raw bytes instead of lines (interactive use)."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self.on_bytes is not None:
            self.on_bytes(data)
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._on_line(line)
        while len(self._rest) > self._line_max:
            self._on_line(self._rest[: self._line_max])
            self._rest = self._rest[self._line_max :]

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._rest:
            self._on_line(self._rest)
            self._rest = b""
        if not self.ended.is_set():
            self.ended.set()
            self._on_end()

    def drop_partial(self) -> bytes:
        """Forget an unterminated line and return it: its writer is gone, the next one is somebody else's."""
        rest, self._rest = self._rest, b""
        return rest

    def pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def write(self, data: bytes) -> None:
        """Queue bytes; silently nothing when the other side is gone (its end is seen elsewhere)."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def end_writing(self) -> None:
        """The other side reads the end of file; what it says is still heard."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def attach(channel: Channel, sock: socket.socket) -> Channel:
    """Connect a channel to our end of a socket pair; the channel owns it from here on."""
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: channel, sock=sock)
    return channel


def pair() -> tuple[socket.socket, socket.socket]:
    """(ours, theirs): a connected pair; theirs is inherited by a child and closed here afterwards."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
