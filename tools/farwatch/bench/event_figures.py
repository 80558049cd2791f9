# SPDX-License-Identifier: GPL-2.0-or-later
"""bench events: from what measure.c has printed to figures, and to lines that are kept and compared."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from farwatch.bench.compare import Pair
from farwatch.bench.events import Measured, Sizes, hot, measurements
from farwatch.bench.record import Line, percentile
from farwatch.errors import FarwatchError

PEER = "reference"
"""A tmpfs of the same kernel: what an event costs where nobody has to be asked."""
Words = tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """One figure: what was measured, a number for each time; [] where there is nothing to measure."""

    key: str
    title: str
    of: Callable[[Measured], Sequence[float]]
    unit: str = ""
    digits: int = 0
    tail: bool = False
    """Its 99th percentile is worth a line."""
    better: str = ""
    """ "less" or "more"; "": nothing is better or worse about it."""
    against_peer: bool = False
    less_peer: bool = False
    """What is left of it without the peer's is worth a line."""

    def value(self, column: Measured) -> float | None:
        """The median."""
        found = self.of(column)
        return statistics.median(found) if found else None


def figures(sizes: Sizes) -> list[Figure]:
    """In the order in which they are shown."""
    kinds: dict[str, list[Words]] = {}
    for words in (*measurements(sizes), *hot(sizes)):
        kinds.setdefault(words[0], []).append(words)
    [asleep, awake], [getattr_], [idle], [groups] = (
        kinds[kind] for kind in ("latency", "getattr", "idle", "groups")
    )
    return [
        *_event_figures(asleep, getattr_, "event", "another's create to our read()", sizes),
        *_event_figures(
            awake,
            getattr_,
            "event_awake",
            "another's create to our read() in a guest that is never idle",
            sizes,
        ),
        _timed("getattr_us", "one GETATTR, us", lambda column: _numbers(column, getattr_, "getattr_ns"), 1e3),
        *(figure for words in kinds["watches"] for figure in _watch_figures(words)),
        *(figure for words in kinds["burst"] for figure in _burst_figures(words)),
        *_rest_figures(idle, groups, sizes),
        *_hot_figures(kinds["hot"]),
    ]


def _timed(
    key: str, title: str, of: Callable[[Measured], Sequence[float]], scale: float, digits: int = 1
) -> Figure:
    def scaled(column: Measured) -> list[float]:
        return [number / scale for number in of(column)]

    return Figure(key, title, scaled, "us", digits, tail=True, better="less", against_peer=True)


def _event_figures(words: Words, getattr_: Words, key: str, title: str, sizes: Sizes) -> list[Figure]:
    def whole(column: Measured) -> list[float]:
        return _numbers(column, words, "latency_ns")

    def call(column: Measured) -> list[float]:
        return _numbers(column, words, "call_ns")

    def after(column: Measured) -> list[float]:
        """What is left of each once the call has returned; less than nothing if it was read before."""
        return [way - took for way, took in zip(whole(column), call(column), strict=False)]

    def us(of: Callable[[Measured], list[float]]) -> Callable[[Measured], list[float]]:
        return lambda column: [number / 1e3 for number in of(column)]

    def round_trips(column: Measured) -> list[float]:
        trip = statistics.median(_numbers(column, getattr_, "getattr_ns"))
        return [way / trip for way in after(column)]

    def wakeups(column: Measured) -> list[float]:
        return [_numbers(column, words, "wakeups")[0] / (len(whole(column)) or sizes.latency)]

    return [
        _timed(f"{key}_us", f"{title}, us", whole, 1e3),
        Figure(f"{key}_call_us", "  of that, the call itself, us", us(call), "us", 1),
        Figure(
            f"{key}_after_us",
            "  after the call has returned, us",
            us(after),
            "us",
            1,
            tail=True,
            better="less",
            less_peer=True,
        ),
        Figure(f"{key}_round_trips", "  that, in GETATTRs of the guest", round_trips, "", 2, tail=True),
        Figure(f"{key}_wakeups", "  times that the server was woken for each", wakeups, "", 2),
    ]


