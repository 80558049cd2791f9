# SPDX-License-Identifier: GPL-2.0-or-later
"""bench: measures, and judges only where it is asked to compare."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.app import App
from farwatch.commands import common
from farwatch.errors import FarwatchError

if TYPE_CHECKING:
    from farwatch.bench.record import Line


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        choices=("loop", "events", "cold"),
        help="loop: the edit, build, boot, test loop; events: what watching costs in each revision; "
        "cold: a kernel from nothing",
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
    parser.add_argument(
        "--compare",
        metavar="REV",
        help="events: is the one revision that is named slower than REV, both measured here and now? "
        "Exit 1 if it is, by more than guests differ",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured as JSON, too")
    parser.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        help="write a page with plots, and earlier runs of this machine beside it",
    )


def run(args: argparse.Namespace, app: App) -> int:
    if args.what == "events":
        return _compared(args, app) if args.compare else _published(args, app, _events(args, app))
    if args.revisions or args.compare:
        raise FarwatchError(f"bench {args.what} takes no revision", cause="it measures the baseline's kernel")
    if (args.base, args.base_version, args.engine, args.flavor) != (None, "pinned", "uml", "plain"):
        cause = "it compares all engines, each with its plain kernel of the baseline's own base"
        raise FarwatchError(f"bench {args.what} takes no setting", cause=cause)
    return _published(args, app, _loop(args, app) if args.what == "loop" else _cold(args, app))


def _published(args: argparse.Namespace, app: App, lines: Sequence[Line]) -> int:
    """Keep what was measured, and write what is asked for."""
    from farwatch.bench.cold import machine_name
    from farwatch.bench.page import render_page
    from farwatch.bench.record import Records, record, to_json
    from farwatch.system.atomic import write_whole

    made = record(args.what, machine_name(), lines, quick=args.quick)
    records = Records(app.home.bench)
    records.keep(made)
    if args.json is not None:
        write_whole(args.json, to_json(made))
    if args.html is not None:
        write_whole(args.html, render_page(made, records.earlier(made)))
    return 0


def _events(args: argparse.Namespace, app: App) -> list[Line]:
    from farwatch.bench.event_figures import lines, render_text
    from farwatch.bench.events import QUICK, Sizes, bench_events

    _require_one_clock(args.engine)
    app = common.settled(args, app)
    wish = common.wish_from(args, common.chosen_revisions(app, args.revisions), edited=False)
    sizes = QUICK if args.quick else Sizes()
    columns = bench_events(app, wish, sizes)
    print(render_text(columns, sizes))
    return lines(columns, sizes)


def _compared(args: argparse.Namespace, app: App) -> int:
    from farwatch.bench.compare import GUESTS, compare, render
    from farwatch.bench.event_figures import pairs
    from farwatch.bench.events import QUICK, Sizes, bench_by_turns

    _require_one_clock(args.engine)
    if len(args.revisions) != 1 or args.revisions == [args.compare]:
        raise FarwatchError(
            "--compare compares two revisions", hint=f"farwatch bench events REV --compare {args.compare}"
        )
    for option, value in (("--json", args.json), ("--html", args.html)):
        if value is not None:
            raise FarwatchError(
                f"{option} does not go with --compare", cause="there are no figures but ratios"
            )
    app = common.settled(args, app)
    wish = common.wish_from(args, common.chosen_revisions(app, [*args.revisions, args.compare]), edited=False)
    sizes = QUICK if args.quick else Sizes()
    by_name = {guests[0].column.revision: guests for guests in bench_by_turns(app, wish, sizes, GUESTS)}
    findings = compare(pairs(by_name[args.revisions[0]], by_name[args.compare], sizes))
    print(render(findings, args.revisions[0], args.compare))
    return 1 if any(finding.regression for finding in findings) else 0


def _require_one_clock(engine: str) -> None:
    if engine != "uml":
        cause = "host and guest read the same processor's clock there, and nowhere else"
        raise FarwatchError("bench events measures with engine uml alone", cause=cause)


def _cold(args: argparse.Namespace, app: App) -> list[Line]:
    from farwatch.bench.loop import bench_cold

    for option, value in (("--runs", args.runs), ("--quick", args.quick or None)):
        if value is not None:
            raise FarwatchError(
                f"bench cold takes no {option}", cause="each kernel is built once, and remembered"
            )
    return bench_cold(app)


def _loop(args: argparse.Namespace, app: App) -> list[Line]:
    from farwatch.bench.loop import bench_loop, bench_loop_quick

    runs = args.runs if args.runs is not None else 1 if args.quick else 3
    if runs < 1:
        raise FarwatchError(f"--runs {runs} is too few", hint="--runs 3")
    return bench_loop_quick(app, runs) if args.quick else bench_loop(app, runs)
