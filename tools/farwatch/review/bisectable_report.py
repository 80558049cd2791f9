# SPDX-License-Identifier: GPL-2.0-or-later
"""The report of bisectable as text: a line for each patch, then what each does wrong."""

from __future__ import annotations

from collections.abc import Iterator

from farwatch.review.bisectable import BisectReport, Judged
from farwatch.terminal.columns import aligned
from farwatch.terminal.escape import printable


def bisect_text(report: BisectReport) -> str:
    """The whole report."""
    if not report.patches:
        return f"{report.revision} has no patches"
    rows = [("patch", "builds", "boots", "tests", ""), *map(_row, report.patches)]
    parts = [list(aligned(rows)), list(_reasons(report)), [_verdict(report)]]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _row(judged: Judged) -> tuple[str, ...]:
    tests = f"{judged.passed}/{judged.tests}" if judged.tests else "-"
    state = "at fault" if judged.faults else "unclear" if judged.unclear else "ok"
    return printable(judged.patch), _yes(judged.builds), _yes(judged.boots), tests, state


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"


def _reasons(report: BisectReport) -> Iterator[str]:
    for judged in report.patches:
        if judged.faults or judged.unclear:
            yield printable(judged.patch)
        yield from (f"  {printable(fault)}" for fault in judged.faults)
        yield from (f"  unclear: {printable(reason)}" for reason in judged.unclear)


def _verdict(report: BisectReport) -> str:
    guilty = [judged.patch for judged in report.patches if judged.faults]
    if guilty:
        return printable(f"{report.revision}: at fault: {', '.join(guilty)}")
    if not report.ok:
        return f"{report.revision}: not all of it could be judged"
    return f"{report.revision}: every patch builds, boots and does what it claims"
