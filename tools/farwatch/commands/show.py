# SPDX-License-Identifier: GPL-2.0-or-later
"""show: everything about one cell, on one clock."""

from __future__ import annotations

import argparse

from farwatch.app import App


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "cell",
        metavar="CELL",
        help="revision/base/engine/flavor/program:test, or any part of it that is unambiguous",
    )
    parser.add_argument(
        "--only", action="append", metavar="SOURCE", help="host steps, server, console, output: any of them"
    )
    parser.add_argument("--history", action="store_true", help="the verdicts that this cell has had")


def run(args: argparse.Namespace, app: App) -> int:
    raise NotImplementedError
