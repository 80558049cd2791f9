# SPDX-License-Identifier: GPL-2.0-or-later
"""FUSE requests of a kernel of v3, and those of one that lies, made at random."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence

from tests.integration.forge.files import FORGET, FSNOTIFY, HAVE_FSNOTIFY, INIT, INIT_EXT, LOOKUP
from tests.integration.forge.masks import CREATE, ISDIR, ON_CHILD
from tests.integration.forge.records import ODD

WATCH, FETCH, STOP = 1, 2, 3
FSNOTIFY_IN = struct.Struct("<IIIIQQ")
FETCHED = 16384
MINE = 4711
"""unique of all that are valid."""


def request(
    opcode: int, body: bytes = b"", nodeid: int = 1, *, size: int | None = None, unique: int = MINE
) -> bytes:
    length = 40 + len(body) if size is None else size
    return struct.pack("<IIQQIIIHH", length & 0xFFFFFFFF, opcode, unique, nodeid, 0, 0, 0, 0, 0) + body


def init(minor: int = 47, flags: int = HAVE_FSNOTIFY | INIT_EXT) -> bytes:
    low, high = flags & 0xFFFFFFFF, flags >> 32
    return request(INIT, struct.pack("<IIIII", 7, minor, 65536, low, high).ljust(64, b"\0"), 0)


def lookup(name: bytes, parent: int = 1) -> bytes:
    return request(LOOKUP, name + b"\0", parent)


def watch(nodeid: int, mask: int, generation: int = 0) -> bytes:
    return request(FSNOTIFY, FSNOTIFY_IN.pack(WATCH, 0, mask, 0, generation, 0), nodeid)


def fetch(size: int = FETCHED, seq: int = 0) -> bytes:
    return request(FSNOTIFY, FSNOTIFY_IN.pack(FETCH, 0, 0, size, 0, seq))


def stop() -> bytes:
    return request(FSNOTIFY, FSNOTIFY_IN.pack(STOP, 0, 0, 0, 0, 0))


def hostile(dice: random.Random, known: Sequence[int]) -> bytes:
    """Something about events that a kernel could ask for, or could not."""
    nodeid = dice.choice((1, 1, *known, dice.choice(ODD), dice.getrandbits(64)))
    op = dice.choice((WATCH, WATCH, WATCH, FETCH, FETCH, STOP, dice.choice(ODD) & 0xFFFFFFFF))
    mask = dice.choice((CREATE, 0xFFF, CREATE | ON_CHILD, ISDIR, 0, dice.getrandbits(32)))
    size = dice.choice((FETCHED, 8192, 0, 1, 8191, dice.choice(ODD) & 0xFFFFFFFF))
    flags = dice.choice((0, 0, 0, 0, dice.getrandbits(32)))
    generation = dice.choice((0, 0, 1, dice.getrandbits(64)))
    body = FSNOTIFY_IN.pack(op, flags, mask, size, generation, dice.choice(ODD))
    if dice.random() < 0.1:
        body = body[: dice.randrange(len(body))]
    if dice.random() < 0.05:
        body += dice.randbytes(dice.choice((1, 8, 5000)))
    length = dice.choice(ODD) if dice.random() < 0.1 else None
    return request(FSNOTIFY, body, nodeid, size=length, unique=dice.choice((MINE, dice.getrandbits(64))))


def forget(nodeid: int, count: int) -> bytes:
    return request(FORGET, struct.pack("<Q", count), nodeid)
