# SPDX-License-Identifier: GPL-2.0-or-later
"""What those who watch hear of what a server says, as guest.py prints it: the same for v2 and v3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from tests.integration.forge.masks import (
    ACCESS,
    ATTRIB,
    CLOSE_NOWRITE,
    CLOSE_WRITE,
    CREATE,
    DELETE,
    MODIFY,
    MOVE_SELF,
    OPEN,
)

ORDER = (CREATE, OPEN, ACCESS, MODIFY, ATTRIB, CLOSE_NOWRITE, CLOSE_WRITE, MOVE_SELF, DELETE)


def said(bit: int, isdir: int, in_dir: bool, on_it: bool, name: bytes) -> Iterator[str]:
    """The parent is told first, with the name. inotify does not mark what says _SELF as a directory."""
    if in_dir:
        yield f"{bit | isdir:x} 0 {name!r}"
    if on_it and not bit & (CREATE | DELETE):
        yield f"{bit if bit == MOVE_SELF else bit | isdir:x} 0 b''"


def merged(lines: Iterable[str]) -> list[str]:
    """As inotify merges an event with one that is like it, if that has not been read yet."""
    return [line for line, _ in groupby(lines)]


def seen(events: Iterable[str]) -> list[str]:
    """Lines of guest.py with "c" for each cookie.

    What was not merged because it was read in between is merged here: when somebody reads is no part of this.
    """
    lines = []
    for line in events:
        words = line.split(" ", 2)
        if len(words) == 3 and words[1] != "0":
            words[1] = "c"
        lines.append(" ".join(words))
    return merged(lines)
