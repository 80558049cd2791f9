# SPDX-License-Identifier: GPL-2.0-or-later
"""From a raw byte stream to the lines of a test's output, with every doubt kept.

A stream may hold escape sequences, NUL bytes, bytes that are no UTF-8, CRLF
ends, a last line that was cut, and kernel messages between or in the middle
of the lines. Nothing here decides what a line means; a line that may not be
what the program wrote carries the reason in `Line.doubt`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

STAMP = re.compile(r"(?:<[0-9]{1,2}>)?\[ *[0-9]{1,10}\.[0-9]{6}\](?:\[ *[TC][0-9]+\])? ?")
"""What printk puts before a message: level, seconds since boot, task or CPU."""

PROTOCOL = re.compile(
    r"(?:(?:ok|not ok)(?:\s+[0-9]{1,9}(?:\s.*)?)?|1\.\.[0-9]{1,9}\s*(?:#.*)?"
    r"|K?TAP version [0-9]{1,4}\s*|Bail out!.*)"
)
"""A line that states something (version, plan, result, bail out), without its prefix."""

PREFIX = re.compile(r"[ \t]*(?:# [ \t]*)*")
"""Indentation of a nested KTAP document, or "# " of a nested kselftest run."""

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_STRANGE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
_FRAGMENT = re.compile(
    r"(?:n|no|not|not o|o|1|1\.|K|T|TA|K?TAP|K?TAP v.*|B|Ba|Bai|Bail.*|(?:not )?ok(?:\s.*)?|not |1\.\..*)"
)


@dataclass(frozen=True)
class StreamLine:
    """One line of the stream, cleaned."""

    number: int
    """Counted from 1 in the raw stream."""
    text: str
    doubt: str = ""
    """Why the text may not be what the program wrote; empty when there is no doubt."""
    complete: bool = True
    """False for a last line without its newline."""
    foreign: bool = False
    """A kernel message in a program's output: never part of the protocol."""


def read(stream: str | bytes | Iterable[str]) -> tuple[StreamLine, ...]:
    """The lines of the stream. Never raises.

    Items of an iterable are lines, with their newlines or without; when some
    have one, a last item without it counts as cut.
    """
    lines = _clean_all(_as_text(stream))
    if _is_stamped(lines):
        return tuple(_without_stamp(line) for line in lines)
    return tuple(_rejoined(lines))


def body_of(text: str) -> tuple[str, str]:
    """Split a line into its prefix (nesting) and the rest."""
    match = PREFIX.match(text)
    end = match.end() if match else 0
    return text[:end], text[end:]


def _as_text(stream: str | bytes | Iterable[str]) -> str:
    if isinstance(stream, bytes):
        return stream.decode("utf-8", "surrogateescape")
    if isinstance(stream, str):
        return stream
    items = list(stream)
    if any(item.endswith("\n") for item in items):
        return "".join(items)
    return "".join(f"{item}\n" for item in items)


def _clean_all(text: str) -> list[StreamLine]:
    raw = text.split("\n")
    lines = [_clean(number, item) for number, item in enumerate(raw, 1)]
    last = lines.pop()
    if raw[-1]:
        lines.append(replace(last, complete=False))
    return lines


def _clean(number: int, raw: str) -> StreamLine:
    text = raw.rstrip("\r")
    if _STRANGE.search(text) is None:
        return StreamLine(number, text)
    text = _COLOUR.sub("", text)
    if _STRANGE.search(text) is None:
        return StreamLine(number, text)
    text = _STRANGE.sub(_visible, _ESCAPE.sub("", text))
    return StreamLine(number, text, doubt="holds control characters or bytes that are no UTF-8")


def _visible(match: re.Match[str]) -> str:
    """Invalid bytes stay visible; control characters would only hide the text around them."""
    code = ord(match[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else ""


def _is_stamped(lines: Iterable[StreamLine]) -> bool:
    """True when the version line itself came through printk (KUnit on a console)."""
    for line in lines:
        stamp = STAMP.match(line.text)
        body = body_of(line.text[stamp.end() if stamp else 0 :])[1]
        if PROTOCOL.fullmatch(body):
            return stamp is not None
    return False


def _without_stamp(line: StreamLine) -> StreamLine:
    stamp = STAMP.match(line.text)
    if stamp is None:
        return replace(line, foreign=True)
    return replace(line, text=line.text[stamp.end() :])


def _rejoined(lines: Iterable[StreamLine]) -> Iterator[StreamLine]:
    """Mark kernel messages, and put a line together again that one of them cut in two."""
    head: StreamLine | None = None
    torn = 0
    for line in lines:
        if STAMP.match(line.text):
            yield replace(line, foreign=True)
            continue
        whole, head = _joined(head, line), None
        stamp = STAMP.search(whole.text)
        if stamp is not None:
            before = replace(whole, text=whole.text[: stamp.start()])
            if _FRAGMENT.fullmatch(body_of(before.text)[1]):
                yield replace(line, text=whole.text[stamp.start() :], foreign=True)
                head = before
                continue
            torn = line.number if before.text.strip("# \t") else torn
        elif torn and (whole.text.strip() or not line.complete):
            whole, torn = _after_torn(whole, torn), 0
        yield whole
    if head is not None:
        yield replace(head, complete=False)


def _joined(head: StreamLine | None, rest: StreamLine) -> StreamLine:
    """The two parts of a line that a kernel message cut.

    The join is certain unless the first part was a whole statement and the
    second one does not look like the rest of it: then a part may be lost.
    """
    if head is None:
        return rest
    doubt = head.doubt or rest.doubt
    stated = PROTOCOL.fullmatch(body_of(head.text)[1]) is not None
    if stated and (rest.text.startswith("#") or PROTOCOL.fullmatch(body_of(rest.text)[1])):
        doubt = doubt or "was cut by a kernel message and its rest is not certain"
    return replace(head, text=head.text + rest.text, doubt=doubt, complete=rest.complete)


def _after_torn(line: StreamLine, torn: int) -> StreamLine:
    if PROTOCOL.fullmatch(body_of(line.text)[1]) is None:
        return line
    return replace(line, doubt=line.doubt or f"may be the rest of line {torn}, which a kernel message cut")
