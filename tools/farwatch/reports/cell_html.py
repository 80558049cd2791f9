# SPDX-License-Identifier: GPL-2.0-or-later
"""One cell as a page: its verdict, what it was run with, the files that say so, and its timeline.

However much was logged, a page stays small: of each log its begin and its end are read, of the timeline the
first lines and the last ones are shown, and of a line its begin.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.reports.html import Link, render
from farwatch.reports.table_html import classes, words
from farwatch.reports.table_text import show_command
from farwatch.reports.timeline import SOURCES, read_timeline, timeline_fields
from farwatch.results.table import Cell

LOG_BYTES = 1 << 20
"""Read of each log."""
LINES = 1200
"""Of a timeline; half of them from its end."""
WIDTH = 400
"""Characters of a line."""


@dataclass(frozen=True)
class Shown:
    """What is to be seen of the logs of a cell."""

    head: tuple[tuple[str, str, str], ...] = ()
    tail: tuple[tuple[str, str, str], ...] = ()
    """Time, source, text."""
    left_out: int = 0
    """Lines between the two."""
    notes: tuple[str, ...] = ()
    files: tuple[tuple[str, int], ...] = ()
    """Name and size."""
    about: str = ""
    commands: tuple[str, ...] = ()


def render_cell(cell: Cell, logs: Path, nav: Sequence[Link], row_page: str) -> str:
    """The document. logs: the folder that the result's own is in; cell: one that was run"""
    assert cell.result is not None
    shown = _shown(logs / cell.result.logs) if cell.result.logs else Shown(notes=("there are no logs of it",))
    return render(
        "cell.html.j2",
        nav=nav,
        cell=cell,
        result=cell.result,
        shown=shown,
        facts=_facts(cell),
        row_page=row_page,
        sources=SOURCES,
        classes=classes,
        words=words,
        show_command=show_command,
    )


def _facts(cell: Cell) -> list[tuple[str, str]]:
    result = cell.result
    assert result is not None
    begun = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(result.started)) if result.started else ""
    facts = {
        "expected": cell.expected,
        "run": result.run,
        "begun": begun,
        "took": f"{result.duration:.3f} s",
        "attempts": str(result.attempts) if result.attempts > 1 else "",
        "inputs": result.inputs,
        "folder": f"logs/{result.logs}" if result.logs else "",
    }
    return [(name, value) for name, value in facts.items() if value]


def _shown(folder: Path) -> Shown:
    try:
        timeline = read_timeline(folder, LOG_BYTES)
    except FarwatchError as error:
        return Shown(notes=(f"{error.what}: {error.cause}",))
    lines = [(at, source.strip(), _cut(text)) for at, source, text in timeline_fields(timeline)]
    fits = len(lines) <= LINES
    return Shown(
        tuple(lines if fits else lines[: LINES // 2]),
        () if fits else tuple(lines[-LINES // 2 :]),
        0 if fits else len(lines) - LINES,
        timeline.notes,
        tuple(_files(folder)),
        str(timeline.cell.get("about") or ""),
    )


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[:WIDTH]} … {len(text) - WIDTH} characters more"


def _files(folder: Path) -> list[tuple[str, int]]:
    try:
        return sorted((path.name, path.stat().st_size) for path in folder.iterdir() if path.is_file())
    except OSError:
        return []
