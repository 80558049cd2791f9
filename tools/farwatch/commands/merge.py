# SPDX-License-Identifier: GPL-2.0-or-later
"""merge: one table of the results of several machines."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.app import App
from farwatch.commands import common
from farwatch.errors import FarwatchError

if TYPE_CHECKING:
    from farwatch.model import Column
    from farwatch.results.merge import Contradiction
    from farwatch.results.store import Results

SHOWN = 20
"""Contradictions that are named; of more only the number is said."""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="results.db of a job's FARWATCH_HOME"
    )
    parser.add_argument(
        "--keep", action="store_true", help="add them to the results of this machine, too, for `table`"
    )
    common.add_reports(parser)


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.reports.publish import publish
    from farwatch.results.merge import merge
    from farwatch.results.table import build_table
    from farwatch.suites.plan import base_revision

    with _store(app, keep=args.keep) as results:
        merged = merge(results, args.files)
        columns = _columns(app, results)
        stored = results.latest(columns)
    names = {column.revision for column in columns}
    revisions = [revision for revision in app.catalog.revisions() if revision.name in names]
    if not stored:
        raise FarwatchError("there are no results to show", cause="the files have none of these revisions")
    base = base_revision(app)
    table = build_table(
        stored,
        revisions,
        columns,
        whole=False,
        suites=app.catalog.suite_names(revisions),
        base=base.name if base else "",
    )
    publish(table, args)
    contradictions = [one for one in merged.contradictions if not _left_open(app, one)]
    _say(contradictions)
    return 1 if contradictions else table.exit_status()


def _left_open(app: App, found: Contradiction) -> bool:
    """Whether the revision's design leaves it open who wins."""
    names = {revision.name: revision for revision in app.catalog.revisions()}
    revision = names.get(found.column.revision)
    entry = revision.expectation(found.test, found.column) if revision else None
    return entry is not None and entry.race


def _say(contradictions: Sequence[Contradiction]) -> None:
    from farwatch.results.names import cell_name

    for found in contradictions[:SHOWN]:
        said = ", ".join(f"{verdict} in {file}" for file, verdict in found.said)
        print(f"farwatch: {cell_name(found.column, found.test)}, same inputs: {said}", file=sys.stderr)
    if contradictions:
        count = len(contradictions)
        cells = "cell has" if count == 1 else "cells have"
        print(
            f"farwatch: {count} {cells} more than one verdict for the same inputs; shown is what came last",
            file=sys.stderr,
        )


@contextmanager
def _store(app: App, *, keep: bool) -> Iterator[Results]:
    """This machine's, or one that is gone afterwards."""
    from farwatch.results.store import Results

    if keep:
        with Results.open(app.home.results) as results:
            yield results
        return
    with (
        tempfile.TemporaryDirectory(prefix="farwatch-merge-") as folder,
        Results.open(Path(folder) / "results.db") as results,
    ):
        yield results


def _columns(app: App, results: Results) -> Sequence[Column]:
    """Those of revisions that there are, in their order; the others are named."""
    order = {revision.name: place for place, revision in enumerate(app.catalog.revisions())}
    columns = results.columns()
    if unknown := sorted({column.revision for column in columns} - set(order)):
        print(f"farwatch: left out: {', '.join(unknown)}: not in {app.catalog.patches}", file=sys.stderr)
    known = [column for column in columns if column.revision in order]
    return sorted(known, key=lambda column: (order[column.revision], column.base, column.engine))
