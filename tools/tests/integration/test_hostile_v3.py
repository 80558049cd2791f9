# SPDX-License-Identifier: GPL-2.0-or-later
"""v3's virtiofsd and a guest whose kernel lies, played by a front end of our own (forge/frontend.py)."""

from __future__ import annotations

import os
import random
import socket
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from farwatch.guests.companion import command_line
from farwatch.guests.setting import Setting
from farwatch.system.procfs import resident_kib
from tests.integration.forge.files import FSNOTIFY, STATFS
from tests.integration.forge.frontend import HIPRIO, PARTS, QUEUE_MEMORY, REQUESTS, FrontEnd, Part
from tests.integration.forge.masks import CREATE
from tests.integration.forge.records import split, verdict
from tests.integration.forge.requests import (
    FETCH,
    FETCHED,
    MINE,
    fetch,
    forget,
    hostile,
    init,
    lookup,
    request,
    stop,
    watch,
)
from tests.integration.forged_stage import setting_of

pytestmark = pytest.mark.integration

MANY = int(os.environ.get("FARWATCH_HOSTILE_REQUESTS", "100000"))
OUT = struct.Struct("<IiQ")
ENOSYS, EINVAL, ENOSPC = 38, 22, 28
ROOM = 16 + FETCHED
LIMIT = 20
EPOLL_WAIT = ("232", "281", "22")
"""System calls in which a thread waits for a kick: those of x86, and that of arm64."""
POOLS = (0, 2)
"""Sizes of the server's pool of threads; without one it answers one request after the other."""
MIB = 1024


@pytest.fixture(scope="module")
def setting() -> Setting:
    return setting_of("v3")


@dataclass
class Guest:
    """A front end, connected to a server of its own."""

    front: FrontEnd
    server: subprocess.Popen[bytes]
    log: Path
    share: Path

    def ask(self, data: bytes, room: int = ROOM, queue: int = REQUESTS) -> tuple[int, bytes]:
        """errno and what follows the header of the answer."""
        answer = self.front.request([data, room], queue)
        size, error, unique = OUT.unpack_from(answer)
        assert (size, unique) == (len(answer), MINE)
        return -error, answer[OUT.size :]

    def node(self, name: bytes) -> int:
        error, entry = self.ask(lookup(name))
        assert not error
        return int(struct.unpack_from("<Q", entry)[0])

    def wait_for(self) -> None:
        """Have a FETCH wait: what is asked behind it has been answered."""
        self.front.put(REQUESTS, [fetch(), ROOM])
        behind = self.front.put(REQUESTS, [lookup(b"none"), ROOM])
        self.front.kick(REQUESTS)
        assert [slot for slot, _ in self.front.wait(REQUESTS)] == [behind]

    def stop_rings(self) -> None:
        """All of them, while the server is idle.

        A kick that it takes note of when the ring has been stopped ends its thread, and it hears nothing any
        more: virtiofsd does that without the patches, too (Error::IterateQueue in process_queue_pool()).
        """
        task = Path(f"/proc/{self.server.pid}/task")
        names = {folder: (folder / "comm").read_text().strip() for folder in task.iterdir()}
        (worker,) = (folder for folder, name in names.items() if name == "vring_worker")
        until = time.monotonic() + LIMIT
        while (worker / "syscall").read_text().split()[0] not in EPOLL_WAIT or self.front.kicked():
            assert time.monotonic() < until
        for ring in self.front.rings:
            self.front.stop_ring(ring)

    def start_rings(self) -> None:
        for ring in self.front.rings:
            self.front.start_ring(ring)

    def end_wait(self) -> None:
        """Until none waits any more, if one did."""
        self.front.put(REQUESTS, [stop(), ROOM])
        self.front.kick(REQUESTS)
        while self.front.rings[REQUESTS].under_way:
            assert self.front.wait(REQUESTS)

    def fetched(self) -> bytes:
        """What the FETCH that waits brings: a batch, or nothing."""
        ((_, answer),) = self.front.wait(REQUESTS)
        assert OUT.unpack_from(answer) == (len(answer), 0, MINE)
        return answer[OUT.size :]

    def wait(self, queue: int = REQUESTS) -> list[tuple[int, bytes]]:
        """What has come back; how the server ended, if it did."""
        try:
            return self.front.wait(queue)
        except EOFError:
            raise AssertionError(self.ends()) from None

    def ends(self) -> tuple[int, str]:
        """Take the connection away: how the server ends, and what it said."""
        self.front.socket.close()
        return self.server.wait(LIMIT), self.log.read_text()


