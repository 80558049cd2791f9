# SPDX-License-Identifier: GPL-2.0-or-later
"""Every process and temporary file of a run, and how they go away.

A run owns a folder in Home.runs with a lock that the kernel drops when the
run dies. Each child is the leader of its own session, is recorded in the
folder before its exec, and is killed with its whole session on
every way out. After a SIGKILL of the run itself its direct children die with
it (PR_SET_PDEATHSIG); what they left is found by the next run, which sees
that the lock is free, kills the recorded sessions and removes the folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from farwatch.errors import FarwatchError
from farwatch.system.home import Home
from farwatch.system.procfs import environment, session_members, start_time

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_NUMBERS = itertools.count(1)
"""Of the runs of this process: two may begin in the same second."""
_REAP_TICK = 0.002
_REAP_LIMIT = 30.0
"""Seconds that a SIGKILLed process may take to be gone."""


def die_with_parent() -> None:
    """preexec_fn: SIGKILL for this process when its parent dies."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def kill_session(session: int) -> list[int]:
    """SIGKILL to every process of a session; those that it had."""
    members = session_members(session)
    for pid in members:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return members


@dataclass
class Child:
    """A running process: the leader of its own session."""

    name: str
    process: asyncio.subprocess.Process
    killed: bool = False
    """We asked for its end; an exit after that is no surprise."""

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    async def stop(self) -> None:
        """Kill its session, also what is forked meanwhile, until nothing of it is left."""
        self.killed = True
        try:
            async with asyncio.timeout(_REAP_LIMIT):
                while kill_session(self.pid):
                    await asyncio.sleep(_REAP_TICK)
                await self.process.wait()
        except TimeoutError:
            raise FarwatchError(
                f"{self.name} (process {self.pid}) survives SIGKILL",
                hint=f"see where: cat /proc/{self.pid}/stack",
            ) from None

    def ending(self) -> str:
        """How it ended, in words."""
        code = self.process.returncode
        if code is None:
            return "still running"
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


class Run:
    """One invocation's claim on the machine: a folder, a lock, its children.

    folder: in Home.runs; any name is possible above it
    short:  in the system's temporary folder: a path without blanks that fits a
            socket address (107 bytes) and a kernel command line
    """

    def __init__(self, home: Home) -> None:
        sweep(home)
        self.home = home
        self.id = f"{time.strftime('%Y%m%d-%H%M%S')}-{next(_NUMBERS)}-{os.getpid()}"
        self.folder = home.runs / self.id
        self.folder.mkdir()
        self.short = Path(tempfile.mkdtemp(prefix="farwatch-"))
        (self.folder / "short").symlink_to(self.short)
        self._lock = _held(self.folder / "lock")
        self._record = (self.folder / "sessions").open("ab", buffering=0)
        self._started = time.monotonic()
        self.children: list[Child] = []

    def clock(self) -> float:
        """Seconds since the run began: the one clock of all its logs."""
        return time.monotonic() - self._started

    async def start(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        pass_fds: Sequence[int] = (),
        env: dict[str, str] | None = None,
    ) -> Child:
        """Start a child in its own session and record it."""
        try:
            process = await asyncio.create_subprocess_exec(
                *map(str, argv),
                stdin=asyncio.subprocess.DEVNULL if stdin is None else stdin,
                stdout=asyncio.subprocess.DEVNULL if stdout is None else stdout,
                stderr=asyncio.subprocess.DEVNULL if stderr is None else stderr,
                pass_fds=pass_fds,
                env=dict(os.environ if env is None else env, FARWATCH_RUN=self.id),
                start_new_session=True,
                preexec_fn=self._before_exec,
            )
        except OSError as error:
            raise FarwatchError(f"cannot start {name}", cause=f"{argv[0]}: {error.strerror}") from error
        except subprocess.SubprocessError as error:
            raise FarwatchError(
                f"cannot start {name}",
                cause=f"it could not be recorded in {self.folder / 'sessions'}",
                hint="is there room on that disk?",
            ) from error
        child = Child(name, process)
        self.children.append(child)
        return child

    def _before_exec(self) -> None:
        """preexec_fn. The child records itself, so a run that is killed at any moment has recorded it."""
        die_with_parent()
        self._record.write(f"{os.getpid()} {start_time(os.getpid())}\n".encode())

    async def stop(self, child: Child) -> None:
        """End one child now."""
        await child.stop()
        self.children.remove(child)

    async def close(self) -> None:
        """End everything and leave nothing behind."""
        for child in reversed(self.children):
            await child.stop()
        self.children.clear()
        self.abandon()

    def abandon(self) -> None:
        """The part of close() that cannot wait: for ways out on which no event loop runs any more."""
        for child in self.children:
            kill_session(child.pid)
        self.children.clear()
        self._record.close()
        shutil.rmtree(self.short, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()


def _held(path: Path) -> IO[str]:
    """A lock file of ours, which is nobody else's for a moment: one that is free is that of a dead run."""
    new = path.with_name(f"{path.name}.new")
    handle = new.open("w")
    fcntl.flock(handle, fcntl.LOCK_EX)
    new.rename(path)
    return handle


def sweep(home: Home) -> list[str]:
    """Clean up after runs that were killed. Returns their ids."""
    swept = []
    for folder in home.runs.iterdir():
        lock = folder / "lock"
        try:
            handle = lock.open("r+")
        except OSError:
            _remove_if_old(folder)
            continue
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            _kill_recorded(folder)
            _remove_short(folder)
            shutil.rmtree(folder, ignore_errors=True)
            swept.append(folder.name)
    return swept


def _remove_short(folder: Path) -> None:
    """Remove the short folder of a dead run, if it is one that a run makes and our own."""
    try:
        short = (folder / "short").readlink()
        if (
            short.name.startswith("farwatch-")
            and not short.is_symlink()
            and short.stat().st_uid == os.getuid()
        ):
            shutil.rmtree(short, ignore_errors=True)
    except OSError:
        return


def _remove_if_old(folder: Path) -> None:
    """A folder without a lock: half made by a run that starts right now, or by one killed just then."""
    try:
        if time.time() - folder.stat().st_mtime > 60:
            shutil.rmtree(folder, ignore_errors=True)
    except FileNotFoundError:
        return


def _kill_recorded(folder: Path) -> None:
    """Kill what is left of the sessions of a dead run, and nobody else's."""
    try:
        lines = (folder / "sessions").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        session, started = map(int, line.split())
        for pid in session_members(session):
            if start_time(pid) >= started and _belongs(pid, folder.name):
                os.kill(pid, signal.SIGKILL)


def _belongs(pid: int, run: str) -> bool:
    """Whether a process carries the mark of a run. UML's stubs have no environment but are its children."""
    variables = environment(pid)
    return variables is not None and (not variables or f"FARWATCH_RUN={run}".encode() in variables)
