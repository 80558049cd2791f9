# SPDX-License-Identifier: GPL-2.0-or-later
"""From a line of a console to the kernel's messages in it.

A line may hold several: another CPU's message, a program's unfinished line and
what printk says when it lost some come before or behind a message without a
newline. Each message is what follows a stamp, up to the next stamp.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from farwatch.verdicts.lines import STAMP

_CALLER = re.compile(r"\[ *([TC][0-9]+)\]")
_DROPPED = re.compile(
    r"\*\* \d+ printk messages dropped \*\* ?|\*\* replaying previous printk message \*\* ?"
)


@dataclass(frozen=True)
class Message:
    """One message of the kernel (or a text that may be one)."""

    text: str
    """Without what printk puts before it."""
    caller: str = ""
    """"T12" or "C1", the task or CPU that printed it; empty without CONFIG_PRINTK_CALLER."""


def messages_of(line: str) -> tuple[Message, ...]:
    """The messages of a line, in order; at least one."""
    if "[" not in line:
        return (Message(line),)
    found: list[Message] = []
    start, caller = 0, ""
    for stamp in STAMP.finditer(line):
        _keep(found, line[start : stamp.start()], caller)
        named = _CALLER.search(stamp[0])
        start, caller = stamp.end(), named[1] if named else ""
    _keep(found, line[start:], caller)
    return tuple(found) or (Message(line[start:], caller),)


def _keep(found: list[Message], text: str, caller: str) -> None:
    if text.strip() and (text := _DROPPED.sub("", text)).strip():
        found.append(Message(text, caller))


def message_of(line: str) -> Message:
    """The last message of a line: what it is about when it is a part of a report."""
    return messages_of(line)[-1]
