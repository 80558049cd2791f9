# SPDX-License-Identifier: GPL-2.0-or-later
"""Which mails are a series. The mails are made from a line each: ID, subject, what it answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farwatch.errors import FarwatchError
from farwatch.mail import choice
from farwatch.mail.incoming import Mail, SubjectLine, read_mail
from farwatch.mail.mailbox import Mailbox
from farwatch.mail.replies import discussion
from farwatch.mail.threads import Series, all_series
from farwatch.trees.patch_mail import recoded

DIFF = (
    "---\n a | 2 +-\n 1 file changed\n\ndiff --git a/{0} b/{0}\n--- a/{0}\n+++ b/{0}\n@@ -1 +1 @@\n-1\n+{1}\n"
)
STAT = "Blurb.\n\nA (3):\n  x\n\n a | 6 +++---\n 1 file changed\n"


def mail(name: str, subject: str, to: str = "", body: str | None = None, sender: str = "a@x.org") -> Mail:
    """A patch, unless its subject says that it is a cover letter or a reply."""
    said = SubjectLine.read(subject)
    if body is None:
        patch = DIFF.format("a", name) if said.number else STAT
        body = "Reviewed-by: R <r@x.org>" if said.reply else patch
    above = f"In-Reply-To: <{to}>\nReferences: <{to}>\n" if to else ""
    text = f"From: A <{sender}>\nSubject: {subject}\nMessage-Id: <{name}>\n{above}\n{body}\n"
    return read_mail(text.encode(), name)


def posted(front: str = "", name: str = "", to: str = "", title: str = "x") -> list[Mail]:
    """A cover letter and three patches."""
    cover = f"{name}c"
    first = mail(cover, f"[PATCH{front} 0/3] {title}", to)
    return [first, *(mail(f"{name}{n}", f"[PATCH{front} {n}/3] {title} {n}", cover) for n in (1, 2, 3))]


def meant(mails: list[Mail], version: int | None = None) -> list[Series]:
    found = [one for one in all_series(mails) if version in (None, one.version)]
    return choice._meant(Mailbox(Path("mbox"), tuple(mails), ordered=False), found)


def ids(one: Series) -> str:
    return " ".join(mail.message_id for mail in one.mails)


@pytest.mark.parametrize(
    ("text", "title", "version", "number", "total"),
    [
        ("[PATCH] x", "x", 1, 1, 1),
        ("[PATCH v2 03/10] x: y [z]", "x: y [z]", 2, 3, 10),
        ("[v2,1/3] x", "x", 2, 1, 3),
        ("[net-next,v3,1/3] x", "x", 3, 1, 3),
        ("[PATCH,RFC,V4,1/3] x", "x", 4, 1, 3),
        ("[PATCHv3 1/2] x", "x", 3, 1, 2),
        ("[Virtio-fs] [PATCH v2 1/3] x", "x", 2, 1, 3),
        ("[RESEND][PATCH 1/3 v5] x", "x", 5, 1, 3),
        ("[PATCH 2 of 3] x", "x", 1, 2, 3),
        ("[PATCH 4/3] x", "x", 1, 4, 4),
        ("[PATCH ipv6 1/2] x", "x", 1, 1, 2),
        ("x v2 1/3", "x v2 1/3", 1, 1, 1),
    ],
)
def test_subjects(text: str, title: str, version: int, number: int, total: int) -> None:
    found = SubjectLine.read(text)
    assert (found.title, found.version, found.number, found.total) == (title, version, number, total)
    assert not found.reply and SubjectLine.read(f"Re: {text}").reply


# What is in one thread


def test_a_fixup_is_no_series() -> None:
    """Whatever it answers, and whether there is a cover letter that the patches hang on or not."""
    fix = mail("f", "[PATCH] fix up x 2", "2", sender="r@x.org")
    for mails in (posted(), posted()[1:], [*posted()[1:], mail("c", "x, three changes", body=STAT)]):
        [one] = meant([*mails[:2], fix, *mails[2:]])
        assert ids(one).split()[-3:] == ["1", "2", "3"]
    beside = mail("f", "[PATCH] fix up", "c", sender="r@x.org")
    [one] = meant([*posted()[1:], beside])
    assert ids(one) == "1 2 3"


def test_a_patch_alone_is_not_taken_for_one_that_is_missing() -> None:
    mails = posted()
    with pytest.raises(FarwatchError) as caught:
        meant([*mails[:2], mails[3], mail("f", "[PATCH] fixup", sender="r@x.org")])
    assert "patch 2 of 3 is missing" in caught.value.cause and "1: [PATCH] fixup" in caught.value.cause


def test_covers_of_versions() -> None:
    """v2 is sent as an answer to v1, with a cover letter that has a Link:, or with none."""
    two = posted(" v2", "b", to="c")
    linked = mail("bc", "[PATCH v2 0/3] x", "c", body=f"Link: https://x.org/c\n\n{STAT}")
    assert [ids(one) for one in meant([*posted(), linked, *two[1:]])] == ["c 1 2 3", "bc b1 b2 b3"]
    bare = [mail(f"b{n}", f"[PATCH v2 {n}/3] x {n}", "c") for n in (1, 2, 3)]
    assert [ids(one) for one in meant([*posted(), *bare])] == ["c 1 2 3", "b1 b2 b3"]
    plain = [mail("c", "x, three changes", body=STAT), *posted()[1:], *bare]
    assert [ids(one) for one in meant(plain)] == ["c 1 2 3", "b1 b2 b3"]


def test_a_cover_may_say_the_version_alone() -> None:
    mails = [mail("c", "[PATCH v2 0/3] x"), *posted()[1:]]
    [one] = meant(mails)
    assert (one.version, ids(one)) == (2, "c 1 2 3")
    [one] = meant(
        [mail("c", "[PATCH 0/3] x"), *(mail(f"{n}", f"[PATCH v2 {n}/3] x", "c") for n in (1, 2, 3))]
    )
    assert (one.version, ids(one)) == (2, "c 1 2 3")


def test_single_patches_sent_again() -> None:
    """With a cover letter or without; twice; and one that does not answer what it replaces."""
    again = mail("b2", "[PATCH v2 2/3] x 2", "2")
    for mails in (posted(), posted()[1:]):
        [one] = meant([*mails, again])
        assert ids(one).split()[-3:] == ["1", "b2", "3"] and one.version == 2
        assert ids(meant([*mails, again], 1)[0]).split()[-3:] == ["1", "2", "3"]
    third = mail("d3", "[PATCH v3 3/3] x 3", "3")
    assert ids(meant([*posted(), again, third])[0]) == "c 1 b2 d3"
    twice = mail("d2", "[PATCH v3 2/3] x 2", "b2")
    assert ids(meant([*posted(), again, twice])[0]) == "c 1 d2 3"
    both = mail("d2", "[PATCH v3 2/3] x 2", "2")
    assert ids(meant([*posted(), again, third, both])[0]) == "c 1 d2 d3"
    with pytest.raises(FarwatchError, match="v2 in mbox is not whole") as caught:
        meant([*posted(), mail("b2", "[PATCH v2 2/3] x 2", "c")])
    assert "--version 1" in caught.value.hint


def test_a_single_patch_and_its_later_version() -> None:
    mails = [mail("1", "[PATCH] x"), mail("b1", "[PATCH v2] x", "1"), mail("f", "[PATCH] y", "b1")]
    assert [ids(one) for one in meant(mails)] == ["1", "b1"]


def test_threads_of_every_shape() -> None:
    """On the cover letter, each on the one before, all on the first, on something else, on nothing."""
    deep = [mail(f"{n}", f"[PATCH {n}/3] x", f"{n - 1}" if n > 1 else "c") for n in (1, 2, 3)]
    first = [mail(f"{n}", f"[PATCH {n}/3] x", "1" if n > 1 else "") for n in (1, 2, 3)]
    loose = [mail(f"{n}", f"[PATCH {n}/3] x") for n in (1, 2, 3)]
    lost = [*posted()[:3], mail("3", "[PATCH 3/3] x 3")]
    for mails in (posted(), [posted()[0], *deep], deep, first, loose, [posted()[0], *loose], lost):
        [one] = meant(mails[::-1])
        assert ids(one).split()[-3:] == ["1", "2", "3"]


def test_two_series_in_one_thread() -> None:
    other = [mail("sc", "[PATCH 0/2] s", "c"), *(mail(f"s{n}", f"[PATCH {n}/2] s", "sc") for n in (1, 2))]
    assert [ids(one) for one in meant([*posted(), *other])] == ["c 1 2 3", "sc s1 s2"]
    same = posted(name="s", to="c", title="s")
    assert [ids(one) for one in meant([*posted(), *same])] == ["c 1 2 3", "sc s1 s2 s3"]
    bare = [
        mail(f"20260101000000.{run}-{n}-a@x.org", f"[PATCH {n}/2] {run}", "talk")
        for run in (1, 2)
        for n in (1, 2)
    ]
    assert [len(one.patches) for one in meant(bare)] == [2, 2]


def test_what_is_there_twice() -> None:
    again = mail("e2", "[PATCH 2/3] x 2", "c", body=posted()[2].body)
    assert len(meant([*posted(), again])[0].patches) == 3
    resent = posted(" RESEND", "r")
    same = [
        mail(m.message_id, m.subject.full, m.in_reply_to, old.body)
        for m, old in zip(resent, posted(), strict=True)
    ]
    assert [ids(one) for one in meant([*posted(), *same])] == ["rc r1 r2 r3"]
    with pytest.raises(FarwatchError) as caught:
        meant([*posted(), mail("e2", "[PATCH 2/3] y", "c")])
    assert "more than one patch 2 of 3" in caught.value.cause


def test_a_patch_sent_as_a_reply_counts_where_there_is_no_other() -> None:
    answer = mail("r", "Re: [PATCH] x", "1", body=DIFF.format("a", 1))
    assert [ids(one) for one in meant([answer])] == ["r"]
    assert [ids(one) for one in meant([mail("1", "[PATCH] x"), answer])] == ["1"]


BITS = [
    b"\0",
    b"\xff",
    b"\r\n",
    b"\n\n",
    b"=?utf-7?q?+2AA-?=",
    b"=?x?b?",
    b"?=",
    b"<",
    b">",
    b"[",
    b'From: "',
]
BITS += [b"Content-Type: multipart/mixed; boundary=x\n\n--x\n", b"Content-Type: message/rfc822\n\n"]
BITS += [b"Content-Type: text/plain; charset*0*=utf-8''%00\n", b'charset="\0"', b"charset=idna\n"]
BITS += [
    b"Content-Transfer-Encoding: base64\n",
    b"Content-Transfer-Encoding: x-uuencode\n",
    b"Message-Id: <>\n",
]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.sampled_from(BITS) | st.binary(max_size=9)), min_size=1))
def test_no_mail_is_too_odd_to_be_read(changes: list[tuple[int, bytes]]) -> None:
    data = posted()[1].data
    for place, what in changes:
        data = data[:place] + what + data[place:]
    odd = read_mail(data, "odd")
    (odd.subject.title + odd.body + odd.sender + odd.label).encode()
    recoded(data)
    found = discussion(Mailbox(Path("mbox"), (*posted()[2:], odd), ordered=False))
    assert len(found.mails) == 3


@pytest.mark.parametrize("part", [b"multipart/mixed; boundary=x%d\n\n--x%d\n", b"message/rfc822\n\n"])
def test_parts_in_parts_in_parts(part: bytes) -> None:
    part = b"Content-Type: " + part
    many = b"".join(part % ((number,) * part.count(b"%d")) for number in range(3000))
    found = read_mail(b"From: A <a@x.org>\nSubject: [PATCH] x\n" + many, "odd")
    assert (found.subject.title, found.body, found.address) == ("x", "", "a@x.org")
