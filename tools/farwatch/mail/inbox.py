# SPDX-License-Identifier: GPL-2.0-or-later
"""Somebody's mails or patch files into a revision.

A mailbox may hold more than a series: replies, other versions, other people's patches. What is taken is
chosen in choice.py; here it is applied, as `git am` and `b4 am` do, and written.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.errors import FarwatchError
from farwatch.mail.choice import Chosen, ImportWish, choose
from farwatch.mail.cover_text import written
from farwatch.mail.incoming import Mail
from farwatch.mail.mailbox import Mailbox, read_mailbox
from farwatch.model import CHANGELOG, COVER, Revision
from farwatch.revisions import edit
from farwatch.revisions.catalog import NAME, REVISION_FILE
from farwatch.series.save import write_series
from farwatch.system.atomic import rewritten

if TYPE_CHECKING:
    from farwatch.app import App


def import_series(app: App, source: Path, name: str, wish: ImportWish) -> Revision:
    """Make the revision `name` of the series in an mbox, a maildir or a folder of patch files.

    FarwatchError, and nothing is made, when there is no whole series or it is not clear which one is meant,
    when it does not apply, or when there is a revision of that name.
    """
    folder = app.catalog.patches / name
    if not NAME.fullmatch(name):
        cause = "expected letters, digits and . _ + -, such as v2"
        raise FarwatchError(f"'{name}' cannot be the name of a revision", cause=cause, hint="choose another")
    box = read_mailbox(source)
    chosen = choose(app, box, wish)
    with rewritten(folder) as new:
        if folder.exists():
            raise FarwatchError(f"{folder} is there already", hint="choose another name")
        _write(app, chosen, name, new.path)
    _say_rerolled(app, chosen)
    _say_left_out(app, box, chosen, name)
    return app.catalog.revision(name)


def _write(app: App, chosen: Sequence[Chosen], name: str, folder: Path) -> None:
    first = chosen[0]
    bases = {one.base.component: one.base.name for one in chosen}
    title = first.series.title or name
    revision = Revision(name, title, folder, "virtiofs", bases)
    text = edit.fresh(title, first.base.component, first.base.name)
    (folder / REVISION_FILE).write_text(text, encoding="utf-8")
    for one in chosen:
        _write_cover(one, folder if one is first else folder / one.base.component, folder / CHANGELOG)
        with _kept(app, one, name) as files:
            commits = app.trees.apply_foreign(revision, one.base.component, one.base, files)
        write_series(app.trees, revision, one.base.component, one.base, commits, folder)


def _write_cover(one: Chosen, folder: Path, changelog: Path) -> None:
    """A cover letter for the folder, and what it says of changes at the end of the changelog."""
    if one.series.cover is None:
        return
    body, changes = written(one.series.cover.body)
    folder.mkdir(exist_ok=True)
    text = f"{one.series.title}\n\n{body}".strip() + "\n"
    (folder / COVER).write_text(text, encoding="utf-8", errors="replace")
    known = changelog.read_text(encoding="utf-8") if changelog.exists() else ""
    if changes and changes not in known:
        text = f"{known}\n{changes}".strip() + "\n"
        changelog.write_text(text, encoding="utf-8", errors="replace")


@contextmanager
def _kept(app: App, one: Chosen, name: str) -> Iterator[list[tuple[Path, int]]]:
    """The patches as files, each with its -p. They stay where they are if something is wrong with them."""
    folder = app.home.root / "mail" / f"import-{name}" / one.base.component
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    files = [
        (_put(folder, number, mail), mail.strip) for number, mail in enumerate(one.series.patches, start=1)
    ]
    cover = [(_put(folder, 0, one.series.cover), 1)] if one.series.cover else []
    lines = [f"{path.name} -p{strip}\n" for path, strip in [*cover, *files]]
    (folder / "series").write_text("".join(lines), encoding="utf-8")
    try:
        yield files
    except FarwatchError as error:
        others = [base.name for base in app.catalog.bases(one.base.component) if base != one.base]
        elsewhere = f"try --base {' or '.join(others)}; or " if others else ""
        hint = f"{elsewhere}correct the patches, which are kept: farwatch import {folder} {name}"
        raise FarwatchError(error.what, cause=error.cause, hint=hint) from error
    shutil.rmtree(folder.parent)


def _put(folder: Path, number: int, mail: Mail) -> Path:
    slug = re.sub(r"[^A-Za-z0-9._]+", "-", mail.subject.title).strip("-.")[:52]
    path = folder / f"{number:04}-{slug or 'patch'}.patch"
    path.write_bytes(mail.data)
    return path


# What is said of it


def _say_rerolled(app: App, chosen: Sequence[Chosen]) -> None:
    for one in chosen:
        for mail in one.series.rerolled:
            app.reporter.say(f"patch {mail.subject.number} is the later one: {mail.label}")


def _say_left_out(app: App, box: Mailbox, chosen: Sequence[Chosen], name: str) -> None:
    taken = {mail.message_id for one in chosen for mail in one.series.mails}
    left = [mail for mail in box.mails if mail.message_id not in taken]
    for mail in [mail for mail in left if mail.is_patch or mail.is_cover][:5]:
        app.reporter.say(f"left out: {mail.label}")
    replies = [mail for mail in left if mail.subject.reply]
    others = len(left) - len(replies) - min(5, sum(mail.is_patch or mail.is_cover for mail in left))
    for count, what in ((len(replies), "reply"), (others, "other mail")):
        if count:
            plural = what.replace("reply", "replie") + "s"
            app.reporter.say(f"left out: {count} {what if count == 1 else plural}")
    if any(mail.has_trailers for mail in replies):
        app.reporter.say(f"some replies may have trailers: farwatch trailers {name} {box.source}")
