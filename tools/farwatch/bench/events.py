# SPDX-License-Identifier: GPL-2.0-or-later
"""bench events: what watching costs in each revision. Measures, never judges.

A program in the guest (kernel-tests/guest/measure.c) does the measuring, each thing in a fresh guest, while
the host acts through the step protocol. Where a way from host to guest is measured, both read the processor's
time-stamp counter: User Mode Linux runs the guest's programs on the host's processor, so the clocks are one.
The counter's pace comes from the guest's CLOCK_MONOTONIC over the whole measurement.

On the reference the "host" is another process of the same kernel and the share a tmpfs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.cells.wish import Wish
from farwatch.errors import FarwatchError
from farwatch.model import Column

if TYPE_CHECKING:
    from farwatch.app import App
    from farwatch.guests.setting import Setting
    from farwatch.system.children import Run

MEMORY = 768
"""MiB of a guest: a tmpfs has an inode for every second page, and the reference needs 50,000 of them."""
STEP_MS = 60_000
"""Longest step: 50,000 creations on a slow machine."""
Samples = dict[str, list[float]]
"""What measure.c printed: name -> numbers."""


@dataclass(frozen=True)
class Sizes:
    """How much of each is measured."""

    latency: int = 2000
    gap_us: int = 1000
    getattr: int = 2000
    watches: tuple[int, ...] = (1000, 10_000)
    bursts: tuple[int, ...] = (50_000,)
    idle_ms: int = 10_000
    groups: int = 10
    hot: int = 20_000
    hot_guests: int = 5


QUICK = Sizes(50, 1000, 50, (50,), (200,), 100, 3, 1000, 1)


@dataclass(frozen=True)
class Measured:
    """One revision's samples: words of the measurement -> what came out."""

    column: Column
    samples: Mapping[tuple[str, ...], Samples]


def measurements(sizes: Sizes) -> list[tuple[str, ...]]:
    """The arguments of measure.c, one run each."""
    return [
        ("latency", str(sizes.latency), str(sizes.gap_us)),
        ("latency", str(sizes.latency), str(sizes.gap_us), "awake"),
        ("getattr", str(sizes.getattr)),
        *(("watches", str(count)) for count in sizes.watches),
        *(("burst", str(count)) for count in sizes.bursts),
        ("idle", str(sizes.idle_ms)),
        ("groups", str(sizes.groups)),
    ]


def hot(sizes: Sizes) -> list[tuple[str, ...]]:
    """The same measurement in several guests: what little it may cost is less than guests differ.

    The last word is only to tell them apart.
    """
    return [("hot", str(sizes.hot), str(number)) for number in range(1, sizes.hot_guests + 1)]


def bench_events(app: App, wish: Wish, sizes: Sizes) -> list[Measured]:
    """Build what is not built, then measure column by column, one guest at a time."""
    guests = _guests(app, wish)
    samples = [{words: one.measured(words) for words in measurements(sizes)} for one in guests]
    for words in hot(sizes):  # in turn, as a machine is not equally fast all the time
        for one, known in zip(guests, samples, strict=True):
            known[words] = one.measured(words)
    return [Measured(one.column, known) for one, known in zip(guests, samples, strict=True)]


def bench_by_turns(app: App, wish: Wish, sizes: Sizes, times: int) -> list[list[Measured]]:
    """Everything `times` times, in the columns by turns: for each column what its guests gave."""
    guests = _guests(app, wish)
    every = (*measurements(sizes), *hot(replace(sizes, hot_guests=1)))
    samples: list[list[dict[tuple[str, ...], Samples]]] = [[{} for _ in range(times)] for _ in guests]
    for turn in range(times):
        for words in every:
            for one, known in zip(guests, samples, strict=True):
                known[turn][words] = one.measured(words)
    return [
        [Measured(one.column, turn) for turn in known] for one, known in zip(guests, samples, strict=True)
    ]


def _guests(app: App, wish: Wish) -> list[Guests]:
    from farwatch.cells.setting import built_setting, subject_of

    subjects = [subject_of(app, wish, revision) for revision in wish.revisions]
    columns = [(subject, app.builder.tests(subject.linux)) for subject in subjects]
    settings = [replace(built_setting(app, *column), memory=MEMORY) for column in columns]
    return [
        Guests(app, subject.column(), setting, tests.measure)
        for (subject, tests), setting in zip(columns, settings, strict=True)
    ]


@dataclass(frozen=True)
class Guests:
    """One guest for each measurement of a column."""

    app: App
    column: Column
    setting: Setting
    program: Path

    def measured(self, words: tuple[str, ...]) -> Samples:
        from farwatch.guests.run import run_guests
        from farwatch.results.old_logs import drop_old_logs

        drop_old_logs(self.app.home, self.app.reporter.say)
        self.app.reporter.say(f"{self.column.revision}: {' '.join(words)}")
        logs = Path(tempfile.mkdtemp(prefix=f"bench-{self.column.revision}-", dir=self.app.home.logs))
        return parse(run_guests(self.app.home, _job(self.setting, logs, self.program, words)))


def _job(
    setting: Setting, logs: Path, program: Path, words: Sequence[str]
) -> Callable[[Run], Awaitable[list[bytes]]]:
    return lambda run: _measure(run, setting, logs, program, words)


async def _measure(
    run: Run, setting: Setting, logs: Path, program: Path, words: Sequence[str]
) -> list[bytes]:
    """One measurement in a fresh guest: the lines that it printed."""
    from farwatch.guests.agent import GUEST_HOST_ROOT
    from farwatch.guests.logs import LogSet
    from farwatch.guests.session import BootFailure, booted
    from farwatch.guests.shell import BOOT_LIMIT
    from farwatch.guests.trace import Trace

    what = f"measure {' '.join(words)}"
    trace = Trace(what, 1, LogSet(logs / "measure", run.clock))
    try:
        async with booted(run, setting, logs, BOOT_LIMIT) as session:
            env = {"FARWATCH_STEP_MS": str(STEP_MS)}
            await session.test(trace, [f"{GUEST_HOST_ROOT}{program}", *words], env)
            await session.power_off()
    except BootFailure as failure:
        raise FarwatchError(failure.title, hint=f"the whole console: {logs}") from None
    if trace.ended != "exit 0" or trace.guest_died:
        said = b"\n".join(trace.output[-5:]).decode("utf-8", "replace")
        how = trace.guest_ending or trace.stuck or trace.ended or "it did not end"
        raise FarwatchError(f"'{what}' failed: {how}", cause=said, hint=f"its logs: {logs}")
    return trace.output


def parse(lines: Sequence[bytes]) -> Samples:
    """ "NAME NUMBER..." lines, beside the steps' "# ..."; FarwatchError for anything else."""
    samples: Samples = {}
    for line in lines:
        if line.startswith(b"#") or not line.strip():
            continue
        name, *numbers = line.decode("utf-8", "replace").split()
        try:
            samples[name] = [float(number) for number in numbers]
        except ValueError:
            raise FarwatchError(
                f"measure printed '{line.decode('utf-8', 'replace')}'", cause="expected NAME NUMBER..."
            ) from None
    return samples
