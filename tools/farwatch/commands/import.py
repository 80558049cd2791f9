# SPDX-License-Identifier: GPL-2.0-or-later
"""import: a revision from somebody's mails or patch files."""

from __future__ import annotations

import argparse
from pathlib import Path

from farwatch.app import App


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", metavar="MBOX|DIR", type=Path, help="mbox, maildir, or a folder of patch files"
    )
    parser.add_argument("revision", metavar="NAME", help="name of the revision to be made")
    parser.add_argument("--component", metavar="COMPONENT", help="default: the one that has the files")
    parser.add_argument("--base", metavar="BASE", help="what it applies to, such as linux-7.2")
    parser.add_argument("--version", type=int, metavar="N", help="which version, if the mailbox has several")


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.mail.inbox import import_series

    revision = import_series(
        app, args.source, args.revision, component=args.component, base=args.base, version=args.version
    )
    [(component, base)] = revision.bases.items()
    count = len(revision.patches(component))
    print(f"{revision.name}: {count} patches for {component} {base}: {revision.title}")
    return 0
