# SPDX-License-Identifier: GPL-2.0-or-later
"""rebase: a series onto another base."""

from __future__ import annotations

import argparse

from farwatch.app import App
from farwatch.errors import FarwatchError

_ABOUT = """
Each patch is merged onto BASE. Where that takes a person, it stops, shows the conflict, and goes on with
--continue. What was decided is kept in patches/REV/COMPONENT/resolutions and used whenever the same
conflict comes up again, here and on any other machine. Exit status 1: a person has to resolve something.
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _ABOUT
    parser.add_argument(
        "revision", metavar="REV", nargs="?", help="may be left out with --continue, --skip and --abort"
    )
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--onto", metavar="BASE", help="e.g. linux-7.2, or 7.2")
    action.add_argument("--continue", dest="go_on", action="store_true", help="after resolving a conflict")
    action.add_argument("--skip", action="store_true", help="leave out the patch that does not go")
    action.add_argument("--abort", action="store_true", help="put everything back to where it was")
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave the patch files on their base; only remember what it takes to hold on BASE too",
    )
    parser.add_argument("--note", default="", metavar="WHY", help="kept with the resolution")


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.series import rebase

    if args.onto:
        if args.revision is None:
            raise FarwatchError(
                "farwatch rebase: which revision?", hint=f"farwatch rebase REV --onto {args.onto}"
            )
        return rebase.start(app, args.revision, args.onto, keep=args.keep)
    if args.go_on:
        return rebase.resume(app, args.revision, args.note)
    if args.skip:
        return rebase.skip(app, args.revision, args.note)
    return rebase.abort(app, args.revision)
