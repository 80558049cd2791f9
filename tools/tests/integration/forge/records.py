# SPDX-License-Identifier: GPL-2.0-or-later
"""v3's batches of records: made, forged, made at random, and what is true of them.

What is valid is written down here once more, from the protocol's description (the header and the
documentation patch in patches/v3/linux), and not taken from the kernel's parser.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

from tests.integration.forge.masks import (
    CREATE,
    DEAD,
    DELETE,
    ISDIR,
    MOVE_SELF,
    OBJECT,
    OVERFLOW,
    RENAME,
    UNLINKED,
)

HEAD = struct.Struct("<QII")
RECORD = struct.Struct("<IIIHH6Q")
LONGEST_NAME = 1024
"""On a connection whose requests have one page."""
LONGEST_BATCH = 65536
LONGEST_ANSWER = 16384
"""That a FETCH has room for."""
WATCHED, FILE, BORN = 40, 50, 1
"""nodeids of the folder that is watched, and of a file in it; everybody's generation."""
NODES = [
    {"name": "d", "id": WATCHED},
    {"name": "d/f", "id": FILE, "mode": 0o100666, "nlink": 1, "data": "old"},
]
EINVAL, E2BIG, ENAMETOOLONG = 22, 7, 36


def record(
    mask: int = CREATE,
    name: bytes | None = b"x",
    newname: bytes | None = None,
    *,
    nodeid: int | None = None,
    generation: int = BORN,
    child: int = 0,
    child_generation: int = BORN,
    newdir: int | None = None,
    newdir_generation: int = BORN,
    flags: int = 0,
    namelen: int | None = None,
    newnamelen: int | None = None,
    size: int | None = None,
    tail: bytes | None = None,
) -> bytes:
    """A record; what is given by keyword is forged. tail: what follows the names, instead of the zeros."""
    names = b"".join(entry + b"\0" for entry in (name, newname) if entry is not None)
    names += bytes(-len(names) % 8) if tail is None else tail
    return (
        RECORD.pack(
            RECORD.size + len(names) if size is None else size & 0xFFFFFFFF,
            flags,
            mask,
            len(name or b"") if namelen is None else namelen,
            len(newname or b"") if newnamelen is None else newnamelen,
            (WATCHED if name else 0) if nodeid is None else nodeid,
            generation,
            child,
            child_generation,
            (WATCHED if newname else 0) if newdir is None else newdir,
            newdir_generation,
        )
        + names
    )


def flag(flags: int, child: int = 0, generation: int = BORN) -> bytes:
    return record(0, None, flags=flags, child=child, child_generation=generation)


def batch(*records: bytes, count: int | None = None, spare: int = 0) -> bytes:
    """Without its number, which whoever sends it knows."""
    return HEAD.pack(0, len(records) if count is None else count, spare) + b"".join(records)


def verdict(data: bytes) -> int:
    """The errno with which a batch is refused, or 0."""
    if len(data) > LONGEST_BATCH:
        return E2BIG
    if len(data) < HEAD.size:
        return EINVAL
    _, count, spare = HEAD.unpack_from(data)
    if not count or spare:
        return EINVAL
    at = HEAD.size
    for _ in range(count):
        error, at = checked(data, at)
        if error:
            return error
    return EINVAL if at != len(data) else 0


def checked(data: bytes, at: int) -> tuple[int, int]:
    """errno of the record at a place, and the place of the next one."""
    left = len(data) - at
    if left < RECORD.size:
        return EINVAL, at
    size, flags, mask, *rest = RECORD.unpack_from(data, at)
    lens, (nodeid, _, child, _, newdir, _) = rest[:2], rest[2:]
    if size < RECORD.size or size > left or size % 8:
        return EINVAL, at
    if max(lens) > LONGEST_NAME:
        return ENAMETOOLONG, at
    names = taken(data[at + RECORD.size : at + size], lens)
    if names is None or bool(nodeid) != bool(lens[0]) or bool(newdir) != bool(lens[1]):
        return EINVAL, at
    return 0 if possible(mask, flags, nodeid, child, newdir) else EINVAL, at + size


