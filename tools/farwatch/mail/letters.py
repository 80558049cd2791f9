# SPDX-License-Identifier: GPL-2.0-or-later
"""A series as mails, made by `b4 send` on a prep branch of a scratch repository."""

from __future__ import annotations

import binascii
import email
import email.header
import email.utils
import json
import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.message import Message
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.mail.scratch import BASE, SERIES, Scratch
from farwatch.revisions.identity import Identity, in_header

_TEMPLATE = """\
${cover}

---
${shortlog}

${diffstat}
%s
---
base-commit: %s
change-id: ${change_id}
%s
Best regards,
--\x20
${signature}
"""
_ASK_LIMIT = 120.0
LONGEST = 998
"""Bytes that a line of a mail may have (RFC 5321, 4.5.3.1.6)."""
_ENCODING = re.compile(rb"^Content-Transfer-Encoding:.*$", re.IGNORECASE | re.MULTILINE)
_COUNTER = re.compile(r"\b(?P<number>\d+)/\d+\]")


@dataclass(frozen=True)
class Recipients:
    """Addresses: "a@example.org" or "A <a@example.org>"."""

    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()


@dataclass(frozen=True)
class Earlier:
    """The revision before this one, for the range-diff."""

    version: int
    base: str
    tip: str


@dataclass(frozen=True)
class Draft:
    """What b4 is to make mails of, beside the commits."""

    subject: str
    body: str
    version: int
    change_id: str
    sender: Identity
    recipients: Recipients
    trailers_too: bool = True
    """Whether those whom the patches' trailers name get them as well."""
    prefixes: tuple[str, ...] = ()
    earlier: Earlier | None = None
    history: Mapping[int, str] = field(default_factory=dict)
    """Version -> message id of its cover letter."""
    same_thread: bool = False
    base: str = ""
    """Commit that the series and its prerequisites are on, if it is not the one right below the series."""
    prerequisites: tuple[str, ...] = ()
    """Ids of the patches between that commit and the series."""


@dataclass(frozen=True)
class Letter:
    """One mail."""

    number: int
    """Of its patch; 0: the cover letter."""
    message_id: str
    """Without the angle brackets."""
    subject: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    data: bytes
    """As it goes out, but with LF at the ends of lines."""

    @property
    def recipients(self) -> list[str]:
        """Bare addresses, each once."""
        pairs = email.utils.getaddresses([*self.to, *self.cc])
        return list(dict.fromkeys(address for _, address in pairs if address))


def write_letters(repo: Scratch, draft: Draft, folder: Path) -> list[Letter]:
    """The mails of a scratch repository's series, the cover letter first; b4's own files are in `folder`.

    A series of one patch has no cover letter: b4 puts its text below the patch's "---".
    """
    _keep_as_text_what_can_be(repo)
    make_prep_branch(repo, draft)
    template = repo.path / ".git" / "cover-template"
    template.write_text(_template(draft))
    # a server is named only so that b4 does not choose the kernel's web endpoint
    settings = ["-c", f"b4.prep-cover-template={template}", "-c", "sendemail.smtpserver=localhost"]
    settings += ["-c", f"sendemail.from={in_header(draft.sender.name, draft.sender.email)}"]
    if draft.same_thread:
        settings += ["-c", "b4.send-same-thread=yes"]
    options = ["--no-sign", "-o", str(folder)]
    if not draft.trailers_too:
        options += ["--no-trailer-to-cc"]
    for option, addresses in (("--to", draft.recipients.to), ("--cc", draft.recipients.cc)):
        options += [option, *addresses] if addresses else []
    repo.b4(*settings, "send", *options)
    found = [_read(path.read_bytes()) for path in folder.glob("*.eml")]
    return sorted(found, key=lambda letter: letter.number)


def _template(draft: Draft) -> str:
    range_diff = "\n${range_diff}" if draft.earlier else ""
    needed = "".join(f"prerequisite-patch-id: {name}\n" for name in draft.prerequisites)
    return _TEMPLATE % (range_diff, draft.base or "${base_commit}", needed)


def own_recipients(repo: Scratch) -> Recipients | None:
    """Whom the commands of a person's own settings name (b4.send-auto-to-cmd, -cc-cmd); None without such."""
    own = dict(repo.settings)
    commands = [own[key] for key in ("b4.send-auto-to-cmd", "b4.send-auto-cc-cmd") if key in own]
    if not commands:
        return None
    change = repo.git("log", "--reverse", "--format=", "-p", f"{BASE}..{SERIES}")
    return Recipients(*(_answer(_start(repo, shlex.split(command)), change) for command in commands))


def _start(repo: Scratch, command: list[str]) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(
            command, cwd=repo.path, env=repo.environment(), stdin=pipe, stdout=pipe, stderr=pipe
        )
    except OSError as error:
        raise FarwatchError(f"cannot run {command[0]}", cause=str(error)) from error


def _answer(process: subprocess.Popen[bytes], change: bytes) -> tuple[str, ...]:
    with process:
        try:
            said, complaint = process.communicate(change, timeout=_ASK_LIMIT)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise FarwatchError(f"get_maintainer gives no answer within {_ASK_LIMIT:.0f} s") from error
    if process.returncode != 0:
        raise FarwatchError("get_maintainer failed", cause=complaint.decode("utf-8", "replace").strip())
    return tuple(line for line in said.decode("utf-8", "replace").splitlines() if "@" in line)


