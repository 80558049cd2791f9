# SPDX-License-Identifier: GPL-2.0-or-later
"""What an engine is: something that runs a kernel with four lines to the outside.

An engine knows how to start one guest and nothing about tests. The agent in
the guest (kernel-tests/agent.c) speaks on the lines; session.py listens.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from farwatch.channel import Channel
from farwatch.children import Child, Run

LINES = ("steps", "control", "output")
"""The serial lines of a guest beside its console."""


class Ending(StrEnum):
    """How a guest came to its end."""

    FINISHED = "finished"
    PANICKED = "panicked"
    HUNG = "hung"
    NOT_STARTED = "could not start"


@dataclass(frozen=True)
class GuestSpec:
    """What to boot."""

    image: Path
    """The kernel."""
    agent: Path
    """Program that is pid 1 of the guest; a path without blanks."""
    folder: Path
    """Scratch folder of this guest, below Run.short."""
    shares: dict[str, Path] = field(default_factory=dict)
    """Tag -> vhost-user socket of its server."""
    memory: int = 192
    """MiB."""
    options: tuple[str, ...] = ()
    """Further words for the kernel command line."""


@dataclass
class Listeners:
    """Who hears what a guest says, line by line; end: the console is closed."""

    console: Callable[[bytes], None]
    steps: Callable[[bytes], None]
    control: Callable[[bytes], None]
    output: Callable[[bytes], None]
    end: Callable[[], None]


@dataclass
class Guest:
    """A running guest."""

    child: Child
    command: tuple[str, ...]
    console: Channel
    steps: Channel
    control: Channel
    output: Channel

    async def wait(self) -> None:
        """Until its process is gone and everything that it said has been read."""
        await self.child.process.wait()
        for channel in (self.console, self.steps, self.control, self.output):
            await channel.ended.wait()

    def pause(self) -> None:
        """Read no more of what it says."""
        self.console.pause()
        self.output.pause()

    def resume(self) -> None:
        self.console.resume()
        self.output.resume()

    def close(self) -> None:
        for channel in (self.console, self.steps, self.control, self.output):
            channel.close()


class Engine(ABC):
    """How a kernel is run."""

    name: str
    """As in a column: uml, vng."""
    arch: str
    """ARCH of the kernel build."""
    recipe: str
    """Changes whenever the engine runs a guest differently: part of every cell's inputs."""

    @abstractmethod
    async def start(self, run: Run, spec: GuestSpec, listeners: Listeners) -> Guest:
        """Start a guest. FarwatchError if its program cannot be started at all."""

    @abstractmethod
    def examine(self) -> str:
        """Empty if this machine can run the engine, else what is in the way."""

    @abstractmethod
    def memory_room(self) -> int:
        """Bytes that its guests can have together where the engine keeps their memory."""

    @abstractmethod
    def panicked(self, console: bytes) -> bool:
        """Whether the last lines of a console show that the kernel gave up by itself."""


async def settle(guest: Guest, limit: float) -> bool:
    """Wait for a guest to be gone; False when it is still there after `limit` seconds."""
    try:
        async with asyncio.timeout(limit):
            await guest.wait()
    except TimeoutError:
        return False
    return True
