# SPDX-License-Identifier: GPL-2.0-or-later
"""server.py: to be read alone, by those whom it is for, however a request looks."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.web import server as module
from farwatch.web.home import HTML, Answer, trouble
from farwatch.web.server import AT_ONCE, WebServer

LIMIT = 30.0


class Echo:
    """Pages that say what they were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def answer(self, path: str) -> Answer:
        self.asked.append(path)
        if path == "boom":
            raise ValueError("\x1b[31m a defect")
        return Answer(200, HTML, f"<p>{path}") if path == "here" else trouble(404, FarwatchError("no"))

    def policy(self) -> str:
        return "default-src 'none'"


@contextlib.contextmanager
def served(host: str = "127.0.0.1") -> Iterator[WebServer]:
    with WebServer(host, 0, Echo()) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(LIMIT)


@pytest.fixture
def server() -> Iterator[WebServer]:
    with served() as made:
        yield made


def ask(server: WebServer, method: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=LIMIT)
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


def raw(server: WebServer, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.server_port), LIMIT) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_page_comes_with_what_guards_it(server: WebServer) -> None:
    status, headers, body = ask(server, "GET", "/here?x=1")
    assert (status, body) == (200, b"<p>here")
    assert headers["Content-Security-Policy"] == "default-src 'none'"
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Cache-Control"] == "no-store"
    assert "Python" not in headers["Server"]
    status, headers, body = ask(server, "HEAD", "/here")
    assert (status, headers["Content-Length"], body) == (200, "7", b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed(server: WebServer, method: str) -> None:
    status, headers, _ = ask(server, method, "/here")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert server.pages.asked == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:99", 200),
        ("LOCALHOST", 200),
        ("[::1]:80", 200),
        ("127.9.9.9", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:80", 421),
        ("10.0.0.1", 421),
        ("", 421),
        ("[::1", 200),
        ("a:b:c", 421),
    ],
)
def test_a_name_that_leads_here_is_not_ours(server: WebServer, host: str, status: int) -> None:
    """DNS rebinding."""
    assert ask(server, "GET", "/here", Host=host)[0] == status


def test_a_request_has_one_host(server: WebServer) -> None:
    assert b" 400 " in raw(server, b"GET /here HTTP/1.1\r\n\r\n").splitlines()[0]
    two = b"GET /here HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
    assert b" 400 " in raw(server, two).splitlines()[0]


def test_elsewhere_any_address_is_ours_and_a_name_that_is_given() -> None:
    with served("0.0.0.0") as server:
        assert not server.loopback
        assert ask(server, "GET", "/here", Host="10.0.0.1")[0] == 200
        assert ask(server, "GET", "/here", Host="evil.example")[0] == 421
    with served("localhost") as server:
        assert server.loopback


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/../../etc/passwd", "../../etc/passwd"),
        ("/%2e%2e/%2e%2e/etc/passwd", "../../etc/passwd"),
        ("/%00", "\x00"),
        ("/%ff", "\ufffd"),
        ("//etc/passwd", "etc/passwd"),
    ],
)
def test_a_path_is_a_name_and_nothing_else(server: WebServer, path: str, asked: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert b" 404 " in raw(server, request.encode()).splitlines()[0]
    assert server.pages.asked == [asked]  # type: ignore[attr-defined]


def test_what_is_no_request(server: WebServer) -> None:
    for data in (
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00" * 40,
        b"GET\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ):
        answer = raw(server, data)
        assert not answer or b" 200 " not in answer.splitlines()[0]
    assert ask(server, "GET", "/here")[0] == 200
    assert server.pages.asked == ["here"]  # type: ignore[attr-defined]


def test_a_defect_is_one_line_and_the_next_is_answered(
    server: WebServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(server, "GET", "/boom")
    assert ask(server, "GET", "/here")[0] == 200
    said = capsys.readouterr().err
    assert said == "farwatch: a request failed: ValueError('\\x1b[31m a defect')\n"


def test_who_says_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE", 0.05)
    with served() as server, socket.create_connection(("127.0.0.1", server.server_port), LIMIT) as silent:
        silent.sendall(b"GET /here HTT")
        assert silent.recv(100) == b""


def test_who_is_slow_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then keeps no connection."""
    monkeypatch.setattr(module, "SILENCE", 10 * LIMIT)
    monkeypatch.setattr(module, "WHOLE", 0.05)
    with served() as server, socket.create_connection(("127.0.0.1", server.server_port), LIMIT) as slow:
        slow.sendall(b"GET /here HTT")
        assert slow.recv(100) == b""


def test_of_too_many_the_last_are_turned_away_until_there_is_room(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENCE", 10 * LIMIT)
    address = ("127.0.0.1", server.server_port)
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection(address, LIMIT)) for _ in range(AT_ONCE)]
        with socket.create_connection(address, LIMIT) as late:
            assert late.recv(100) == b""
        assert len(held) == AT_ONCE
    while not raw(server, b"GET /here HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        pass  # a connection that has been closed is soon heard of


def test_a_port_that_is_taken_or_an_address_that_is_not_ours(server: WebServer) -> None:
    with pytest.raises(FarwatchError, match=f"port {server.server_port} of 127.0.0.1 is in use"):
        WebServer("127.0.0.1", server.server_port, Echo())
    for host in ("192.0.2.1", "no.such.host.invalid", "a" * 300):
        with pytest.raises(FarwatchError, match=r"cannot listen|no such address"):
            WebServer(host, 0, Echo())


def test_ipv6() -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("no IPv6 here")
    with served("::1") as server:
        assert server.url == f"http://[::1]:{server.server_port}/" and server.loopback
        connection = http.client.HTTPConnection("::1", server.server_port, timeout=LIMIT)
        with contextlib.closing(connection):
            connection.request("GET", "/here")
            assert connection.getresponse().status == 200
