# SPDX-License-Identifier: GPL-2.0-or-later
"""show: everything about one cell, on one clock."""

from __future__ import annotations

import argparse
import sys
import time

from farwatch.app import App
from farwatch.errors import FarwatchError
from farwatch.model import CellResult, Column
from farwatch.results.store import Results
from farwatch.terminal.escape import printable, printable_lines

SOURCES = ("console", "output", "server", "steps", "control")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "cell",
        metavar="CELL",
        help="revision/base/engine/flavor[/share setting]/program:test, or any part that is unambiguous",
    )
    parser.add_argument(
        "--only", action="append", default=[], choices=SOURCES, help="this source alone (may be given again)"
    )
    parser.add_argument("--history", action="store_true", help="the verdicts that this cell has had")


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.reports.publish import show_timeline
    from farwatch.results.names import cell_name, parse_cell

    with Results.open(app.home.results) as results:
        known = [(result.column, result.test) for result in results.latest()]
        if not known:
            raise FarwatchError("no results are stored yet", hint="farwatch verify")
        column, test = parse_cell(args.cell, known)
        history = results.history(column, test)
    if args.history:
        for result in history:
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(result.started))
            inputs = result.inputs[:12]
            print(f"{when}  {result.verdict:<6} {result.duration:6.3f} s  inputs {inputs}  {result.title}")
        return 0
    _print_rule(app, column, test)
    if test.partition(":")[0] in app.catalog.suite_names(app.catalog.revisions()):
        _print_row(history[0])
    if not history[0].logs:
        raise FarwatchError(f"{cell_name(column, test)} has no logs", hint="farwatch verify --fresh")
    show_timeline(app.home.logs / history[0].logs, sys.stdout, args.only)
    return 0


def _print_row(row: CellResult) -> None:
    """A row of a suite, whose logs are those of its program."""
    print(printable(f"row: {row.test}"))
    print(printable(f"{row.verdict}: {row.title}".removesuffix(": ")))
    if row.detail:
        print(printable_lines(row.detail))


def _print_rule(app: App, column: Column, test: str) -> None:
    """The recorded expectation, if there is one."""
    try:
        expectation = app.catalog.revision(column.revision).expectation(test, column)
    except FarwatchError:
        return
    if expectation is not None:
        print(f"expected: {expectation.verdict}, because {expectation.reason}")
