# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs tests in as many guests at once as the machine carries, and judges them.

Every column has a queue of tests. A worker boots a guest for the column that
needs one most and takes tests off its queue until that is empty or the guest
is spoiled; then there is room for another. What a dead guest did not get to is
simply still in the queue.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from farwatch.cells.jobs import ColumnWork, Job
from farwatch.cells.supply import Supply
from farwatch.engines.engine import Ending
from farwatch.guests.agent import GUEST_HOST_ROOT, unescape
from farwatch.guests.logs import LogSet
from farwatch.guests.marks import CONSOLE_LIMIT, OUTPUT_LIMIT
from farwatch.guests.session import BootFailure, Session
from farwatch.guests.trace import Trace
from farwatch.model import CellResult, Verdict
from farwatch.results.names import column_name
from farwatch.system.children import Run
from farwatch.verdicts.judge import End, EndKind, Evidence, judge
from farwatch.verdicts.symbols import with_lines

BOOT_TRIES = 2
"""After that many failed boots in a row a column's remaining tests get the boot's verdict."""
TRIES = 2
"""For a test whose verdict is an infrastructure error."""
FIRST_BOOT_LIMIT = 60.0
"""Seconds, as long as no boot has been measured."""


class Runner:
    """Fills cells. on_result hears each as soon as its verdict is known."""

    def __init__(
        self,
        run: Run,
        logs: Path,
        on_result: Callable[[CellResult], None],
        run_id: str,
    ) -> None:
        self._run = run
        self._logs = logs
        self._on_result = on_result
        self._run_id = run_id
        self._numbers = iter(range(1, 1_000_000_000))
        self._jobs: dict[int, tuple[ColumnWork, Job, float]] = {}
        self._boot_limit = FIRST_BOOT_LIMIT

    async def work(self, supply: Supply) -> None:
        """Run everything that the supply gives, also what comes later."""
        async with asyncio.TaskGroup() as group:
            while work := await supply.next():
                group.create_task(self._worker(supply, work))

    async def _worker(self, supply: Supply, work: ColumnWork) -> None:
        try:
            await self._guest(work)
        finally:
            supply.give_back(work)

    async def _guest(self, work: ColumnWork) -> None:
        """One guest, from boot to power-off."""
        number = next(self._numbers)
        session = Session(self._run, work.setting, number, self._logs / f"guest-{number}", self._sealed)
        try:
            await self._boot(work, session)
            while work.jobs and session.usable:
                await self._test(work, session, work.jobs.popleft())
                work.boots_failed = 0
            await session.power_off()
            if session.tests_run == 0 and work.jobs:
                raise BootFailure(Ending.NOT_STARTED, "the guest was gone before its first test", ())
        except BootFailure as failure:
            self._boot_failed(work, failure, session.logs)
        finally:
            await session.close()

    async def _boot(self, work: ColumnWork, session: Session) -> None:
        try:
            await session.boot(self._boot_limit)
        finally:
            work.coming -= 1

    async def _test(self, work: ColumnWork, session: Session, job: Job) -> None:
        number = next(self._numbers)
        folder = self._logs / f"{number}-{file_name(job.case.name)}"
        trace = Trace(job.case.name, number, LogSet(folder, self._run.clock))
        self._jobs[number] = (work, job, time.time())
        await session.test(trace, argv(job), {})

    def _sealed(self, trace: Trace) -> None:
        """Nothing more can come: judge it."""
        work, job, started = self._jobs.pop(trace.number)
        verdict, title, detail = judge(evidence(trace, job.case.ktap_name))
        if verdict is Verdict.CRASH:
            detail = with_lines(detail, work.setting.image)
        attempts = work.attempts[job.case.name] = work.attempts.get(job.case.name, 0) + 1
        if verdict is Verdict.ERROR and attempts < TRIES:
            work.jobs.append(job)
            return
        result = CellResult(
            work.column,
            job.case.name,
            job.inputs,
            verdict,
            title,
            detail,
            trace.duration,
            attempts,
            started,
            str(trace.logs.folder.relative_to(self._logs.parent)),
            self._run_id,
        )
        limits = {"test": trace.limits.test, "event": trace.limits.event}
        write_cell(trace.logs.folder, result, job.case.about, trace.command, limits, begin=trace.started)
        self._on_result(result)

    def _boot_failed(self, work: ColumnWork, failure: BootFailure, logs: Path) -> None:
        work.boots_failed += 1
        if work.boots_failed < BOOT_TRIES:
            return
        verdict = boot_verdict(failure)
        tail = b"\n".join(failure.said[-30:]).decode("utf-8", "replace")
        while work.jobs:
            job = work.jobs.popleft()
            self._on_result(
                CellResult(
                    work.column,
                    job.case.name,
                    job.inputs,
                    verdict,
                    failure.title,
                    tail,
                    0.0,
                    work.boots_failed,
                    time.time(),
                    str(logs.relative_to(self._logs.parent)),
                    self._run_id,
                )
            )


