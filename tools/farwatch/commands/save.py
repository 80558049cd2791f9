# SPDX-License-Identifier: GPL-2.0-or-later
"""save: the commits of a revision's checkouts back into its patch files."""

from __future__ import annotations

import argparse

from farwatch.app import App
from farwatch.commands import common


def add(parser: argparse.ArgumentParser) -> None:
    common.add_revision(parser)
    parser.add_argument("component", metavar="COMPONENT", nargs="?", help="default: each that is checked out")
    parser.add_argument("--base", metavar="BASE", help="base instead of the revision's own")


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.series.save import save_series

    return save_series(app, args.revision, args.component, args.base)
