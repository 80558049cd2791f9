# SPDX-License-Identifier: GPL-2.0-or-later
"""worker: lend this machine to the cluster of another one."""

from __future__ import annotations

import argparse

from farwatch.app import App
from farwatch.errors import FarwatchError

PORT = 8786
"""Of Dask's schedulers, where nothing else is said."""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("address", metavar="ADDRESS", nargs="?", help="its scheduler: tcp://HOST:8786")
    parser.add_argument("--name", help="what others call this worker (default: its address)")
    parser.add_argument(
        "--scheduler",
        action="store_true",
        help="be the scheduler of a cluster instead, for others to come to",
    )
    parser.add_argument("--port", type=int, default=PORT, help="of the scheduler (default: %(default)s)")
    parser.add_argument("--leash", action="store_true", help=argparse.SUPPRESS)


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.cluster.libraries import ensure_libraries

    if bool(args.address) == args.scheduler:
        raise FarwatchError(
            "worker: either the ADDRESS of a scheduler or --scheduler", hint="farwatch worker --help"
        )
    ensure_libraries(app.home)
    from farwatch.cluster.serving import serve_scheduler, serve_worker

    if args.scheduler:
        serve_scheduler(args.port, app.reporter.say)
    else:
        serve_worker(app.home, args.address, args.name, leash=args.leash)
    return 0
