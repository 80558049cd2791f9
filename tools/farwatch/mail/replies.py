# SPDX-License-Identifier: GPL-2.0-or-later
"""A thread as `b4 trailers` reads any: each reply directly below what it is about, and nothing odd in it.

b4 0.16.0 stops climbing at an answer to a cover letter ("Re: [PATCH 0/3]"), so what stands deeper is lost
(its map_codereview_trailers; `b4 am` climbs on); it knows the patches of a cover letter by In-Reply-To alone,
a cover letter by its number alone; it breaks off at a Date or a charset that Python cannot read. All that is
not so in the maildir that is written here. That this is still needed has a test.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from farwatch.mail.incoming import Mail
from farwatch.mail.mailbox import Mailbox
from farwatch.mail.threads import Series, Thread, all_series


@dataclass(frozen=True)
class Discussion:
    """Patches, cover letters, and the replies to each of them."""

    mails: tuple[Mail, ...]
    """All of it, as it is to be read."""
    given: tuple[Mail, ...]
    """The replies that have trailers."""
    unplaced: tuple[Mail, ...]
    """Those of them that answer nothing that is there."""


def discussion(box: Mailbox) -> Discussion:
    """What a mailbox holds."""
    thread = Thread(box.mails)
    found = all_series(box.mails, ordered=box.ordered, quilt=box.quilt)
    heads = {mail.message_id: (one, mail) for one in found for mail in one.mails}
    mails, given, unplaced = [], [], []
    for mail in box.mails:
        if mail.message_id in heads:
            mails.append(_placed(*heads[mail.message_id]))
            continue
        about = next((above for above in thread.above(mail) if above.message_id in heads), None)
        answer = replace(mail, in_reply_to=about.message_id if about else mail.in_reply_to)
        mails.append(answer)
        if mail.has_trailers and (mail.subject.reply or about is not None or mail.in_reply_to):
            given.append(answer)
            unplaced += [] if about else [answer]
    return Discussion(tuple(mails), tuple(given), tuple(unplaced))


def _placed(series: Series, mail: Mail) -> Mail:
    """A patch below its cover letter, which has the number 0; both with their version."""
    number = 0 if mail is series.cover else mail.subject.number
    said = replace(mail.subject, number=number, total=series.total, version=series.version, numbered=True)
    above = series.cover.message_id if series.cover and mail is not series.cover else ""
    return replace(mail, subject=said, in_reply_to=above)


def stood_in(
    found: Discussion, patches: Mapping[str, str], covers: Mapping[str, Sequence[str]]
) -> Discussion:
    """The same, with stand-ins for what replies answer that is not there: patches of that subject.

    patches: title -> the change; covers: title of a cover letter -> titles of its patches
    """
    made: dict[str, Mail] = {}
    for reply in found.unplaced:
        if reply.subject.title in patches:
            stand_in = _patch(reply, reply.in_reply_to, reply.subject.title, patches)
            made[stand_in.message_id] = stand_in
        elif reply.subject.numbered and not reply.subject.number and reply.subject.title in covers:
            cover = replace(reply, message_id=reply.in_reply_to, in_reply_to="", body="")
            cover = replace(cover, subject=replace(reply.subject, reply=False))
            made[cover.message_id] = cover
            for number, name in enumerate(covers[reply.subject.title]):
                below = _patch(reply, f"{number}-{cover.message_id}", name, patches)
                made[below.message_id] = replace(below, in_reply_to=cover.message_id)
    known = {mail.message_id for mail in found.mails}
    more = [mail for mail in made.values() if mail.message_id and mail.message_id not in known]
    return replace(found, mails=(*found.mails, *more))


def _patch(like: Mail, message_id: str, title: str, patches: Mapping[str, str]) -> Mail:
    said = replace(like.subject, reply=False, title=title, number=1, total=1, numbered=True)
    return replace(like, message_id=message_id, in_reply_to="", subject=said, body=f"---\n{patches[title]}")


def write_maildir(mails: Sequence[Mail], folder: Path) -> Path:
    """The mails as files, in UTF-8, with no more headers than it takes."""
    for part in ("new", "cur", "tmp"):
        (folder / part).mkdir(parents=True)
    for number, mail in enumerate(mails):
        head = "".join(f"{name}: {value}\n" for name, value in _headers(mail))
        text = f"{head}\n{mail.body}"
        (folder / "new" / f"{number:06}").write_bytes(text.encode("utf-8", "replace"))
    return folder


def _headers(mail: Mail) -> Iterator[tuple[str, str]]:
    said = mail.subject
    front = f"[PATCH v{said.version} {said.number}/{said.total}] " if said.numbered else ""
    yield "From", f"{_word(mail.sender)} <{mail.address}>"
    yield "Subject", _word(("Re: " if said.reply else "") + front + said.title)
    yield "Message-Id", f"<{mail.message_id}>"
    if mail.in_reply_to:
        yield "In-Reply-To", f"<{mail.in_reply_to}>"
        yield "References", f"<{mail.in_reply_to}>"
    yield "Content-Type", "text/plain; charset=utf-8"
    yield "Content-Transfer-Encoding", "8bit"


def _word(text: str) -> str:
    """As an encoded word, which needs no quoting; a subject that is plain stays so."""
    if text.isascii() and not set(text) & set('",;:<>()@\\='):
        return text
    return "=?utf-8?b?" + base64.b64encode(text.encode("utf-8", "replace")).decode() + "?="
