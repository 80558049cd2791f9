# SPDX-License-Identifier: GPL-2.0-or-later
"""Have an event happen and collect what everybody has seen of it.

The guest's watcher (kernel-tests/guest/observe.c) leads: it asks the actor "trace", which is played here, for
what the host does, so that nothing happens before it watches. On the host the same program watches the same
folder as a witness, from just before the steps are played.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.errors import FarwatchError
from farwatch.guests.agent import GUEST_HOST_ROOT
from farwatch.guests.logs import LogSet
from farwatch.guests.session import BootFailure, Session, booted
from farwatch.guests.shell import BOOT_LIMIT
from farwatch.guests.trace import Trace
from farwatch.system.channel import Channel, attach, pair
from farwatch.tracing.join import Material, Played
from farwatch.tracing.sightings import kernel_trace, server_log, watching
from farwatch.tracing.steps import Step

if TYPE_CHECKING:
    from farwatch.guests.setting import Setting
    from farwatch.system.children import Child, Run

ACTOR = "trace"
"""Whom observe.c asks."""
STEP_MS = 60_000
_READY = 10.0
_LAST = 5.0
"""Seconds for the witness to be watching, and to have read the last event."""
_FIRST = "case/sentinels/begin"
"""FIRST of observe.c: what is read before it is not of the steps."""
AT_ONCE = 300
"""Steps of one script: their answer is one line."""
_SCRIPT_LINE = 1000
"""Bytes of script in one step: escaped they are three times as many, and still fit in a line."""
LOGGED = "warn,virtiofsd::passthrough::fsnotify=debug,virtiofsd::events=debug,virtiofsd::notification=debug"
"""RUST_LOG of a server: what it says of events, and nothing of each request."""


@dataclass(frozen=True)
class Plan:
    """What is to be traced."""

    steps: tuple[Step, ...]
    setup: tuple[Step, ...] = ()
    kind: str = "inotify"
    mask: int = 0
    paths: tuple[str, ...] = ()
    """What is watched; empty: each folder."""
    wait: float = 3.0
    """Seconds after the last event until one that has not come is lost."""


async def observe(run: Run, setting: Setting, program: Path, plan: Plan, logs: Path) -> Material:
    """One guest, from boot to power-off. FarwatchError when the watcher cannot do its work."""
    trace = Trace("observe", 1, LogSet(logs / "observe", run.clock))
    try:
        async with booted(run, setting, logs, BOOT_LIMIT) as session:
            director = _Director(run, session, program, plan, trace)
            session.take_actor(ACTOR, director.answer)
            words = [f"{GUEST_HOST_ROOT}{program}", plan.kind, f"{plan.mask:x}", f"{plan.wait * 1000:.0f}"]
            env = {"FARWATCH_STEP_MS": str(STEP_MS)}
            await session.test(trace, [*words, *plan.paths], env)
            await session.power_off()
            await director.finish()
    except BootFailure as failure:
        raise FarwatchError(failure.title, hint=f"the whole console: {logs}") from None
    _check(trace, director)
    return _evidence(trace, director)


def _check(trace: Trace, director: _Director) -> None:
    """FarwatchError unless the watcher has come to its end."""
    if trace.ended == "exit 0" and not trace.guest_died and director.played is not None:
        return
    said = [text for text in _texts(trace.output) if text.startswith("observe: ")]
    how = trace.broken_steps or trace.guest_ending or trace.stuck or trace.ended or "it did not end"
    raise FarwatchError(
        f"the watcher in the guest failed: {how}",
        cause="\n".join(dict.fromkeys(director.troubles or said)),
        hint=f"its logs: {trace.logs.folder}",
    )


def _evidence(trace: Trace, director: _Director) -> Material:
    assert director.played is not None
    program = watching(_texts(trace.output))
    server = server_log(_stamped(trace.logs.folder / "server.log"), f"/c{trace.number}", director.ahead)
    kernel = kernel_trace(program.trace, server.paths, program.ahead)
    witness = watching(director.witnessed, director.ahead)
    if witness.overflows:
        raise FarwatchError(
            "the watcher on the host has lost events itself",
            cause="there were more than fs.inotify.max_queued_events or fs.fanotify.max_queued_events",
            hint="trace fewer steps",
        )
    return Material(director.played, witness, server, kernel, program)


def _texts(lines: Sequence[bytes]) -> list[str]:
    return [line.decode("utf-8", "surrogateescape") for line in lines]


def _stamped(log: Path) -> list[tuple[float, str]]:
    """The lines of a log of ours, with their times."""
    if not log.exists():
        return []
    found = []
    for line in log.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        stamp, _, text = line.partition(" ")
        found.append((float(stamp), text))
    return found


class _Director:
    """Plays the actor "trace": sets up, has the witness look, and lets the host act."""

    def __init__(self, run: Run, session: Session, program: Path, plan: Plan, trace: Trace) -> None:
        self._run = run
        self._session = session
        self._program = program
        self._plan = plan
        self._trace = trace
        self._witness: Child | None = None
        self._channel: Channel | None = None
        self._ready = asyncio.Event()
        self.witnessed: list[str] = []
        self.played: Played | None = None
        self.troubles: list[str] = []
        self.ahead = run.clock() - time.monotonic()
        """What the run's clock is ahead of the machine's."""

    async def answer(self, verb: str) -> str:
        """ERRNO [VALUE] for a question of the watcher's."""
        if verb == "clock":
            return f"0 {round(self._run.clock() * 1e9)}"
        if verb == "setup":
            await self._set_up()
        elif verb == "watched":
            await self._start_witness()
        elif verb == "play":
            await self._host("mkdir", _FIRST, "777")
            await self._play_timed(self._plan.steps)
        return "22" if self.troubles else "0"

    async def _set_up(self) -> None:
        """Each of these steps has to succeed."""
        for steps in _batches(self._plan.setup, AT_ONCE):
            await self._hand_over(steps)
            errors = (await self._host("play", ".")).split(",")
            failed = [step for step, error in zip(steps, errors, strict=False) if error != "0"]
            self.troubles += [f"to begin with, the host cannot {step}" for step in failed]

    async def _play_timed(self, steps: Sequence[Step]) -> None:
        """All in one go, if there are not too many."""
        begins, errors, ends = [], list[int](), list[float]()
        for part in _batches(steps, AT_ONCE):
            await self._hand_over(part)
            begin, _, results = (await self._host("timed", ".")).partition(" ")
            begins.append(int(begin or 0) * 1e-9 + self.ahead)
            for result in filter(None, results.split(",")):
                error, _, microseconds = result.partition("@")
                errors.append(int(error))
                ends.append(begins[-1] + int(microseconds) * 1e-6)
        if len(errors) == len(steps):
            self.played = Played(tuple(steps), tuple(errors), begins[0], tuple(ends))

    async def _hand_over(self, steps: Sequence[Step]) -> None:
        for piece in _pieces("".join(f"{step.line}\n" for step in steps)):
            await self._host("script", piece)

    async def _host(self, verb: str, *args: str) -> str:
        """One step by the host; what it gives back."""
        error, _, value = (await self._session.host_step(verb, *args)).partition(" ")
        if error != "0":
            self.troubles.append(f"the host's actor: {verb}: errno {error}")
        return value

    async def _start_witness(self) -> None:
        ours, theirs = pair()
        words = ["native", self._plan.kind, f"{self._plan.mask:x}", self._folder, *self._plan.paths]
        try:
            self._witness = await self._run.start(
                "witness",
                [*self._session.enter, self._program, *words],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=theirs.fileno(),
            )
        finally:
            theirs.close()
        self._channel = await attach(Channel(self._hear), ours)
        try:
            async with asyncio.timeout(_READY):
                await self._ready.wait()
        except TimeoutError:
            self.troubles.append("the watcher on the host is not ready")
        self._trace.logs.append("witness", b"ready")

    @property
    def _folder(self) -> str:
        return f"{self._session.share}/c{self._trace.number}"

    def _hear(self, line: bytes) -> None:
        self._trace.logs.append("witness", line)
        text = line.decode("utf-8", "surrogateescape")
        self.witnessed.append(text)
        if text.startswith("observe: "):
            self.troubles.append(f"on the host: {text}")
        if text == "ready" or text.startswith("observe: "):
            self._ready.set()

    async def finish(self) -> None:
        """Have the witness read to the end, now that the server has let go of everything."""
        if self._witness is None or self._channel is None:
            return
        self._channel.end_writing()
        try:
            async with asyncio.timeout(_LAST):
                await self._channel.ended.wait()
        except TimeoutError:
            self.troubles.append("the watcher on the host has not come to its end")
        await self._run.stop(self._witness)
        self._channel.close()


def _pieces(script: str) -> list[str]:
    """Whole lines, as many at a time as fit."""
    pieces = [""]
    for line in script.splitlines(keepends=True):
        if len(pieces[-1]) + len(line) > _SCRIPT_LINE:
            pieces.append("")
        pieces[-1] += line
    return [piece for piece in pieces if piece]


def _batches(steps: Sequence[Step], most: int) -> Iterator[Sequence[Step]]:
    return (steps[start : start + most] for start in range(0, len(steps), most))
