# SPDX-License-Identifier: GPL-2.0-or-later
"""A shell or a command in a guest, connected to the terminal farwatch was called from."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from farwatch.errors import FarwatchError
from farwatch.guests.agent import request
from farwatch.guests.companion import TAG
from farwatch.guests.session import BootFailure, Session
from farwatch.guests.setting import Setting
from farwatch.system.children import Run

BOOT_LIMIT = 60.0
DEBUGGED_LIMIT = 24 * 3600.0
"""Seconds that a boot may take which a person holds up at breakpoints."""
_TAIL = b"farwatch: end 1"


async def converse(run: Run, setting: Setting, share: Path | None, command: Sequence[str], logs: Path) -> int:
    """Boot, run the command (a shell if there is none), power off. Returns the command's exit status."""
    session = Session(run, setting, 1, logs, lambda _trace: None, share=share)
    try:
        if setting.debugger:
            print(f"to attach: {attach_line(session, setting)}", file=sys.stderr)
        await session.boot(DEBUGGED_LIMIT if setting.debugger else BOOT_LIMIT)
        if not command:
            _greet(session, setting)
        status = await _Conversation(session, setting, command).run()
        await session.power_off()
        return status
    except BootFailure as failure:
        tail = b"\n".join(failure.said[-10:]).decode("utf-8", "replace")
        raise FarwatchError(failure.title, cause=tail, hint=f"the whole console: {logs}") from None
    finally:
        await session.close()


def attach_line(session: Session, setting: Setting) -> str:
    """What a person types elsewhere to debug the kernel of this guest."""
    symbols = setting.image.with_name("vmlinux")  # the image itself, unless that is packed
    return shlex.join(["gdb", str(symbols), "-ex", f"target remote {session.debugger_socket}"])


def _greet(session: Session, setting: Setting) -> None:
    where = (
        f"{session.share} on the host is /mnt/share here"
        if setting.share == "virtiofs"
        else "/mnt/share: tmpfs"
    )
    print(f"{where}; the host's root is /mnt/host; leave with exit or Ctrl-D", file=sys.stderr)


class _Conversation:
    """One command and its terminal. It has no limit: a person may stay in a guest as long as they like."""

    def __init__(self, session: Session, setting: Setting, command: Sequence[str]) -> None:
        self._session = session
        self._setting = setting
        self._terminal = sys.stdin.isatty() and sys.stdout.isatty()
        self._command = list(command) or [_shell(), *(["-i"] if self._terminal else [])]
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._drained = asyncio.Event()
        self._held = b""

    async def run(self) -> int:
        self._session.listen(self._hear_control)
        self._session.take_output(self._hear_output)
        with self._keyboard():
            self._session.control(self._request())
            gone = asyncio.ensure_future(self._session.gone())
            waits: set[asyncio.Future[Any]] = {self._ended, gone}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
            if self._ended.done():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._drained.wait(), 5)
        self._emit(self._held)
        return self._status()

    def _request(self) -> bytes:
        remote = self._setting.share == "virtiofs"
        size = shutil.get_terminal_size()
        return request("winsize", [f"rows={size.lines}", f"cols={size.columns}"]) + request(
            "run",
            [
                "id=1",
                f"mount={f'virtiofs:{TAG}' if remote else 'tmpfs:tmpfs'}",
                "cwd=/mnt/share",
                *(["tty=1"] if self._terminal else []),
                f"env=TERM={os.environ.get('TERM', 'dumb')}",
                "env=PS1=guest:\\w# ",
                *(f"arg={word}" for word in self._command),
            ],
        )

    def _hear_control(self, line: bytes) -> None:
        head, _, rest = line.partition(b" ")
        if head == b"end":
            rest = rest.partition(b" ")[2]
        if head in (b"end", b"error") and not self._ended.done():
            self._ended.set_result(rest.decode("utf-8", "replace"))

    def _hear_output(self, data: bytes) -> None:
        """Hand on what the guest prints, but for the agent's closing mark."""
        data = self._held + data
        place = data.find(_TAIL)
        if place >= 0:
            self._held = data[:place]
            self._drained.set()
            return
        keep = next((n for n in range(len(_TAIL), 0, -1) if data.endswith(_TAIL[:n])), 0)
        self._held = data[len(data) - keep :]
        self._emit(data[: len(data) - keep])

    def _emit(self, data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    @contextlib.contextmanager
    def _keyboard(self) -> Iterator[None]:
        """Raw keyboard to the guest, and the old state back on every way out."""
        if not self._terminal:
            yield
            return
        fd = sys.stdin.fileno()
        loop = asyncio.get_running_loop()
        before = termios.tcgetattr(fd)
        tty.setraw(fd)
        loop.add_reader(fd, lambda: self._session.type(os.read(fd, 4096)))
        loop.add_signal_handler(signal.SIGWINCH, self._resize)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGWINCH)
            loop.remove_reader(fd)
            termios.tcsetattr(fd, termios.TCSADRAIN, before)

    def _resize(self) -> None:
        size = shutil.get_terminal_size()
        self._session.control(request("winsize", [f"rows={size.lines}", f"cols={size.columns}"]))

    def _status(self) -> int:
        """As a shell gives it: the exit status, or 128 + signal."""
        if not self._ended.done():
            raise FarwatchError(
                "the guest ended before the command did", hint=f"its console: {self._session.logs}"
            )
        kind, _, rest = self._ended.result().partition(" ")
        if kind == "exit":
            return int(rest)
        if kind == "signal":
            return 128 + int(rest)
        raise FarwatchError(f"the command could not be run in the guest: {kind} {rest}")


def _shell() -> str:
    return shutil.which("bash") or "/bin/sh"
