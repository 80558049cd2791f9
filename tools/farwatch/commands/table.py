# SPDX-License-Identifier: GPL-2.0-or-later
"""table: what is stored, without running anything."""

from __future__ import annotations

import argparse

from farwatch.app import App
from farwatch.commands import common
from farwatch.errors import FarwatchError


def add(parser: argparse.ArgumentParser) -> None:
    common.add_revision(parser, many=True)
    common.add_setting(parser, many=True)
    common.add_reports(parser)


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.model import Column
    from farwatch.reports.publish import publish
    from farwatch.results.store import Results
    from farwatch.results.table import build_table

    app = common.settled(args, app, ask=False)
    revisions = common.chosen_revisions(app, args.revisions)
    engines = common.engine_names(args)
    columns = [
        Column(revision.name, app.catalog.base_of(revision, "linux", args.base).shown, engine, args.flavor)
        for revision in revisions
        for engine in engines
    ]
    with Results.open(app.home.results) as results:
        stored = results.latest(columns)
    if not stored:
        raise FarwatchError("no results are stored for these columns", hint="farwatch verify")
    table = build_table(stored, revisions, columns, whole=False)
    publish(table, args)
    return table.exit_status()