def possible(mask: int, flags: int, nodeid: int, child: int, newdir: int) -> bool:
    """Whether there can be such events of such objects."""
    if flags in (DEAD, OVERFLOW):
        return not mask and not nodeid and not newdir and bool(child) == (flags == DEAD)
    events = mask & ~ISDIR
    if flags & ~UNLINKED:
        return False
    if events == RENAME:
        return not flags and bool(nodeid or newdir)
    allowed = OBJECT | CREATE | DELETE if nodeid else OBJECT | MOVE_SELF
    return bool(events and not newdir and not events & ~allowed and (nodeid or child))


def taken(rest: bytes, lens: list[int]) -> list[bytes] | None:
    """The names, if they are names, each with its NUL, and nothing follows but as few zeros as can be."""
    names = []
    for size in lens:
        name, end = rest[:size], rest[size : size + 1]
        if size and (end != b"\0" or 0 in name or b"/" in name or name in (b".", b"..")):
            return None
        names.append(name)
        rest = rest[size + 1 :] if size else rest
    return None if len(rest) >= 8 or any(rest) else names


def split(data: bytes) -> Iterator[tuple[int, ...]]:
    """What an accepted batch consists of: offset, and the fields of each record."""
    at = HEAD.size
    while at < len(data):
        fields = RECORD.unpack_from(data, at)
        yield (at, *fields)
        at += fields[0]


# -- at random

ODD = (
    0,
    1,
    2,
    7,
    8,
    WATCHED,
    FILE,
    63,
    64,
    65,
    255,
    256,
    0xFFFF,
    0x10000,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**64 - 1,
)


def at_random(seed: int, records: int, most: int = 24) -> Iterator[bytes]:
    """Batches, half of them forged somewhere, until there have been so many records."""
    dice = random.Random(seed)
    while records > 0:
        size = min(dice.choice((1, 1, 2, 3, 4, most)), records)
        records -= size
        made = batch(*(likely(dice) for _ in range(size)))
        yield mutated(dice, made) if dice.random() < 0.5 else made


def likely(dice: random.Random) -> bytes:
    """A record that is true, or nearly."""
    name = dice.choice((b"x", b"f", b"nobody", b"\xff\n %", b"n" * dice.choice((7, 8, 255, 256, 1024))))
    objects = OBJECT & dice.getrandbits(32) or OBJECT
    isdir = dice.choice((0, 0, ISDIR))
    kind = dice.randrange(8)
    if kind == 0:
        return record(isdir | objects | CREATE, name, child=dice.choice((0, FILE, 77)))
    if kind == 1:
        return record(isdir | dice.choice((CREATE, DELETE)), name, flags=dice.choice((0, UNLINKED)))
    if kind == 2:
        return record(isdir | objects, name, child=FILE, flags=dice.choice((0, UNLINKED)))
    if kind == 3:
        return record(objects | MOVE_SELF, None, child=dice.choice((FILE, WATCHED)))
    if kind == 4:
        return record(isdir | RENAME, name, dice.choice((name, None, b"y")), child=dice.choice((0, FILE)))
    if kind == 5:
        return record(RENAME, None, name)
    if kind == 6:
        return flag(DEAD, dice.choice((FILE, 77)))
    return record(objects, name, nodeid=dice.choice((WATCHED, FILE, 77)), generation=dice.choice((BORN, 9)))


def mutated(dice: random.Random, made: bytes) -> bytes:
    """With a few bytes or fields of other values, shorter, or with a part of it twice."""
    data = bytearray(made)
    for _ in range(dice.choice((1, 1, 2, 3))):
        at = dice.randrange(8, len(data)) if len(data) > 8 else 0
        kind, width = dice.randrange(8), dice.choice((1, 2, 4, 8))
        if kind < 2:
            data[at : at + 1] = bytes([dice.getrandbits(8)])
        elif kind == 2:
            data[at : at + 1] = bytes([(data[at] if at < len(data) else 0) ^ 1 << dice.randrange(8)])
        elif kind < 6:
            at -= at % width
            data[at : at + width] = (dice.choice(ODD) & (1 << 8 * width) - 1).to_bytes(width, "little")
        elif kind == 6:
            del data[at - at % dice.choice((1, 8)) :]
        else:
            data[at:at] = data[HEAD.size : HEAD.size + dice.choice((1, 8, RECORD.size))]
    return bytes(data[:LONGEST_ANSWER])
