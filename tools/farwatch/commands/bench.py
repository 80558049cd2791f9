# SPDX-License-Identifier: GPL-2.0-or-later
"""bench: measures, never judges."""

from __future__ import annotations

import argparse
from pathlib import Path

from farwatch.app import App
from farwatch.commands import common
from farwatch.errors import FarwatchError


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        choices=("loop", "events"),
        help="loop: the edit, build, boot, test loop; events: what watching costs in each revision",
    )
    common.add_revision(parser, many=True)
    common.add_setting(parser)
    parser.add_argument(
        "-n", "--runs", type=int, metavar="N", help="loop: runs of each (default: 3; with --quick: 1)"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="to see that it works: small numbers of events; of the loop the edit, and what takes seconds, "
        "with engine uml alone",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="events: write the figures as JSON too")


def run(args: argparse.Namespace, app: App) -> int:
    if args.what == "loop":
        return _loop(args, app)
    from farwatch.bench.events import QUICK, Sizes, bench_events, render_json, render_text

    if args.engine != "uml":
        cause = "host and guest read the same processor's clock there, and nowhere else"
        raise FarwatchError("bench events measures with engine uml alone", cause=cause)
    app = common.settled(args, app)
    wish = common.wish_from(args, common.chosen_revisions(app, args.revisions), edited=False)
    sizes = QUICK if args.quick else Sizes()
    columns = bench_events(app, wish, sizes)
    print(render_text(columns, sizes))
    if args.json is not None:
        try:
            args.json.write_text(render_json(columns, sizes), encoding="utf-8")
        except OSError as error:
            raise FarwatchError(f"cannot write {args.json}", cause=str(error)) from error
    return 0


def _loop(args: argparse.Namespace, app: App) -> int:
    from farwatch.bench.loop import bench_loop, bench_loop_quick

    if args.revisions:
        raise FarwatchError("bench loop takes no revision", cause="it measures the baseline's loop")
    if (args.base, args.base_version, args.engine, args.flavor) != (None, "pinned", "uml", "plain"):
        cause = "it compares all engines, each with its plain kernel of the baseline's own base"
        raise FarwatchError("bench loop takes no setting", cause=cause)
    runs = args.runs if args.runs is not None else 1 if args.quick else 3
    if runs < 1:
        raise FarwatchError(f"--runs {runs} is too few", hint="--runs 3")
    if args.quick:
        bench_loop_quick(app, runs)
    else:
        bench_loop(app, runs)
    return 0