def make_prep_branch(repo: Scratch, draft: Draft) -> None:
    """Make the series what `b4 prep` would have made of it; its cover letter is the branch description."""
    history = {f"v{version}": [message_id] for version, message_id in draft.history.items()}
    series = {
        "revision": draft.version,
        "change-id": draft.change_id,
        "prefixes": list(draft.prefixes),
        "presubject": "",
        "base-branch": BASE,
        "history": history,
    }
    body = re.sub(r"^#", ">#", draft.body, flags=re.MULTILINE)  # else b4 takes it for a comment
    for key, value in (
        ("b4-prep-cover-strategy", "branch-description"),
        ("description", f"{draft.subject}\n\n{body}"),
        ("b4-tracking", json.dumps({"series": series})),
    ):
        repo.git("config", f"branch.{SERIES}.{key}", value)
    if draft.earlier is not None:
        _tag_as_sent(repo, draft.change_id, draft.earlier)


def _tag_as_sent(repo: Scratch, change_id: str, earlier: Earlier) -> None:
    """The tag by which b4 knows what was sent before."""
    name = f"sent/{change_id}-v{earlier.version}"
    text = f"v{earlier.version}\n\nbase-commit: {earlier.base}\nchange-id: {change_id}\n"
    # a tag has a tagger
    who = ("-c", "user.name=farwatch", "-c", "user.email=farwatch@farwatch.invalid")
    repo.git(*who, "tag", "--annotate", "-F", "-", name, earlier.tip, stdin=text.encode())


def _keep_as_text_what_can_be(repo: Scratch) -> None:
    """Mark files that mail would damage, so that git writes their changes as binary patches.

    b4 takes carriage returns out of a mail, going and coming, and gives up on what is not UTF-8.
    """
    if _survives(repo.git("log", "--format=", "-p", f"{BASE}..{SERIES}")):
        return
    marked: set[bytes] = set()
    for commit in repo.line("rev-list", f"{BASE}..{SERIES}").splitlines():
        names = repo.git("diff-tree", "--no-commit-id", "--name-only", "-r", "-z", commit)
        for name in filter(None, names.split(b"\0")):
            path = f":(literal){os.fsdecode(name)}"
            if not _survives(repo.git("show", "--format=", "-p", "--no-renames", commit, "--", path)):
                marked.add(name)
    with (repo.path / ".git" / "info" / "attributes").open("ab") as file:
        for name in sorted(marked):
            file.write(_pattern(name) + b" -diff\n")


def _survives(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return b"\r" not in text


def _pattern(name: bytes) -> bytes:
    """A file name as a pattern of gitattributes that fits nothing else."""
    plain = re.sub(rb"([\\\[\]*?])", rb"\\\1", name)
    escapes = {ord('"'): b'\\"', ord("\\"): b"\\\\"}
    quoted = b"".join(
        escapes.get(byte) or (b"\\%03o" % byte if byte < 32 else bytes([byte])) for byte in plain
    )
    return b'"/' + quoted + b'"'


def _read(data: bytes) -> Letter:
    """A letter as b4 wrote it."""
    head = email.message_from_bytes(data)
    subject = _decoded(_line(head, "Subject"))
    counter = _COUNTER.search(subject)
    return Letter(
        number=int(counter["number"]) if counter else 1,
        message_id=_line(head, "Message-Id").strip("<>"),
        subject=" ".join(subject.split()),
        to=_addresses(head, "To"),
        cc=_addresses(head, "Cc"),
        data=data,
    )


def _line(head: Message, name: str) -> str:
    return " ".join(str(head.get(name, "")).split())


def _addresses(head: Message, name: str) -> tuple[str, ...]:
    pairs = email.utils.getaddresses([str(value) for value in head.get_all(name, [])])
    return tuple(in_header(_decoded(who), address) for who, address in pairs if address)


def _decoded(text: str) -> str:
    return str(email.header.make_header(email.header.decode_header(text)))


def finished(letters: Sequence[Letter], ids: Mapping[int, str], texts: Mapping[str, str]) -> list[Letter]:
    """The letters as they go out: with the message ids that are known already, with texts in the place of
    their stand-ins, and fit for transport."""
    changes = {letter.message_id: ids[letter.number] for letter in letters if letter.number in ids}
    return [
        replace(
            letter,
            message_id=changes.get(letter.message_id, letter.message_id),
            data=_fit(_replaced(letter.data, {**changes, **texts})),
        )
        for letter in letters
    ]


def _replaced(data: bytes, texts: Mapping[str, str]) -> bytes:
    for old, new in texts.items():
        data = data.replace(old.encode(), new.encode())
    return data


def _fit(data: bytes) -> bytes:
    """The mail, quoted-printable if it has lines that are too long, or that an mbox would change."""
    head, _, body = data.partition(b"\n\n")
    if not body.isascii():  # b4 looks before it puts the author's name in
        head = _ENCODING.sub(b"Content-Transfer-Encoding: 8bit", head)
    lines = body.split(b"\n")
    if all(len(line) <= LONGEST and not line.startswith(b"From ") for line in lines):
        return head + b"\n\n" + body
    quoted = re.sub(rb"^From ", b"=46rom ", binascii.b2a_qp(body, istext=True), flags=re.MULTILINE)
    return _ENCODING.sub(b"Content-Transfer-Encoding: quoted-printable", head) + b"\n\n" + quoted
