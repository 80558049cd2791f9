# SPDX-License-Identifier: GPL-2.0-or-later
"""What an engine is: something that runs a kernel with five lines to the outside.

An engine knows how to start one guest and nothing about tests. The agent in
the guest (kernel-tests/guest/agent.c) speaks on the lines; guests/session.py listens.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.system.channel import Channel
from farwatch.system.children import Child, Run

NETWORK = "network"
DEBUGGER = "debugger"
SMP = "smp"
"""More than one processor, whatever the flavor."""

SMP_FLAVOR = "smp"
"""Of kernels that have it everywhere, and whose guests do."""
SMP_CPUS = 2
MOST_CPUS = 8
"""CONFIG_NR_CPUS of that flavor."""

LINES = ("steps", "control", "output", "errors")
"""The serial lines of a guest beside its console."""


class Ending(StrEnum):
    """How a guest came to its end."""

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
    cpus: int = 1
    vmm: Path | None = None
    """The revision's own virtual machine monitor; None: the installed one, if the engine needs any."""
    network: bool = False
    """Let the guest reach what the host reaches."""
    debugger: Path | None = None
    """Socket on which a debugger is served."""


@dataclass
class Listeners:
    """Who hears what a guest says, line by line; end: the console is closed."""

    console: Callable[[bytes], None]
    steps: Callable[[bytes], None]
    control: Callable[[bytes], None]
    output: Callable[[bytes], None]
    errors: Callable[[bytes], None]
    end: Callable[[], None]


@dataclass
class Guest:
    """A running guest."""

    child: Child
    console: Channel
    steps: Channel
    control: Channel
    output: Channel
    errors: Channel

    @property
    def _channels(self) -> tuple[Channel, ...]:
        return (self.console, self.steps, self.control, self.output, self.errors)

    async def wait(self) -> None:
        """Until its process is gone and everything that it said has been read."""
        await self.child.process.wait()
        for channel in self._channels:
            await channel.ended.wait()

    def pause(self) -> None:
        """Read no more of what it says."""
        self.console.pause()
        self.output.pause()

    def resume(self) -> None:
        self.console.resume()
        self.output.resume()

    def close(self) -> None:
        for channel in self._channels:
            channel.close()


class Engine(ABC):
    """How a kernel is run."""

    name: str
    """As in a column: uml, vng."""
    arch: str
    """ARCH of the kernel build."""
    recipe: str
    """Changes whenever the engine runs a guest differently: part of every cell's inputs."""
    packages: str = ""
    """The list in tools/ of what it needs from the system besides what farwatch itself does."""
    runs_vmm: bool = False
    """Guests run in a virtual machine monitor: the revision's own, if it has patches for that."""
    without_vmm: str = ""
    """What a guest lacks where its revision has patches for the monitor, but runs in the installed one."""
    offers: frozenset[str] = frozenset()
    """Of NETWORK, DEBUGGER and SMP, what a guest can have."""
    least_memory: int = 32
    """MiB with which a guest still comes up."""
    devices: tuple[str, ...]
    """What the guest calls the lines of LINES."""

    @property
    def boot_weight(self) -> float:
        """How much longer it boots than User Mode Linux does: limits follow from a boot's time."""
        return 1.0

    def line_options(self) -> list[str]:
        """Words of the kernel command line that tell the agent where its lines are."""
        return [f"farwatch.{name}={device}" for name, device in zip(LINES, self.devices, strict=True)]

    @abstractmethod
    def guests(self, cores: int) -> int:
        """How many guests that many cores carry at once."""

    @abstractmethod
    async def start(self, run: Run, spec: GuestSpec, listeners: Listeners) -> Guest:
        """Start a guest. FarwatchError if its program cannot be started at all."""

    @abstractmethod
    def examine(self) -> str:
        """Empty if this machine can run the engine, else what is in the way."""

    def with_kvm(self) -> Engine | None:
        """The same with KVM; None if it has no use for it, or uses it already."""
        return None

    def version(self) -> str:
        """Of the installed program that runs guests; "" if the kernel itself is that program."""
        return ""

    @abstractmethod
    def memory_room(self) -> int:
        """Bytes that its guests can have together where the engine keeps their memory."""

    @abstractmethod
    def panicked(self, console: bytes) -> bool:
        """Whether the last lines of a console show that the kernel gave up by itself."""


def command_word(path: Path) -> str:
    """A path as one word of a kernel command line, which knows no quoting that all its readers agree on."""
    text = str(path)
    if any(char.isspace() or char in '",:' for char in text):
        raise FarwatchError(
            f"cannot put '{text}' on a kernel command line",
            cause="it has a blank, a quote, a comma or a colon in it",
            hint="set TMPDIR to a folder without them",
        )
    return text


async def settle(guest: Guest, limit: float) -> bool:
    """Wait for a guest to be gone; False when it is still there after `limit` seconds."""
    try:
        async with asyncio.timeout(limit):
            await guest.wait()
    except TimeoutError:
        return False
    return True
