# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs programs of suites, each in a guest of its own, and makes rows of what was seen.

What somebody else's test leaves behind, a mount, a sysctl, a kernel that is not to be trusted any more, is
gone with its guest. Nothing is kept of a program that has not ended: an interrupted run loses the programs
that were running, and the next one begins with those.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from farwatch.cells.runner import (
    BOOT_TRIES,
    FIRST_BOOT_LIMIT,
    TRIES,
    boot_verdict,
    evidence,
    file_name,
    write_cell,
)
from farwatch.engines.engine import Ending
from farwatch.guests.logs import LogSet
from farwatch.guests.session import BootFailure, Session
from farwatch.guests.trace import Trace
from farwatch.model import CellResult, Verdict
from farwatch.suites.plan import SuitePlan, SuiteWork
from farwatch.suites.units import BOOT, Unit
from farwatch.system.children import Run
from farwatch.verdicts.judge import End, EndKind, Evidence
from farwatch.verdicts.rows import SuiteRow, kunit_output, rows_of

MOST_NAMES = 3
"""Names of options or tests that a title tells."""


@dataclass(frozen=True)
class UnitSeen:
    """What one run of a program showed."""

    evidence: Evidence
    logs: Path
    started: float
    duration: float = 0.0
    command: tuple[str, ...] = ()
    boot: BootFailure | None = None
    """It never came to the program."""


class SuiteRunner:
    """on_rows hears the rows of each program as soon as it has ended, its own one first."""

    def __init__(
        self,
        run: Run,
        logs: Path,
        on_rows: Callable[[SuitePlan, list[CellResult]], None],
        run_id: str,
    ) -> None:
        self._run = run
        self._logs = logs
        self._on_rows = on_rows
        self._run_id = run_id
        self._numbers = iter(range(1, 1_000_000_000))

    async def work(self, works: Sequence[SuiteWork], guests: int) -> None:
        """Run everything; at most `guests` guests at once."""
        async with asyncio.TaskGroup() as group:
            for _ in range(min(guests, sum(len(work.units) for work in works))):
                group.create_task(self._worker(works))

    async def _worker(self, works: Sequence[SuiteWork]) -> None:
        while work := max(works, key=lambda candidate: len(candidate.units)):
            if not work.units:
                return
            unit, attempts = work.units.popleft()
            seen = await self._seen(work, unit)
            if seen.boot is not None and unit.name != BOOT:
                work.boots_failed += 1
                if work.boots_failed < BOOT_TRIES:
                    work.units.append((unit, attempts))
                    continue
                self._give_up(work, unit, seen)
            else:
                work.boots_failed = 0
                self._conclude(work, unit, attempts + 1, seen)

    async def _seen(self, work: SuiteWork, unit: Unit) -> UnitSeen:
        """One guest, from boot to power-off."""
        number = next(self._numbers)
        folder = self._logs / f"{number}-{file_name(unit.test)}"
        sealed: list[Trace] = []
        logs = folder if unit.name == BOOT else folder.with_name(f"guest-{number}")
        session = Session(self._run, work.setting, number, logs, sealed.append)
        started = time.time()
        trace = Trace(unit.test, number, LogSet(folder, self._run.clock))
        failure = None
        try:
            await session.boot(max(FIRST_BOOT_LIMIT, unit.suite.limit if unit.name == BOOT else 0))
            if unit.argv:
                await session.test(trace, unit.argv, {}, unit.suite.limit)
            await session.power_off()
        except BootFailure as error:
            failure = error
        finally:
            await session.close()
            trace.logs.close()
        if unit.name == BOOT:
            return _boot_seen(session, failure, folder, started)
        if failure is not None:
            return UnitSeen(_boot_evidence(failure), logs, started, boot=failure)
        return UnitSeen(evidence(trace), folder, started, trace.duration, trace.command)

    def _conclude(self, work: SuiteWork, unit: Unit, attempts: int, seen: UnitSeen) -> None:
        whole, *tests = rows_of(seen.evidence, unit.suite.output, unit.suite.same)
        if whole.verdict is Verdict.ERROR and attempts < TRIES:
            work.units.append((unit, attempts))
            return
        whole = _explained(work, unit, whole)
        whole = _doubted(work.plan, unit, whole, tests)
        rows = self._results(work, unit, [whole, *tests], seen, attempts)
        write_cell(seen.logs, rows[0], unit.suite.about, seen.command, {"test": unit.suite.limit})
        self._on_rows(work.plan, rows)

    def _results(
        self, work: SuiteWork, unit: Unit, rows: Sequence[SuiteRow], seen: UnitSeen, attempts: int
    ) -> list[CellResult]:
        plan = work.plan
        return [
            CellResult(
                plan.column,
                row_name(unit, row.name),
                plan.inputs[unit.test],
                row.verdict,
                row.title,
                row.detail,
                0.0 if row.name else seen.duration,
                attempts,
                seen.started,
                str(seen.logs.relative_to(self._logs.parent)),
                self._run_id,
            )
            for row in rows
        ]

    def _give_up(self, work: SuiteWork, unit: Unit, seen: UnitSeen) -> None:
        """No guest comes up: what is left of the column gets that for a verdict."""
        failure = seen.boot
        assert failure is not None
        row = SuiteRow("", boot_verdict(failure), failure.title, "\n".join(seen.evidence.console[-30:]))
        left = [unit, *(unit for unit, _ in work.units)]
        work.units.clear()
        for each in left:
            self._on_rows(work.plan, self._results(work, each, [row], seen, BOOT_TRIES))


