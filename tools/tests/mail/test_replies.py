# SPDX-License-Identifier: GPL-2.0-or-later
"""What replies are about, as b4 is told of it; and that b4 has to be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import b4

from farwatch.mail.incoming import Mail, read_mail
from farwatch.mail.mailbox import Mailbox
from farwatch.mail.replies import Discussion, discussion, stood_in, write_maildir
from tests.mail.test_threads import DIFF, STAT, mail, posted

NOTHING = "Looks odd, why?"


def found(*mails: Mail) -> Discussion:
    return discussion(Mailbox(Path("mbox"), mails, ordered=False))


def deep() -> list[Mail]:
    """A trailer two replies below a cover letter."""
    return [*posted(), mail("r", "Re: [PATCH 0/3] x", "c", NOTHING), mail("s", "Re: [PATCH 0/3] x", "r")]


def mapped(folder: Path) -> dict[str, list[str]]:
    """Change -> the replies that b4 finds to it."""
    messages = b4.get_msgs_from_mailbox_or_maildir(str(folder))
    patches = {one.git_patch_id: one.msgid for one in map(b4.LoreMessage, messages) if one.has_diff}
    answers: dict[str, list[Any]] = b4.map_codereview_trailers(messages)
    return {patches[patch]: [one.msgid for one in some] for patch, some in answers.items()}


def raw(mails: list[Mail], folder: Path) -> Path:
    for part in ("new", "cur", "tmp"):
        (folder / part).mkdir(parents=True)
    for number, one in enumerate(mails):
        (folder / "new" / str(number)).write_bytes(one.data)
    return folder


def test_a_trailer_deep_below_a_cover_letter(tmp_path: Path) -> None:
    everywhere = {"1": ["s"], "2": ["s"], "3": ["s"]}
    assert mapped(write_maildir(found(*deep()).mails, tmp_path / "ours")) == everywhere


def test_b4_has_to_be_told(tmp_path: Path) -> None:
    """If this fails, b4 has learnt it: take _placed and the climbing out of farwatch.mail.replies."""
    assert mapped(raw(deep(), tmp_path / "raw")) == {}


def test_covers_and_threads_that_b4_does_not_see(tmp_path: Path) -> None:
    plain = [mail("c", "x, three changes", body=STAT), *posted()[1:], mail("r", "Re: x, three changes", "c")]
    assert set(mapped(write_maildir(found(*plain).mails, tmp_path / "plain"))) == {"1", "2", "3"}
    chain = [mail(f"{n}", f"[PATCH {n}/3] x", f"{n - 1}" if n > 1 else "c") for n in (1, 2, 3)]
    chained = [posted()[0], *chain, mail("r", "Re: [PATCH 0/3] x", "c")]
    assert set(mapped(write_maildir(found(*chained).mails, tmp_path / "chained"))) == {"1", "2", "3"}
    shown = mail("q", "Re: [PATCH 1/3] x", "1", DIFF.format("b", 1))
    quoted = [*posted(), shown, mail("r", "Re: [PATCH 1/3] x", "q")]
    assert mapped(write_maildir(found(*quoted).mails, tmp_path / "quoted")) == {"1": ["r"]}


def test_what_b4_cannot_read(tmp_path: Path) -> None:
    odd = [
        "From: Z <z@x.org>\nDate: Mon, 99 Feb 2026 25:61:61 +9999",
        "From: =?x-no?q?Z?= <z@x.org>\nDate: Tue, 10 Jan 99999999999999 10:00:00 +0000",
        'From: Z <z@x.org>\nContent-Type: text/plain; charset="\0utf-8"',
    ]
    for number, head in enumerate(odd):
        said = "Subject: Re: [PATCH 1/3] x\nMessage-Id: <r>\nIn-Reply-To: <1>"
        text = f"{head}\n{said}\n\nAcked-by: Z <z@x.org>\n"
        mails = found(*posted(), read_mail(text.encode(), "odd")).mails
        assert mapped(write_maildir(mails, tmp_path / str(number))) == {"1": ["r"]}


def test_replies_to_what_is_not_there(tmp_path: Path) -> None:
    replies = found(mail("r", "Re: [PATCH 2/3] two", "gone"), mail("s", "Re: [PATCH v3 0/3] all", "away"))
    assert [one.message_id for one in replies.unplaced] == ["r", "s"]
    patches = {"one": DIFF.format("a", 1), "two": DIFF.format("a", 2)}
    answers = mapped(write_maildir(stood_in(replies, patches, {"all": list(patches)}).mails, tmp_path / "m"))
    assert sorted(map(sorted, answers.values())) == [["r", "s"], ["s"]]
    assert stood_in(replies, {}, {"other": []}).mails == replies.mails
    assert not found(*deep()).unplaced and [one.message_id for one in found(*deep()).given] == ["s"]
