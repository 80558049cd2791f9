# SPDX-License-Identifier: GPL-2.0-or-later
"""v2's kernel and a device that lies (forge/device.py): only true events arrive, and the guest lives.

What is valid is written down here once more, from the protocol's description (the documentation patch in
patches/v2/linux), and not taken from the kernel.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence

import pytest

from farwatch.guests.setting import Setting
from tests.integration.forge.masks import (
    CREATE,
    DEAD,
    DELETE,
    DELETE_SELF,
    ISDIR,
    MODIFY,
    MOVE_SELF,
    MOVED_FROM,
    MOVED_TO,
    OBJECT,
    ON_CHILD,
    OVERFLOW,
    RENAME,
    UNLINKED,
)
from tests.integration.forge.told import ORDER, merged, said, seen
from tests.integration.forged_stage import Message, Stage, each_answered, setting_of

pytestmark = pytest.mark.integration

WATCHED = 2
"""nodeid of the folder of the test, which is the first that is made."""
BORN = 1
"""Generation of all of the device's nodes. The guest knows its lower half."""
EVENT = 10
BODY = struct.Struct("<6Q4I")
HEAD = struct.Struct("<IiQ")
LONGEST = HEAD.size + BODY.size + 2 * 256
"""Of the messages that a device has to have room for."""
LONGEST_NAME = 1024
"""On a connection whose requests have one page."""


def message(
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
    code: int = EVENT,
    unique: int = 0,
    length: int | None = None,
    **claims: int,
) -> Message:
    """A notification; what is given by keyword is forged. claims: "used", "id"."""
    body = BODY.pack(
        (WATCHED if name else 0) if nodeid is None else nodeid,
        generation,
        child,
        child_generation,
        (WATCHED if newname else 0) if newdir is None else newdir,
        newdir_generation,
        mask,
        flags,
        len(name or b"") if namelen is None else namelen,
        len(newname or b"") if newnamelen is None else newnamelen,
    )
    body += b"".join(entry + b"\0" for entry in (name, newname) if entry is not None)
    size = HEAD.size + len(body) if length is None else length
    return {"data": (HEAD.pack(size, code, unique) + body).hex(), **claims}


def flag(flags: int, child: int = 0, generation: int = BORN) -> Message:
    return message(0, None, flags=flags, child=child, child_generation=generation)


def meaning(sent: Message) -> list[str]:
    """What guest.py prints of a message; nothing if it must be dropped. Cookies are "c"."""
    data = bytes.fromhex(sent["data"])
    used = sent.get("used", len(data))
    if used != len(data) or used < HEAD.size + BODY.size or HEAD.unpack_from(data) != (used, EVENT, 0):
        return []
    nodeid, gen, child, child_gen, newdir, newdir_gen, mask, flags, *lens = BODY.unpack_from(data, HEAD.size)
    names = taken(data[HEAD.size + BODY.size :], lens)
    if names is None or bool(nodeid) != bool(lens[0]) or bool(newdir) != bool(lens[1]):
        return []
    events, isdir = mask & ~ISDIR, mask & ISDIR
    if flags in (DEAD, OVERFLOW):
        alone = not mask and not nodeid and not newdir and bool(child) == (flags == DEAD)
        return ["4000 0 b''"] if alone and flags == OVERFLOW else []
    if flags & ~UNLINKED:
        return []
    in_dir, on_it, in_new = (
        (node, generation & 0xFFFFFFFF) == (WATCHED, BORN)
        for node, generation in ((nodeid, gen), (child, child_gen), (newdir, newdir_gen))
    )
    if events == RENAME:
        if flags or not (nodeid or newdir):
            return []
        lines = [f"{MOVED_FROM | isdir:x} c {names[0]!r}"] if in_dir else []
        return lines + ([f"{MOVED_TO | isdir:x} c {names[1]!r}"] if in_new else [])
    allowed = OBJECT | CREATE | DELETE if nodeid else OBJECT | MOVE_SELF
    if newdir or not events or events & ~allowed or not (nodeid or child):
        return []
    return [line for bit in ORDER if events & bit for line in said(bit, isdir, in_dir, on_it, names[0])]


def taken(rest: bytes, lens: Sequence[int]) -> list[bytes] | None:
    """The names, if they are names, each with its NUL, and nothing is left."""
    names = []
    for size in lens:
        if not size:
            names.append(b"")
            continue
        name, end = rest[:size], rest[size : size + 1]
        if (
            size > LONGEST_NAME
            or len(name) != size
            or end != b"\0"
            or {0, 47} & set(name)
            or name in (b".", b"..")
        ):
            return None
        names.append(name)
        rest = rest[size + 1 :]
    return None if rest else names


