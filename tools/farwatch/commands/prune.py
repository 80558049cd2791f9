# SPDX-License-Identifier: GPL-2.0-or-later
"""prune: free disk."""

from __future__ import annotations

import argparse

from farwatch.app import App


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--all", action="store_true", help="everything except stored verdicts and your checkouts"
    )
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="only show what takes space and would go"
    )
    parser.add_argument(
        "--days",
        type=_days,
        default=14.0,
        metavar="N",
        help="builds and superseded logs go when not used for N days (default: %(default)g)",
    )


def _days(text: str) -> float:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of days")
    return float(text)


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.upkeep import prune

    if args.dry_run:
        print(f"{app.home.root}\n{prune.report_usage(prune.usage(app.home))}\n")
    outcome = prune.prune(app.home, days=args.days, everything=args.all, dry=args.dry_run)
    prune.report(outcome, app.home.root, args.dry_run)
    return 0
