# SPDX-License-Identifier: GPL-2.0-or-later
"""Events by name. inotify(7), fanotify(7) and the FUSE protocol share these bits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from farwatch.errors import unknown

EVENTS = {
    "access": 0x1,
    "modify": 0x2,
    "attrib": 0x4,
    "close_write": 0x8,
    "close_nowrite": 0x10,
    "open": 0x20,
    "moved_from": 0x40,
    "moved_to": 0x80,
    "create": 0x100,
    "delete": 0x200,
    "delete_self": 0x400,
    "move_self": 0x800,
}
ALL = 0xFFF
UNSEEN = EVENTS["access"] | EVENTS["open"] | EVENTS["close_nowrite"]
"""Leave no trace in a file; who looks for a lost event seldom means one of them."""
USUAL = ALL & ~UNSEEN
OVERFLOW = 0x4000
RENAME = 0x10000000
_EXCL_UNLINK = 0x04000000


@dataclass(frozen=True)
class Key:
    """An event as a program knows it: what it watches, what has happened, and the name there."""

    watch: str
    bit: int
    name: str = ""
    """Empty: what is watched itself."""

    @property
    def path(self) -> str:
        return below(self.watch, self.name)

    def __str__(self) -> str:
        return f"{name_of(self.bit)} {self.path}" + ("" if self.name else " itself")


def below(folder: str, name: str) -> str:
    """The path of a name in a folder."""
    return folder if not name else name if folder == "." else f"{folder}/{name}"


def name_of(bit: int) -> str:
    return next((name.upper() for name, its in EVENTS.items() if its == bit), f"{bit:#x}")


def names_of(mask: int) -> str:
    """The events in a mask."""
    named = ", ".join(name_of(bit) for bit in bits(mask))
    return "every event" if mask & ALL == ALL else named or "nothing"


def bits(mask: int) -> Iterator[int]:
    """The events in a mask, each by itself."""
    return (bit for bit in EVENTS.values() if mask & bit)


def mask_from(text: str) -> int:
    """What `--events` names; FarwatchError for an event that there is not."""
    mask = 0
    for word in text.lower().split(","):
        more = {"all": ALL, "usual": USUAL, "excl_unlink": _EXCL_UNLINK}.get(word, EVENTS.get(word))
        if more is None:
            raise unknown("event", word, ["all", "usual", "excl_unlink", *EVENTS])
        mask |= more
    return mask
