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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farwatch.errors import FarwatchError
from farwatch.guests.agent import (
    ARGUMENTS_MAX,
    GUEST_SOURCE,
    guest_fields,
    path_fields,
    request,
    unescape,
)
from farwatch.guests.keyboard import LEAVE, RELOAD, Keyboard, raw
from farwatch.guests.session import BootFailure, Session, booted
from farwatch.guests.setting import Setting, Share
from farwatch.guests.stdin import StandardInput
from farwatch.guests.stdout import StandardOutput
from farwatch.system.children import Run
from farwatch.verdicts.splat import scan
from farwatch.verdicts.symbols import symbols_of

BOOT_LIMIT = 60.0
DEBUGGED_LIMIT = 24 * 3600.0
"""Seconds that a boot may take which a person holds up at breakpoints."""
TAIL_LIMIT = 30.0
"""Seconds for what a command has printed to come here, once all of it is on its way."""
NOT_FOUND, NOT_RUN = 127, 126
"""Exit statuses that a shell gives for a program that is not there, or is none."""


@dataclass(frozen=True)
class Wanted:
    """What a person wants of a guest."""

    command: Sequence[str] = ()
    """Empty: a shell."""
    environment: Sequence[str] = ()
    """NAME=VALUE each."""
    shares: Sequence[Share] = ()
    """Empty: a new, empty one."""
    reload: bool = False
    """A key takes a person to a new guest, of what they have saved meanwhile."""


class Reload(Exception):
    """The person wants that."""


async def converse(run: Run, setting: Setting, wanted: Wanted, logs: Path) -> int:
    """Boot, run the command, power off. Returns the command's exit status."""

    def announce(session: Session) -> None:
        if setting.debugger:
            print(f"to attach: {attach_line(session, setting)}", file=sys.stderr)

    limit = DEBUGGED_LIMIT if setting.debugger else BOOT_LIMIT
    try:
        async with booted(run, setting, logs, limit, shares=wanted.shares, before=announce) as session:
            conversation = _Conversation(session, setting, wanted)
            if not wanted.command:
                conversation.greet()
            status = await conversation.run()
            await session.power_off()
            return status
    except BootFailure as failure:
        said = [line.decode("utf-8", "replace") for line in failure.said]
        splats = [splat.title for splat in scan(said)[:1]]
        cause = "\n".join((*splats, *said[-10:]))
        raise FarwatchError(failure.title, cause=cause, hint=f"the whole console: {logs}") from None


def attach_line(session: Session, setting: Setting) -> str:
    """What a person types elsewhere to debug the kernel of this guest."""
    return shlex.join(
        ["gdb", str(symbols_of(setting.image)), "-ex", f"target remote {session.debugger_socket}"]
    )


