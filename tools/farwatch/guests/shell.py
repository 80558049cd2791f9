# SPDX-License-Identifier: GPL-2.0-or-later
"""A shell or a command in a guest, connected to the terminal, or the pipes, farwatch was called from."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
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
from farwatch.guests.agent import ARGUMENTS_MAX, mount_fields, request, unescape
from farwatch.guests.session import BootFailure, Session, booted
from farwatch.guests.setting import Setting
from farwatch.guests.stdin import StandardInput
from farwatch.system.children import Run
from farwatch.verdicts.splat import scan
from farwatch.verdicts.symbols import symbols_of

BOOT_LIMIT = 60.0
DEBUGGED_LIMIT = 24 * 3600.0
"""Seconds that a boot may take which a person holds up at breakpoints."""
NOT_FOUND, NOT_RUN = 127, 126
"""Exit statuses that a shell gives for a program that is not there, or is none."""


async def converse(run: Run, setting: Setting, share: Path | None, command: Sequence[str], logs: Path) -> int:
    """Boot, run the command (a shell if there is none), power off. Returns the command's exit status."""

    def announce(session: Session) -> None:
        if setting.debugger:
            print(f"to attach: {attach_line(session, setting)}", file=sys.stderr)

    limit = DEBUGGED_LIMIT if setting.debugger else BOOT_LIMIT
    try:
        async with booted(run, setting, logs, limit, share=share, before=announce) as session:
            if not command:
                _greet(session, setting)
            status = await _Conversation(session, setting, command).run()
            await session.power_off()
            return status
    except BootFailure as failure:
        tail = b"\n".join(failure.said[-10:]).decode("utf-8", "replace")
        raise FarwatchError(failure.title, cause=tail, hint=f"the whole console: {logs}") from None


def attach_line(session: Session, setting: Setting) -> str:
    """What a person types elsewhere to debug the kernel of this guest."""
    return shlex.join(
        ["gdb", str(symbols_of(setting.image)), "-ex", f"target remote {session.debugger_socket}"]
    )


def _greet(session: Session, setting: Setting) -> None:
    where = (
        f"{session.share_from_here} on the host is /mnt/share here"
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
        if len(self._command) > ARGUMENTS_MAX:
            raise FarwatchError(
                f"the command has {len(self._command)} words", cause=f"at most {ARGUMENTS_MAX} are possible"
            )
        self._id = secrets.randbits(48) + 1
        """None that the command could print by chance."""
        self._tail = b"farwatch: end %d" % self._id
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._drained = asyncio.Event()
        self._held = b""

    async def run(self) -> int:
        self._session.listen(self._hear_control)
        self._session.take_output(self._hear_output)
        with self._keyboard() if self._terminal else self._pipe():
            self._session.control(_window())
            self._session.control(self._request())
            gone = asyncio.ensure_future(self._session.gone())
            waits: set[asyncio.Future[Any]] = {self._ended, gone}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
            if self._ended.done() and self._ended.result():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._drained.wait(), 5)
        self._emit(self._held)
        return self._status()

    def _request(self) -> bytes:
        fields = [
            f"id={self._id}",
            *mount_fields(self._setting),
            "cwd=/mnt/share",
            "tty=1" if self._terminal else "input=1",
            f"env=TERM={os.environ.get('TERM', 'dumb')}",
            "env=PS1=guest:\\w# ",
            *(f"arg={word}" for word in self._command),
        ]
        return request("run", fields)

    def _hear_control(self, line: bytes) -> None:
        head, _, rest = line.partition(b" ")
        if head == b"end":
            line = rest.partition(b" ")[2]
        if head in (b"end", b"error") and not self._ended.done():
            self._ended.set_result(line.decode("utf-8", "replace"))

    def _hear_output(self, data: bytes) -> None:
        """Hand on what the guest prints, but for the agent's closing mark."""
        data = self._held + data
        place = data.find(self._tail)
        if place >= 0:
            self._held = data[:place]
            self._drained.set()
            return
        keep = next((n for n in range(len(self._tail), 0, -1) if data.endswith(self._tail[:n])), 0)
        self._held = data[len(data) - keep :]
        self._emit(data[: len(data) - keep])

    def _emit(self, data: bytes) -> None:
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except BrokenPipeError as error:
            # Nobody reads on: that is the end of the conversation, and not of whoever called us here.
            if not self._ended.done():
                self._ended.set_exception(error)

    @contextlib.contextmanager
    def _pipe(self) -> Iterator[None]:
        """Standard input to the guest, as far as the command takes it."""
        source = StandardInput(sys.stdin.fileno(), self._session.answer)
        self._session.take_steps(source.hear)
        try:
            yield
        finally:
            source.close()

    @contextlib.contextmanager
    def _keyboard(self) -> Iterator[None]:
        """Raw keyboard to the guest, and the old state back on every way out."""
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
        self._session.control(_window())

    def _status(self) -> int:
        """As a shell gives it: the exit status, or 128 + signal."""
        if not self._ended.done():
            splats = scan([line.decode("utf-8", "replace") for line in self._session.console])
            raise FarwatchError(
                "the guest ended before the command did",
                cause=splats[0].title if splats else "",
                hint=f"its console: {self._session.logs}",
            )
        kind, _, rest = self._ended.result().partition(" ")
        if kind == "exit":
            return int(rest)
        if kind == "signal":
            return 128 + int(rest)
        if kind == "setup":
            code, _, what = rest.partition(" ")
            return _not_run(unescape(what), int(code))
        raise FarwatchError("the guest does not take the command", cause=unescape(rest))


def _not_run(what: str, code: int) -> int:
    """Say why the command never ran; the status that a shell gives then. what: as the agent says."""
    step, _, thing = what.partition(" ")
    if step != "exec":
        raise FarwatchError(f"the command could not be run in the guest: {what}: {os.strerror(code)}")
    if code != errno.ENOENT:
        why = f"cannot run {thing} in the guest: {os.strerror(code)}"
    elif Path(thing).is_absolute() and Path(thing).exists():
        why = f"cannot run {thing} in the guest: the interpreter that it names is not there"
    else:
        why = f"no such program in the guest: {thing}"
    print(f"farwatch: {why}", file=sys.stderr)
    return NOT_FOUND if code == errno.ENOENT else NOT_RUN


def _window() -> bytes:
    """The request that tells the guest how large our terminal is."""
    size = shutil.get_terminal_size()
    return request("winsize", [f"rows={size.lines}", f"cols={size.columns}"])


def _shell() -> str:
    return shutil.which("bash") or "/bin/sh"
