# SPDX-License-Identifier: GPL-2.0-or-later
"""Made up mailboxes with one series in them, written as people, lists and programs write them."""

from __future__ import annotations

import base64
import gzip
import quopri
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hypothesis import strategies as st

NAMES = [
    "Ana Müller",
    "Doe, Jane",
    "李 小龍",
    "Łukasz K",
    'Q "q" Q',
    "T [x] Jr.",
    "текст",
    "a.b",
    "Plain Name",
]
WORDS = ["set a line", "use [brackets] inside", "fs: dir: x", "Zoë's change", "镕 и ß", "a: " + "long " * 20]
BODIES = [
    "Text.",
    "Zoë's text.\n\nMore — of it.",
    "текст",
    "镕",
    "",
    "From here on\n\nmore.",
    "a line with = and =3D\n  indented",
    'Text.\n\nFixes: 0123456789ab ("x")\nSigned-off-by: Ana Müller <ana@x.org>',
    "Text.\n\nReviewed-by: A <a@x.org>\nSigned-off-by: B <b@x.org>",
]
CHARSETS = [
    *["utf-8"] * 20,
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-15",
    "koi8-r",
    "windows-1251",
    "windows-1252",
    "gb2312",
    "gb18030",
    "big5",
    "us-ascii",
    "x-unknown",
    "",
]
FRONTS = [
    "[PATCH{v} {n}/{m}]",
    "[RFC{v} {n}/{m}]",
    "[RFC PATCH{v} {n}/{m}]",
    "[Virtio-fs] [PATCH{v} {n}/{m}]",
    "[RESEND][PATCH{v} {n}/{m}]",
    "[PATCH {n}/{m}{v}]",
    "[PATCH RFC net-next{v} 0{n}/0{m}]",
]
PATCHWORK = ["[{v},{n}/{m}]", "[PATCH,{v},{n}/{m}]", "[RFC,{v},{n}/{m}]"]


@dataclass(frozen=True)
class Look:
    """How one mail is written."""

    name: str
    charset: str
    transfer: str
    """8bit, quoted-printable, base64"""
    header: str
    """How a header has what is not ASCII: q, b, raw"""
    attached: bool = False
    in_body_from: bool = False
    footer: bool = False
    """What a list adds."""


@dataclass(frozen=True)
class Patch:
    """One patch, and its mail."""

    words: str
    body: str
    content: bytes
    """A line of a new file; b"": only a line of one that is there changes."""
    look: Look
    notes: str = ""


@dataclass(frozen=True)
class Posting:
    """A series, and what else is in the mailbox."""

    patches: Sequence[Patch]
    front: str
    version: int
    cover: str
    """no, yes, plain (it does not say that it is one), answer (to an earlier version; with a Link:)"""
    thread: str
    """flat, deep, first, none"""
    container: str
    """mbox, gz, mboxrd, maildir, folder, quilt"""
    order: int
    """Seed of the order of the mails."""
    extras: frozenset[str] = field(default_factory=frozenset)
    """replies, fixup, twice, older, reroll, spam"""


looks = st.builds(
    Look,
    st.sampled_from(NAMES),
    st.sampled_from(CHARSETS),
    st.sampled_from(["8bit", "quoted-printable", "base64"]),
    st.sampled_from(["q", "b", "raw"]),
    st.booleans(),
    st.sampled_from([False, False, True]),
    st.sampled_from([False, False, True]),
)
LINES = [b"", b"", "Zoë\n".encode(), b"caf\xe9\n", b"one\r\n", b"no end", b"From x\n", b"\ttab \n"]
patches = st.builds(
    Patch,
    st.sampled_from(WORDS),
    st.sampled_from(BODIES),
    st.sampled_from(LINES),
    looks,
    st.sampled_from(["", "", "v2: other"]),
)
postings = st.builds(
    Posting,
    st.lists(patches, min_size=1, max_size=4),
    st.sampled_from(FRONTS + PATCHWORK),
    st.sampled_from([1, 2, 3]),
    st.sampled_from(["no", "yes", "plain", "answer"]),
    st.sampled_from(["flat", "deep", "first", "none"]),
    st.sampled_from(["mbox", "mbox", "gz", "mboxrd", "maildir", "folder", "quilt"]),
    st.integers(0, 10**6),
    st.frozensets(st.sampled_from(["replies", "fixup", "twice", "older", "reroll", "spam"]), max_size=3),
)