def row_name(unit: Unit, test: str) -> str:
    """SUITE:PROGRAM[.TEST]; of KUnit SUITE:TEST."""
    if unit.name == BOOT and test:
        return f"{unit.suite.name}:{test}"
    return f"{unit.test}.{test}" if test else unit.test


def _boot_seen(session: Session, failure: BootFailure | None, logs: Path, started: float) -> UnitSeen:
    """KUnit's tests have run before the guest was up, and its console has them."""
    said = failure.said if failure else session.console
    console = tuple(line.decode("utf-8", "replace") for line in said)
    output = kunit_output(console)
    if failure is None:
        return UnitSeen(Evidence("", output, End(EndKind.EXIT), console), logs, started, session.boot_seconds)
    found = _boot_evidence(failure)
    return UnitSeen(Evidence("", output, found.end, console, found.guest_died), logs, started, boot=failure)


def _boot_evidence(failure: BootFailure) -> Evidence:
    kind = EndKind.NEVER_ENDED if failure.ending is Ending.HUNG else EndKind.NEVER_BEGAN
    died = failure.title if failure.ending is Ending.PANICKED else ""
    console = tuple(line.decode("utf-8", "replace") for line in failure.said)
    return Evidence("", b"", End(kind), console, died)


def _explained(work: SuiteWork, unit: Unit, row: SuiteRow) -> SuiteRow:
    """What is not a pass, with the options that the program asks for and the kernel lacks."""
    absent = sorted(unit.wants & work.absent)
    if row.verdict is Verdict.PASS or not absent:
        return row
    why = f"farwatch config {work.plan.column.revision} --suite {unit.suite.name} --why {absent[0]}"
    title = f"{row.title} (the kernel lacks {options(absent)})"
    return row._replace(title=title, detail=f"{row.detail}\nwhy: {why}".strip("\n"))


def options(symbols: Sequence[str]) -> str:
    """Some options by name: "CONFIG_A, CONFIG_B and 3 more"."""
    named = ", ".join(f"CONFIG_{symbol}" for symbol in symbols[:MOST_NAMES])
    more = len(symbols) - MOST_NAMES
    return f"{named} and {more} more" if more > 0 else named


_CUT_SHORT = (Verdict.CRASH, Verdict.HANG, Verdict.ERROR)


def _doubted(plan: SuitePlan, unit: Unit, whole: SuiteRow, tests: Sequence[SuiteRow]) -> SuiteRow:
    """No pass for a program whose tests had other names the last time, with the same inputs.

    By such names no column can be held against another.
    """
    before = plan.before.get(plan.inputs[unit.test], [])
    if not before or {before[0].verdict, whole.verdict} & set(_CUT_SHORT):
        return whole
    then = {result.test for result in before[1:]}
    now = {row_name(unit, row.name) for row in tests}
    if then == now:
        return whole
    shown = [
        *(f"only now: {name}" for name in sorted(now - then)),
        *(f"only before: {name}" for name in sorted(then - now)),
    ]
    title = f"names of its tests change from run to run: {'; '.join(shown[:MOST_NAMES])}"
    hint = f'same = ["PATTERN"] of the suite says what of a name is not to count\n{whole.detail}'
    return whole._replace(verdict=Verdict.FAIL, title=title, detail="\n".join([*shown, hint]).strip("\n"))
