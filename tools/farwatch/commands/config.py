# SPDX-License-Identifier: GPL-2.0-or-later
"""config: the config that a revision's kernel gets; --why explains one option."""

from __future__ import annotations

import argparse
import sys

from farwatch.app import App
from farwatch.commands import common


def add(parser: argparse.ArgumentParser) -> None:
    common.add_revision(parser)
    common.add_setting(parser)
    common.add_suite(parser, many=False)
    parser.add_argument(
        "--why", metavar="SYMBOL", help="why the option has its value, down to what must change"
    )


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.cells.setting import subject_of

    app = common.settled(args, app)
    revision = app.catalog.revision(args.revision)
    subject = subject_of(app, common.wish_from(args, [revision], edited=False), revision)
    for name in common.suite_names(args):
        from farwatch.suites.units import with_wishes

        subject = with_wishes(app, app.catalog.suite(name, [revision])[revision.name], subject)
    if args.why:
        print(app.builder.kernels.why(subject, args.why))
    else:
        sys.stdout.write(app.builder.kernels.config(subject))
    return 0
