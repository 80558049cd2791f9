# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's side of the step protocol (kernel-tests/steps.h states its rules).

File steps go, as they are, to the host actor: a process of its own, confined
to the folder of the running test. Steps for the server are done here. Every
request is answered exactly once, and both are recorded.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from farwatch.guests.agent import escape
from farwatch.guests.companion import Server
from farwatch.system.channel import Channel, attach, pair
from farwatch.system.children import Child, Run

STEP_LINE_MAX = 4096
"""Bytes of a request with its newline; as in steps.h."""
FILE_ACTORS = ("host",)
OWN_DEADLINE_MS = 60_000
"""For a step that the host does by itself."""


@dataclass(frozen=True)
class Request:
    """SEQ DEADLINE_MS ACTOR VERB [ARG ...], of which only the head matters here."""

    seq: int
    deadline: float
    """Seconds."""
    actor: str
    verb: str
    args: tuple[str, ...]


class BadRequest(Exception):
    """A request that breaks the rules: the errno for the answer."""

    def __init__(self, code: int, seq: int = 0) -> None:
        super().__init__(code)
        self.code = code
        self.seq = seq


def parse(line: bytes) -> Request:
    """Read one request line (without its newline); BadRequest if it is none."""
    if len(line) >= STEP_LINE_MAX:
        raise BadRequest(errno.EMSGSIZE, _seq(line))
    fields = line.split(b" ")
    if len(fields) < 4 or not all(fields):
        raise BadRequest(errno.EBADMSG, _seq(line))
    if not (fields[0].isdigit() and fields[1].isdigit()) or not line.isascii():
        raise BadRequest(errno.EBADMSG, _seq(line))
    text = [field.decode("ascii") for field in fields]
    return Request(_seq(line), int(text[1]) / 1000, text[2], text[3], tuple(text[4:]))


def _seq(line: bytes) -> int:
    head = line.split(b" ", 1)[0]
    return int(head) if head.isdigit() and len(head) <= 9 else 0