@pytest.fixture(scope="module")
def setting() -> Setting:
    return setting_of("v2")


def wanted(sent: Sequence[Message]) -> list[str]:
    """The events of all true messages."""
    return [*merged(line for entry in sent for line in meaning(entry)), "stat 0"]


FORGED: dict[str, Message] = {
    "nothing at all": {"data": "", "used": 0},
    "no whole header": {"data": "28000000", "used": 4},
    "header alone": {"data": HEAD.pack(16, EVENT, 0).hex()},
    "half a body": {"data": message()["data"][:100]},
    "length too small": message(length=16),
    "length of four gigabytes": message(length=0xFFFFFFFF),
    "more used than said": message(used=200),
    "less used than said": message(used=80),
    "more used than the buffer has": message(used=4097),
    "an answer": message(unique=7),
    "another code": message(code=3),
    "the smallest code": message(code=-(2**31)),
    "no event": message(0),
    "directory only": message(ISDIR),
    "overflow as an event": message(0x4000),
    "ignored": message(0x8000),
    "unmount": message(0x2000),
    "permission": message(0x10000),
    "on child": message(MODIFY | ON_CHILD),
    "a private bit": message(0x20000000 | CREATE),
    "one shot": message(0x80000000 | CREATE),
    "half of a rename": message(MOVED_FROM),
    "deletion of itself": message(DELETE_SELF, None, child=WATCHED),
    "deletion of itself with a name": message(DELETE_SELF),
    "move of itself with a name": message(MOVE_SELF, child=WATCHED),
    "slash": message(name=b"a/b"),
    "NUL inside": message(name=b"a\0b"),
    "dot": message(name=b"."),
    "dot dot": message(name=b".."),
    "1025 bytes": message(name=b"n" * 1025),
    "name without its NUL": message(name=b"ab", namelen=3),
    "name shorter than its room": message(name=b"abcd", namelen=2),
    "name of four gigabytes": message(namelen=0xFFFFFFFF),
    "name and no directory": message(nodeid=0, child=WATCHED),
    "directory and no name": message(name=None, nodeid=WATCHED),
    "creation on an object": message(CREATE, None, child=WATCHED),
    "nobody": message(MODIFY, None),
    "unknown directory": message(nodeid=77),
    "directory of the largest number": message(nodeid=2**64 - 1),
    "another generation": message(generation=BORN + 1),
    "another generation of the object": message(MODIFY, None, child=WATCHED, child_generation=9),
    "new name without a rename": message(CREATE, b"x", b"y"),
    "rename of nothing": message(RENAME, None),
    "rename and more": message(RENAME | CREATE, b"x", b"y"),
    "new name with a slash": message(RENAME, b"x", b"a/b"),
    "new name without its directory": message(RENAME, b"x", b"y", newdir=0),
    "new directory without a name": message(RENAME, b"x", newdir=WATCHED),
    "new name that is too long": message(RENAME, b"x", b"n" * 1025),
    "new name longer than its room": message(RENAME, b"x", b"y", newnamelen=100),
    "unlinked rename": message(RENAME, b"x", b"y", flags=UNLINKED),
    "unknown flag": message(flags=8),
    "all flags": message(flags=0xFFFFFFFF),
    "dead with an event": message(CREATE, flags=DEAD, child=WATCHED),
    "dead nobody": flag(DEAD),
    "dead somebody unknown": flag(DEAD, child=77),
    "dead of another generation": flag(DEAD, WATCHED, 3),
    "dead and lost": flag(DEAD | OVERFLOW, child=WATCHED),
    "lost with an object": flag(OVERFLOW, child=WATCHED),
    "lost with an event": message(CREATE, flags=OVERFLOW),
}


def play(stage: Stage, sent: Sequence[Message]) -> list[str]:
    return seen(stage.play(messages=list(sent), buf_size=4096).events)


def test_what_is_forged_is_dropped_and_nothing_else(stage: Stage) -> None:
    assert [name for name, sent in FORGED.items() if meaning(sent)] == []
    sent = list(each_answered(list(FORGED.values()), lambda name: message(name=name)))
    played = stage.play(messages=sent, buf_size=4096)
    assert seen(played.events) == wanted(sent)
    assert any("malformed notification" in line for line in played.console)
    assert any("refused: error -22" in line for line in played.console)


