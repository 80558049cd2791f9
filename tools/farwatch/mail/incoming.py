# SPDX-License-Identifier: GPL-2.0-or-later
"""A mail that somebody sent, as far as it takes to see what it belongs to. None is too odd to be read."""

from __future__ import annotations

import email
import email.parser
import email.utils
import hashlib
import re
from dataclasses import dataclass
from email.message import Message

from farwatch.system.charsets import decoded, decoded_header
from farwatch.trees.patch_mail import charset_of

_REPLY = re.compile(r"(?:re|aw|fwd|sv|antw)\s*(?:\[\d+\])?:\s*|\w{2,3}:\s*(?=\[)", re.IGNORECASE)
_NUMBER = re.compile(r"(?P<number>\d{1,4})(?:/|\s+of\s+)(?P<total>\d{1,4})")
_VERSION = re.compile(r"(?:^|[\s,;])(?:patch)?v(?P<version>\d{1,4})(?=$|[\s,;])", re.IGNORECASE)
_DIFF = re.compile(
    r"^(?:diff --git \S|diff -\S+ .*\n--- |--- \S.*\n\+\+\+ \S|GIT binary patch|Index: \S)", re.MULTILINE
)
_STAT = re.compile(r"^ \d+ files? changed|^ +\S.*\| +(?:\d+|Bin) ?[+0-9-]*", re.MULTILINE)
_TRAILER = re.compile(r"^\s*(?P<name>\w[\w-]*-by|cc|fixes|closes|link):\s*\S", re.MULTILINE | re.IGNORECASE)
_ID = re.compile(r"<([^<>\s]+)>")


@dataclass(frozen=True)
class SubjectLine:
    """A subject line. What stands in brackets in front of it is no part of the title."""

    full: str
    title: str
    reply: bool = False
    version: int = 1
    versioned: bool = False
    """The version is said."""
    number: int = 1
    """0: a cover letter."""
    total: int = 1
    numbered: bool = False

    @classmethod
    def read(cls, text: str) -> SubjectLine:
        """As b4 has it, and as patchwork writes it: `[v2,1/3]`."""
        full = rest = " ".join(text.split())
        reply, inside = False, ""
        while True:
            if match := _REPLY.match(rest):
                reply = True
            elif not (match := re.match(r"\[(?P<inside>[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*)\]?\s*", rest)):
                break
            else:
                inside += " " + match["inside"]
            rest = rest[match.end() :]
        number, version = _NUMBER.search(inside), _VERSION.search(inside)
        count = int(number["number"]) if number else 1
        return cls(
            full,
            rest.lstrip(": "),
            reply,
            int(version["version"]) if version else 1,
            version is not None,
            count,
            max(count, int(number["total"])) if number else 1,
            number is not None,
        )


@dataclass(frozen=True)
class Mail:
    """One mail, or one patch file."""

    data: bytes
    place: str
    """Where it is from, for messages."""
    subject: SubjectLine
    message_id: str
    """Without angle brackets; made up, from the content, for what has none."""
    named: bool
    """It has a Message-ID, as a mail does and a patch file need not."""
    in_reply_to: str
    references: tuple[str, ...]
    sender: str
    """Name and address as they are written."""
    address: str
    date: str
    body: str
    strip: int = 1
    """What the names of files begin with too much (quilt's -p)."""

    @property
    def has_diff(self) -> bool:
        return _DIFF.search(self.body) is not None

    @property
    def has_stat(self) -> bool:
        return _STAT.search(self.body) is not None

    @property
    def has_trailers(self) -> bool:
        """Whether a reader is to find trailers in it: quoted ones do not count."""
        return _TRAILER.search(self.body.partition("\n-- \n")[0]) is not None

    @property
    def is_cover(self) -> bool:
        """It says so: it is number 0. (That it has a Link: or a Cc: and hangs on another mail is no sign.)"""
        return self.subject.numbered and self.subject.number == 0 and not self.subject.reply

    @property
    def is_patch(self) -> bool:
        return self.has_diff and not self.subject.reply and not self.is_cover

    @property
    def label(self) -> str:
        return f"{self.subject.full or '(no subject)'} ({self.sender or self.address or self.place})"


def read_mail(data: bytes, place: str, strip: int = 1) -> Mail:
    """Read one mail. Whatever is wrong with it: what can be read is read."""
    data = re.sub(rb"\A>?From [^\n]*\n", b"", data)
    if data.partition(b"\n")[0].endswith(b"\r"):  # as mail is on its way; no line's own end
        data = data.replace(b"\r\n", b"\n")
    try:
        message = email.message_from_bytes(data)
        body = _body(message)
    except RecursionError:  # parts in parts in parts: no person writes such a mail
        message, body = email.parser.BytesHeaderParser().parsebytes(data), ""
    name, address = email.utils.parseaddr(_header(message, "From"))
    ids = _ID.findall(_header(message, "Message-Id"))
    references = _ID.findall(_header(message, "References"))
    above = _ID.findall(_header(message, "In-Reply-To"))
    return Mail(
        data=data,
        place=place,
        subject=SubjectLine.read(_header(message, "Subject")),
        message_id=ids[0] if ids else f"{hashlib.sha256(data).hexdigest()[:32]}@unnamed.invalid",
        named=bool(ids),
        in_reply_to=above[0] if above else references[-1] if references else "",
        references=tuple(references),
        sender=name or address,
        address=address,
        date=_header(message, "Date"),
        body=body,
        strip=strip,
    )


def _header(message: Message, name: str) -> str:
    for key, value in message.raw_items():
        if key.lower() == name.lower():
            return decoded_header(str(value).encode("utf-8", "surrogateescape"))
    return ""


def _body(message: Message) -> str:
    """The text: the first part that holds a change, else the first one at all."""
    texts = []
    for part in message.walk():
        kind = part.get_content_type()
        if part.is_multipart() or not re.search(r"/plain|/x-patch|/x-diff|/octet-stream", kind):
            continue
        payload = part.get_payload(decode=True)
        data = payload if isinstance(payload, bytes) else b""
        texts.append(decoded(data, charset_of(part) or charset_of(message)).replace("\r\n", "\n"))
    return next((text for text in texts if _DIFF.search(text)), texts[0] if texts else "")
