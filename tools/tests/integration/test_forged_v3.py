# SPDX-License-Identifier: GPL-2.0-or-later
"""v3's kernel and servers that lie: a device (forge/device.py), and one on /dev/fuse (forge/plain.py).

Only true events arrive, what is refused of what was asked for is one overflow, and the guest lives. Whether a
batch was accepted is told by errno, or by the next FETCH, which has the number of the last one;
forge/records.py says what is true.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from farwatch.guests.setting import Setting
from farwatch.guests.trace import Limits
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
from tests.integration.forge.records import (
    BORN,
    FILE,
    HEAD,
    LONGEST_ANSWER,
    NODES,
    RECORD,
    WATCHED,
    at_random,
    batch,
    flag,
    record,
    split,
    taken,
    verdict,
)
from tests.integration.forge.told import ORDER, merged, said, seen
from tests.integration.forged_stage import Played, Stage, setting_of

pytestmark = pytest.mark.integration

ALL = 0xFFF
LOST = "4000 0 b''"
EIO, ERESTARTSYS = 5, 512
MANY = int(os.environ.get("FARWATCH_FORGED_RECORDS", "100000"))
"""Records made at random, of each transport, at night."""
WATCHES = "group = inotify(); watch(group, 'd', 0xFFF)\n"


@pytest.fixture(scope="module")
def setting() -> Setting:
    return setting_of("v3")


def play(stage: Stage, script: str, steps: dict[str, Any] | None = None, **more: Any) -> Played:
    plan = {"notify": False, "mask": ALL | RENAME, "nodes": NODES, "steps": steps or {}, **more}
    return stage.play(script=script, **plan)


PLAIN: dict[str, dict[str, Any]] = {
    "virtiofs": {},
    "notify": {"plain": True, "fetch": 0},
    "fetch": {"plain": True, "fetch": 1},
}


@pytest.fixture(params=PLAIN)
def way(request: pytest.FixtureRequest) -> str:
    """How records come to the kernel: from a device, or from a plain server, asked or not."""
    return str(request.param)


def answer(data: bytes, **claims: int) -> dict[str, Any]:
    return {"data": data.hex(), **claims}


def one(mask: int = CREATE, name: bytes | None = b"x", newname: bytes | None = None, **forged: Any) -> bytes:
    return batch(record(mask, name, newname, **forged))


GOOD = record(name=b"good")

REFUSED: dict[str, bytes] = {
    "half a head": HEAD.pack(1, 1, 0)[:15],
    "a number alone": HEAD.pack(1, 1, 0)[:8],
    "a head alone": batch(),
    "a head that counts": batch(count=1),
    "a count of one more": batch(GOOD, count=2),
    "a count of one less": batch(GOOD, GOOD, count=1),
    "a count of four thousand millions": batch(GOOD, count=2**32 - 1),
    "a count that overflows with the size of a record": batch(GOOD, count=2**32 // 64 + 1),
    "something spare": batch(GOOD, spare=1),
    "half a record": batch(GOOD)[: HEAD.size + 32],
    "a record and a half": batch(GOOD, GOOD, count=2)[:-8],
    "a record and a byte": batch(GOOD) + b"\0",
    "a record and zeros": batch(GOOD) + bytes(8),
    "the second is forged": batch(GOOD, record(0), GOOD),
    "size 0": one(size=0),
    "size 1": one(size=1),
    "size of less than there must be": one(size=RECORD.size - 8),
    "size without the name": one(size=RECORD.size),
    "size that is odd": one(size=RECORD.size + 7),
    "size of more than there is": one(size=RECORD.size + 16),
    "size of half of all": one(size=2**31),
    "size of nearly all": one(size=-8),
    "zeros too many": one(tail=bytes(14)),
    "zeros that are none": one(tail=b"\0\0\1\0\0\0"),
    "no event": one(0),
    "directory only": one(ISDIR),
    "overflow as an event": one(0x4000),
    "ignored": one(0x8000),
    "unmount": one(0x2000),
    "permission to open": one(0x10000),
    "permission to read": one(0x20000),
    "permission to execute": one(0x40000),
    "before content": one(0x100000),
    "an error of the file system": one(0x8000, None, child=WATCHED),
    "mounted": one(0x1000000),
    "opted in": one(0x800000 | CREATE),
    "excluded": one(0x04000000 | CREATE),
    "on child": one(MODIFY | ON_CHILD),
    "one shot": one(0x80000000 | CREATE),
    "a half of a rename": one(MOVED_FROM),
    "the other half": one(MOVED_TO),
    "deletion of itself": one(DELETE_SELF, None, child=WATCHED),
    "deletion of itself with a name": one(DELETE_SELF),
    "move of itself with a name": one(MOVE_SELF, child=WATCHED),
    "slash": one(name=b"a/b"),
    "slash alone": one(name=b"/"),
    "NUL inside": one(name=b"a\0b"),
    "NUL first": one(name=b"\0a"),
    "dot": one(name=b"."),
    "dot dot": one(name=b".."),
    "1025 bytes": one(name=b"n" * 1025),
    "the largest length": one(namelen=0xFFFF),
    "name without its NUL": one(name=b"1234567", tail=b"", namelen=8),
    "name shorter than its room": one(name=b"abcd", namelen=2),
    "name longer than its room": one(name=b"abcd", namelen=200),
    "name and no directory": one(nodeid=0, child=WATCHED),
    "directory and no name": one(name=None, nodeid=WATCHED),
    "creation of an object alone": one(CREATE, None, child=WATCHED),
    "nobody": one(MODIFY, None),
    "a rename of nothing": one(RENAME, None),
    "a rename of an object alone": one(RENAME, None, child=FILE),
    "a rename and more": one(RENAME | CREATE, b"x", b"y"),
    "a new name without a rename": one(CREATE, b"x", b"y"),
    "a new name with a slash": one(RENAME, b"x", b"a/b"),
    "a new name that is dot dot": one(RENAME, b"x", b".."),
    "a new name without its directory": one(RENAME, b"x", b"y", newdir=0),
    "a new directory without a name": one(RENAME, b"x", newdir=WATCHED),
    "a new name of 1025 bytes": one(RENAME, b"x", b"n" * 1025),
    "a new name longer than its room": one(RENAME, b"x", b"y", newnamelen=100),
    "two names that are one": one(
        RENAME, b"xy", b"", namelen=1, newnamelen=1, newdir=WATCHED, tail=b"\0" * 4
    ),
    "an unlinked rename": one(RENAME, b"x", b"y", flags=UNLINKED),
    "an unknown flag": one(flags=8),
    "all flags": one(flags=0xFFFFFFFF),
    "dead with an event": one(CREATE, flags=DEAD, child=FILE),
    "dead with a name": one(0, flags=DEAD, child=FILE),
    "dead directory only": one(ISDIR, None, flags=DEAD, child=FILE),
    "dead nobody": batch(flag(DEAD)),
    "dead and lost": batch(flag(DEAD | OVERFLOW, FILE)),
    "dead and unlinked": batch(flag(DEAD | UNLINKED, FILE)),
    "lost with an object": batch(flag(OVERFLOW, FILE)),
    "lost with an event": one(CREATE, flags=OVERFLOW),
}
"""Batches that break a rule: each is one overflow."""

UNHEARD: dict[str, bytes] = {
    "unknown directory": one(nodeid=77),
    "directory of the largest number": one(nodeid=2**64 - 1),
    "a file as the directory": one(nodeid=FILE),
    "another generation": one(generation=BORN + 1),
    "another generation of the object": one(MODIFY, None, child=WATCHED, child_generation=9),
    "unknown object": one(MODIFY, None, child=78),
    "dead somebody unknown": batch(flag(DEAD, 77)),
    "dead of another generation": batch(flag(DEAD, WATCHED, 3)),
    "rename elsewhere": one(RENAME, b"x", b"y", nodeid=77, newdir=78),
}
"""Batches that keep the rules, of which nobody hears who watches the folder."""

BROKEN: dict[str, dict[str, Any]] = {
    "an error": {"data": "", "error": EIO},
    "interrupted": {"data": "", "error": 4},
    "an error and events": answer(one(), error=EIO),
    "an error that is none": answer(b"", error=-5),
    "an error of the kernel's own": answer(b"", error=ERESTARTSYS),
    "no header": answer(b"", used=0),
    "half a header": answer(b"", used=8),
    "less than said": answer(one(), used=HEAD.size),
    "more than said": answer(one(), used=16 + LONGEST_ANSWER),
    "more than there is room": answer(one(), used=16 + LONGEST_ANSWER + 8, len=16 + LONGEST_ANSWER + 8),
    "four gigabytes": answer(one(), used=2**32 - 1, len=2**32 - 1),
    "a header of less than a header": answer(one(), len=8),
    "an answer to something else": answer(one(), unique=2),
}
"""Answers that are none: each is one overflow, and the next FETCH comes later."""

ACCEPTED_WITH_LOSS: dict[str, dict[str, Any]] = {
    "a number is missing": answer(batch(GOOD), skip=1),
    "a number comes twice": answer(batch(GOOD), skip=-1),
    "a number goes back": answer(batch(GOOD), skip=-2),
    "the largest number": answer(batch(GOOD), skip=2**63),
}

EVENT_LINE = re.compile(r"[0-9a-f]+ [0-9a-f]+ b['\"]|silence")
EVENT = "100 0 {!r}"


def told_by(played: Played) -> list[str]:
    """What the device or the plain server says, without the times."""
    return [line.partition(" ")[2] for line in played.asked]


def after(number: int) -> bytes:
    return b"after-%d" % number


def one_by_one(
    stage: Stage, answers: Sequence[dict[str, Any]], **more: Any
) -> tuple[Played, list[list[str]]]:
    """Each answer in a step of its own, with a true event behind it; what was seen of each."""
    steps = {
        str(number): {"answers": [given, answer(one(name=after(number)))]}
        for number, given in enumerate(answers)
    }
    script = WATCHES + f"for key in range({len(answers)}): do(str(key)); until(group, b'after-%d' % key)"
    played = play(stage, script, steps, **more)
    seen_of: list[list[str]] = []
    lines: list[str] = []
    for line in events_of(played):
        lines.append(line)
        if line == EVENT.format(after(len(seen_of))):
            seen_of.append(lines[:-1])
            lines = []
    assert len(seen_of) == len(answers), played.events[-5:]
    assert [line for line in told_by(played) if line.startswith("wrong")] == []
    return played, seen_of


def test_what_is_forged_is_refused_as_a_whole(stage: Stage, way: str) -> None:
    """Who has not been asked is told why, and nothing is lost; else everybody is told who watches."""
    assert [name for name, data in REFUSED.items() if not verdict(data)] == []
    played, seen_of = one_by_one(stage, [answer(data) for data in REFUSED.values()], **PLAIN[way])
    lost = [] if way == "notify" else [LOST]
    assert dict(zip(REFUSED, seen_of, strict=True)) == dict.fromkeys(REFUSED, lost)
    refused = [line for line in played.console if "events of the server are refused: error -22" in line]
    assert bool(refused) == (way != "notify")
    if way != "virtiofs":
        assert f"refused={len(REFUSED)} " in counters(played)


def counters(played: Played) -> str:
    """What the control file says of a plain server in the end, and a blank."""
    return f"{played.events[-1]} "


def test_what_is_not_known_is_dropped(stage: Stage, way: str) -> None:
    assert [name for name, data in UNHEARD.items() if verdict(data)] == []
    played, seen_of = one_by_one(stage, [answer(data) for data in UNHEARD.values()], **PLAIN[way])
    assert dict(zip(UNHEARD, seen_of, strict=True)) == {name: [] for name in UNHEARD}
    if way != "virtiofs":
        assert f"refused=0 lost=0 records={2 * len(UNHEARD)} unknown={len(UNHEARD)} " in counters(played)


def test_an_answer_that_is_none(stage: Stage) -> None:
    _, seen_of = one_by_one(stage, list(BROKEN.values()))
    assert dict(zip(BROKEN, seen_of, strict=True)) == {name: [LOST] for name in BROKEN}


def test_numbers_that_do_not_follow(stage: Stage, way: str) -> None:
    _, seen_of = one_by_one(stage, list(ACCEPTED_WITH_LOSS.values()), **PLAIN[way])
    wanted = [LOST, EVENT.format(b"good")]
    assert dict(zip(ACCEPTED_WITH_LOSS, seen_of, strict=True)) == dict.fromkeys(ACCEPTED_WITH_LOSS, wanted)


def test_an_empty_answer_is_no_loss(stage: Stage) -> None:
    _, seen_of = one_by_one(stage, [answer(b"")] * 3)
    assert seen_of == [[]] * 3


def test_who_fails_again_and_again_is_given_up(stage: Stage) -> None:
    """Five times one after the other: each time all that watch are told, and then nobody is asked again."""
    steps = {"fail": {"answers": [answer(b"", error=EIO)]}, "good": {"answers": [answer(one())]}}
    script = (
        WATCHES + "for _ in range(5): do('fail'); read(group)\ndo('good'); read(group, 2); os.stat('d/f')"
    )
    played = play(stage, script, steps)
    assert played.events == ["-1 4000"] * 5 + ["silence"]
    assert any("reports no events any more: error -5" in line for line in played.console)


def test_every_true_event_arrives(stage: Stage, way: str) -> None:
    bits = [1 << bit for bit in range(13)]
    made = [record(bit, b"n%x" % bit) for bit in bits if bit & (OBJECT | CREATE | DELETE)]
    made += [record(bit | ISDIR, None, child=WATCHED) for bit in bits if bit & (OBJECT | MOVE_SELF)]
    made += [record(MODIFY, b"both", child=WATCHED), record(OBJECT | CREATE | DELETE, b"short lived")]
    longest = b"\xff\n %" + b"n" * 251
    made += [record(RENAME, longest, longest[::-1].replace(b"\n", b"x")), record(RENAME | ISDIR, b"from")]
    made += [record(RENAME, None, b"into"), record(MODIFY, b"gone", flags=UNLINKED), flag(OVERFLOW)]
    made += [record(name=b"last")]
    steps = {"all": {"answers": [answer(batch(*made))]}}
    played = play(stage, WATCHES + "do('all'); until(group, b'last')", steps, **PLAIN[way])
    assert events_of(played) == merged(heard([batch(*made)]))


@pytest.mark.parametrize("seed", range(2))
def test_whatever_comes(stage: Stage, way: str, seed: int) -> None:
    """Records at random, half of their batches forged: only true events arrive, in their order."""
    spell = {"seed": seed, "records": 3000}
    script = WATCHES + "do('random'); until(group, b'last')\nwhile not os.path.exists('done'): pass"
    played = play(stage, script, {"random": {"random": spell}}, **PLAIN[way])
    made = [*at_random(**spell)]
    assert_each_was_judged(played, made)
    came = [line for line in events_of(played) if line != LOST]
    assert is_part_of(came, heard([*made, one(name=b"last")])) and len(came) > 300


def events_of(played: Played) -> list[str]:
    """Without what a plain server says, whose words come the same way."""
    return seen(line for line in played.events if EVENT_LINE.match(line))


def assert_each_was_judged(played: Played, made: Sequence[bytes]) -> None:
    """By the kernel as by the model."""
    refused = sum(bool(verdict(data)) for data in made)
    assert 0.2 < refused / len(made) < 0.5
    summary = next(line for line in told_by(played) if line.startswith("forged:"))
    assert f"batches={len(made) + 1} refused={refused} " in summary and summary.endswith("wrong=0"), summary


QUIETLY = """
group = inotify(); watch(group, 'd', 0xFFF); watch(group, 'd/f', 0xFFF)
do('random')
while not os.path.exists('done'):
    while select.select([group], [], [], 0.05)[0]: os.read(group, 65536)
    # They may have died
    watch(group, 'd', 0xFFF); watch(group, 'd/f', 0xFFF)
