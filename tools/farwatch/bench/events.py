# SPDX-License-Identifier: GPL-2.0-or-later
"""bench events: what watching costs in each revision. Measures, never judges.

A program in the guest (kernel-tests/guest/measure.c) does the measuring, each thing in a fresh guest, while
the host acts through the step protocol. Where a way from host to guest is measured, both read the processor's
time-stamp counter: User Mode Linux runs the guest's programs on the host's processor, so the clocks are one.
The counter's pace comes from the guest's CLOCK_MONOTONIC over the whole measurement.

On the reference the "host" is another process of the same kernel and the share a tmpfs.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.cells.wish import Wish
from farwatch.errors import FarwatchError
from farwatch.model import Column

if TYPE_CHECKING:
    from farwatch.app import App
    from farwatch.guests.setting import Setting
    from farwatch.system.children import Run

SCHEMA = 2
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


@dataclass(frozen=True)
class Figure:
    """One figure. None: there is nothing to measure, no events or no server."""

    key: str
    title: str
    of: Callable[[Measured], float | None]
    digits: int = 0


def measurements(sizes: Sizes) -> list[tuple[str, ...]]:
    """The arguments of measure.c, one run each."""
    return [
        ("latency", str(sizes.latency), str(sizes.gap_us)),
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
    from farwatch.cells.setting import built_setting, subject_of

    subjects = [subject_of(app, wish, revision) for revision in wish.revisions]
    columns = [(subject, app.builder.tests(subject.linux)) for subject in subjects]
    settings = [replace(built_setting(app, *column), memory=MEMORY) for column in columns]
    guests = [
        Guests(app, subject.column(), setting, tests.measure)
        for (subject, tests), setting in zip(columns, settings, strict=True)
    ]
    samples = [{words: one.measured(words) for words in measurements(sizes)} for one in guests]
    for words in hot(sizes):  # in turn, as a machine is not equally fast all the time
        for one, known in zip(guests, samples, strict=True):
            known[words] = one.measured(words)
    return [Measured(one.column, known) for one, known in zip(guests, samples, strict=True)]


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


# -- figures


def rows(sizes: Sizes) -> list[Figure]:
    """The lines of the table."""
    of_kind: dict[str, list[tuple[str, ...]]] = {}
    for words in (*measurements(sizes), *hot(sizes)):
        of_kind.setdefault(words[0], []).append(words)
    [latency], [getattr_], [idle], [groups] = (
        of_kind[kind] for kind in ("latency", "getattr", "idle", "groups")
    )

    def event(column: Measured) -> list[float]:
        return _numbers(column, latency, "latency_ns")

    def round_trip(column: Measured) -> list[float]:
        return _numbers(column, getattr_, "getattr_ns")

    table = [
        Figure("event_us", "event: another's create to our read(), median us", _us(event, 0.5), 1),
        Figure("event_p99_us", "  99th percentile", _us(event, 0.99), 1),
        Figure("getattr_us", "one GETATTR, median us", _us(round_trip, 0.5), 1),
        Figure("getattr_p99_us", "  99th percentile", _us(round_trip, 0.99), 1),
        Figure("event_per_getattr", "event / GETATTR, medians", _ratio(event, round_trip), 2),
        Figure(
            "event_wakeups",
            "  times that the server was woken for each",
            lambda column: _numbers(column, latency, "wakeups")[0] / (len(event(column)) or sizes.latency),
            2,
        ),
    ]
    for words in of_kind["watches"]:
        table += _watch_rows(words)
    for words in of_kind["burst"]:
        table += _burst_rows(words)
    rest = f"CPU in {sizes.idle_ms / 1000:g} s of rest: server, ms"
    table += [
        Figure("idle_server_ms", rest, _cell(idle, "idle", 0)),
        Figure("idle_guest_ms", "  guest, ms", _cell(idle, "idle", 1)),
        Figure(
            "groups_watches",
            f"server's watches for {sizes.groups} groups on one object",
            _cell(groups, "groups", 0),
        ),
    ]
    return table + _hot_rows(of_kind["hot"])


def _burst_rows(words: tuple[str, ...]) -> list[Figure]:
    count = int(words[1])
    key = f"burst_{count}"
    return [
        Figure(f"{key}_seen", f"burst of {count:,}: events seen", _cell(words, "burst", 0)),
        Figure(f"{key}_overflows", "  overflows reported", _cell(words, "burst", 1)),
        Figure(f"{key}_lost", "  lost", lambda column: _lost(column, words, count)),
        Figure(f"{key}_per_s", "  events a second", lambda column: _pace(column, words)),
        Figure(
            f"{key}_wakeups",
            "  times that the server was woken for 1,000",
            lambda column: _numbers(column, words, "wakeups")[0] * 1000 / count,
            1,
        ),
    ]


def _hot_rows(guests: Sequence[tuple[str, ...]]) -> list[Figure]:
    """The median of the guests' medians, and the interval that they all are in."""

    def medians(column: Measured) -> list[float]:
        return [statistics.median(_numbers(column, words, "hot_ns")) for words in guests]

    title = f"open, write, read, close on a tmpfs, ns: median of {len(guests)} guests"
    return [
        Figure("hot_ns", title, lambda column: statistics.median(medians(column))),
        Figure("hot_min_ns", "  least", lambda column: min(medians(column))),
        Figure("hot_max_ns", "  most", lambda column: max(medians(column))),
    ]


