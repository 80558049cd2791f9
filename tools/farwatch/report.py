# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a finished table goes: the terminal always, and files on request."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from farwatch.render import show_table
from farwatch.results.table import Table
from farwatch.system.atomic import write_whole


def publish(table: Table, args: argparse.Namespace) -> None:
    """Print the table, and write each form that was asked for (see commands.common.add_reports)."""
    show_table(table, sys.stdout, all_rows=args.all)
    for name, render in _FORMS.items():
        file: Path | None = getattr(args, name)
        if file is not None:
            write_whole(file, render(table))


def _markdown(table: Table) -> str:
    from farwatch.render import render_markdown

    return render_markdown(table)


def _html(table: Table) -> str:
    from farwatch.report_html import render_html

    return render_html(table)


def _junit(table: Table) -> str:
    from farwatch.report_junit import render_junit

    return render_junit(table)


def _json(table: Table) -> str:
    from farwatch.report_json import render_json

    return render_json(table)


_FORMS: dict[str, Callable[[Table], str]] = {
    "markdown": _markdown,
    "html": _html,
    "junit": _junit,
    "json": _json,
}
