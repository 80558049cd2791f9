# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys for a guest: asked for, and the way out."""

from __future__ import annotations

import asyncio
import os
import pty
import termios
from collections.abc import Iterator

import pytest

from farwatch.guests.keyboard import LEAVE, Keyboard, raw

LIMIT = 20.0


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """The end where a person types, and the one that programs have."""
    ends = pty.openpty()
    yield ends
    for fd in ends:
        os.close(fd)


class Typist:
    """What became of the keys."""

    def __init__(self) -> None:
        self.sent = b""
        self.news = asyncio.Event()
        self.left = self.gone = False

    def send(self, data: bytes) -> None:
        length, _, piece = data.partition(b"\n")
        assert int(length) == len(piece) > 0
        self.sent += piece
        self.news.set()

    def leave(self) -> None:
        self.left = True
        self.news.set()

    def go(self) -> None:
        self.gone = True
        self.news.set()


def typed(terminal: tuple[int, int], keys: bytes, expected: bytes) -> Typist:
    """Type keys until all that is expected was sent, or the person has left."""
    typist = Typist()

    async def work() -> None:
        keyboard = Keyboard(terminal[1], typist.send, {LEAVE: typist.leave}, typist.go)
        os.write(terminal[0], keys)
        async with asyncio.timeout(LIMIT):
            while len(typist.sent) < len(expected) or not (expected or typist.left):
                typist.news.clear()
                keyboard.hear(b"input\n")
                await typist.news.wait()
        keyboard.close()

    with raw(terminal[1]):
        asyncio.run(work())
    return typist


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (b"ls\r", b"ls\r"),
        (b"\x03\x1a\x04", b"\x03\x1a\x04"),
        (b"echo ~.\r", b"echo ~.\r"),
        (b"\r~x\r", b"\r~x\r"),
        (b"\r~~.\r", b"\r~.\r"),
        ("é\n".encode(), "é\n".encode()),
    ],
)
def test_keys_arrive_as_they_are(terminal: tuple[int, int], keys: bytes, expected: bytes) -> None:
    typist = typed(terminal, keys, expected)
    assert (typist.sent, typist.left) == (expected, False)


@pytest.mark.parametrize("keys", [b"~.", b"\r~.", b"~x\r~."])
def test_the_way_out_needs_no_guest(terminal: tuple[int, int], keys: bytes) -> None:
    typist = Typist()

    async def work() -> None:
        Keyboard(terminal[1], typist.send, {LEAVE: typist.leave}, typist.go)
        os.write(terminal[0], keys)
        await asyncio.wait_for(typist.news.wait(), LIMIT)

    with raw(terminal[1]):
        asyncio.run(work())
    assert typist.left and not typist.sent


def test_a_terminal_that_is_gone_is_told_once() -> None:
    ours, theirs = pty.openpty()
    typist = Typist()

    async def work() -> None:
        Keyboard(theirs, typist.send, {LEAVE: typist.leave}, typist.go)
        os.close(ours)
        await asyncio.wait_for(typist.news.wait(), LIMIT)

    asyncio.run(work())
    assert typist.gone
    os.close(theirs)


def test_the_terminal_is_as_it_was(terminal: tuple[int, int]) -> None:
    before = termios.tcgetattr(terminal[1])
    with pytest.raises(KeyboardInterrupt), raw(terminal[1]):
        assert termios.tcgetattr(terminal[1]) != before
        raise KeyboardInterrupt
    assert termios.tcgetattr(terminal[1]) == before