def test_every_true_event_arrives(stage: Stage) -> None:
    bits = [1 << bit for bit in range(13)]
    named = [message(bit, b"n%x" % bit) for bit in bits if bit & (OBJECT | CREATE | DELETE)]
    own = [message(bit | ISDIR, None, child=WATCHED) for bit in bits if bit & (OBJECT | MOVE_SELF)]
    both = [message(MODIFY, b"both", child=WATCHED), message(MODIFY, b"other", child=77)]
    merged = message(OBJECT | CREATE | DELETE, b"short lived")
    longest = b"\xff\n %" + b"n" * 251
    renames = [message(RENAME, longest, longest[::-1].replace(b"\n", b"x")), message(RENAME | ISDIR, b"from")]
    into = message(RENAME, None, b"into", nodeid=0)
    sent = [*named, *own, *both, merged, *renames, into, flag(OVERFLOW), message(name=b"last")]
    assert all(meaning(entry) or entry is named[9] for entry in sent if "1000" not in entry["data"])
    assert play(stage, sent) == wanted(sent)


def test_a_rename_has_one_cookie_and_another_has_another(stage: Stage) -> None:
    sent = [message(RENAME, b"a", b"b"), message(RENAME, b"b", b"c"), message(name=b"last")]
    cookies = [line.split(" ")[1] for line in stage.play(messages=sent, buf_size=1024).events[:4]]
    assert cookies[0] == cookies[1] != cookies[2] == cookies[3] and "0" not in cookies


def test_an_unlinked_object_is_not_for_those_who_do_not_ask(stage: Stage) -> None:
    sent = [message(MODIFY, b"x", flags=UNLINKED), message(name=b"last")]
    assert play(stage, sent) == wanted(sent)


def test_the_death_of_what_is_in_use_is_told_later(stage: Stage) -> None:
    sent = [flag(DEAD, child=WATCHED), message(name=b"last")]
    assert play(stage, sent) == wanted(sent)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_comes(stage: Stage, seed: int) -> None:
    """Random messages, most of them nearly true."""
    dice = random.Random(seed)
    sent = [mutated(dice) for _ in range(400)] + [message(name=b"last")]
    assert 20 < sum(bool(meaning(entry)) for entry in sent) < 380
    assert play(stage, sent) == wanted(sent)


def mutated(dice: random.Random) -> Message:
    def name() -> bytes | None:
        return bytes(dice.choices(b"abc./\0\xff", k=dice.choice([1, 1, 2, 3, 255, 1025]))) or None

    masks = [1 << dice.randrange(13), dice.getrandbits(32), ISDIR | 1 << dice.randrange(13), RENAME, OBJECT]
    sent = message(
        dice.choice(masks),
        dice.choice([name(), None]),
        dice.choice([name(), None, None]),
        child=dice.choice([0, 0, WATCHED]),
    )
    data = bytearray.fromhex(sent["data"])
    for _ in range(dice.choice([0, 0, 0, 1, 2])):
        data[dice.randrange(len(data))] = dice.getrandbits(8)
    # An overflow would hide what comes behind it, as long as it is unread
    if len(data) >= 80 and struct.unpack_from("<I", data, 68)[0] == OVERFLOW:
        data[68] = 0
    if dice.random() < 0.1:
        del data[dice.randrange(len(data)) :]
    sent["data"] = bytes(data).hex()
    if dice.random() < 0.1:
        sent["used"] = dice.choice([0, 1, 79, 80, 1024, 1025, 2**31, 2**32 - 1, dice.randrange(700)])
    return sent


def test_more_than_the_queue_holds(stage: Stage) -> None:
    sent = [message(name=b"n%d" % number) for number in range(5000)] + [message(name=b"last")]
    assert play(stage, sent) == wanted(sent)


def test_nothing_is_delivered_where_nothing_was_agreed(stage: Stage) -> None:
    played = stage.play(silence=0.5, grant=False, made=[message(name=b"last")], buf_size=1024)
    assert "100 0 b'last'" not in played.events and played.watches == []


def test_before_mounting_and_after_unmounting(stage: Stage) -> None:
    odd = [message(name=b"early"), *FORGED.values()]
    last = [message(name=b"last")]
    played = stage.play(early=odd, messages=last, late=odd, buf_size=1024)
    assert played.events == ["100 0 b'last'", "stat 0"]


@pytest.mark.parametrize("size", [LONGEST - 1, LONGEST])
def test_events_need_buffers_for_the_longest_names(stage: Stage, size: int) -> None:
    sent = [message(RENAME, b"n" * 255, b"m" * 255), message(name=b"last")]
    played = stage.play(silence=0.5, buf_size=size, messages=sent)
    if size < LONGEST:
        assert played.watches == [] and "silence" in played.events
    else:
        assert seen(played.events) == wanted(sent) and played.watches[0].startswith(f"{WATCHED} ")