@pytest.fixture
def guests(setting: Setting, tmp_path: Path) -> Iterator[Guests]:
    started = Guests(setting, tmp_path)
    yield started
    for guest in started.all:
        guest.server.kill()
        guest.server.wait()


@dataclass
class Guests:
    setting: Setting
    folder: Path

    def __post_init__(self) -> None:
        self.all: list[Guest] = []

    def start(self, pool: int = 0) -> Guest:
        """A server with three folders, a queue that runs, and INIT behind it."""
        share = self.folder / f"share{len(self.all)}"
        for name in ("a", "b", "c"):
            (share / name).mkdir(parents=True)
        address, log = self.folder / f"s{len(self.all)}", self.folder / f"log{len(self.all)}"
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as ours:
            listener.bind(str(address))
            listener.listen(1)
            server = self._server(share, log, listener.fileno(), pool)
            ours.connect(str(address))
            front = FrontEnd(ours.dup())
        guest = Guest(front, server, log, share)
        self.all.append(guest)
        front.start()
        assert not guest.ask(init())[0]
        return guest

    def _server(self, share: Path, log: Path, fd: int, pool: int) -> subprocess.Popen[bytes]:
        assert self.setting.server is not None
        options = (*self.setting.server_options, f"--thread-pool-size={pool}")
        command = command_line(self.setting.server, share, fd, options)
        with log.open("wb") as said:
            return subprocess.Popen(command, pass_fds=[fd], stdout=said, stderr=said)


def assert_serves(guest: Guest) -> None:
    """It reports what somebody else does, as ever."""
    guest.end_wait()
    assert not guest.ask(init())[0]
    folder = guest.node(b"a")
    assert guest.ask(watch(folder, CREATE)) == (0, struct.pack("<II", CREATE, 0))
    guest.wait_for()
    made = guest.share / "a" / f"file{random.random()}"
    made.touch()
    data = guest.fetched()
    assert not verdict(data)
    ((at, size, _, mask, namelen, _, nodeid, *_),) = split(data)
    assert (nodeid, mask) == (folder, CREATE) and data[at + 64 : at + 64 + namelen] == made.name.encode()
    del size


@pytest.mark.parametrize("pool", POOLS)
def test_what_becomes_of_a_fetch(guests: Guests, pool: int) -> None:
    guest = guests.start(pool)
    assert_serves(guest)
    # A second one ends the first, and STOP the second
    guest.wait_for()
    guest.front.put(REQUESTS, [fetch(), ROOM])
    guest.front.kick(REQUESTS)
    assert guest.fetched() == b""
    guest.front.put(REQUESTS, [stop(), ROOM])
    guest.front.kick(REQUESTS)
    answers = [answer for _, answer in guest.front.wait(REQUESTS)]
    while len(answers) < 2:
        answers += [answer for _, answer in guest.front.wait(REQUESTS)]
    assert [OUT.unpack_from(answer) for answer in answers] == [(16, 0, MINE)] * 2
    # None waits in the queue of what is urgent
    assert guest.ask(fetch(), queue=HIPRIO) == (EINVAL, b"")
    assert guest.ask(fetch(), room=16 + 8191) == (EINVAL, b"")
    # A queue that stops gives it back, and begins anew
    guest.wait_for()
    guest.stop_rings()
    assert guest.fetched() == b""
    guest.start_rings()
    assert_serves(guest)


