# SPDX-License-Identifier: GPL-2.0-or-later
"""trace: where an event of the host's got lost on its way to a program in the guest."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.app import App
from farwatch.commands import common
from farwatch.errors import STATUS_SURPRISE, FarwatchError
from farwatch.model import Revision, ShareKind
from farwatch.tracing.words import mask_from

if TYPE_CHECKING:
    from farwatch.tracing.join import Findings, Material
    from farwatch.tracing.run import Plan

FLAVOR = "trace"
LONGEST_WAIT = 30.0
"""Seconds: the watcher is to end by itself before it is ended."""


def add(parser: argparse.ArgumentParser) -> None:
    common.add_revision(parser)
    common.add_setting(parser)
    common.add_share_settings(parser)
    common.add_guest_options(parser)
    parser.set_defaults(flavor=FLAVOR)
    parser.add_argument(
        "--watch", choices=("inotify", "fanotify"), default="inotify", help="how (default: %(default)s)"
    )
    parser.add_argument(
        "--watch-path",
        action="append",
        default=[],
        metavar="PATH",
        help="what (default: each folder that is there before the first step; may be given again)",
    )
    parser.add_argument(
        "--events",
        default="usual",
        metavar="NAME,NAME",
        help="which events: as in inotify(7), all, excl_unlink, or usual: all but access, open and "
        "close_nowrite (default: %(default)s)",
    )
    parser.add_argument(
        "--setup",
        action="append",
        default=[],
        metavar="STEP",
        help="a step before the watch (default: what the steps need to succeed; may be given again)",
    )
    parser.add_argument(
        "--wait",
        type=_seconds,
        default=3.0,
        metavar="SECONDS",
        help="after the last event, for one that has not come (default: %(default)s)",
    )
    parser.add_argument(
        "--all", action="store_true", help="each event layer by layer, however many there are"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write it as JSON too")
    parser.usage = "farwatch trace [options] REV -- STEP [, STEP ...]"
    parser.epilog = (
        "A STEP is one of kernel-tests/steps.h, and done by the host as fast as it can: create d/f 644 , "
        "rename d/f d/g. What they need is there before. The exit status is 1 if an event was lost, or one "
        "came that there was not on the host."
    )


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.cells.setting import setting_for
    from farwatch.guests.run import run_guests
    from farwatch.results.old_logs import drop_old_logs
    from farwatch.tracing.join import join
    from farwatch.tracing.report import render_text
    from farwatch.tracing.run import LOGGED, observe

    app = common.settled(args, app)
    plan = _plan(args)
    revision = app.catalog.revision(args.revision)
    _check(revision)
    wish = common.wish_from(args, [revision], edited=not args.patches)
    wish = replace(wish, share_setting=common.one_share_setting(args, app, revision))
    _check_kind(wish.share_setting.kind)
    common.require_possible(app, wish.share_setting)
    setting = setting_for(app, wish, revision)
    setting = replace(common.with_server_options(args, setting), server_environment=(("RUST_LOG", LOGGED),))
    program = app.builder.tests(app.catalog.base_of(revision, "linux", wish.base)).observe
    drop_old_logs(app.home, app.reporter.say)
    logs = Path(tempfile.mkdtemp(prefix="trace-", dir=app.home.logs))
    evidence = run_guests(app.home, lambda run: observe(run, setting, program, plan, logs))
    findings = join(evidence)
    print(render_text(evidence, findings, everything=args.all), end="")
    print(f"logs: {logs}")
    _write_json(args.json, evidence, findings)
    return 0 if findings.good else STATUS_SURPRISE


def _plan(args: argparse.Namespace) -> Plan:
    """What is asked for; FarwatchError if it cannot be."""
    from farwatch.tracing.run import Plan
    from farwatch.tracing.steps import setup_for, steps_from

    steps = steps_from(args.guest_command)
    setup = (
        tuple(step for text in args.setup for step in steps_from([text])) if args.setup else setup_for(steps)
    )
    return Plan(steps, setup, args.watch, mask_from(args.events), tuple(args.watch_path), args.wait)


def _check(revision: Revision) -> None:
    """FarwatchError for a revision whose share has no other side."""
    if revision.share != "virtiofs":
        raise FarwatchError(
            f"there is nothing to trace in {revision.name}",
            cause=f"its share is {revision.share}: what is done to it is done in the guest",
        )


def _check_kind(kind: ShareKind | None) -> None:
    if kind is not None and kind != "virtiofs":
        raise FarwatchError(
            f"a share of kind {kind} cannot be traced",
            cause="it is served in the guest, and nothing is on the host",
        )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_WAIT:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds, 0 to {LONGEST_WAIT:g}")
    return seconds


def _write_json(path: Path | None, evidence: Material, findings: Findings) -> None:
    from farwatch.tracing.report import render_json

    if path is None:
        return
    try:
        path.write_text(render_json(evidence, findings) + "\n", encoding="utf-8")
    except OSError as error:
        raise FarwatchError(f"cannot write {path}", cause=str(error)) from error