def boot_verdict(failure: BootFailure) -> Verdict:
    """Of all that the guest was for."""
    return {Ending.PANICKED: Verdict.CRASH, Ending.HUNG: Verdict.HANG}.get(failure.ending, Verdict.ERROR)


def argv(job: Job) -> list[str]:
    """The command that runs exactly one case (kselftest_harness.h, -r); its path as the guest sees it."""
    return [f"{GUEST_HOST_ROOT}{job.program}", "-r", job.case.ktap_name]


def evidence(trace: Trace, test: str = "") -> Evidence:
    """What the judge needs of a trace. test: the name that its result must have"""
    return Evidence(
        test=test,
        output=b"\n".join(trace.output) + b"\n",
        end=_end(trace),
        console=tuple(line.decode("utf-8", "replace") for line in trace.console),
        guest_died=_death(trace),
        server_died=trace.server_died,
        infrastructure=tuple(_broken(trace)),
    )


def _end(trace: Trace) -> End:
    """How the program ended, from the agent's words and from what the session saw."""
    kind, _, rest = trace.ended.partition(" ")
    if not trace.began:
        return End(EndKind.NEVER_BEGAN)
    if trace.hung or not kind:
        return End(EndKind.NEVER_ENDED, text=trace.stuck)
    number, _, text = rest.partition(" ")
    code = int(number) if number.isdigit() else 0
    if kind == EndKind.SETUP and code == errno.ETIMEDOUT:
        # The agent ran into the test's limit before the program: a mount that hangs is the kernel's doing.
        return End(EndKind.TIMEOUT, text=text)
    if kind == EndKind.SETUP:
        text = f"{unescape(text)}: {os.strerror(code)}"
    return End(EndKind(kind), code, text)


def _death(trace: Trace) -> str:
    if trace.flood == "console":
        return f"flooded its console with more than {CONSOLE_LIMIT >> 20} MiB"
    return trace.guest_ending or "vanished" if trace.guest_died else ""


def _broken(trace: Trace) -> Iterator[str]:
    if trace.refused:
        yield f"the agent refused the request: {trace.refused}"
    if trace.broken_steps:
        yield trace.broken_steps
    if trace.flood == "output":
        yield f"the program printed more than {OUTPUT_LIMIT >> 20} MiB of output"


def write_cell(
    folder: Path,
    result: CellResult,
    about: str,
    command: Sequence[str],
    limits: Mapping[str, float],
    **more: float | None,
) -> None:
    """cell.json: what was run, and under which limits."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        **more,
        "column": column_name(result.column),
        "test": result.test,
        "about": about,
        "verdict": result.verdict,
        "title": result.title,
        "inputs": result.inputs,
        "commands": [list(command)],
        "limits": limits,
        "duration": round(result.duration, 6),
        "attempts": result.attempts,
    }
    (folder / "cell.json").write_text(json.dumps(facts, indent=1))


def file_name(name: str) -> str:
    return "".join(char if char.isalnum() or char in "._-" else "-" for char in name)[:100]
