# SPDX-License-Identifier: GPL-2.0-or-later
"""v1's kernel and a device that lies (forge/device.py): only true events arrive, and the guest lives.

What is valid is written down here once more, from the protocol's description (the documentation patch in
patches/v1/linux), and not taken from the kernel.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence

import pytest

from farwatch.guests.setting import Setting
from tests.integration.forged_stage import Message, Stage, each_answered, setting_of

pytestmark = pytest.mark.integration

WATCHED = 2
"""nodeid of the folder of the test, which is the first that is made."""
CREATE, DELETE, MODIFY, ATTRIB = 0x100, 0x200, 0x2, 0x4
MOVED_FROM, MOVED_TO, DELETE_SELF, MOVE_SELF = 0x40, 0x80, 0x400, 0x800
ISDIR, ALL = 0x40000000, 0xFFF
NAMED, UNNAMED = CREATE | DELETE | MOVED_FROM | MOVED_TO, DELETE_SELF | MOVE_SELF
EVENT = 10
LONGEST_NAME = 1024
"""On a connection whose requests have one page."""


def message(
    mask: int = CREATE,
    name: bytes = b"x",
    *,
    inode: int = WATCHED,
    cookie: int = 0,
    code: int = EVENT,
    unique: int = 0,
    length: int | None = None,
    namelen: int | None = None,
    **claims: int,
) -> Message:
    """A notification; what is given by keyword is forged. claims: "used", "id"."""
    body = struct.pack("<QQII", inode, mask, len(name) if namelen is None else namelen, cookie) + name
    size = 16 + len(body) if length is None else length
    return {"data": (struct.pack("<IiQ", size, code, unique) + body).hex(), **claims}


def meaning(sent: Message) -> str | None:
    """What guest.py prints of a message; None if it must be dropped."""
    data = bytes.fromhex(sent["data"])
    used = sent.get("used", len(data))
    if used != len(data) or used < 40:
        return None
    length, code, unique = struct.unpack_from("<IiQ", data)
    inode, mask, namelen, cookie = struct.unpack_from("<QQII", data, 16)
    name, event = data[40:], mask & ~ISDIR
    if (
        (length, code, unique) != (used, EVENT, 0)
        or inode != WATCHED
        or namelen != len(name)
        or namelen > LONGEST_NAME
    ):
        return None
    if event & ~ALL or event.bit_count() != 1 or event & (UNNAMED if name else NAMED):
        return None
    if b"/" in name or b"\0" in name or name in (b".", b".."):
        return None
    # inotify: an event of an entry itself has no cookie, and what says _SELF is not marked as a directory
    cookie = cookie if event & NAMED or not name else 0
    return f"{event if event & UNNAMED else mask:x} {cookie:x} {name!r}"


@pytest.fixture(scope="module")
def setting() -> Setting:
    return setting_of("v1")


def wanted(sent: Sequence[Message]) -> list[str]:
    """The events of all true messages; inotify merges one that is like the one before it, cookie apart."""
    lines: list[str] = []
    for line in filter(None, map(meaning, sent)):
        mask, _, name = line.split(" ", 2)
        if not lines or not (lines[-1].startswith(f"{mask} ") and lines[-1].endswith(f" {name}")):
            lines.append(line)
    return lines


FORGED: dict[str, Message] = {
    "nothing at all": {"data": "", "used": 0},
    "no whole header": {"data": "28000000", "used": 4},
    "header alone": {"data": struct.pack("<IiQ", 16, EVENT, 0).hex()},
    "half a body": {"data": message()["data"][:60]},
    "length too small": message(length=16),
    "length too large": message(length=4096),
    "length of four gigabytes": message(length=0xFFFFFFFF),
    "more used than said": message(used=100),
    "less used than said": message(used=40),
    "more used than the buffer has": message(used=513),
    "much more used than there is": message(used=0xFFFFFFFF),
    "an answer": message(unique=7),
    "no code": message(code=0),
    "an errno": message(code=-5),
    "another code": message(code=3),
    "an unknown code": message(code=11),
    "the smallest code": message(code=-(2**31)),
    "no event": message(0),
    "two events": message(CREATE | DELETE),
    "all events": message(ALL),
    "directory only": message(ISDIR),
    "overflow": message(0x4000, b""),
    "ignored": message(0x8000, b""),
    "unmount": message(0x2000, b""),
    "permission": message(0x10000),
    "a private bit": message(0x20000000 | CREATE),
    "one shot": message(0x80000000 | CREATE),
    "upper half": message(CREATE | 1 << 32),
    "upper half alone": message(1 << 63),
    "slash": message(name=b"a/b"),
    "slash alone": message(name=b"/"),
    "NUL inside": message(name=b"a\0b"),
    "NUL at the end": message(name=b"a\0"),
    "dot": message(name=b"."),
    "dot dot": message(name=b".."),
    "1025 bytes": message(name=b"n" * 1025),
    "name longer than its room": message(name=b"ab", namelen=200),
    "name shorter than its room": message(name=b"abcd", namelen=2),
    "name of four gigabytes": message(namelen=0xFFFFFFFF),
    "creation of nothing": message(CREATE, b""),
    "deletion of nothing": message(DELETE, b""),
    "move of nothing": message(MOVED_FROM, b""),
    "deletion of itself with a name": message(DELETE_SELF, b"x"),
    "move of itself with a name": message(MOVE_SELF, b"x"),
    "no object": message(inode=0),
    "unknown object": message(inode=77),
    "object of the largest number": message(inode=2**64 - 1),
}


def test_what_is_forged_is_dropped_and_nothing_else(stage: Stage) -> None:
    assert [name for name, sent in FORGED.items() if meaning(sent)] == []
    sent = list(each_answered(list(FORGED.values()), lambda name: message(name=name)))
    played = stage.play(messages=sent)
    assert played.events == [*wanted(sent), "stat 0"]
    assert any("malformed notification" in line for line in played.console)
    assert any("refused: error -22" in line for line in played.console)


def test_every_true_event_arrives(stage: Stage) -> None:
    named = [message(1 << bit, b"n%d" % bit) for bit in range(10)]
    own = [message(1 << bit | ISDIR, b"") for bit in range(12) if not 1 << bit & NAMED]
    longest = message(name=b"\xff\n %" + b"n" * 251, cookie=0xFFFFFFFF)
    sent = [*named, *own, longest, message(name=b"last")]
    assert all(meaning(entry) for entry in sent)
    assert stage.play(messages=sent).events == [*wanted(sent), "stat 0"]


@pytest.mark.parametrize("seed", range(3))
def test_whatever_comes(stage: Stage, seed: int) -> None:
    """Random messages, most of them nearly true."""
    dice = random.Random(seed)
    sent = [mutated(dice) for _ in range(400)] + [message(name=b"last")]
    assert 20 < sum(meaning(entry) is not None for entry in sent) < 380
    assert stage.play(messages=sent).events == [*wanted(sent), "stat 0"]


def mutated(dice: random.Random) -> Message:
    name = bytes(dice.choices(b"abc./\0\xff", k=dice.choice([0, 1, 1, 2, 3, 255, 256])))
    masks = [1 << dice.randrange(12), dice.getrandbits(64), ISDIR | 1 << dice.randrange(12)]
    sent = message(dice.choice(masks), name, cookie=dice.choice([0, dice.getrandbits(32)]))
    data = bytearray.fromhex(sent["data"])
    for _ in range(dice.choice([0, 0, 0, 1, 2])):
        data[dice.randrange(len(data))] = dice.getrandbits(8)
    if dice.random() < 0.1:
        del data[dice.randrange(len(data)) :]
    sent["data"] = bytes(data).hex()
    if dice.random() < 0.1:
        sent["used"] = dice.choice([0, 1, 39, 40, 512, 513, 2**31, 2**32 - 1, dice.randrange(600)])
    return sent


def test_more_than_the_queue_holds(stage: Stage) -> None:
    sent = [message(name=b"n%d" % number) for number in range(5000)] + [message(name=b"last")]
    assert stage.play(messages=sent).events == [*wanted(sent), "stat 0"]


def test_nothing_is_delivered_where_nothing_was_agreed(stage: Stage) -> None:
    played = stage.play(silence=0.5, grant=False, made=[message(name=b"last")])
    assert played.events == ["silence", "stat 0"] and played.watches == []


def test_before_mounting_and_after_unmounting(stage: Stage) -> None:
    odd = [message(name=b"early"), *FORGED.values()]
    played = stage.play(early=odd, messages=[message(name=b"last")], late=odd)
    assert played.events == ["100 0 b'last'", "stat 0"]


@pytest.mark.parametrize(
    "last",
    [message(id=256), message(id=0xFFFFFFFF), message(id=255, used=1)],
    ids=["no such descriptor", "largest number", "a descriptor that is elsewhere"],
)
def test_a_used_ring_that_lies(stage: Stage, last: Message) -> None:
    """The queue may be given up; the file system is not."""
    played = stage.play(silence=0.5, messages=[message(name=b"one"), last, message(name=b"two")])
    assert played.events[0] == "100 0 b'one'" and played.events[-1] == "stat 0"


@pytest.mark.parametrize("size", [0, 15, 4097, 0xFFFFFFFF])
def test_buffers_of_no_sensible_size(stage: Stage, size: int) -> None:
    """Such a device is used without the queue."""
    played = stage.play(silence=0.5, buf_size=size)
    assert any("buffer size not supported" in line for line in played.console)
    assert played.events == ["silence", "stat 0"] and played.watches == []


@pytest.mark.parametrize("size", [16, 294, 295, 4096])
def test_events_need_buffers_for_the_longest_name(stage: Stage, size: int) -> None:
    sent = [message(name=b"n" * 255), message(name=b"last")]
    played = stage.play(silence=0.5, buf_size=size, messages=sent)
    if size < 295:
        assert played.events == ["silence", "stat 0"] and played.watches == []
    else:
        assert played.events == [*wanted(sent), "stat 0"] and played.watches[0].startswith(f"{WATCHED} ")


def test_a_device_without_request_queues(stage: Stage) -> None:
    assert stage.play(queues=0).ended.startswith("setup")
