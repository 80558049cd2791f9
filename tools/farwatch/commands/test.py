# SPDX-License-Identifier: GPL-2.0-or-later
"""test: the inner loop. Builds from a checkout that is being edited, if there is one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from farwatch.app import App
from farwatch.commands import common

if TYPE_CHECKING:
    from farwatch.cells.wish import Wish
    from farwatch.model import Revision

WATCH = "--watch"


def add(parser: argparse.ArgumentParser) -> None:
    common.add_revision(parser)
    common.add_setting(parser, many=True)
    common.add_share_settings(parser, many=True)
    common.add_suite(parser)
    common.add_running(parser)
    common.add_reports(parser)
    common.add_site(parser)
    parser.add_argument(
        "--patches", action="store_true", help="test the patch files even if a checkout differs"
    )
    parser.add_argument(
        WATCH, action="store_true", help="again whenever kernel, server, tests or patches are saved"
    )


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.cells.fill import execute

    common.require_site(args)
    crew = common.crew_from(args, app)
    app = common.settled(args, app)
    revision = app.catalog.revision(args.revision)
    suites = common.suite_names(args)
    revisions: Sequence[Revision] = [revision]
    if suites:
        from farwatch.suites.plan import with_base

        revisions = with_base(app, revisions)
    wishes = common.wishes_from(args, app, revisions, edited=not args.patches)
    if args.watch:
        return _watch(app, revision, wishes)
    if suites:
        from farwatch.suites.fill import execute_suites

        table = execute_suites(app, wishes, suites, args.jobs)
    else:
        table = execute(app, wishes, args.jobs, crew)
    common.publish_all(args, app, table)
    return table.exit_status(complete=True)


def _watch(app: App, revision: Revision, wishes: Sequence[Wish]) -> int:
    from farwatch.cells.again import decides, made_from, run_again

    # As argparse does, an option is known by its beginning, too; no other of test's begins so
    words = [word for word in sys.argv[1:] if not (word.startswith("--w") and WATCH.startswith(word))]
    folders = made_from(app, wishes)
    return run_again(
        folders,
        lambda path: decides(app, revision.name, path),
        common.call_of_ours(words),
        app.reporter.say,
    )