def _watch_figures(words: Words) -> list[Figure]:
    count = int(words[1])
    key = f"watch_{count}"

    def added(column: Measured) -> list[float]:
        return _numbers(column, words, "add_ns")

    def all_of_them(column: Measured) -> list[float]:
        return [sum(added(column)) / _numbers(column, words, "native_ns")[0]]

    def each(name: str) -> Callable[[Measured], list[float]]:
        return lambda column: [_numbers(column, words, name)[0] * 1024 / count]

    def closed(column: Measured) -> list[float]:
        return [_numbers(column, words, "close_ns")[0] / 1e6]

    return [
        _timed(f"{key}_add_us", f"{count:,} watches: adding one, us", added, 1e3),
        Figure(
            f"{key}_add_per_native", "  all of them / as many on a tmpfs of the guest", all_of_them, "", 1
        ),
        Figure(
            f"{key}_slab_bytes", "  slab of the guest for each, bytes", each("slab_kib"), "B", better="less"
        ),
        Figure(f"{key}_native_slab_bytes", "  the same on a tmpfs", each("native_slab_kib"), "B"),
        Figure(
            f"{key}_server_bytes",
            "  memory of the server for each, bytes",
            each("rss_kib"),
            "B",
            better="less",
        ),
        Figure(f"{key}_close_ms", "  closing the group, ms", closed, "ms", 1, better="less"),
    ]


def _burst_figures(words: Words) -> list[Figure]:
    count = int(words[1])
    key = f"burst_{count}"

    def cell(place: int) -> Callable[[Measured], list[float]]:
        return lambda column: [_numbers(column, words, "burst")[place]]

    def pace(column: Measured) -> list[float]:
        seen, _, ns = _numbers(column, words, "burst")
        return [seen / ns * 1e9] if ns else []

    def wakeups(column: Measured) -> list[float]:
        return [_numbers(column, words, "wakeups")[0] * 1000 / count]

    return [
        Figure(f"{key}_seen", f"burst of {count:,}: events seen", cell(0)),
        Figure(f"{key}_overflows", "  overflows reported", cell(1)),
        Figure(f"{key}_lost", "  lost", lambda column: [count - cell(0)(column)[0]]),
        Figure(f"{key}_per_s", "  events a second", pace, "1/s", better="more", against_peer=True),
        Figure(f"{key}_wakeups", "  times that the server was woken for 1,000", wakeups, "", 1),
    ]


def _rest_figures(idle: Words, groups: Words, sizes: Sizes) -> list[Figure]:
    title = f"CPU in {sizes.idle_ms / 1000:g} s of rest: server, ms"
    return [
        Figure("idle_server_ms", title, lambda column: [_numbers(column, idle, "idle")[0]], "ms"),
        Figure("idle_guest_ms", "  guest, ms", lambda column: [_numbers(column, idle, "idle")[1]], "ms"),
        Figure(
            "groups_watches",
            f"server's watches for {sizes.groups} groups on one object",
            lambda column: [_numbers(column, groups, "groups")[0]],
        ),
    ]


def _hot_figures(guests: Sequence[Words]) -> list[Figure]:
    """The guests' medians, and the interval that they all are in."""

    def medians(column: Measured) -> list[float]:
        return [statistics.median(_numbers(column, words, "hot_ns")) for words in guests]

    title = f"open, write, read, close on a tmpfs, ns: median of {len(guests)} guests"
    return [
        Figure("hot_ns", title, medians, "ns", better="less", against_peer=True),
        Figure("hot_min_ns", "  least", lambda column: [min(medians(column))], "ns"),
        Figure("hot_max_ns", "  most", lambda column: [max(medians(column))], "ns"),
    ]


def _numbers(column: Measured, words: Words, name: str) -> list[float]:
    samples = column.samples[words]
    if name not in samples:
        raise FarwatchError(f"'measure {' '.join(words)}' of {column.column.revision} printed no {name}")
    return samples[name]