@dataclass(frozen=True)
class Made:
    """Mails as bytes."""

    mails: dict[str, bytes]
    """Message-ID -> all that are in the mailbox."""
    series: list[str]
    """Message-IDs of the patches that are meant, in order."""
    total: int
    version: int

    meant: list[tuple[str, str]]
    """Author and message of each of them."""

    def files(self) -> list[bytes]:
        return [self.mails[name] for name in self.series]


def change(number: int, patch: Patch) -> bytes:
    """A diff for the tree of tests.samples.tree."""
    line = 7 * number - 2
    around = [b" line %d\n" % at for at in range(line - 3, line + 4)]
    around[3] = b"-line %d\n+line %d, patch %d\n" % (line, line, number)
    hunk = b"@@ -%d,7 +%d,7 @@\n" % (line - 3, line - 3)
    text = b"diff --git a/fs/dir.c b/fs/dir.c\n--- a/fs/dir.c\n+++ b/fs/dir.c\n" + hunk + b"".join(around)
    if patch.content:
        end = b"" if patch.content.endswith(b"\n") else b"\n\\ No newline at end of file\n"
        name = b"fs/new%d" % number
        text += b"diff --git a/%b b/%b\nnew file mode 100644\n--- /dev/null\n+++ b/%b\n" % (name, name, name)
        text += b"@@ -0,0 +1 @@\n+" + patch.content + end
    return text


def coded(text: str, charset: str) -> bytes:
    """As a program that uses this label would write it: those of too small a set write a larger one."""
    real = {"us-ascii": "utf-8", "x-unknown": "utf-8", "": "utf-8", "gb2312": "gb18030"}.get(charset, charset)
    try:
        return text.encode(real)
    except UnicodeEncodeError:
        return text.encode("ascii", "replace")


def header(text: str, look: Look) -> bytes:
    if text.isascii():
        return text.encode()
    if look.header == "raw" or not look.charset:
        return text.encode()
    data = coded(text, look.charset)
    if look.header == "b":
        return b"=?" + look.charset.encode() + b"?b?" + base64.b64encode(data) + b"?="
    words = quopri.encodestring(data, header=True).replace(b"?", b"=3F").replace(b"=\n", b"")
    return b"=?" + look.charset.encode() + b"?q?" + words + b"?="


def sender(look: Look) -> bytes:
    name = header(look.name, look)
    if look.name.isascii() and set(look.name) & set(',".[]'):
        name = b'"' + name.replace(b'"', b'\\"') + b'"'
    return name + b" <person@x.org>"


def packed(text: bytes, transfer: str) -> bytes:
    if transfer == "base64":
        return base64.encodebytes(text)
    return quopri.encodestring(text) if transfer == "quoted-printable" else text