group = inotify(); watch(group, 'd', 0xFFF); do('good'); until(group, b'good')
"""


@pytest.mark.nightly
def test_very_many(stage: Stage, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Limits, "measured", classmethod(lambda cls, boot: Limits(test=1800)))
    spell = {"seed": MANY, "records": MANY}
    steps = {"random": {"random": spell}, "good": {"answers": [answer(batch(GOOD))]}}
    played = play(stage, QUIETLY, steps, **PLAIN[way])
    assert_each_was_judged(played, [*at_random(**spell)])
    assert events_of(played) == [EVENT.format(b"good")]


def is_part_of(some: Sequence[str], all_: Iterator[str]) -> bool:
    """Whether lines come in the order of others, of which some may be left out."""
    return all(line in all_ for line in some)


def heard(batches: Sequence[bytes]) -> Iterator[str]:
    """What guest.py prints of all batches that keep the rules, if nothing is lost."""
    for data in batches:
        if not verdict(data):
            for fields in split(data):
                yield from told(data, *fields)


def told(data: bytes, at: int, size: int, flags: int, mask: int, *rest: int) -> Iterator[str]:
    """What those who watch the folder hear of one record."""
    if flags == OVERFLOW:
        yield LOST
    lens, objects = list(rest[:2]), rest[2:]
    names = taken(data[at + RECORD.size : at + size], lens)
    assert names is not None
    in_dir, on_it, in_new = (
        (node, generation & 0xFFFFFFFF) == (WATCHED, BORN)
        for node, generation in zip(objects[::2], objects[1::2], strict=True)
    )
    isdir = mask & ISDIR
    if mask & RENAME:
        halves = ((in_dir, MOVED_FROM), (in_new, MOVED_TO))
        yield from (f"{bit | isdir:x} c {names[i]!r}" for i, (ours, bit) in enumerate(halves) if ours)
        return
    for bit in ORDER:
        if mask & bit:
            yield from said(bit, isdir, in_dir, on_it, names[0])


# -- the end

AGAIN = """
def unmount(): os.chdir('/'); checked(LIBC.umount2(b'/mnt/share', 0))
def mount():
    checked(LIBC.mount(b'myfs', b'/mnt/share', b'virtiofs', 0, None)); os.chdir('/mnt/share')