@pytest.mark.parametrize("pool", POOLS)
def test_requests_of_a_kernel_that_lies(guests: Guests, pool: int) -> None:
    """Each is answered once, but for the one that may wait; and nothing is left of them."""
    guest, dice = guests.start(pool), random.Random(pool)
    known = [guest.node(name) for name in (b"a", b"b", b"c")]
    assert_serves(guest)
    before, answers = None, Counter[str]()
    for number in range(MANY // 32):
        answers.update(flood(guest, dice, known, begins=number % 16 == 0))
        if number % 16 == 4:
            (guest.share / "a" / f"f{number % 64}").touch()
            (guest.share / "a" / f"f{number % 64 - 16}").unlink(missing_ok=True)
        if number == MANY // 320:
            before = resources(guest)
    assert before is not None
    assert {"watched", "fetched", "nothing", f"errno {EINVAL}", f"errno {ENOSYS}"} <= {*answers}, answers
    assert_serves(guest)
    after = resources(guest)
    assert after[0] <= before[0] + 4 and after[1] <= before[1] + 16 * MIB, (before, after)
    code, said = guest.ends()
    assert code == 0 and "panicked" not in said, said


def flood(guest: Guest, dice: random.Random, known: list[int], *, begins: bool) -> Iterator[str]:
    """32 requests at once, some of them in the other queue; all come back but one that waits.

    begins: with what has the server report something
    """
    front = guest.front
    for data in (init(), lookup(b"a"), watch(known[-1], CREATE)) if begins else ():
        front.put(REQUESTS, [data, ROOM])
    for _ in range(32):
        kind = dice.random()
        if kind < 0.9:
            queue = HIPRIO if dice.random() < 0.1 else REQUESTS
            front.put(queue, parts(dice, hostile(dice, known)))
        elif kind < 0.95:
            front.put(REQUESTS, [lookup(dice.choice((b"a", b"b", b"c", b"none"))), ROOM])
        elif kind < 0.99:
            front.put(HIPRIO, [forget(dice.choice((*known, 0, 2**64 - 1)), dice.choice((0, 1, 2**64 - 1)))])
        else:
            front.put(
                REQUESTS, [init(flags=dice.choice((1 << 44 | 1 << 30, 1 << 44 | 1 << 30, 0, 1 << 30))), ROOM]
            )
    for queue in (HIPRIO, REQUESTS):
        front.kick(queue)
    for queue, waits in ((HIPRIO, 0), (REQUESTS, 1)):
        while len(front.rings[queue].under_way) > waits:
            asked = dict(front.rings[queue].under_way)
            back = guest.wait(queue)
            assert back, asked
            for slot, answer in back:
                yield outcome(asked[slot], answer, known)


def outcome(asked: Sequence[Part], answer: bytes, known: list[int]) -> str:
    """What has become of a request; its answer is one to it."""
    whole = b"".join(part for part in asked if isinstance(part, bytes))
    _, opcode, unique = struct.unpack_from("<IIQ", whole)
    if not answer:
        return "none"
    size, error, to = OUT.unpack_from(answer)
    assert (size, to) == (len(answer), unique)
    if not error and whole[40:] == b"a\0":
        known[:] = [*known[-3:], *struct.unpack_from("<Q", answer, OUT.size)]
    if error or opcode != FSNOTIFY:
        return f"errno {-error}"
    if size == OUT.size:
        return "nothing"
    (op,) = struct.unpack_from("<I", whole, 40)
    if op == FETCH:
        assert not verdict(answer[OUT.size :]), answer
        return "fetched"
    return "watched"


def parts(dice: random.Random, data: bytes) -> list[Part]:
    """A request in one descriptor or in two, with room for what a FETCH brings, or for less."""
    at = dice.randrange(1, len(data)) if dice.random() < 0.3 else 0
    whole: list[Part] = [data[:at], data[at:]] if at else [data]
    room = dice.choice((ROOM, ROOM, ROOM, 24, 32, 16 + 8191, 3 * FETCHED))
    return [*whole, room] if dice.random() < 0.8 else [*whole, 16, room - 16]


def resources(guest: Guest) -> tuple[int, int]:
    """Descriptors and KiB that the server has."""
    pid = guest.server.pid
    return len([*Path(f"/proc/{pid}/fd").iterdir()]), resident_kib(pid)


MALFORMED: dict[str, list[Part]] = {
    "nothing to read": [ROOM],
    "half a header": [stop()[:20], ROOM],
    "a header and no more": [stop()[:40], ROOM],
    "half of what follows": [stop()[:60], ROOM],
    "nowhere to write": [stop()],
    "no room for a header": [stop(), 8],
    "room for nothing": [stop(), 0],
    "the room comes first": [ROOM, stop()],
    "the room is in the middle": [stop()[:40], ROOM, stop()[40:]],
    "watch without room for what is granted": [watch(1, CREATE), 20],
    "watch without room": [watch(1, CREATE)],
    "stop without room": [stop()],
    "stop in half a header": [stop(), 12],
}
"""Chains that no kernel makes."""


GIVES_UP = "1 Failed to handle an incoming request: "
Wild = tuple[int, int, int, int]
WILD: dict[str, Wild] = {
    "outside of memory": (1 << 40, 72, 1, 1),
    "at the end of numbers": (2**64 - 8, 72, 1, 1),
    "across the end of memory": (2 * QUEUE_MEMORY - 8, 72, 1, 1),
    "all numbers long": (0, 2**32 - 1, 1, 1),
    "follows itself": (0, 8, 1, 0),
    "is followed by none that there is": (0, 72, 1, 0xFFFF),
    "indirect": (0, 72, 4, 0),
}
"""The first descriptor of a chain: place, size, flags, the next one."""


@pytest.mark.parametrize("pool", POOLS)
def test_chains_that_are_none(guests: Guests, pool: int) -> None:
    """Of such a request the server makes what it makes of an ordinary one: it goes on, or says why not."""
    for name, chain in MALFORMED.items():
        endings = [ending(guests.start(pool), as_opcode(chain, opcode)) for opcode in (FSNOTIFY, STATFS)]
        assert endings[0] == endings[1], name
        assert endings[0] in ("", "unanswered") or endings[0].startswith(GIVES_UP), endings


@pytest.mark.parametrize("pool", POOLS)
def test_descriptors_that_are_none(guests: Guests, pool: int) -> None:
    for name, wild in WILD.items():
        endings = [ending(guests.start(pool), [data, ROOM], wild) for data in (stop(), request(STATFS))]
        assert endings[0] == endings[1], name
        assert "panicked" not in endings[0], endings


def as_opcode(chain: Sequence[Part], opcode: int) -> list[Part]:
    first = next((i for i, part in enumerate(chain) if isinstance(part, bytes)), None)
    changed = list(chain)
    if first is not None:
        data = chain[first]
        assert isinstance(data, bytes)
        changed[first] = data[:4] + struct.pack("<I", opcode) + data[8:]
    return changed


def ending(guest: Guest, chain: Sequence[Part], wild: Wild | None = None) -> str:
    """ "" if the server answers and serves on; else how it ended, and its last words."""
    front = guest.front
    slot = front.put(REQUESTS, chain)
    if wild is not None:
        entry = struct.pack("<QIHH", *wild)
        place = front.rings[REQUESTS].base + 16 * PARTS * slot
        front.memory[place : place + 16] = entry
    front.kick(REQUESTS)
    try:
        answered = bool(front.wait(REQUESTS, 1.0))
        front.put(REQUESTS, [lookup(b"a"), ROOM])
        front.kick(REQUESTS)
        assert front.wait(REQUESTS)
    except EOFError:
        code, said = guest.ends()
        return f"{code} {said.splitlines()[-1].partition('] ')[2]}"
    return "" if answered else "unanswered"


@pytest.mark.parametrize("pool", POOLS)
def test_memory_goes_from_under_a_fetch(guests: Guests, pool: int) -> None:
    """Nobody writes there; the server goes on when there is memory again."""
    guest = guests.start(pool)
    assert_serves(guest)
    folder = guest.node(b"a")
    guest.wait_for()
    guest.front.share(QUEUE_MEMORY + (1 << 16))
    (guest.share / "a" / "meanwhile").touch()
    assert guest.ask(lookup(b"b"), queue=HIPRIO)[0] == 0
    guest.front.share(2 * QUEUE_MEMORY)
    assert guest.ask(watch(folder, CREATE), queue=HIPRIO)[0] == 0
    guest.front.wait(REQUESTS, 0.2)
    assert_serves(guest)


@pytest.mark.parametrize("pool", POOLS)
def test_a_queue_that_is_disabled(guests: Guests, pool: int) -> None:
    guest = guests.start(pool)
    assert_serves(guest)
    for _ in range(50):
        guest.wait_for()
        guest.front.enable(guest.front.rings[REQUESTS], 0)
        assert guest.fetched() == b""
        guest.front.enable(guest.front.rings[REQUESTS], 1)
    assert_serves(guest)


@pytest.mark.parametrize("pool", POOLS)
def test_the_state_is_not_migrated_while_it_watches(guests: Guests, pool: int) -> None:
    """That fails, whatever waits; the guest that stays where it is hears on."""
    guest = guests.start(pool)
    assert_serves(guest)
    guest.wait_for()
    guest.stop_rings()
    assert guest.fetched() == b""
    assert guest.front.saved() == (False, b"")
    guest.start_rings()
    assert_serves(guest)
