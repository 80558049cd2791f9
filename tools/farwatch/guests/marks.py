# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest says, sorted to the test that it belongs to, and the marks that a session waits for.

The agent in the guest brackets each test with marks on the console and on the
output line, so every line of every stream belongs to exactly one test however
late it is read. A console line between two tests belongs to the one before:
therefore a test's trace is complete only when the next one begins or the
guest has gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from farwatch.errors import FarwatchError
from farwatch.guests.agent import MARK
from farwatch.guests.logs import LogSet
from farwatch.guests.trace import Trace

CONSOLE_LIMIT = 16 * 1024 * 1024
OUTPUT_LIMIT = 4 * 1024 * 1024
"""Bytes that one test may print before it is stopped as a flood."""


class Marks:
    """Hears all streams of one guest. Nothing here starts or ends a process.

    on_sealed: gets each trace when nothing can be added to it any more
    on_flood:  somebody talks too much, and nobody listens any longer
    """

    def __init__(
        self,
        logs: Path,
        clock: Callable[[], float],
        on_sealed: Callable[[Trace], None],
        on_flood: Callable[[], None],
    ) -> None:
        self.ready = asyncio.Event()
        self.gone = asyncio.Event()
        """The guest has ended, or is no longer listened to."""
        self.trace: Trace | None = None
        """The test that runs, or ran last."""
        self.failure: FarwatchError | None = None
        """A line could not be kept."""
        self.boot_console: list[bytes] = []
        self.on_control: Callable[[bytes], None] = _nobody
        """Hears the control line too (interactive use)."""
        self.on_more: Callable[[], None] = _nothing
        """The agent wants the next piece of a request."""
        self._on_sealed = on_sealed
        self._on_flood = on_flood
        self._console_trace: Trace | None = None
        self._guest_logs = LogSet(logs, clock)
        self._set: dict[str, asyncio.Event] = {}
        self._console_bytes = 0
        self._output_bytes = 0

    # -- waiting -----------------------------------------------------------------

    def expect(self, trace: Trace) -> None:
        """From here on it is this test's marks that count."""
        self._set = {mark: asyncio.Event() for mark in ("begin", "control", "console", "output")}
        self._output_bytes = self._console_bytes = 0
        self.trace = trace

    def expect_dump(self) -> None:
        """One more mark: the end of a dump of the tasks."""
        self._set["dump"] = asyncio.Event()

    @property
    def complete(self) -> bool:
        """Whether all marks of the test were seen."""
        return all(mark.is_set() for mark in self._set.values())

    async def wait(self, names: Sequence[str], limit: float) -> bool:
        """Wait for marks; False when the guest is gone, silent for too long or talks too much."""
        return await self._wait_for([self._set[name] for name in names], limit)

    async def wait_ready(self, limit: float) -> bool:
        """Wait for the agent; False when the guest is gone or not ready within `limit` seconds."""
        return await self._wait_for([self.ready], limit)

    async def _wait_for(self, events: Sequence[asyncio.Event], limit: float) -> bool:
        everything = asyncio.gather(*(event.wait() for event in events))
        gone = asyncio.ensure_future(self.gone.wait())
        try:
            waits: set[asyncio.Future[Any]] = {everything, gone}
            await asyncio.wait(waits, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            return everything.done()
        finally:
            everything.cancel()
            gone.cancel()
            await asyncio.gather(everything, gone, return_exceptions=True)

    def _mark(self, name: str) -> None:
        if name in self._set:
            self._set[name].set()

    # -- what is said --------------------------------------------------------------

    def hear_control(self, line: bytes) -> None:
        """A line of the agent."""
        self.log("control", line)
        self.on_control(line)
        words = line.split(b" ", 2)
        if words[0] == b"ready":
            self.ready.set()
        elif words[0] == b"more":
            self.on_more()
        elif words[0] == b"dump":
            self._mark("dump")
        elif words[0] == b"begin" and self._is_current(words[1:2]):
            assert self.trace is not None
            self.trace.began = True
            self._mark("begin")
        elif words[0] == b"error" and self.trace is not None and not self.trace.began:
            self.trace.refused = b" ".join(words[1:]).decode("utf-8", "replace")
            self._mark("begin")
        elif words[0] == b"stuck" and self._is_current(words[1:2]):
            assert self.trace is not None
            self.trace.stuck = "a process survived SIGKILL"
        elif words[0] == b"end" and self._is_current(words[1:2]):
            assert self.trace is not None
            self.trace.ended = b" ".join(words[2:]).decode("utf-8", "replace")
            self._mark("control")

    def _is_current(self, number: list[bytes]) -> bool:
        return self.trace is not None and number == [b"%d" % self.trace.number]

    def hear_console(self, line: bytes) -> None:
        """A line of the kernel, or a mark of the agent among them."""
        if self.gone.is_set():
            return
        line = line.rstrip(b"\r")
        mark = MARK.search(line)
        if mark is not None and mark[1] == b"begin" and self._is_current([mark[2]]):
            if self._console_trace is not None:
                self.seal(self._console_trace)
            self._console_trace = self.trace
        self._keep_console(line)
        if mark is not None and mark[1] == b"end" and self._is_current([mark[2]]):
            self._mark("console")

    def _keep_console(self, line: bytes) -> None:
        self._log(self._console_trace, "console", line)
        (self.boot_console if self._console_trace is None else self._console_trace.console).append(line)
        self._console_bytes += len(line) + 1
        if self._console_bytes > CONSOLE_LIMIT:
            self._flood("console")

    def hear_output(self, line: bytes) -> None:
        """A line of the test program, or the mark behind its last one."""
        line = line.rstrip(b"\r")
        mark = MARK.search(line)
        if mark is not None and mark[1] == b"end" and self._is_current([mark[2]]):
            self._mark("output")
            return
        self.log("output", line)
        if self.trace is not None:
            self.trace.output.append(line)
        self._output_bytes += len(line) + 1
        if self._output_bytes > OUTPUT_LIMIT:
            self._flood("output")

    def _flood(self, stream: str) -> None:
        """Stop listening: whatever runs is over, and its guest will be killed."""
        if self.gone.is_set():
            return
        self._on_flood()
        if self.trace is not None:
            self.trace.flood = self.trace.flood or stream
        self.gone.set()

    # -- what is kept ----------------------------------------------------------------

    def log(self, stream: str, line: bytes) -> None:
        """Keep a line with the test that runs; a full disk ends the session, and says why in `failure`."""
        self._log(self.trace, stream, line)

    def log_late(self, stream: str, line: bytes) -> None:
        """Keep a line with the test whose console lines come in."""
        self._log(self._console_trace, stream, line)

    def _log(self, trace: Trace | None, stream: str, line: bytes) -> None:
        try:
            (self._guest_logs if trace is None else trace.logs).append(stream, line)
        except FarwatchError as error:
            self.failure = error
            self.gone.set()

    def seal(self, trace: Trace) -> None:
        """Nothing can be added to it any more; a second time does nothing."""
        if trace.sealed:
            return
        trace.sealed = True
        trace.logs.close()
        if self.trace is trace:
            self.trace = None
        if self._console_trace is trace:
            self._console_trace = None
        self._on_sealed(trace)

    def close(self) -> None:
        """Close all logs, in any state."""
        for trace in (self._console_trace, self.trace):
            if trace is not None:
                trace.logs.close()
        self._guest_logs.close()


def _nobody(line: bytes) -> None:
    del line


def _nothing() -> None:
    pass
