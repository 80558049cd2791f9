# SPDX-License-Identifier: GPL-2.0-or-later
"""The proof of what stands above a mail's text: who sends it, to whom, what it answers, and in which charset.

Python's email, b4 and git read what the server got; each must see what was meant. (git reads no more than
From, Subject and Date.)
"""

from __future__ import annotations

import email
import email.policy
import email.utils
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage

from farwatch.errors import FarwatchError
from farwatch.mail import b4_api
from farwatch.mail.letters import Letter, Recipients
from farwatch.mail.scratch import Scratch
from farwatch.revisions.identity import Identity, in_header, parse
from farwatch.system import git

_CRUD = ".,:;<>\"\\' "
"""What git takes off both ends of a name."""


@dataclass(frozen=True)
class Difference:
    """Something that does not arrive as it was written."""

    reader: str
    number: int
    """Of the patch; 0: the cover letter."""
    subject: str
    part: str
    written: str
    read: str

    def error(self, series: str) -> FarwatchError:
        what = (
            f"patch {self.number} ({self.subject})" if self.number else f"the cover letter ({self.subject})"
        )
        hint = "reword the commit (farwatch checkout, git rebase -i, farwatch save), then send again"
        if self.part in _PARTS:
            hint = "see user.name, user.email and sendemail.* of git config, and [send] in revision.toml"
        return FarwatchError(
            f"{series}: {what} would not arrive as it was written",
            cause=f"its {self.part} changes, read by {self.reader}\n"
            f"written: {self.written}\nread:    {self.read}",
            hint=hint,
        )


_PARTS = (
    "From",
    "To and Cc",
    "Reply-To",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Date",
    "charset",
    "lines",
)


def difference(
    repo: Scratch,
    received: Sequence[bytes],
    letters: Sequence[Letter],
    sender: Identity,
    recipients: Recipients,
) -> Difference | None:
    """The first thing that somebody would not read as it was meant."""
    dates: list[str] = []
    for mail, letter in zip(received, letters, strict=True):
        meant = _meant(letter, letters[0], sender)
        whom = [_pair(text) for text in (*recipients.to, *recipients.cc)]
        for part, reader, written, read in _compared(repo, mail, letter, meant, whom, dates):
            if written != read:
                return Difference(reader, letter.number, letter.subject, part, written, read)
    return None


def _meant(letter: Letter, head: Letter, sender: Identity) -> dict[str, str]:
    meant = {
        "From": _named(sender.name, sender.email),
        "Subject": letter.subject,
        "Message-ID": letter.message_id,
        "To": ", ".join(_named(*_pair(text)) for text in letter.to),
        "Cc": ", ".join(_named(*_pair(text)) for text in letter.cc),
    }
    if letter is not head:
        meant |= {"In-Reply-To": head.message_id}
    return meant


def _compared(
    repo: Scratch,
    mail: bytes,
    letter: Letter,
    meant: Mapping[str, str],
    whom: Sequence[tuple[str, str]],
    dates: list[str],
) -> Iterator[tuple[str, str, str, str]]:
    """(part, reader, what was written, what was read)"""
    yield from _transport(mail)
    by_python = _by_python(mail)
    if letter.number and parse(by_python["From"]).email == parse(meant["From"]).email:
        meant = {**meant, "From": by_python["From"]}  # as author, under another name: git am has seen to that
    by_git = _by_git(repo, mail)
    if not 3 <= len(parse(meant["From"]).name.encode()) <= 60:
        del by_git["From"]  # git takes the address for a name that is so short or long (mailinfo.c)
    for reader, read in {"Python's email": by_python, "b4": _by_b4(mail), "git": by_git}.items():
        for part in read:
            name = "To and Cc" if part in ("To", "Cc") else part
            yield name, reader, meant.get(part, by_python[part]), read[part]
    yield from _whom(letter, whom)
    if "In-Reply-To" in meant:
        wanted = meant["In-Reply-To"]
        known = by_python["References"].split()
        yield "References", "Python's email", wanted, wanted if wanted in known else " ".join(known)
    dates.append(by_python["Date"])
    yield "Date", "Python's email", max(dates), by_python["Date"]


