# SPDX-License-Identifier: GPL-2.0-or-later
"""bisectable: every patch builds, boots and does what it claims. Exit status 1 if one does not."""

from __future__ import annotations

import argparse

from farwatch.app import App
from farwatch.commands import common

_EPILOG = """\
What a patch claims stands in revision.toml; it must fail before the patch and pass after it:

  [tests]
  3 = ["inotify_test:directory.remote.create"]                  # number of the patch
  "linux/fuse-tell" = ["inotify_test:*.remote.*"]               # or its name, with the component if needed

A kernel patch is looked at with the whole series of the server, a server's with that of the kernel.
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    common.add_revision(parser)
    parser.add_argument(
        "component", metavar="COMPONENT", nargs="?", choices=("linux", "virtiofsd"), help="default: both"
    )
    common.add_setting(parser)
    parser.add_argument("--fresh", action="store_true", help="run again what the store already knows")
    common.add_guests(parser)


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.review.bisectable import bisect_revision
    from farwatch.review.bisectable_report import bisect_text

    app = common.settled(args, app)
    revision = app.catalog.revision(args.revision)
    wish = common.wish_from(args, [revision], edited=False)
    report = bisect_revision(app, wish, revision, args.component, args.jobs)
    print(bisect_text(report))
    return 0 if report.ok else 1
