# SPDX-License-Identifier: GPL-2.0-or-later
"""trailers: what reviewers gave, from an mbox into the patches."""

from __future__ import annotations

import argparse
from pathlib import Path

from farwatch.app import App
from farwatch.commands import common


def add(parser: argparse.ArgumentParser) -> None:
    common.add_revision(parser)
    parser.add_argument("mbox", metavar="MBOX", type=Path, help="the thread: an mbox file, or a maildir")
    parser.add_argument("--write", action="store_true", help="change the patch files, not only show")
    parser.add_argument(
        "--fuzzy", action="store_true", help="by subject, where a patch changed since it was mailed"
    )
    parser.add_argument(
        "--sloppy", action="store_true", help="also trailers that name another than the mail's sender"
    )


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.mail.trailers import collect
    from farwatch.series.reword import reword
    from farwatch.terminal.escape import printable, printable_lines

    revision = app.catalog.revision(args.revision)
    components = common.with_patches(app, revision)
    found = [
        collect(app, revision, component, args.mbox, fuzzy=args.fuzzy, sloppy=args.sloppy)
        for component in components
    ]
    for one in found:
        print(printable_lines(one.shown()), end="\n" if one.changed else "")
        for remark in one.remarks:
            print(f"note: {printable(remark)}")
    changed = {one.component: one.after for one in found if one.changed}
    if not changed:
        print(f"{args.mbox} has no trailers that {revision.name} does not have")
    elif args.write:
        reword(app, revision, changed)
        print(f"written to the patches of {revision.name}")
    else:
        print(f"nothing is written yet; next: farwatch trailers {revision.name} {args.mbox} --write")
    return 0
