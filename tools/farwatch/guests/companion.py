# SPDX-License-Identifier: GPL-2.0-or-later
"""The companion server (virtiofsd): one process a guest and share.

Its listening socket is made here and handed over (--fd), so there is nothing
to wait for and no race: a guest that connects early waits in the backlog. Our
copy of the socket tells, when a guest does not come up, whether the server
never took the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import select
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from farwatch.errors import FarwatchError, unknown
from farwatch.guests.setting import TAG
from farwatch.system.channel import Channel, attach, pair
from farwatch.system.children import Child, Run
from farwatch.system.procfs import cpu_ticks, resident_kib, session_members, stopped, wakeups, watch_count

_STATE_TICK = 0.001
_QUIET_TICK = 0.01
NO_ENVIRONMENT: Mapping[str, str] = MappingProxyType({})
_HELP = 10.0
"""Seconds that --help may take."""


class Server:
    """A running virtiofsd."""

    def __init__(
        self, run: Run, child: Child, listener: socket.socket, log: Channel, *, sandboxed: bool = False
    ) -> None:
        self._run = run
        self._listener = listener
        self._log = log
        self.child = child
        self._serving = child.pid
        self._forks = sandboxed
        """Another process will serve, and has not been seen yet."""
        self._watch = asyncio.create_task(self._close_when_dead())

    @classmethod
    async def start(
        cls,
        run: Run,
        binary: Path,
        share: Path,
        address: Path,
        on_line: Callable[[bytes], None],
        options: Sequence[str] = (),
        enter: Sequence[str] = (),
        tag: str = TAG,
        environment: Mapping[str, str] = NO_ENVIRONMENT,
    ) -> Server:
        """Serve the folder `share` at the socket `address` (Path of at most 107 bytes).

        enter:       what to put in front of its command, so that it sees the folder
        environment: variables beside our own
        """
        listener = _listen(address)
        ours, theirs = pair()
        command = command_line(binary, share, listener.fileno(), options, tag)
        try:
            child = await run.start(
                f"server {binary.name}",
                [*enter, *command],
                stdout=theirs.fileno(),
                stderr=theirs.fileno(),
                pass_fds=[listener.fileno()],
                env={**os.environ, **environment},
            )
        except BaseException:
            listener.close()
            ours.close()
            raise
        finally:
            theirs.close()
        sandboxed = _SANDBOXED in command
        return cls(run, child, listener, await attach(Channel(on_line), ours), sandboxed=sandboxed)

    async def _close_when_dead(self) -> None:
        """A guest that connects to a dead server must be refused, not left waiting in our backlog."""
        await self.child.process.wait()
        self._listener.close()

    @property
    def pid(self) -> int:
        """The process that serves: the child itself, or the one that it has put into namespaces."""
        if self._forks:
            for member in session_members(self.child.pid):
                if member != self.child.pid:
                    self._serving, self._forks = member, False
        return self._serving

    @property
    def died(self) -> bool:
        """It ended and nobody asked for that."""
        return not self.child.alive and not self.child.killed

    def ignores_connection(self) -> bool:
        """A front end has connected and the server has not taken the connection."""
        if self._listener.fileno() < 0:
            return False
        return bool(select.select([self._listener], [], [], 0)[0])

    async def pause(self) -> None:
        """SIGSTOP, and wait until every thread has stopped."""
        os.kill(self.pid, signal.SIGSTOP)
        while self.child.alive and not stopped(self.pid):
            await asyncio.sleep(_STATE_TICK)

    async def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    async def kill(self) -> None:
        """SIGKILL, as a step of a test."""
        self.child.killed = True
        for pid in (self.pid, self.child.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await self.child.process.wait()

    async def quiet(self, milliseconds: int) -> None:
        """Wait until the server has used no CPU for that long. The caller limits the wait."""
        loop = asyncio.get_running_loop()
        used, since = cpu_ticks(self.pid), loop.time()
        while loop.time() - since < milliseconds / 1000:
            await asyncio.sleep(_QUIET_TICK)
            now = cpu_ticks(self.pid)
            if now != used:
                used, since = now, loop.time()

    async def watches(self, fewest: int, most: int, milliseconds: int) -> int:
        """How many watches it keeps, once that is fewest..most, or after so many milliseconds."""
        loop = asyncio.get_running_loop()
        until = loop.time() + milliseconds / 1000
        while not fewest <= (count := self.watch_count()) <= most and loop.time() < until:
            await asyncio.sleep(_STATE_TICK)
        return count

    def watch_count(self) -> int:
        """How many watches it keeps."""
        return watch_count(self.pid)

    def resident_kib(self) -> int:
        """Memory that it has resident; 0 when it is gone."""
        return resident_kib(self.pid)

    def cpu_ms(self) -> int:
        """CPU time that it has used."""
        return cpu_ticks(self.pid) * 1000 // os.sysconf("SC_CLK_TCK")

    def wakeups(self) -> int:
        """How often its threads that live have slept and were woken."""
        return wakeups(self.pid)

    async def stop(self) -> None:
        """End it and everything that belongs to it."""
        await self._run.stop(self.child)
        await self._watch
        self._log.close()


_SANDBOXED = "--sandbox=namespace"
"""With it the process that was started only waits for another one, which serves."""
_GIVEN = ("--fd", "--shared-dir", "--tag")
"""Options that say where the guest and its share are."""
_USUAL = ("--sandbox=none", "--cache=never", "--xattr", "--inode-file-handles=never")


def command_line(binary: Path, share: Path, fd: int, options: Sequence[str], tag: str = TAG) -> list[str]:
    """What any server is started with, so that it does the same for whoever starts it.

    Of the options that name the same thing the last one counts. Without --tag it lacks
    VHOST_USER_PROTOCOL_F_CONFIG, and UML refuses it. File handles need a privilege; with them a removed
    file is not kept open, and its deletion comes at another time.
    """
    last = {_name(option): option for option in (*_USUAL, *options)}
    return [str(binary), f"--fd={fd}", f"--shared-dir={share}", f"--tag={tag}", *last.values()]


def known_options(binary: Path, options: Sequence[str]) -> tuple[str, ...]:
    """Those of the options that the server's --help names; FarwatchError if it cannot be asked."""
    named = _named(binary)
    return tuple(option for option in options if _name(option) in named)


def check_options(binary: Path, options: Sequence[str]) -> None:
    """FarwatchError for an option that the server does not know, or that is not a person's to choose."""
    for option in options:
        name = _name(option)
        if name not in (named := _named(binary)):
            raise unknown("option of the server", name, sorted(named), hint=f"{binary} --help")
        if name in _GIVEN or name.startswith("--socket"):
            raise FarwatchError(
                f"{name} of the server cannot be chosen", cause="it follows from the guest and its share"
            )


def _name(option: str) -> str:
    return option.partition("=")[0]


def _named(binary: Path) -> set[str]:
    """The options in the server's --help; FarwatchError if it cannot be asked."""
    try:
        done = subprocess.run([binary, "--help"], capture_output=True, text=True, timeout=_HELP, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise FarwatchError(f"{binary} --help failed", cause=str(error)) from error
    return set(re.findall(r"(?<![\w-])--[a-z0-9][a-z0-9-]*", done.stdout))


def _listen(address: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(address))
        listener.listen(1)
    except OSError as error:
        listener.close()
        raise FarwatchError(
            f"cannot listen at {address}", cause=str(error), hint="set TMPDIR to a short, writable path"
        ) from error
    return listener
