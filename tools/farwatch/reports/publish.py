# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a finished table goes: the terminal always, and files on request."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TextIO

from farwatch.reports.table_text import render_text
from farwatch.reports.timeline import FOLD_ABOVE, only, read_timeline, show
from farwatch.results.table import Table
from farwatch.system.atomic import write_whole
from farwatch.terminal.stream import wants_plain


def publish(table: Table, args: argparse.Namespace) -> None:
    """Print the table, and write each form that was asked for (see commands.common.add_reports)."""
    show_table(table, sys.stdout, all_rows=args.all)
    for name, render in _FORMS.items():
        file: Path | None = getattr(args, name)
        if file is not None:
            write_whole(file, render(table))


def _markdown(table: Table) -> str:
    from farwatch.reports.table_text import render_markdown

    return render_markdown(table)


def _mail(table: Table) -> str:
    from farwatch.reports.table_mail import render_mail

    return render_mail(table)


def _html(table: Table) -> str:
    from farwatch.reports.table_html import render_html

    return render_html(table)


def _junit(table: Table) -> str:
    from farwatch.reports.table_junit import render_junit

    return render_junit(table)


def _ktap(table: Table) -> str:
    from farwatch.reports.table_ktap import render_ktap

    return render_ktap(table)


def _json(table: Table) -> str:
    from farwatch.reports.table_json import render_json

    return render_json(table)


def _kcidb(table: Table) -> str:
    from farwatch.reports.table_kcidb import render_kcidb

    return render_kcidb(table)


_FORMS: dict[str, Callable[[Table], str]] = {
    "markdown": _markdown,
    "mail": _mail,
    "html": _html,
    "junit": _junit,
    "ktap": _ktap,
    "json": _json,
    "kcidb": _kcidb,
}


def show_table(table: Table, stream: TextIO, all_rows: bool = False) -> None:
    """Print the table as fits the stream. Into a file or pipe all rows go, to be searched later."""
    if not wants_plain(stream):
        from farwatch.reports.table_terminal import draw_table

        draw_table(table, stream, all_rows)
        return
    text = render_text(table, all_rows or not stream.isatty())
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def show_timeline(folder: Path, stream: TextIO, sources: Iterable[str] = (), above: int = FOLD_ABOVE) -> None:
    """Print the timeline of a folder as fits the stream."""
    if not wants_plain(stream):
        from farwatch.reports.timeline_terminal import draw_timeline

        draw_timeline(only(read_timeline(folder), sources), stream, above)
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    for line in show(folder, sources, above):
        stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
