# SPDX-License-Identifier: GPL-2.0-or-later
"""adopt: a person becomes the author of a series and signs it off."""

from __future__ import annotations

import argparse

from farwatch.app import App
from farwatch.commands import common


def add(parser: argparse.ArgumentParser) -> None:
    common.add_revision(parser)


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.series.adopt import adopt

    revision = app.catalog.revision(args.revision)
    adopt(app, revision, common.ask)
    print(f"{revision.name} is adopted; next: farwatch lint {revision.name}, farwatch send {revision.name}")
    return 0
