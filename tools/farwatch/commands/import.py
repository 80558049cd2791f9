# SPDX-License-Identifier: GPL-2.0-or-later
"""import: a revision from somebody's mails or patch files."""

from __future__ import annotations

import argparse
from pathlib import Path

from farwatch.app import App
from farwatch.errors import FarwatchError

_EPILOG = """\
What is taken: the one whole series in it, of which replies, fixups and other people's patches are told
apart; of several components, where they hang together; with single patches that were sent again as answers
to those that they replace. Where more than one may be meant, they are listed, and one is named so:

  farwatch import MBOX NAME --version 2
  farwatch import MBOX NAME --map linux=1,virtiofsd=3      # numbers of the list; 1+2: one after the other
  farwatch import MBOX NAME --map virtiofsd=MESSAGE-ID     # or words of the title
"""


def add(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument(
        "source",
        metavar="MBOX|DIR",
        type=Path,
        help="mbox (also .gz, .bz2, .xz), maildir, quilt series, or a folder of patch files",
    )
    parser.add_argument("revision", metavar="NAME", help="name of the revision to be made")
    parser.add_argument("--component", metavar="COMPONENT", help="default: the one that has the files")
    parser.add_argument("--base", metavar="BASE", help="what it applies to, such as linux-7.2")
    parser.add_argument("--version", type=int, metavar="N", help="which version, if there are several")
    parser.add_argument(
        "--map", metavar="COMPONENT=SERIES,...", help="which series is for which component (see below)"
    )


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.mail.choice import ImportWish
    from farwatch.mail.inbox import import_series
    from farwatch.terminal.escape import printable

    wish = ImportWish(args.component, args.base, args.version, _mapping(args.map or "", app))
    revision = import_series(app, args.source, args.revision, wish)
    for component in app.catalog.components():
        if count := len(revision.patches(component)):
            base = revision.bases[component]
            patches = "1 patch" if count == 1 else f"{count} patches"
            print(f"{revision.name}: {patches} for {component} {base}: {printable(revision.title)}")
    return 0


def _mapping(text: str, app: App) -> dict[str, str]:
    """ "linux=1,virtiofsd=2" """
    found: dict[str, str] = {}
    for entry in filter(None, text.split(",")):
        component, mark, which = entry.partition("=")
        if not mark or not which:
            raise FarwatchError(
                f"--map {text} is not understood",
                cause=f"'{entry}' is not COMPONENT=SERIES",
                hint="farwatch import --help",
            )
        app.catalog.base(component)  # it says so if there is none of that name
        found[component] = which
    return found
