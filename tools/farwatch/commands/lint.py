# SPDX-License-Identifier: GPL-2.0-or-later
"""lint: what reviewers and their robots would say about a series. Exit status 1 if anything is wrong."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from farwatch import __version__
from farwatch.app import App
from farwatch.commands import common

_EPILOG = """\
A rule that need not hold is waived in revision.toml, and its reason is shown:

  [[waive]]
  rule = "checkpatch:FILE_PATH_CHANGES"    # or a group (checkpatch), or a pattern
  patches = ["linux/0003-*"]               # default: all; also cover-letter.txt, changelog.txt
  reason = "the file is covered by an entry that is there"
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    common.add_revision(parser)
    parser.add_argument("--base", metavar="BASE", help="linux base instead of the revision's own")
    parser.add_argument("--no-build", action="store_true", help="leave out the rules that need a compiler")
    parser.add_argument("--sarif", type=Path, metavar="FILE", help="write what was found as SARIF too")


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.review.lint import lint_revision
    from farwatch.review.lint_report import lint_text
    from farwatch.review.lint_sarif import lint_sarif
    from farwatch.system.atomic import write_whole

    revision = app.catalog.revision(args.revision)
    report = lint_revision(app, revision, build=not args.no_build, linux=args.base)
    sys.stdout.write(lint_text(report))
    if args.sarif is not None:
        folder = Path(app.catalog.patches.name) / revision.name
        write_whole(args.sarif, lint_sarif(report, folder, __version__))
    return 0 if report.ok else 1
