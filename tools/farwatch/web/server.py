# SPDX-License-Identifier: GPL-2.0-or-later
"""Serves pages over HTTP, to be read alone, and to those alone whom it is for.

Only GET and HEAD (RFC 9110), one request a connection. A request names the host that it is for: one that
names another than us comes from a page of somebody else whose name was made to lead here (DNS rebinding), and
is refused. An address cannot be made to lead anywhere, so that any may be named where more than loopback is
served.
Whoever is slow, or asks for too much, loses the connection.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import unquote

from farwatch.errors import FarwatchError
from farwatch.terminal.escape import printable
from farwatch.web.home import Answer, trouble

SILENCE = 10.0
"""Seconds that a client may say nothing, or take nothing."""
WHOLE = 60.0
"""Seconds for a request and its answer."""
AT_ONCE = 16
"""Connections; more are closed unheard."""
LONGEST = 2048
"""Characters of a request's path."""


class Pages(Protocol):
    """What is served."""

    def answer(self, path: str) -> Answer: ...

    def policy(self) -> str: ...


class WebServer(ThreadingHTTPServer):
    """Bound when it is made. FarwatchError where it cannot be."""

    daemon_threads = True

    def __init__(self, host: str, port: int, pages: Pages) -> None:
        self.pages = pages
        self.host = host
        self.address_family, address = _address(host, port)
        self._room = threading.Semaphore(AT_ONCE)
        try:
            super().__init__(address, _Handler)
        except (OSError, OverflowError) as error:
            raise _cannot_listen(host, port, error) from error

    def server_bind(self) -> None:
        """Without the look for our name, which may ask a server for it."""
        _bind(self)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.server_address[1]}/"

    @property
    def loopback(self) -> bool:
        return ipaddress.ip_address(str(self.server_address[0]).partition("%")[0]).is_loopback

    def is_ours(self, host: str) -> bool:
        """Whether a request's Host is us, whatever the port: somebody may have forwarded another one."""
        name = _without_port(host.strip().lower())
        if name in ("localhost", self.host.lower()):
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self.loopback

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        cut = threading.Timer(WHOLE, _cut, [request])
        cut.daemon = True
        cut.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            cut.cancel()
            self._room.release()

    def handle_error(self, *_: Any) -> None:
        """A client that has gone is no error; anything else is a defect, and said without its traceback."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            print(f"farwatch: a request failed: {printable(repr(error))}", file=sys.stderr, flush=True)


def _bind(server: ThreadingHTTPServer) -> None:
    server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.socket.bind(server.server_address)
    server.server_address = server.socket.getsockname()
    server.server_name, server.server_port = str(server.server_address[0]), int(server.server_address[1])


def _cut(request: socket.socket) -> None:
    with suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def _address(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise FarwatchError(
            f"--host {host}: no such address of this machine", cause=str(error), hint="--host 127.0.0.1"
        ) from error
    return family, address


def _cannot_listen(host: str, port: int, error: Exception) -> FarwatchError:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return FarwatchError(
            f"port {port} of {host} is in use",
            cause="another program listens there",
            hint="--port 0: any that is free",
        )
    return FarwatchError(
        f"cannot listen on port {port} of {host}", cause=str(error), hint="--port 0: any that is free"
    )


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: WebServer
    server_version, sys_version = "farwatch", ""

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(SILENCE)

    def do_GET(self) -> None:
        self._answer(self.server.pages.answer)

    do_HEAD = do_GET

    def _refuse_method(self) -> None:
        self._send(
            trouble(405, FarwatchError("this is to be read alone", cause="only GET and HEAD are answered"))
        )

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = do_CONNECT = _refuse_method

    def _answer(self, page: Callable[[str], Answer]) -> None:
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or not self.server.is_ours(hosts[0]):
            cause = "a request has to name the host that it is for"
            self._send(
                trouble(400 if len(hosts) != 1 else 421, FarwatchError("this is not for us", cause=cause))
            )
        elif len(self.path) > LONGEST:
            self._send(trouble(414, FarwatchError("no page has so long a name")))
        elif not self.path.startswith("/"):
            self._send(trouble(400, FarwatchError("a path begins with a slash")))
        else:
            self._send(page(unquote(self.path.partition("?")[0][1:], errors="replace")))

    def _send(self, answer: Answer) -> None:
        data = answer.body.encode("utf-8", "backslashreplace")
        self.send_response(answer.status)
        headers = {
            "Content-Type": answer.kind,
            "Content-Length": str(len(data)),
            "Content-Security-Policy": self.server.pages.policy(),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
            **({"Allow": "GET, HEAD"} if answer.status == 405 else {}),
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def send_error(self, code: int, message: str | None = None, *_: Any) -> None:
        """What the library refuses by itself: requests that are none."""
        self._send(trouble(int(code), FarwatchError(message or "this is no request that is understood")))

    def log_message(self, format: str, *args: Any) -> None:
        """Not a word: what is asked for is the asker's business."""
