# SPDX-License-Identifier: GPL-2.0-or-later
"""table: what is stored, without running anything."""

from __future__ import annotations

import argparse
import itertools

from farwatch.app import App
from farwatch.commands import common
from farwatch.errors import FarwatchError
from farwatch.model import DEFAULT_SHARE, Column, Revision, ShareSetting


def add(parser: argparse.ArgumentParser) -> None:
    common.add_revision(parser, many=True)
    common.add_setting(parser, many=True)
    common.add_share_settings(parser, many=True)
    common.add_suite(parser)
    common.add_reports(parser)
    common.add_site(parser)


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.results.store import Results
    from farwatch.suites.plan import with_base
    from farwatch.web.stored import stored_table

    common.require_site(args)
    app = common.settled(args, app, ask=False)
    revisions = common.chosen_revisions(app, args.revisions)
    suites = common.suite_names(args)
    if suites:
        revisions = with_base(app, revisions)
    engines = common.engine_names(args)
    settings = common.chosen_settings(args, app, revisions)

    def column(revision: Revision, engine: str, setting: ShareSetting) -> Column:
        base = app.catalog.base_of(revision, "linux", args.base).shown
        share = setting if revision.share == "virtiofs" else DEFAULT_SHARE
        return Column(revision.name, base, engine, args.flavor, share.name)

    columns = [column(*parts) for parts in itertools.product(revisions, engines, settings)]
    with Results.open(app.home.results) as results:
        table = stored_table(app, results, revisions, columns, suites)
    if table is None:
        raise FarwatchError("no results are stored for these columns", hint="farwatch verify")
    common.publish_all(args, app, table)
    return table.exit_status()
