# SPDX-License-Identifier: GPL-2.0-or-later
"""The timeline of a cell on a terminal, with rich: a colour for each source, beside its name."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.text import Text

from farwatch.reports.timeline import FOLD_ABOVE, Timeline, facts, timeline_fields
from farwatch.terminal.escape import printable

_STYLES = {"control": "blue", "steps": "magenta", "server": "cyan", "console": "yellow", "output": ""}


def draw_timeline(timeline: Timeline, stream: TextIO, above: int = FOLD_ABOVE) -> None:
    """Draw it. Long lines are left to the terminal to wrap, so that they can be copied."""
    console = Console(file=stream, highlight=False)
    lines = [Text.assemble((label, "bold"), value) for label, value in facts(timeline)]
    lines.append(Text())
    for time, source, text in timeline_fields(timeline, above):
        style = _STYLES[source.strip()]
        lines.append(Text.assemble((time, "dim"), " ", (source, f"bold {style}"), " ", (text, style)))
    lines += [Text(f"note: {printable(note)}", "yellow") for note in timeline.notes]
    for line in lines:
        console.print(line, soft_wrap=True)