"""


def test_stop_is_repeated_until_the_fetch_comes_back(stage: Stage) -> None:
    """What comes with that, true or not, is told nobody."""
    script = AGAIN + WATCHES + "os.close(group); unmount(); print('gone')"
    for final in (b"", one(), REFUSED["size 0"]):
        played = play(stage, script, deaf=3, final=final.hex())
        assert played.events == ["gone"] and told_by(played).count("stop") == 4


def test_mounted_again_and_again(stage: Stage) -> None:
    """While answers come, true ones and others, in whatever moment."""
    script = AGAIN + "for _ in range(20):\n"
    script += " group = inotify(); watch(group, 'd', 0xFFF); do('random'); os.read(group, 4096)\n"
    script += " os.close(group); unmount(); mount()\n"
    script += WATCHES + "do('good'); until(group, b'good')"
    steps = {
        "random": {"random": {"seed": 5, "records": 10**9}},
        "good": {"stops": True, "answers": [answer(batch(GOOD))]},
    }
    played = play(stage, script, steps, final=one().hex())
    assert played.events[-1] == EVENT.format(b"good")
    assert [line for line in told_by(played) if line.startswith("wrong")] == []


@pytest.mark.parametrize(
    "claims",
    [
        {"times": 2},
        {"id": 999},
        {"id": 2**32 - 1},
    ],
    ids=str,
)
def test_a_queue_that_is_broken(stage: Stage, claims: dict[str, int]) -> None:
    """A buffer is given back that the device has not got: virtio gives the queue up. It can be unmounted."""
    script = AGAIN + WATCHES + "said = open('/dev/kmsg', 'rb', buffering=0); do('break')\n"
    script += "while b'%s' not in said.read(8192): pass\n" % (
        "not a head" if "times" in claims else "out of range"
    )
    script += "print(tries(os.stat, 'd/f')); os.close(group); unmount(); print('gone')"
    played = play(stage, script, {"break": {"answers": [answer(one(), **claims)]}})
    assert played.events == ["5", "gone"]


# -- while one waits

HEARS = "do('good'); until(group, b'good')\n"
STEP = {"good": {"answers": [answer(batch(GOOD))]}}
READS = """
def reads(path):
    with open(path, 'rb') as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
        assert file.read() == b'x' * (1 << 20)
