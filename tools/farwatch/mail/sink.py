# SPDX-License-Identifier: GPL-2.0-or-later
"""An SMTP server of our own, to which a series is sent before anybody else gets it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiosmtpd.controller import Controller


class Sink:
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.contents: list[bytes] = []

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
        del server, session
        self.contents.append(envelope.original_content)
        return "250 OK"


@contextmanager
def sink(handler: Any = None, kind: Any = None, **options: Any) -> Iterator[Controller]:
    """It listens on the loopback interface for as long as the with block lasts.

    handler: what it does with mail (default: keep it in handler.contents)
    kind:    class of its sessions, an aiosmtpd.smtp.SMTP; options are its
    """
    server = _controller(handler or Sink(), kind, options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _controller(handler: Any, kind: Any, options: dict[str, Any]) -> Controller:
    """A controller that takes any free port.

    aiosmtpd's connects to the port that it was asked for to see whether the server is up, so it cannot be
    asked for port 0, and to choose a free one beforehand would be a race. Its _trigger_server() is the
    first to run when the port is known, and is no documented part of it (1.4.6).
    """
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import SMTP

    class OnAnyPort(Controller):
        def factory(self) -> SMTP:
            made: SMTP = (kind or SMTP)(self.handler, **self.SMTP_kwargs)
            return made

        def _trigger_server(self) -> None:
            assert self.server is not None
            self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
            super()._trigger_server()  # type: ignore[no-untyped-call]

    return OnAnyPort(handler, hostname="127.0.0.1", port=0, ready_timeout=30, **options)
