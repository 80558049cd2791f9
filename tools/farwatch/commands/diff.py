# SPDX-License-Identifier: GPL-2.0-or-later
"""diff: what changed between two revisions."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from farwatch.app import App


def add(parser: argparse.ArgumentParser) -> None:
    for name in ("old", "new"):
        parser.add_argument(
            name, metavar="REV[@BASE]", help="a revision, perhaps on another base than its own"
        )
    parser.add_argument("--base", metavar="BASE", help="the base of both, e.g. 7.2")
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto")
    parser.add_argument(
        "--plain", dest="color", action="store_const", const="never", help="same as --color never"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as HTML too")


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.review.diff import compare, require_something, side, terminal
    from farwatch.terminal.stream import wants_plain

    old, new = (side(app.catalog, text, args.base) for text in (args.old, args.new))
    color = args.color == "always" or (args.color == "auto" and not wants_plain(sys.stdout))
    sections = compare(app, old, new, color=color)
    require_something(sections, old, new)
    print(terminal(sections, color=color))
    if args.html:
        from farwatch.review.diff_html import render

        plain = compare(app, old, new, color=False) if color else sections
        args.html.write_text(render(old, new, plain), encoding="utf-8")
    return 0
