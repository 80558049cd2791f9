# SPDX-License-Identifier: GPL-2.0-or-later
"""verify: every test of every revision, and the table."""

from __future__ import annotations

import argparse

from farwatch.app import App
from farwatch.commands import common


def add(parser: argparse.ArgumentParser) -> None:
    common.add_revision(parser, many=True)
    common.add_setting(parser, many=True)
    common.add_share_settings(parser, many=True)
    common.add_suite(parser)
    common.add_running(parser)
    common.add_reports(parser)
    common.add_site(parser)


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.cells.fill import execute

    common.require_site(args)
    crew = common.crew_from(args, app)
    app = common.settled(args, app)
    revisions = common.chosen_revisions(app, args.revisions)
    if suites := common.suite_names(args):
        from farwatch.suites.fill import execute_suites
        from farwatch.suites.plan import with_base

        wishes = common.wishes_from(args, app, with_base(app, revisions), edited=False)
        table = execute_suites(app, wishes, suites, args.jobs)
    else:
        table = execute(app, common.wishes_from(args, app, revisions, edited=False), args.jobs, crew)
    common.publish_all(args, app, table)
    return table.exit_status(complete=True)
