# SPDX-License-Identifier: GPL-2.0-or-later
"""This machine in the cluster of another one: the process behind `farwatch worker`."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

from distributed import Nanny, Scheduler, Security

from farwatch.cluster.nanny import LOOPBACK, memory_for_guests, nanny_options
from farwatch.errors import FarwatchError
from farwatch.system.home import Home
from farwatch.system.machine import cores

READY = "farwatch worker is ready"
"""What is said when it is in the cluster."""
_JOIN_LIMIT = 120.0


@dataclass(frozen=True)
class Credentials:
    """What lets one into a cluster, PEM each. They go over standard input, where nobody else reads."""

    ca: str
    cert: str
    key: str

    @classmethod
    def of(cls, security: Any) -> Credentials:
        return cls(security.tls_ca_file, security.tls_worker_cert, security.tls_worker_key)

    @classmethod
    def read(cls, line: str) -> Credentials:
        try:
            return cls(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise FarwatchError(
                "--leash: standard input has no credentials",
                cause="it is for a farwatch that starts this one",
            ) from error

    @property
    def line(self) -> str:
        return json.dumps(asdict(self))

    @property
    def security(self) -> Any:
        """For a worker and its nanny."""
        pair = {
            f"tls_{role}_{what}": getattr(self, what)
            for role in ("worker", "client")
            for what in ("key", "cert")
        }
        return Security(require_encryption=True, tls_ca_file=self.ca, **pair)


def serve_worker(home: Home, address: str, name: str | None, *, leash: bool) -> None:
    """Run cells for the scheduler at an address, until a signal, or until it is gone.

    leash: the credentials come by standard input, and its end is that of the worker
    """
    security = Credentials.read(sys.stdin.readline()).security if leash else None
    options = nanny_options(home, float(cores()), float(memory_for_guests()), security)

    async def work(stop: asyncio.Event) -> None:
        if leash:
            _end_with_input(stop)
        try:
            nanny = Nanny(address, name=name, **options)
            async with asyncio.timeout(_JOIN_LIMIT):
                await nanny
        except (OSError, ValueError, RuntimeError) as error:
            raise FarwatchError(
                f"there is no cluster at {address}",
                cause=str(error),
                hint="tcp://HOST:8786, as its scheduler says",
            ) from error
        print(READY, flush=True)
        await _until(stop, nanny)

    _run(work)


def serve_scheduler(port: int, say: Callable[[str], None]) -> None:
    """Be in the middle of a cluster of others, until a signal."""

    async def work(stop: asyncio.Event) -> None:
        try:
            scheduler = await Scheduler(port=port, dashboard=False, dashboard_address=f"{LOOPBACK}:0")
        except OSError as error:
            raise FarwatchError(f"cannot listen on port {port}", cause=str(error)) from error
        say(f"scheduler at {scheduler.address}; who reaches that may run programs here and on its workers")
        await _until(stop, scheduler)

    _run(work)


def _run(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await work(stop)

    asyncio.run(main())


async def _until(stop: asyncio.Event, server: Any) -> None:
    """Either ends by itself or is ended."""
    waiting = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(server.finished())]
    await asyncio.wait(waiting, return_when="FIRST_COMPLETED")
    for each in waiting:
        each.cancel()
    await server.close()


def _end_with_input(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    handle = sys.stdin.fileno()

    def readable() -> None:
        if not os.read(handle, 4096):
            loop.remove_reader(handle)
            stop.set()

    loop.add_reader(handle, readable)
