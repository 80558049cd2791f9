# SPDX-License-Identifier: GPL-2.0-or-later
"""Show a table on stdout and write it in the other forms that the command line asks for."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.render import show_table
from farwatch.table import Table

FORMS = {
    "markdown": ("farwatch.render", "render_markdown"),
    "html": ("farwatch.report_html", "render_html"),
    "junit": ("farwatch.report_junit", "render_junit"),
    "json": ("farwatch.report_json", "render_json"),
}
"""Option -> module and function; imported only when asked for, because jinja2 is slow to import."""


def publish(table: Table, args: argparse.Namespace) -> None:
    """Files first (args.markdown and so on: a path or None), then stdout (args.all: nothing is folded).

    FarwatchError: a file cannot be written; it is then as it was before.
    """
    for form, (module, function) in FORMS.items():
        path: Path | None = getattr(args, form)
        if path is not None:
            render: Callable[[Table], str] = getattr(import_module(module), function)
            _write(path, render(table))
    show_table(table, sys.stdout, args.all)


def _write(path: Path, text: str) -> None:
    """Replace the file in one go; what is no plain file (/dev/stdout, a pipe) is written as it is."""
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise FarwatchError(
            f"cannot write {path}",
            cause=error.strerror or str(error),
            hint="name a file in a folder that you may write",
        ) from error