def mail(name: str, subject: bytes, look: Look, text: str, diff: bytes = b"", *, to: str = "") -> bytes:
    """One mail. A diff is bytes, whatever the label says."""
    head = [b"From: " + sender(look), b"Subject: " + subject, b"Date: Sun, 1 Feb 2026 10:00:00 +0100"]
    head += [f"Message-Id: <{name}>".encode()]
    head += [f"In-Reply-To: <{to}>\nReferences: <{to}>".encode()] if to else []
    body = coded(text, look.charset)
    if look.in_body_from and diff:
        body = b"From: " + sender(look) + b"\n\n" + body
    end = b"-- \n2.39\n" if diff else b""
    end += b"_______\nlist mailing list\nlist@x.org\n" if look.footer else b""
    head.append(b"MIME-Version: 1.0")
    label = f"; charset={look.charset}".encode() if look.charset else b""
    if look.attached and diff:
        parts = [(b"text/plain", body), (b"text/x-patch", diff + end)]
        head.append(b'Content-Type: multipart/mixed; boundary="=_b"')
        text_parts = [
            b"--=_b\nContent-Type: %b%b\nContent-Transfer-Encoding: %b\n\n%b\n"
            % (kind, label, look.transfer.encode(), packed(data, look.transfer))
            for kind, data in parts
        ]
        return b"\n".join(head) + b"\n\n" + b"".join(text_parts) + b"--=_b--\n"
    head += [b"Content-Type: text/plain" + label, b"Content-Transfer-Encoding: " + look.transfer.encode()]
    return b"\n".join(head) + b"\n\n" + packed(body + diff + end, look.transfer)


def made(posting: Posting) -> Made:
    """The mails of it."""
    total = len(posting.patches)
    mails: dict[str, bytes] = {}
    front, version = posting.front, posting.version
    if "reroll" in posting.extras or "older" in posting.extras:
        version = max(2, version)
    newest = version - 1 if "reroll" in posting.extras else version
    if "older" in posting.extras and "reroll" not in posting.extras:
        _, first = _series(posting, front, version - 1, "old", mails, "", total)
        above = first[0]
    else:
        above = "gone" if posting.cover == "answer" else ""
    cover, names = _series(posting, front, newest, "new", mails, above, total)
    if "reroll" in posting.extras:
        names = _rerolled(posting, front, version, mails, names)
    _more(posting, mails, cover, names)
    meant = [_meant(patch) for patch in posting.patches]
    if "reroll" in posting.extras:
        meant[-1] = _meant(replace(posting.patches[-1], body=f"Better.\n\n{posting.patches[-1].body}"))
    return Made(mails, names, total, version, meant)


def _meant(patch: Patch) -> tuple[str, str]:
    """What somebody reads who knows what each label stands for."""

    def said(text: str, *, raw: bool = False) -> str:
        label = patch.look.charset
        real = {"us-ascii": "utf-8", "x-unknown": "utf-8", "": "utf-8", "gb2312": "gb18030"}.get(label, label)
        return text if raw or text.isascii() else coded(text, label).decode(real)

    raw = patch.look.header == "raw" or not patch.look.charset
    message = f"{said(patch.words, raw=raw).strip()}\n\n{said(patch.body)}"
    return said(patch.look.name, raw=raw), message.strip()


def _front(front: str, version: int, number: int, total: int) -> str:
    if front in PATCHWORK:
        return front.format(v=f"v{version}", n=number, m=total)
    return front.format(v=f" v{version}" if version > 1 else "", n=number, m=total)


def _series(
    posting: Posting, front: str, version: int, stem: str, mails: dict[str, bytes], above: str, total: int
) -> tuple[str, list[str]]:
    """(what answers to the cover letter go to, the patches)"""
    first = posting.patches[0].look
    cover = f"{stem}.cover@x.org" if posting.cover != "no" else ""
    if cover:
        title = f"{stem} all of it"
        subject = title if posting.cover == "plain" else f"{_front(front, version, 0, total)} {title}"
        link = "Link: https://x.org/gone\n\n" if posting.cover == "answer" else ""
        text = f"Blurb.\n\n{link}A (1):\n  x\n\n fs/dir.c | 2 +-\n 1 file changed, 1 insertion(+)\n"
        plain = Look(first.name, "utf-8", "8bit", "q")
        to = above if posting.cover != "plain" else ""
        mails[cover] = mail(cover, subject.encode(), plain, text, to=to)
    names: list[str] = []
    for number, patch in enumerate(posting.patches, start=1):
        name = f"{stem}.{number}@x.org"
        last, head = (names[-1], names[0]) if names else (cover, cover)
        parents = {"flat": cover, "deep": last, "first": head, "none": ""}
        parent = parents[posting.thread] or (above if not cover and posting.thread != "none" else "")
        said = header(f"{_front(front, version, number, total)} {patch.words}", patch.look)
        mails[name] = mail(name, said, patch.look, _text(patch), change(number, patch), to=parent)
        names.append(name)
    return cover, names


