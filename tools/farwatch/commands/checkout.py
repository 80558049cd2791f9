# SPDX-License-Identifier: GPL-2.0-or-later
"""checkout: the series of a revision as commits in a worktree, to be edited."""

from __future__ import annotations

import argparse

from farwatch.app import App
from farwatch.commands import common


def add(parser: argparse.ArgumentParser) -> None:
    common.add_revision(parser)
    parser.add_argument("component", metavar="COMPONENT", nargs="?", help="default: each that has a base")
    parser.add_argument("--base", metavar="BASE", help="base instead of the revision's own")


def run(args: argparse.Namespace, app: App) -> int:
    revision = app.catalog.revision(args.revision)
    for base in app.catalog.chosen_bases(revision, list(revision.bases), args.component, args.base):
        print(app.trees.checkout(revision, base.component, base))
    return 0