def _watch_rows(words: tuple[str, ...]) -> list[Figure]:
    count = int(words[1])

    def added(column: Measured) -> list[float]:
        return _numbers(column, words, "add_ns")

    def each(name: str) -> Callable[[Measured], float | None]:
        return lambda column: _numbers(column, words, name)[0] * 1024 / count

    key = f"watch_{count}"
    return [
        Figure(f"{key}_add_us", f"{count:,} watches: adding one, median us", _us(added, 0.5), 1),
        Figure(f"{key}_add_p99_us", "  99th percentile", _us(added, 0.99), 1),
        Figure(
            f"{key}_add_per_native",
            "  all of them / as many on a tmpfs of the guest",
            lambda column: sum(added(column)) / _numbers(column, words, "native_ns")[0],
            1,
        ),
        Figure(f"{key}_slab_bytes", "  slab of the guest for each, bytes", each("slab_kib")),
        Figure(f"{key}_native_slab_bytes", "  the same on a tmpfs", each("native_slab_kib")),
        Figure(f"{key}_server_bytes", "  memory of the server for each, bytes", each("rss_kib")),
        Figure(
            f"{key}_close_ms",
            "  closing the group, ms",
            lambda column: _numbers(column, words, "close_ns")[0] / 1e6,
            1,
        ),
    ]


def _numbers(column: Measured, words: tuple[str, ...], name: str) -> list[float]:
    samples = column.samples[words]
    if name not in samples:
        raise FarwatchError(f"'measure {' '.join(words)}' of {column.column.revision} printed no {name}")
    return samples[name]


def percentile(numbers: Sequence[float], share: float) -> float | None:
    """The number that so large a share is not above; None of nothing."""
    if not numbers:
        return None
    ordered = sorted(numbers)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _us(of: Callable[[Measured], list[float]], share: float) -> Callable[[Measured], float | None]:
    def figure(column: Measured) -> float | None:
        found = percentile(of(column), share)
        return None if found is None else found / 1000

    return figure


def _ratio(
    of: Callable[[Measured], list[float]], against: Callable[[Measured], list[float]]
) -> Callable[[Measured], float | None]:
    return lambda column: (
        statistics.median(of(column)) / statistics.median(against(column)) if of(column) else None
    )


def _cell(words: tuple[str, ...], name: str, place: int) -> Callable[[Measured], float | None]:
    return lambda column: _numbers(column, words, name)[place]


def _lost(column: Measured, words: tuple[str, ...], count: int) -> float:
    return count - _numbers(column, words, "burst")[0]


def _pace(column: Measured, words: tuple[str, ...]) -> float | None:
    seen, _, ns = _numbers(column, words, "burst")
    return seen / ns * 1e9 if ns else None


# -- output


def render_text(columns: Sequence[Measured], sizes: Sizes) -> str:
    """A line for each figure; "-" where there is nothing to measure."""
    table = rows(sizes)
    width = max(len(row.title) for row in table)
    lines = [" ".join([" " * width, *(f"{column.column.revision:>12}" for column in columns)])]
    for row in table:
        lines.append(
            " ".join([f"{row.title:<{width}}", *(f"{_shown(row, column):>12}" for column in columns)])
        )
    return "\n".join(lines)


def _shown(row: Figure, column: Measured) -> str:
    figure = row.of(column)
    return "-" if figure is None else f"{figure:,.{row.digits}f}"


def render_json(columns: Sequence[Measured], sizes: Sizes) -> str:
    """{ "schema": 1, "sizes": {...}, "columns": [ { "revision", "base", "engine", "flavor": str,
    "figures": { key: number or null } } ] }; keys may be added, any other change raises "schema"."""
    document = {
        "schema": SCHEMA,
        "sizes": asdict(sizes),
        "columns": [
            {
                **asdict(column.column),
                "figures": {row.key: row.of(column) for row in rows(sizes)},
            }
            for column in columns
        ],
    }
    return json.dumps(document, indent=1) + "\n"
