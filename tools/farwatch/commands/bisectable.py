# SPDX-License-Identifier: GPL-2.0-or-later
"""bisectable: every patch builds, boots and does what it claims. Exit status 1 if one does not."""

from __future__ import annotations

import argparse

from farwatch.app import App
from farwatch.builds.architectures import CONFIGS
from farwatch.commands import common
from farwatch.errors import FarwatchError

_EPILOG = """\
What a patch claims stands in revision.toml; it must fail before the patch and pass after it:

  [tests]
  3 = ["inotify_test:directory.remote.create"]                  # number of the patch
  "linux/fuse-tell" = ["inotify_test:*.remote.*"]               # or its name, with the component if needed

A kernel patch is looked at with the whole series of the server, a server's with that of the kernel.

With --arch nothing is booted. What the kernel patches touch is compiled after each of them as upstream's
robots do it: allmodconfig, W=1, sparse; wrong is what was not said before the patch:

  farwatch bisectable v3 --arch all              # um, x86_64, arm64, arm (32 bits)
  farwatch bisectable v3 --arch arm --last       # all patches as one
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    common.add_revision(parser)
    parser.add_argument(
        "component", metavar="COMPONENT", nargs="?", help="linux, or the server's (default: both)"
    )
    common.add_setting(parser)
    parser.add_argument("--fresh", action="store_true", help="run again what the store already knows")
    common.add_guests(parser)
    sweep = parser.add_argument_group("compile only")
    sweep.add_argument("--arch", metavar="ARCH,...", help="for these architectures, or all of them")
    sweep.add_argument(
        "--config", choices=CONFIGS, default=CONFIGS[0], help="with --arch: as modules (default), or built in"
    )
    sweep.add_argument("--last", action="store_true", help="with --arch: only after the last patch")


def run(args: argparse.Namespace, app: App) -> int:
    if args.arch:
        return _sweep(args, app)
    if args.last:
        raise FarwatchError("--last is for --arch", hint="add --arch all, or leave --last out")
    from farwatch.review.bisectable import bisect_revision
    from farwatch.review.bisectable_report import bisect_text

    app = common.settled(args, app)
    revision = app.catalog.revision(args.revision)
    wish = common.wish_from(args, [revision], edited=False)
    report = bisect_revision(app, wish, revision, args.component, args.jobs)
    print(bisect_text(report))
    return 0 if report.ok else 1


def _sweep(args: argparse.Namespace, app: App) -> int:
    from farwatch.builds.architectures import architectures
    from farwatch.review.sweep import sweep_revision
    from farwatch.review.sweep_report import sweep_text

    if args.component not in (None, "linux"):
        raise FarwatchError("--arch is for linux", cause="no other component is built for architectures")
    app = common.settled(args, app)
    revision = app.catalog.revision(args.revision)
    report = sweep_revision(app, revision, args.base, architectures(args.arch), args.config, last=args.last)
    print(sweep_text(report))
    return 0 if report.ok else 1