class _Conversation:
    """One command and its terminal. It has no limit: a person may stay in a guest as long as they like."""

    def __init__(self, session: Session, setting: Setting, wanted: Wanted) -> None:
        self._session = session
        self._setting = setting
        self._wanted = wanted
        self._terminal = sys.stdin.isatty() and sys.stdout.isatty()
        self._apart = not _same_file(sys.stdout.fileno(), sys.stderr.fileno())
        self._command = list(wanted.command) or [_shell(), *(["-i"] if self._terminal else [])]
        if len(self._command) > ARGUMENTS_MAX:
            raise FarwatchError(
                f"the command has {len(self._command)} words", cause=f"at most {ARGUMENTS_MAX} are possible"
            )
        self._id = secrets.randbits(48) + 1
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._printed = (0, 0)
        """Bytes that the command has sent to standard output and error, as the guest counts them."""
        sys.stdout.flush()
        sys.stderr.flush()
        self._out, self._err = (
            StandardOutput(stream.fileno(), self._allow, self._fail) for stream in (sys.stdout, sys.stderr)
        )

    def greet(self) -> None:
        shares = self._session.shares
        for share in shares if self._setting.share == "virtiofs" else ():
            print(f"{self._session.seen(share)} on the host is {share.point} here", file=sys.stderr)
        if self._setting.share == "fuse":
            print(f"{GUEST_SOURCE} is {shares[0].point} for everybody else here", file=sys.stderr)
        if self._setting.share in ("tmpfs", "none"):
            print(f"{shares[0].point}: tmpfs", file=sys.stderr)
        way_out = "; if it hangs: Enter ~ ." if self._terminal else ""
        again = "; to build and boot again: Enter ~ r" if self._wanted.reload else ""
        print(f"the host's root is /mnt/host; leave with exit or Ctrl-D{way_out}{again}", file=sys.stderr)

    async def run(self) -> int:
        self._session.listen(self._hear_control)
        self._session.take_output(self._out.hear, self._err.hear)
        watch = asyncio.ensure_future(self._tell_of_servers())
        try:
            with self._keyboard() if self._terminal else self._pipe():
                self._session.control(self._request())
                self._allow()
                await self._until_ended()
                await self._out.passed_on()
                await self._err.passed_on()
            return self._status()
        finally:
            watch.cancel()
            self._out.close()
            self._err.close()

    async def _until_ended(self) -> None:
        """Until the command has ended and all that it printed is here, or the guest is gone."""
        gone = asyncio.ensure_future(self._session.gone())
        waits: set[asyncio.Future[Any]] = {self._ended, gone}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if self._ended.done() and self._ended.result():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TAIL_LIMIT):
                    await self._out.heard(self._printed[0])
                    await self._err.heard(self._printed[1])

    async def _tell_of_servers(self) -> None:
        """A guest whose server has ended hangs when it uses the share, and does not say why."""
        ending = await self._session.server_failed()
        newline = "\r\n" if self._terminal else "\n"
        print(
            f"farwatch: the share's server: {ending}; {self._session.logs}",
            end=newline,
            file=sys.stderr,
            flush=True,
        )

    def _request(self) -> bytes:
        fields = [
            f"id={self._id}",
            *guest_fields(self._setting, self._session.shares),
            f"cwd={self._session.shares[0].point}",
            "tty=1" if self._terminal else "pipes=1",
            *(["apart=1"] if self._apart else []),
            f"env=TERM={os.environ.get('TERM', 'dumb')}",
            "env=PS1=guest:\\w# ",
            *path_fields(self._setting),
            *(f"env={setting}" for setting in self._wanted.environment),
            *(f"arg={word}" for word in self._command),
        ]
        return request("run", fields)

    def _hear_control(self, line: bytes) -> None:
        head, _, rest = line.partition(b" ")
        if head == b"printed":
            output, errors = map(int, rest.split()[1:])
            self._printed = (output, errors)
        if head == b"end":
            line = rest.partition(b" ")[2]
        if head in (b"end", b"error") and not self._ended.done():
            self._ended.set_result(line.decode("utf-8", "replace"))

    def _allow(self) -> None:
        """Tell the guest how much of what the command prints we take."""
        allowed = [f"output={self._out.allowed}", f"errors={self._err.allowed}"]
        self._session.control(request("take", allowed))

    def _fail(self, error: OSError) -> None:
        """Nobody reads on, or the disk is full: the conversation ends, not whoever called us here."""
        if self._ended.done():
            return
        if isinstance(error, BrokenPipeError):
            self._ended.set_exception(error)
        else:
            why = FarwatchError("cannot write what the command prints", cause=error.strerror or "")
            self._ended.set_exception(why)

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
        """Keys to the guest, and the size of the terminal."""
        loop = asyncio.get_running_loop()
        fd = sys.stdin.fileno()
        with raw(fd):
            ours = {LEAVE: lambda: self._end(KeyboardInterrupt())}
            if self._wanted.reload:
                ours[RELOAD] = lambda: self._end(Reload())
            gone = FarwatchError("the terminal is gone")
            keyboard = Keyboard(fd, self._session.answer, ours, lambda: self._end(gone))
            self._session.take_steps(keyboard.hear)
            self._resize()
            loop.add_signal_handler(signal.SIGWINCH, self._resize)
            try:
                yield
            finally:
                loop.remove_signal_handler(signal.SIGWINCH)
                keyboard.close()

    def _end(self, why: BaseException) -> None:
        if not self._ended.done():
            self._ended.set_exception(why)

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
    if step == "mkdir":
        raise FarwatchError(
            f"the guest cannot have a mount point {thing}: {os.strerror(code)}",
            hint="take a folder that the host has, or one below /mnt, /run or /tmp",
        )
    if step == "sysctl":
        why = "has no" if code == errno.ENOENT else f"does not take ({os.strerror(code)})"
        hint = "[guest] in the revision's revision.toml asks for it"
        raise FarwatchError(f"the guest's kernel {why} sysctl {thing}", hint=hint)
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


def _same_file(one: int, other: int) -> bool:
    """Whether two descriptors lead to the same place: then what is said there keeps its order."""
    return os.path.sameopenfile(one, other)


def _window() -> bytes:
    """The request that tells the guest how large our terminal is."""
    size = os.get_terminal_size(sys.stdout.fileno())
    return request("winsize", [f"rows={size.lines}", f"cols={size.columns}"])


def _shell() -> str:
    return shutil.which("bash") or "/bin/sh"
