# SPDX-License-Identifier: GPL-2.0-or-later
"""serve: what is stored, and what is under way, in a browser."""

from __future__ import annotations

import argparse
import sys

from farwatch.app import App

PORT = 8610


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=_port, default=PORT, metavar="N", help="0: any that is free (default: %(default)s)"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="who can ask: whoever reaches this address (default: %(default)s: whoever is on this machine)",
    )


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port (0 to 65535)")
    return int(text)


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.web.home import HomePages
    from farwatch.web.server import WebServer

    _ = app.catalog  # what is wrong with the project is said now, and here
    with WebServer(args.host, args.port, HomePages(app)) as server:
        if not server.loopback:
            print(
                f"farwatch: warning: whoever reaches {args.host} can read all results and logs of this home",
                file=sys.stderr,
            )
        print(f"farwatch: {server.url} (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("farwatch: served no more", file=sys.stderr)
    return 0
