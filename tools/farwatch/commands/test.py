# SPDX-License-Identifier: GPL-2.0-or-later
"""test: the inner loop. Builds from a checkout that is being edited, if there is one."""

from __future__ import annotations

import argparse

from farwatch.app import App
from farwatch.commands import common


def add(parser: argparse.ArgumentParser) -> None:
    common.add_revision(parser)
    common.add_setting(parser, many=True)
    common.add_share_settings(parser, many=True)
    common.add_running(parser)
    common.add_reports(parser)
    parser.add_argument(
        "--patches", action="store_true", help="test the patch files even if a checkout differs"
    )


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.cells.fill import execute
    from farwatch.reports.publish import publish

    app = common.settled(args, app)
    revision = app.catalog.revision(args.revision)
    wishes = common.wishes_from(args, app, [revision], edited=not args.patches)
    table = execute(app, wishes, args.jobs)
    publish(table, args)
    return table.exit_status(complete=True)
