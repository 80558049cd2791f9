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
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.errors import FarwatchError
from farwatch.mail.choice import Chosen, ImportWish, choose
from farwatch.mail.cover_text import written
from farwatch.mail.incoming import Mail
from farwatch.mail.mailbox import Mailbox, read_mailbox
from farwatch.mail.stacked import names, needed
from farwatch.mail.threads import Series
from farwatch.model import CHANGELOG, COVER, Cut, Revision, series_cover, unnumbered
from farwatch.revisions import edit
from farwatch.revisions.catalog import NAME, REVISION_FILE
from farwatch.series.save import write_series
from farwatch.system import commits
from farwatch.system.atomic import rewritten

if TYPE_CHECKING:
    from farwatch.app import App

_TOGETHER = "from one mailbox or one folder of folders"


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
    _say_below(app, chosen)
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
        with _kept(app, one, name) as files:
            made = app.trees.apply_foreign(revision, one.base.component, one.base, files)
        made = _without_letters(app, one, made)
        write_series(app.trees, revision, one.base.component, one.base, made, folder)
        own = folder / one.base.component
        if one.series.parts:
            _write_parts(one, own, folder)
        else:
            _write_cover(one.series, (folder if one is first else own) / COVER, folder / CHANGELOG)


def _write_parts(one: Chosen, own: Path, folder: Path) -> None:
    """What cuts a stack into the series that it was posted as, and their cover letters."""
    files, start = [unnumbered(path.name) for path in sorted(own.glob("[0-9]*.patch"))], 0
    for name, part in zip(names(one.series), one.series.parts, strict=True):
        end = start + len(part.patches)
        edit.add_cut(folder / REVISION_FILE, Cut(one.base.component, name, files[start], files[end - 1]))
        _write_cover(part, own / series_cover(name), folder / CHANGELOG)
        start = end


def _write_cover(series: Series, path: Path, changelog: Path) -> None:
    """A cover letter, and what it says of changes at the end of the changelog."""
    letter = _letter(series)
    if letter is None:
        return
    body, changes = written(letter)
    path.parent.mkdir(exist_ok=True)
    if body or series.cover:
        text = f"{series.title}\n\n{body}".strip() + "\n"
        path.write_text(text, encoding="utf-8", errors="replace")
    known = changelog.read_text(encoding="utf-8") if changelog.exists() else ""
    if changes and changes not in known:
        text = f"{known}\n{changes}".strip() + "\n"
        changelog.write_text(text, encoding="utf-8", errors="replace")


def _letter(series: Series) -> str | None:
    """The body of the cover letter. b4 puts that of a single patch below the patch's "---"."""
    if series.cover is not None:
        return series.cover.body
    if not _holds_letter(series):
        return None
    text = series.patches[0].body
    head, _, rest = text.partition("\n---\n")
    del head
    return re.split(r"^diff --git ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def _holds_letter(series: Series) -> bool:
    return series.total == 1 and re.search(r"^change-id: ", series.patches[0].body, re.MULTILINE) is not None


def _without_letters(app: App, one: Chosen, made: Sequence[str]) -> list[str]:
    """The commits, those of single patches without the letter that was in the mail: it is kept apart."""
    alone = {part.patches[0].message_id for part in (*one.series.parts, one.series) if _holds_letter(part)}
    repository, parent, found = app.trees.repository(one.base.component), "", list[str]()
    for name, mail in zip(made, one.series.patches, strict=True):
        commit = commits.read(name, repository)
        message = commit.message
        if mail.message_id in alone:
            message = message.partition(b"\n---\n")[0].rstrip(b"\n") + b"\n"
        if parent:
            commit = replace(commit, parents=(parent,))
        parent = commits.write(replace(commit, message=message), repository)
        found.append(parent)
    return found


@contextmanager
def _kept(app: App, one: Chosen, name: str) -> Iterator[list[tuple[Path, int]]]:
    """The patches as files, each with its -p. They stay where they are if something is wrong with them."""
    folder = app.home.own / "mail" / f"import-{name}" / one.base.component
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
        if not one.series.parts and (below := needed(one.series)):
            hint = (
                f"the series stands on {len(below)} other patches: import it together with them, {_TOGETHER}"
            )
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


def _say_below(app: App, chosen: Sequence[Chosen]) -> None:
    """That a series says that it stands on others, which the base may have or not."""
    for one in chosen:
        if not one.series.parts and (below := needed(one.series)):
            app.reporter.say(
                f"{one.series.title}: stands on {len(below)} other patches, which are not in it. If "
                f"{one.base.label} has not got them, import it together with them, {_TOGETHER}"
            )


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
