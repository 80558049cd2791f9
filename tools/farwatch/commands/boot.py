# SPDX-License-Identifier: GPL-2.0-or-later
"""boot: try things by hand in the guest of a revision."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from farwatch.app import App
from farwatch.commands import common
from farwatch.engines.engine import DEBUGGER, NETWORK
from farwatch.engines.registry import ENGINES, engine_named
from farwatch.errors import FarwatchError

NETWORK_FLAVOR = "network"


def add(parser: argparse.ArgumentParser) -> None:
    common.add_revision(parser)
    common.add_setting(parser)
    parser.add_argument(
        "--patches", action="store_true", help="boot the patch files even if a checkout differs"
    )
    parser.add_argument(
        "--share", type=Path, metavar="DIR", help="folder to share (default: a new, empty one)"
    )
    parser.add_argument(
        "--network",
        action="store_true",
        help=f"let the guest reach what the host reaches: flavor {NETWORK_FLAVOR}, engine vng",
    )
    parser.add_argument(
        "--gdb",
        action="store_true",
        help="print the line that attaches gdb to the kernel (--flavor debuginfo: with sources); engine vng",
    )
    parser.usage = "farwatch boot [options] REV [-- CMD ...]"
    parser.epilog = "With CMD, its exit status is that of this command."


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.cells.setting import setting_for
    from farwatch.guests.run import run_guests
    from farwatch.guests.shell import converse

    if args.share is not None and not args.share.is_dir():
        raise FarwatchError(
            f"cannot share '{args.share}'", cause="it is not a folder", hint=f"mkdir {args.share}"
        )
    _check_offers(args)
    if args.network:
        args.flavor = NETWORK_FLAVOR
    revision = app.catalog.revision(args.revision)
    wish = common.wish_from(args, [revision], edited=not args.patches)
    setting = replace(setting_for(app, wish, revision), network=args.network, debugger=args.gdb)
    share = args.share.resolve() if args.share else None
    logs = Path(tempfile.mkdtemp(prefix="boot-", dir=app.home.logs))
    return run_guests(app.home, lambda run: converse(run, setting, share, args.guest_command, logs))


def _check_offers(args: argparse.Namespace) -> None:
    """FarwatchError when the engine cannot do what is asked of it."""
    offers = engine_named(args.engine).offers
    for option, wanted, thing in (("--network", args.network, NETWORK), ("--gdb", args.gdb, DEBUGGER)):
        if wanted and thing not in offers:
            able = ", ".join(name for name in ENGINES if thing in engine_named(name).offers)
            raise FarwatchError(f"{option}: engine {args.engine} has no {thing}", hint=f"--engine {able}")
    if args.network and args.flavor not in ("plain", NETWORK_FLAVOR):
        raise FarwatchError(
            f"--network and --flavor {args.flavor} exclude each other",
            cause=f"a kernel has one flavor, and the network needs {NETWORK_FLAVOR}",
        )
