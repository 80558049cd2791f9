# SPDX-License-Identifier: GPL-2.0-or-later
"""The report of a sweep as text: a line for each patch, a column for each architecture, then what is new."""

from __future__ import annotations

from collections.abc import Iterator

from farwatch.review.sweep import SweepReport, Swept
from farwatch.terminal.columns import aligned
from farwatch.terminal.escape import printable


def sweep_text(report: SweepReport) -> str:
    """The whole report."""
    head = f"{report.revision} on linux {report.base}: {' '.join(report.targets)}"
    parts = [
        [head],
        list(aligned(list(_rows(report)))),
        list(_reasons(report)),
        [*report.unseen],
        [_verdict(report)],
    ]
    return "\n\n".join("\n".join(map(printable, lines)) for lines in parts if lines)


def _rows(report: SweepReport) -> Iterator[tuple[str, ...]]:
    architectures = dict.fromkeys(entry.architecture for entry in report.swept)
    cells = {(entry.patch, entry.architecture): _cell(entry) for entry in report.swept}
    yield ("patch", *architectures)
    for patch in dict.fromkeys(entry.patch for entry in report.swept):
        yield (patch, *(cells[patch, name] for name in architectures))


def _cell(entry: Swept) -> str:
    if not entry.builds:
        return "does not build"
    return f"{len(entry.faults)} new" if entry.faults else "ok"


def _reasons(report: SweepReport) -> Iterator[str]:
    """What each patch brings, and where; said once for all architectures that say it."""
    for patch in dict.fromkeys(entry.patch for entry in report.swept if entry.faults):
        yield patch
        where: dict[str, list[str]] = {}
        for entry in report.swept:
            for fault in entry.faults if entry.patch == patch else ():
                where.setdefault(fault, []).append(entry.architecture)
        yield from (f"  {', '.join(dict.fromkeys(names))}: {fault}" for fault, names in where.items())


def _verdict(report: SweepReport) -> str:
    guilty = dict.fromkeys(entry.patch for entry in report.swept if entry.faults)
    if guilty:
        return f"{report.revision}: at fault: {', '.join(guilty)}"
    names = ", ".join(dict.fromkeys(entry.architecture for entry in report.swept))
    return f"{report.revision}: nothing new is complained of on {names}"
