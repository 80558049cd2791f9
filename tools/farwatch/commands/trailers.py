# SPDX-License-Identifier: GPL-2.0-or-later
"""trailers: what reviewers gave, from an mbox into the patches."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.app import App
from farwatch.commands import common

if TYPE_CHECKING:
    from farwatch.mail.replies import Discussion
    from farwatch.mail.trailers import Collected


def add(parser: argparse.ArgumentParser) -> None:
    common.add_revision(parser)
    parser.add_argument(
        "mbox",
        metavar="MBOX|DIR",
        type=Path,
        help="the thread: an mbox (also .gz, .bz2, .xz), a maildir, or a folder of mails",
    )
    parser.add_argument("--write", action="store_true", help="change the patch files, not only show")
    parser.add_argument(
        "--fuzzy", action="store_true", help="also by subject: where a patch changed since, or is not there"
    )
    parser.add_argument(
        "--sloppy", action="store_true", help="also trailers that name another than the mail's sender"
    )


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.mail.mailbox import read_mailbox
    from farwatch.mail.replies import discussion
    from farwatch.mail.trailers import collect
    from farwatch.series.reword import reword
    from farwatch.terminal.escape import printable, printable_lines

    revision = app.catalog.revision(args.revision)
    components = common.with_patches(app, revision)
    thread = discussion(read_mailbox(args.mbox))
    found = [
        collect(app, revision, component, thread, fuzzy=args.fuzzy, sloppy=args.sloppy)
        for component in components
    ]
    for one in found:
        print(printable_lines(one.shown()), end="\n" if one.changed else "")
        for remark in one.remarks:
            print(f"note: {printable(remark)}")
    changed = {one.component: one.after for one in found if one.changed}
    if not thread.given:
        print(f"{args.mbox} has no replies with trailers: its {len(thread.mails)} mails are others")
    elif not changed and (thread.unplaced or any(one.by_subject for one in found)):
        print(f"no trailers in {args.mbox} are for the patches of {revision.name} as they are")
    elif not changed:
        print(f"{args.mbox} has no trailers that {revision.name} does not have")
    elif args.write:
        reword(app, revision, changed)
        print(f"written to the patches of {revision.name}")
    else:
        options = " --fuzzy" * args.fuzzy + " --sloppy" * args.sloppy
        print(f"nothing is written yet; next: farwatch trailers {revision.name} {args.mbox}{options} --write")
    _say_more(args, found, thread)
    return 0


def _say_more(args: argparse.Namespace, found: Sequence[Collected], thread: Discussion) -> None:
    """What there may be beside what was found."""
    from farwatch.terminal.escape import printable

    subjects = [subject for one in found for subject in one.by_subject]
    if subjects:
        count = "1 patch" if len(subjects) == 1 else f"{len(subjects)} patches"
        print(
            f"found by subject only, for {count}; next: farwatch trailers {args.revision} {args.mbox} --fuzzy"
        )
        for subject in subjects:
            print(f"  {printable(subject)}")
    if thread.unplaced and not args.fuzzy:
        count = "1 reply" if len(thread.unplaced) == 1 else f"{len(thread.unplaced)} replies"
        wanted = thread.unplaced[0].in_reply_to or "MESSAGE-ID"
        print(f"{count} with trailers: what they answer is not there; next: b4 mbox {printable(wanted)}")
        for mail in thread.unplaced[:5]:
            print(f"  {printable(mail.label)}")
