# SPDX-License-Identifier: GPL-2.0-or-later
"""new: start a revision from another one."""

from __future__ import annotations

import argparse

from farwatch.app import App


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("revision", metavar="NEW", help="its name, such as v2")
    parser.add_argument("--from", dest="origin", metavar="REV", required=True, help="what it starts as")
    parser.add_argument("--title", default="", help="one line: what is new (default: that of REV)")


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.revisions.new import new_revision

    origin = app.catalog.revision(args.origin)
    folder = new_revision(app.catalog, args.revision, origin, args.title)
    print(folder)
    print(f"next: farwatch checkout {args.revision}; write {folder / 'changelog.txt'}: what changed, and why")
    return 0