def _text(patch: Patch) -> str:
    notes = f"{patch.notes}\n\n" if patch.notes else ""
    body = f"{patch.body}\n" if patch.body else ""
    return f"{body}---\n{notes} fs/dir.c | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n\n"


def _rerolled(
    posting: Posting, front: str, version: int, mails: dict[str, bytes], names: list[str]
) -> list[str]:
    """The last patch again, as an answer to it."""
    patch, number = posting.patches[-1], len(posting.patches)
    subject = header(f"{_front(front, version, number, number)} {patch.words}", patch.look)
    text = f"Better.\n\n{_text(patch)}"
    mails["again@x.org"] = mail("again@x.org", subject, patch.look, text, change(number, patch), to=names[-1])
    return [*names[:-1], "again@x.org"]


def _more(posting: Posting, mails: dict[str, bytes], cover: str, names: list[str]) -> None:
    plain = Look("Rev Iewer", "utf-8", "8bit", "q")
    if "replies" in posting.extras:
        text = "> x\n\nReviewed-by: Rev Iewer <person@x.org>\n"
        mails["re@x.org"] = mail("re@x.org", b"Re: [PATCH 1/1] x", plain, text, to=names[0])
        mails["re2@x.org"] = mail("re2@x.org", b"Re: [PATCH 1/1] x", plain, "Why?\n", to=cover or names[-1])
    if "fixup" in posting.extras and len(names) > 1:
        hunk = b"@@ -1,2 +1,2 @@\n-all:\n+one:\n \techo hello\n"
        diff = b"diff --git a/Makefile b/Makefile\n--- a/Makefile\n+++ b/Makefile\n" + hunk
        mails["fix@x.org"] = mail(
            "fix@x.org", b"[PATCH] fix it up", plain, "Squash.\n---\n", diff, to=names[0]
        )
    if "spam" in posting.extras:
        mails["spam@x.org"] = (
            b"From: S <s@x.org>\nSubject: Buy\nMessage-Id: <spam@x.org>\nDate: Tue, 10 Jan 99999999999999 "
            b'10:00:00 +0000\nContent-Type: text/plain; charset="\0x"\n\nNow\n'
        )


def write(posting: Posting, found: Made, folder: Path) -> Path:
    """The mailbox."""
    items = list(found.mails.items())
    random.Random(posting.order).shuffle(items)
    if "twice" in posting.extras:
        items.append(items[0])
    if posting.container == "quilt":
        for number, data in enumerate(found.files()):
            (folder / f"{9 - number}.patch").write_bytes(data)
        names = [f"{9 - number}.patch -p1\n" for number in range(len(found.series))]
        (folder / "series").write_text("# x\n" + "".join(names))
        return folder
    if posting.container in ("maildir", "folder"):
        place = folder / "cur" if posting.container == "maildir" else folder
        for part in ("cur", "new", "tmp") if posting.container == "maildir" else ():
            (folder / part).mkdir()
        for number, (_, data) in enumerate(items):
            (place / f"{number}.eml").write_bytes(data)
        return folder
    data = b"".join(_in_mbox(one, posting.container == "mboxrd") for _, one in items)
    path = folder / ("t.mbox.gz" if posting.container == "gz" else "t.mbox")
    path.write_bytes(gzip.compress(data) if posting.container == "gz" else data)
    return path


def _in_mbox(data: bytes, quoted: bool) -> bytes:
    if not quoted:
        return b"From x Thu Jan  1 00:00:00 2026\n" + data + b"\n"
    return b"From mboxrd@z Thu Jan  1 00:00:00 1970\n" + re.sub(rb"(?m)^(>*From )", rb">\1", data) + b"\n"
