# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest prints, passed on to whoever reads it."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

from farwatch.guests.stdout import WINDOW, StandardOutput

LIMIT = 20.0


def test_a_slow_reader_gets_all_and_holds_the_guest_back() -> None:
    reading, writing = os.pipe()
    data = os.urandom(5 * WINDOW)
    told: list[int] = []

    async def work() -> bytes:
        output = StandardOutput(writing, lambda: told.append(output.allowed), _unexpected)
        assert output.allowed == WINDOW
        sent, read = 0, b""
        while sent < len(data):
            room = (told[-1] if told else WINDOW) - sent
            output.hear(data[sent : sent + room])
            sent += room
            read += await asyncio.to_thread(os.read, reading, WINDOW)
        await asyncio.wait_for(output.heard(len(data)), LIMIT)
        while len(read) < len(data):
            read += await asyncio.to_thread(os.read, reading, WINDOW)
        await asyncio.wait_for(output.passed_on(), LIMIT)
        output.close()
        return read

    assert asyncio.run(asyncio.wait_for(work(), LIMIT)) == data
    assert told == sorted(told) and len(told) <= 2 * len(data) // WINDOW
    os.close(reading)
    os.close(writing)


def test_a_reader_that_stops_blocks_nothing() -> None:
    reading, writing = os.pipe()

    async def work() -> bool:
        output = StandardOutput(writing, lambda: None, _unexpected)
        output.hear(bytes(WINDOW + 10))
        try:
            await asyncio.wait_for(output.passed_on(), 0.1)
        except TimeoutError:
            return True
        finally:
            output.close()
        return False

    assert asyncio.run(work())
    os.close(reading)
    os.close(writing)


def test_a_file_takes_all_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        with (tmp_path / "file").open("wb") as file:
            output = StandardOutput(file.fileno(), lambda: None, _unexpected)
            output.hear(b"x" * 10000)
            await asyncio.wait_for(output.passed_on(), LIMIT)

    asyncio.run(work())
    assert (tmp_path / "file").read_bytes() == b"x" * 10000


def test_what_cannot_be_written_is_told_once() -> None:
    failures: list[OSError] = []

    async def work() -> None:
        with Path("/dev/full").open("wb", buffering=0) as full:
            output = StandardOutput(full.fileno(), lambda: None, failures.append)
            output.hear(b"x")
            output.hear(b"y")
            await asyncio.wait_for(output.passed_on(), LIMIT)

    asyncio.run(work())
    assert [error.errno for error in failures] == [errno.ENOSPC]


def _unexpected(error: OSError) -> None:
    raise error