def _whom(letter: Letter, whom: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str, str, str]]:
    """Those who are to get it are among those who do, by the names that they have."""
    got = [_pair(text) for text in (*letter.to, *letter.cc)]
    for name, address in whom:
        there = [_named(other, where) for other, where in got if where.lower() == address.lower()]
        yield "To and Cc", "Python's email", _named(name, address).lower(), "".join(there[:1]).lower()


def _transport(mail: bytes) -> Iterator[tuple[str, str, str, str]]:
    """What the way from server to server needs; lines that are too long no server has taken."""
    head, _, _ = mail.partition(b"\n\n")
    yield (
        "charset",
        "a server",
        "headers in ASCII",
        f"headers in {'ASCII' if head.isascii() else 'something else'}",
    )
    message = email.message_from_bytes(mail)
    label, payload = message.get_content_charset() or "us-ascii", message.get_payload(decode=True)
    try:
        assert isinstance(payload, bytes)
        payload.decode(label)
        fits = True
    except (LookupError, UnicodeDecodeError):
        fits = False
    yield "charset", "Python's email", label, label if fits else f"not {label}"


def _by_python(mail: bytes) -> dict[str, str]:
    message = email.message_from_bytes(mail, policy=email.policy.default)
    assert isinstance(message, EmailMessage)

    def people(name: str) -> list[Address]:
        values = message.get_all(name, [])
        return [address for value in values for address in value.addresses]

    def of(name: str) -> str:
        return ", ".join(_named(who.display_name, who.addr_spec) for who in people(name))

    return {
        "From": of("From"),
        "To": of("To"),
        "Cc": of("Cc"),
        "Reply-To": of("Reply-To"),
        "Subject": _flat(message["Subject"]),
        "Message-ID": _flat(message["Message-ID"]).strip("<>"),
        "In-Reply-To": _flat(message["In-Reply-To"]).strip("<>"),
        "References": " ".join(re.findall(r"<([^<>]+)>", str(message["References"] or ""))),
        "Date": _moment(str(message["Date"] or "")),
    }


def _by_b4(mail: bytes) -> dict[str, str]:
    read = b4_api.read_heading(mail)
    people = {name: ", ".join(_named(*pair) for pair in read.people[name]) for name in read.people}
    return {
        **people,
        "Subject": read.subject,
        "Message-ID": read.message_id,
        "In-Reply-To": read.in_reply_to,
        "References": " ".join(read.references),
        "Date": read.date,
    }


def _by_git(repo: Scratch, mail: bytes) -> dict[str, str]:
    """The header's own From: one in the text is the author's."""
    head, _, _ = mail.partition(b"\n\n")
    words = ("mailinfo", "-k", "/dev/null", "/dev/null")
    done = git.run(*words, cwd=repo.path, env=repo.environment(), stdin=head + b"\n\n")
    said = dict(re.findall(r"^(\w+): (.*)$", done.stdout.decode("utf-8", "replace"), re.MULTILINE))
    return {
        "From": _named(said.get("Author", ""), said.get("Email", "")),
        "Subject": _flat(said.get("Subject")),
        "Date": _moment(said.get("Date", "")),
    }


def _flat(text: object) -> str:
    return " ".join(str(text or "").split())


def _moment(text: str) -> str:
    try:
        return str(email.utils.parsedate_to_datetime(text).timestamp())
    except ValueError:
        return f"no date: {text}"


def _pair(text: str) -> tuple[str, str]:
    found = parse(text)
    return (found.name, found.email) if found.email else ("", text)


def _named(name: str, address: str) -> str:
    """A name as git leaves it."""
    name = " ".join(name.split()).strip(_CRUD)
    return in_header("" if name == address else name, address)