# -- output


def lines(columns: Sequence[Measured], sizes: Sizes) -> list[Line]:
    """What can be kept; a figure of which there is nothing is left out."""
    names = [column.column.revision for column in columns]
    peer = PEER if PEER in names else ""
    return [
        Line(
            figure.key,
            title,
            figure.unit,
            column.column.revision,
            tuple(found),
            peer if figure.against_peer else "",
        )
        for figure, title in _titled(figures(sizes))
        for column in columns
        if (found := figure.of(column))
    ]


def _titled(shown: Sequence[Figure]) -> list[tuple[Figure, str]]:
    """Each with a title that can stand alone: one that is indented belongs to the last that is not."""
    titled, above = [], ""
    for figure in shown:
        indented = figure.title.startswith(" ")
        above = above if indented else figure.title.partition(",")[0]
        titled.append((figure, f"{above}: {figure.title.strip()}" if indented else figure.title))
    return titled


def render_text(columns: Sequence[Measured], sizes: Sizes) -> str:
    """A line for each figure, one for its 99th percentile, one for its ratio to the peer; "-" for nothing."""
    peer = next((column for column in columns if column.column.revision == PEER), None)
    table = [row for figure in figures(sizes) for row in _rows(figure, columns, peer)]
    width = max(len(title) for title, _ in table)
    head = " ".join([" " * width, *(f"{column.column.revision:>12}" for column in columns)])
    return "\n".join([head, *(" ".join([f"{title:<{width}}", *cells]) for title, cells in table)])


def _rows(figure: Figure, columns: Sequence[Measured], peer: Measured | None) -> list[tuple[str, list[str]]]:
    indent = " " * (len(figure.title) - len(figure.title.lstrip()) + 2)
    rows = [(figure.title, [_shown(figure.value(column), figure.digits) for column in columns])]
    if figure.tail:
        tails = [_tail(figure.of(column)) for column in columns]
        rows.append((f"{indent}99th percentile", [_shown(tail, figure.digits) for tail in tails]))
    if figure.against_peer and peer is not None and len(columns) > 1:
        ratios = [_ratio(figure.value(column), figure.value(peer)) for column in columns]
        rows.append((f"{indent}times the {PEER}", [_shown(ratio, 2) for ratio in ratios]))
    if figure.less_peer and peer is not None and len(columns) > 1:
        left = [_less(figure.value(column), figure.value(peer)) for column in columns]
        rows.append((f"{indent}less what the {PEER} takes", [_shown(each, figure.digits) for each in left]))
    return rows


def _tail(numbers: Sequence[float]) -> float | None:
    return percentile(numbers, 0.99) if numbers else None


def _ratio(value: float | None, peer: float | None) -> float | None:
    return None if value is None or not peer else value / peer


def _less(value: float | None, peer: float | None) -> float | None:
    return None if value is None or peer is None else value - peer


def _shown(value: float | None, digits: int) -> str:
    return f"{'-' if value is None else f'{value:,.{digits}f}':>12}"


def pairs(mine: Sequence[Measured], others: Sequence[Measured], sizes: Sizes) -> list[Pair]:
    """What can be judged of two columns, from the guests of each: less is better in all of them."""
    one_guest = replace(sizes, hot_guests=1)
    return [
        Pair(figure.key, title, tuple(of_mine), tuple(of_others))
        for figure, title in _titled(figures(one_guest))
        if figure.better
        and (of_mine := _values(figure, mine)) is not None
        and (of_others := _values(figure, others)) is not None
    ]


def _values(figure: Figure, guests: Sequence[Measured]) -> list[float] | None:
    """None if a guest has none."""
    found = [value for guest in guests if (value := figure.value(guest)) is not None]
    if len(found) < len(guests) or (figure.better == "more" and not all(found)):
        return None
    return [1 / value for value in found] if figure.better == "more" else found
