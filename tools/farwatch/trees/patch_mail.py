# SPDX-License-Identifier: GPL-2.0-or-later
"""What a patch in mail form says, as git takes it apart."""

from __future__ import annotations

import email
import os
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.system import git
from farwatch.system.charsets import decoded, in_utf8

_PREFIX = re.compile(rb"^\[[^\]]*PATCH[^\]]*\]\s*", re.IGNORECASE)
_DIFF = re.compile(rb"^(?:diff -|--- [^\s]|Index: )", re.MULTILINE)
_BREAK = re.compile(rb"^(?:diff -|--- [^\s]|Index: |---\s*$)", re.MULTILINE)
_SEPARATOR = re.compile(rb"^---\s*$")
_STAT = re.compile(
    rb"^ .* \| +(?:\d+|Bin|Unmerged)\b.*$|^ \d+ files? changed\b.*$"
    rb"|^ (?:create|delete|rename|copy|rewrite|mode change) .*$|^\s*$"
)
_IN_CRLF = re.compile(rb"^(?:diff --git |--- |\+\+\+ |@@ ).*\r$", re.MULTILINE)
_BODY_HEADER = re.compile(rb"\A(?:\s*(?:From|Subject|Date):.*\n(?:[ \t]+\S.*\n)*)+", re.IGNORECASE)


@dataclass(frozen=True)
class PatchMail:
    """What a patch file says."""

    path: Path
    author: str
    email: str
    date: str
    message: bytes
    diff: bytes
    strip: int = 1
    """Leading parts of file names that are not meant: git apply -p."""

    @property
    def subject(self) -> str:
        return self.message.partition(b"\n")[0].decode("utf-8", "replace")


def read_patch(path: Path, repository: Path) -> PatchMail:
    """Read a patch file of a series of ours; FarwatchError when it is none."""
    return _read(path, repository, "-k")


def read_foreign_patch(path: Path, repository: Path, strip: int = 1) -> PatchMail:
    """Read somebody's mail as `git am` and `b4 am` do.

    All that stands in brackets in front of the subject goes (git mailinfo without -k or -b), and what is
    above a pair of scissors, as b4 cuts it.
    """
    return _read(path, repository, "--scissors", strip=strip)


def _read(path: Path, repository: Path, option: str, strip: int = 1) -> PatchMail:
    fields, body, rest = _mailinfo(path, repository, option)
    missing = [field for field in ("Author", "Email") if not fields.get(field)]
    if missing:
        raise not_a_patch(path, "it has no From line")
    if not fields.get("Date") and option == "-k":
        raise not_a_patch(path, "it has no Date line")
    start = _DIFF.search(rest)
    if start is None:
        raise not_a_patch(path, "it changes nothing: there is no diff in it")
    if re.search(rb"^From [0-9a-f]{40} ", rest[start.start() :], re.MULTILINE):
        raise not_a_patch(path, "it holds more than one patch")
    title = fields.get("Subject", b"")
    title = _PREFIX.sub(b"", title, count=1) if option == "-k" else title
    message = _message(title, body, _notes(rest[: start.start()]))
    if not message.strip() or message.startswith(b"---\n"):
        raise not_a_patch(path, "it has no Subject line")
    author, address, date = (os.fsdecode(fields.get(key, b"")) for key in ("Author", "Email", "Date"))
    return PatchMail(path, author, address, date, message, rest, strip)


def _mailinfo(path: Path, repository: Path, option: str) -> tuple[dict[str, bytes], bytes, bytes]:
    """Fields, message and change. Charsets are git's to read, and ours where it gives up.

    --encoding=UTF-8 would seem to ask for what git does anyway, but switches re-coding off (git 2.31 on).
    """
    raw = path.read_bytes()
    with tempfile.TemporaryDirectory(prefix="farwatch-") as name:
        folder = Path(name)
        words = ("mailinfo", option, str(folder / "msg"), str(folder / "diff"))
        done = git.run(*words, cwd=repository, stdin=raw)
        if done.returncode != 0 and b"cannot convert" in done.stderr:
            with suppress(RecursionError):  # too many parts in parts: git's word stands
                done = git.run(*words, cwd=repository, stdin=recoded(raw))
        if done.returncode != 0:
            raise not_a_patch(path, f"git mailinfo cannot read it ({len(raw)} bytes)")
        body, rest = (folder / "msg").read_bytes(), (folder / "diff").read_bytes()
    if _IN_CRLF.search(rest):  # so no line's own end: that of all lines, on their way
        body, rest = (text.replace(b"\r\n", b"\n") for text in (body, rest))
    return _fields(done.stdout), body, rest


def recoded(raw: bytes) -> bytes:
    """A mail with the same content, whose text is UTF-8 and says so."""
    found = email.message_from_bytes(raw)
    head, _, _ = raw.partition(b"\n\n")
    lines = re.findall(rb"^(?:From|Subject|Date):.*(?:\n[ \t]+.*)*", head, re.MULTILINE | re.IGNORECASE)
    texts = [_text(part, found) for part in found.walk() if not part.is_multipart()]
    kind = b"MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit"
    return b"\n".join([*map(in_utf8, lines), kind, b"", *texts])


def _text(part: Message, whole: Message) -> bytes:
    """A part's text in UTF-8. A change is bytes: it stays as it is."""
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    found = _BREAK.search(data)
    place = found.start() if found else len(data)
    text = decoded(data[:place], charset_of(part) or charset_of(whole)).encode("utf-8", "replace")
    return _BODY_HEADER.sub(lambda match: in_utf8(match[0]), text) + data[place:]


def charset_of(part: Message) -> str | None:
    """What a mail's part says that it is in, as it says it."""
    try:
        found = part.get_param("charset")
    except ValueError:
        return None
    return str(found[2] if isinstance(found, tuple) else found) if found else None


def _fields(info: bytes) -> dict[str, bytes]:
    fields: dict[str, bytes] = {}
    for line in info.splitlines():
        name, colon, value = line.partition(b": ")
        key = name.decode("latin-1")
        if colon:
            fields[key] = fields[key] + b" " + value if key in fields else value
    return fields


def tidy(message: bytes) -> bytes:
    """A message as git commit cleans it: no blanks at ends of lines, no runs of empty lines."""
    lines = [line.rstrip(b" \t\r\f\v") for line in message.split(b"\n")]
    kept = [line for place, line in enumerate(lines) if line or (place and lines[place - 1])]
    return b"\n".join(kept).strip(b"\n") + b"\n"


def _message(title: bytes, body: bytes, notes: bytes) -> bytes:
    message = tidy(title + b"\n\n" + body)
    if not notes:
        return message
    # an empty line ends the subject, so there must be one if nothing else does
    return tidy(message + (b"" if body.strip() else b"\n") + b"---\n" + notes)


def _notes(head: bytes) -> bytes:
    """What stands between the message and the diff, without the separators and the statistics."""
    lines = head.split(b"\n")
    last = max((place for place, line in enumerate(lines) if _SEPARATOR.match(line)), default=-1)
    first = next((place for place, line in enumerate(lines) if _SEPARATOR.match(line)), -1)
    before = lines[first + 1 : last]
    after = [line for line in lines[last + 1 :] if not _STAT.match(line)]
    return tidy(b"\n".join([*before, *after])).strip(b"\n")


def not_a_patch(path: Path, reason: str) -> FarwatchError:
    hint = (
        "a patch file is what `git format-patch` writes: From, Date and Subject lines, a message and a diff"
    )
    return FarwatchError(f"{path} is not a patch that can be applied", cause=reason, hint=hint)