readers = [threading.Thread(target=reads, args=(f'd/f{number}',)) for number in range(8)]
for reader in readers: reader.start()
for reader in readers: reader.join()
"""


@pytest.mark.parametrize("way", ["virtiofs", "fetch"])
def test_only_one_request_may_be_in_the_background(stage: Stage, way: str) -> None:
    """The FETCH that waits is none: others read ahead."""
    long = "x" * (1 << 20)
    files = [
        {"name": f"d/f{number}", "id": 100 + number, "mode": 0o100666, "nlink": 1, "data": long}
        for number in range(8)
    ]
    more = {**PLAIN[way], "nodes": [*NODES, *files], "background": 1}
    played = play(stage, WATCHES + HEARS + READS + HEARS, STEP, **more)
    good = [line for line in events_of(played) if line == EVENT.format(b"good")]
    assert len(good) == 2 and "silence" not in played.events


@pytest.mark.nightly
@pytest.mark.parametrize("way", ["virtiofs", "fetch"])
def test_none_is_too_late(stage: Stage, way: str) -> None:
    """Requests are aborted that are older than 15 s, which is looked at every 15 s."""
    again = "" if PLAIN[way] else "unmount(); mount()\n"
    sysctls = (*stage.setting.sysctls, "fs.fuse.default_request_timeout=1")
    stage = replace(stage, setting=replace(stage.setting, sysctls=sysctls))
    script = AGAIN + again + WATCHES + HEARS + "time.sleep(33); do('late'); until(group, b'late')"
    late = {"late": {"answers": [answer(one(name=b"late"))]}}
    played = play(stage, script, {**STEP, **late}, **PLAIN[way])
    assert events_of(played) == [EVENT.format(b"good"), EVENT.format(b"late")]
