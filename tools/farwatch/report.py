# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a finished table goes: the terminal always, and files on request."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.render import show_table
from farwatch.table import Table


def publish(table: Table, args: argparse.Namespace) -> None:
    """Print the table, and write each form that was asked for (see commands.common.add_reports)."""
    show_table(table, sys.stdout, all_rows=args.all)
    for name, render in _FORMS.items():
        file: Path | None = getattr(args, name)
        if file is not None:
            _write(file, render(table))


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


def _write(file: Path, text: str) -> None:
    """Whole or not at all; a device or a pipe (--json /dev/stdout) is written to as it is."""
    plain = file.is_file() or not file.exists()
    target = file.with_name(f".{file.name}.{os.getpid()}") if plain else file
    try:
        target.write_text(text, encoding="utf-8")
        if plain:
            target.replace(file)
    except OSError as error:
        if plain:
            target.unlink(missing_ok=True)
        raise FarwatchError(
            f"cannot write {file}",
            cause=error.strerror or str(error),
            hint="name a file in a folder that exists",
        ) from error
