# SPDX-License-Identifier: GPL-2.0-or-later
"""send: a revision as mails, proven to arrive as it was written."""

from __future__ import annotations

import argparse
from pathlib import Path

from farwatch.app import App
from farwatch.commands import common
from farwatch.errors import FarwatchError
from farwatch.model import Revision


def add(parser: argparse.ArgumentParser) -> None:
    common.add_revision(parser)
    common.add_series(parser)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--dry-run", action="store_true", help="write the mails to a folder (the default)")
    mode.add_argument("--reflect", action="store_true", help="send them to yourself only")
    mode.add_argument("--really", action="store_true", help="send them, after asking once more")
    mode.add_argument(
        "--branch",
        nargs="?",
        const="",
        metavar="CLONE",
        help="no mails: a branch to push, with the cover letter as its description; in CLONE, on the "
        "project's own commit (default: in a new repository below DIR)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for the mails (default: one below the home folder)",
    )
    parser.add_argument(
        "--to",
        nargs="+",
        default=[],
        metavar="ADDR",
        help="instead of those whom get_maintainer and trailers name",
    )
    parser.add_argument("--cc", nargs="+", default=[], metavar="ADDR", help="these too")
    parser.add_argument(
        "--same-thread", action="store_true", help="as an answer to the cover letter of the revision before"
    )


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.mail.send import Mode, Sending, prepare_branch, send
    from farwatch.revisions.parts import chosen_parts

    revision = app.catalog.revision(args.revision)
    folder = (args.output or app.home.own / "mail" / revision.name).absolute()
    if args.branch is not None:
        clone = Path(args.branch).absolute() if args.branch else None
        prepare_branch(app, revision, _component(args, app, revision), folder, clone)
        return 0
    mode = Mode.REALLY if args.really else Mode.REFLECT if args.reflect else Mode.DRY_RUN
    send(
        app,
        Sending(
            revision,
            chosen_parts(revision, app.catalog.components(), args.series),
            mode,
            folder,
            tuple(args.to),
            tuple(args.cc),
            args.same_thread,
        ),
        common.ask,
    )
    return 0


def _component(args: argparse.Namespace, app: App, revision: Revision) -> str:
    """The one that a branch is for: all of it, as what is pushed holds what it stands on anyway."""
    component, _, series = (args.series or "").partition("/")
    if series:
        hint = f"farwatch send {revision.name} {component} --branch"
        raise FarwatchError(f"a branch holds all series of {component}, not {series} alone", hint=hint)
    components = common.with_patches(app, revision, component or None)
    if len(components) > 1:
        what = f"{revision.name} has series for {', '.join(components)}: a branch is for one of them"
        raise FarwatchError(what, hint=f"farwatch send {revision.name} COMPONENT --branch")
    return components[0]
