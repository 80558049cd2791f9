# SPDX-License-Identifier: GPL-2.0-or-later
"""What a benchmark has measured, as one value: shown, written, kept beside earlier ones of this machine."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from farwatch.system.atomic import write_whole

SCHEMA = 3
KEPT = 20
"""Records of one kind that stay."""


@dataclass(frozen=True)
class Line:
    """One thing that was measured in one column."""

    key: str
    """Stable from run to run."""
    title: str
    unit: str
    column: str
    """A revision; of the loop what was run."""
    samples: tuple[float, ...]
    """Never empty."""
    peer: str = ""
    """The column that it is compared with, measured in the same run; "": none."""

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def p99(self) -> float:
        return percentile(self.samples, 0.99)


@dataclass(frozen=True)
class Record:
    """One run of one benchmark."""

    kind: str
    machine: str
    when: str
    """In UTC, as ISO 8601 has it, to the second."""
    quick: bool
    lines: tuple[Line, ...]

    def line(self, key: str, column: str) -> Line | None:
        return next((line for line in self.lines if (line.key, line.column) == (key, column)), None)

    def ratio(self, line: Line) -> float | None:
        """To its peer, medians; None without one, or where the peer is nothing."""
        peer = self.line(line.key, line.peer) if line.peer and line.peer != line.column else None
        return line.median / peer.median if peer is not None and peer.median else None

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(line.column for line in self.lines))

    @property
    def keys(self) -> list[str]:
        return list(dict.fromkeys(line.key for line in self.lines))


def percentile(numbers: Sequence[float], share: float) -> float:
    """The number that so large a share is not above."""
    ordered = sorted(numbers)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def record(kind: str, machine: str, lines: Iterable[Line], *, quick: bool) -> Record:
    """Of what has just been measured."""
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return Record(kind, machine, when, quick, tuple(lines))


def to_json(made: Record) -> str:
    """{ "schema": 3, "kind", "machine", "when": str, "quick": bool, "lines": [ { "key", "title", "unit",
    "column", "peer": str, "samples": [number], "median", "p99": number, "ratio": number or null } ] }; keys
    may be added, any other change raises "schema"."""
    lines = [
        {**asdict(line), "median": line.median, "p99": line.p99, "ratio": made.ratio(line)}
        for line in made.lines
    ]
    return json.dumps({"schema": SCHEMA, **asdict(made), "lines": lines}, indent=1) + "\n"


def from_json(text: str) -> Record:
    """ValueError, KeyError or TypeError if it is none of ours."""
    read = json.loads(text)
    if read["schema"] != SCHEMA:
        raise ValueError(f"schema {read['schema']}")
    words = ("key", "title", "unit", "column", "peer")
    lines = [
        Line(**{word: str(line[word]) for word in words}, samples=tuple(map(float, line["samples"])))
        for line in read["lines"]
    ]
    if not all(line.samples for line in lines):
        raise ValueError("a line without samples")
    return Record(
        str(read["kind"]), str(read["machine"]), str(read["when"]), bool(read["quick"]), tuple(lines)
    )


class Records:
    """Those of this machine, a file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, made: Record) -> None:
        """Beside the earlier ones; of these the oldest go."""
        name = f"{made.kind}-{made.when.translate(str.maketrans('', '', ':+-'))}"
        write_whole(self._folder / f"{name}.json", to_json(made))
        for old in self._files(made.kind)[:-KEPT]:
            old.unlink(missing_ok=True)

    def earlier(self, made: Record) -> list[Record]:
        """Of the same kind, size and machine, the oldest first. A damaged one counts as none."""
        found = [one for one in self._read(made.kind) if one.when < made.when]
        return [one for one in found if (one.machine, one.quick) == (made.machine, made.quick)]

    def all(self) -> list[Record]:
        """Of every kind and machine, the newest first. A damaged one counts as none."""
        return sorted(self._read("*"), key=lambda one: one.when, reverse=True)

    def _files(self, kind: str) -> list[Path]:
        return sorted(self._folder.glob(f"{kind}-*.json"))

    def _read(self, kind: str) -> Iterator[Record]:
        for file in self._files(kind):
            with suppress(OSError, ValueError, KeyError, TypeError):
                yield from_json(file.read_text(encoding="utf-8"))