class HostActor:
    """The process that plays the host for one test, below one folder."""

    def __init__(self, run: Run, child: Child) -> None:
        self._run = run
        self._child = child
        self._answers: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._channel = Channel(self._answers.put_nowait, lambda: self._answers.put_nowait(None))

    @classmethod
    async def start(cls, run: Run, program: Path, folder: Path, enter: Sequence[str] = ()) -> HostActor:
        """enter: what to put in front of its command, so that it sees the folder"""
        ours, theirs = pair()
        try:
            child = await run.start(
                "host actor", [*enter, program, folder], stdin=theirs.fileno(), stdout=theirs.fileno()
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        actor = cls(run, child)
        await attach(actor._channel, ours)
        return actor

    async def ask(self, line: bytes) -> bytes:
        """Hand over a request line and wait for its answer line; ConnectionError if the actor died."""
        self._channel.write(line + b"\n")
        answer = await self._answers.get()
        if answer is None:
            raise ConnectionError(f"the host actor died: {self._child.ending()}")
        return answer

    async def stop(self) -> None:
        self._channel.close()
        await self._run.stop(self._child)


class Broker:
    """Answers the steps of one guest, one test after the other."""

    def __init__(
        self,
        run: Run,
        program: Path,
        reply: Callable[[bytes], None],
        record: Callable[[bytes], None],
        enter: Sequence[str] = (),
    ) -> None:
        self._run = run
        self._program = program
        self._reply = reply
        self._record = record
        self._enter = enter
        self._folder: Path | None = None
        self._actor: HostActor | None = None
        self._requests: asyncio.Queue[bytes] = asyncio.Queue()
        self.server: Server | None = None
        self.others: dict[str, Callable[[str], Awaitable[str]]] = {}
        """Actors beside the host: what each answers to a verb, ERRNO [VALUE ...]."""
        self.broken = ""
        """Why the steps of the running test cannot be trusted; empty if they can."""
        self._task = asyncio.create_task(self._serve())

    def hear(self, line: bytes) -> None:
        """A line came from the guest."""
        self._requests.put_nowait(line)

    async def begin(self, folder: Path | None) -> None:
        """A test starts; folder: the host's view of the folder that it works in."""
        await self._stop_actor()
        self._folder = folder
        self.broken = ""

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._stop_actor()

    async def _stop_actor(self) -> None:
        if self._actor is not None:
            actor, self._actor = self._actor, None
            await actor.stop()

    async def _serve(self) -> None:
        while True:
            line = await self._requests.get()
            self._record(b"request " + line[:STEP_LINE_MAX])
            answer = await self._answer(line)
            self._record(b"answer  " + answer)
            self._reply(answer + b"\n")

    async def _answer(self, line: bytes) -> bytes:
        try:
            request = parse(line)
        except BadRequest as bad:
            return f"{bad.seq} {bad.code}".encode()
        try:
            async with asyncio.timeout(request.deadline):
                return await self._dispatch(request, line)
        except TimeoutError:
            self.broken = f"step {request.seq} ({request.actor} {request.verb}) missed its deadline"
            await self._stop_actor()
            return f"{request.seq} {errno.ETIMEDOUT}".encode()
        except OSError as error:
            self.broken = f"step {request.seq} ({request.actor} {request.verb}): {error}"
            await self._stop_actor()
            return f"{request.seq} {errno.EIO}".encode()

    async def _dispatch(self, request: Request, line: bytes) -> bytes:
        if request.actor == "server":
            return f"{request.seq} {await self._server_step(request)}".encode()
        if request.actor in self.others:
            return f"{request.seq} {await self.others[request.actor](request.verb)}".encode()
        if request.actor not in FILE_ACTORS:
            return f"{request.seq} {errno.ENXIO}".encode()
        return await self._ask_host(request.seq, line)

    async def _ask_host(self, seq: int, line: bytes) -> bytes:
        if self._folder is None:
            return f"{seq} {errno.ENXIO}".encode()
        if self._actor is None:
            self._actor = await HostActor.start(self._run, self._program, self._folder, self._enter)
        return await self._actor.ask(line)

    async def host_step(self, verb: str, *args: str) -> str:
        """A step of the host's that no guest has asked for: ERRNO [VALUE ...]. Its limit is the caller's."""
        line = f"1 {OWN_DEADLINE_MS} host {' '.join([verb, *map(escape, args)])}".encode()
        self._record(b"request " + line)
        answer = await self._ask_host(1, line)
        self._record(b"answer  " + answer)
        return answer.decode("ascii", "replace").partition(" ")[2]

    async def _server_step(self, request: Request) -> str:
        """Carry out a step on the server; ERRNO [VALUE ...] of the answer."""
        if self.server is None or not self.server.child.alive:
            return str(errno.ESRCH)
        server = self.server
        steps: dict[str, Callable[[], Awaitable[None]]] = {
            "pause": server.pause,
            "continue": server.resume,
            "kill": server.kill,
        }
        if request.verb in steps and not request.args:
            await steps[request.verb]()
            return "0"
        numbers = [int(arg) for arg in request.args if arg.isdigit()]
        if request.verb == "quiet" and len(numbers) == len(request.args) == 1:
            await server.quiet(*numbers)
            return "0"
        if request.verb == "watches" and len(numbers) == len(request.args) == 3:
            return f"0 {await server.watches(*numbers)}"
        numbers_of: dict[str, Callable[[], int]] = {
            "count": server.watch_count,
            "rss": server.resident_kib,
            "cpu": server.cpu_ms,
            "wakeups": server.wakeups,
        }
        if request.verb in numbers_of and not request.args:
            return f"0 {numbers_of[request.verb]()}"
        known = request.verb in (*steps, *numbers_of, "quiet", "watches")
        return str(errno.EINVAL if known else errno.EOPNOTSUPP)
