# SPDX-License-Identifier: GPL-2.0-or-later
"""boot: try things by hand in the guest of a revision."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from farwatch.app import App
from farwatch.commands import common
from farwatch.errors import FarwatchError


def add(parser: argparse.ArgumentParser) -> None:
    common.add_revision(parser)
    common.add_setting(parser)
    parser.add_argument(
        "--patches", action="store_true", help="boot the patch files even if a checkout differs"
    )
    parser.add_argument(
        "--share", type=Path, metavar="DIR", help="folder to share (default: a new, empty one)"
    )
    parser.usage = "farwatch boot [options] REV [-- CMD ...]"
    parser.epilog = "With CMD, its exit status is that of this command."


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.app import run_guests
    from farwatch.interactive import converse
    from farwatch.plan import setting_for

    if args.share is not None and not args.share.is_dir():
        raise FarwatchError(
            f"cannot share '{args.share}'", cause="it is not a folder", hint=f"mkdir {args.share}"
        )
    revision = app.catalog.revision(args.revision)
    wish = common.wish_from(args, [revision], edited=not args.patches)
    setting = setting_for(app, wish, revision)
    share = args.share.resolve() if args.share else None
    logs = Path(tempfile.mkdtemp(prefix="boot-", dir=app.home.logs))
    return run_guests(app.home, lambda run: converse(run, setting, share, args.guest_command, logs))
