#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A virtiofs device that lies: started like virtiofsd, with --forge=FILE, the plan of what it does (JSON).

  { "notify": bool        offers the notification queue
    "grant": bool         answers INIT with FUSE_HAVE_FSNOTIFY, asked or not
    "buf_size": int       notify_buf_size of its config space
    "queues": int         num_request_queues
    "made": [message]     sent when the first directory is made
    "early": [message]    sent as soon as there is a buffer, before anything is mounted
    "messages": [message] sent when GO is looked up and something is watched
    "late": [message]     sent after DESTROY
    "background": int     max_background
    "valid": int          for how many seconds names and attributes may be cached
    "keep": bool          what is cached of data stays when a file is opened
    "nodes": [node]       what there is besides the root, in the beginning
    "steps": {KEY: step}  done when "do-KEY" is looked up
    "mask": int           it is a server of v3, whose events are answers to FETCH; what can be watched
    "deaf": int           so many STOPs are answered while the FETCH is not
    "fetch": int          it answers FETCH: 1, as if not given; or plain.py writes notifications: 0
    "final": hex }        with which the FETCH is answered at STOP

node: { "name": NAME (in the root, or PARENT/NAME), "id": nodeid, and if that is not the default
        "gen": int, "mode": int, "data": str, "nlink": int, "submount": bool }
step: { "nodes": [node], "gone": [NAME], "messages": [message], "refuse": errno of FSNOTIFY from now on,
        "hold": "lookup NAME" or "watch NODEID MASK": the next such request waits for "release": true,
        "answers": [answer], "random": { "seed": int, "records": int }: what v3's server reports then,
        "stops": true: nothing at random any more }

message: { "data": hex, "used": int (length that is claimed), "id": int (descriptor that is claimed) }
answer: as a message, "data" being a batch, whose number is the next, but for "skip": int; "error": errno;
        "len": int, "unique": int (of its header: length, and how much more than the request's); "times": int

It has a root directory (nodeid 1) and whatever directories are made in it (2, 3, ...), and knows just enough
of vhost-user and FUSE for that. What it does is told on stderr.
"""

from __future__ import annotations

import array
import contextlib
import json
import mmap
import selectors
import socket
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.forge.fetch import Answer
from tests.integration.forge.files import BATCH_FORGET, FORGET, FSNOTIFY, Files

VERSION, REPLY, NEED_REPLY = 1, 4, 8
F_NOTIFICATION, F_PROTOCOL, F_VERSION_1 = 1 << 0, 1 << 30, 1 << 32
PROTOCOL_MQ, PROTOCOL_CONFIG = 1 << 0, 1 << 9
HEADER = struct.Struct("<III")
(GET_FEATURES, SET_FEATURES, SET_MEM_TABLE, SET_VRING_NUM, SET_VRING_ADDR) = (1, 2, 5, 8, 9)
(SET_VRING_BASE, GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL) = (10, 11, 12, 13)
(GET_PROTOCOL, GET_QUEUE_NUM, SET_VRING_ENABLE, GET_CONFIG) = (15, 17, 18, 24)
DESCRIPTOR_NEXT, DESCRIPTOR_WRITE = 1, 2


@dataclass
class Region:
    guest: int
    size: int
    user: int
    memory: mmap.mmap
    offset: int


@dataclass
class Queue:
    size: int = 0
    descriptors: int = 0
    used: int = 0
    available: int = 0
    taken: int = 0
    kick: int = -1
    call: int = -1


@dataclass
class Chain:
    """What the driver has put into a queue: bytes to read, places to write to."""

    head: int
    data: bytes = b""
    room: list[tuple[int, int]] = field(default_factory=list)


class Device(Files):
    def __init__(self, connection: socket.socket, plan: dict[str, Any]) -> None:
        self.socket = connection
        self.features = 0
        self.regions: list[Region] = []
        self.queues: dict[int, Queue] = {}
        self.held: list[tuple[Queue, Chain, bytes]] = []
        self.parked: tuple[Queue, Chain] | None = None
        super().__init__(plan)
        self.selector = selectors.DefaultSelector()
        self.selector.register(connection, selectors.EVENT_READ, None)

    # -- vhost-user

    def serve(self) -> None:
        while True:
            for key, _ in self.selector.select():
                if key.data is None:
                    if not self.request():
                        return
                else:
                    self.drain(key.fd)
                    self.work(key.data)

    def drain(self, fd: int) -> None:
        with open(fd, "rb", buffering=0, closefd=False) as file:
            file.read(8)

    def request(self) -> bool:
        head, fds = self.receive(HEADER.size)
        if not head:
            return False
        kind, flags, size = HEADER.unpack(head)
        body = self.receive(size)[0] if size else b""
        answer = self.answer(kind, body, fds)
        if answer is not None:
            self.socket.sendall(HEADER.pack(kind, VERSION | REPLY, len(answer)) + answer)
        elif flags & NEED_REPLY:
            self.socket.sendall(HEADER.pack(kind, VERSION | REPLY, 8) + bytes(8))
        return True

    def receive(self, size: int) -> tuple[bytes, list[int]]:
        data, fds = b"", array.array("i")
        while len(data) < size:
            part, control, _, _ = self.socket.recvmsg(size - len(data), socket.CMSG_SPACE(16 * 4))
            for _level, _kind, content in control:
                fds.frombytes(content[: len(content) - len(content) % 4])
            if not part:
                return b"", []
            data += part
        return data, list(fds)

    def answer(self, kind: int, body: bytes, fds: list[int]) -> bytes | None:
        offered = F_PROTOCOL | F_VERSION_1 | (F_NOTIFICATION if self.plan["notify"] else 0)
        if kind == GET_FEATURES:
            return struct.pack("<Q", offered)
        if kind == GET_PROTOCOL:
            return struct.pack("<Q", PROTOCOL_MQ | PROTOCOL_CONFIG)
        if kind == GET_QUEUE_NUM:
            return struct.pack("<Q", 16)
        if kind == GET_CONFIG:
            return self.config(*struct.unpack_from("<III", body))
        if kind == GET_VRING_BASE:
            (index, _) = struct.unpack_from("<II", body)
            return struct.pack("<II", index, self.queue(index).taken & 0xFFFF)
        self.set(kind, body, fds)
        return None

    def config(self, offset: int, size: int, flags: int) -> bytes:
        space = b"myfs".ljust(36, b"\0") + struct.pack("<II", self.plan["queues"], self.plan["buf_size"])
        return struct.pack("<III", offset, size, flags) + space[offset : offset + size].ljust(size, b"\0")

    def set(self, kind: int, body: bytes, fds: list[int]) -> None:
        if kind == SET_FEATURES:
            (self.features,) = struct.unpack("<Q", body)
        elif kind == SET_MEM_TABLE:
            self.map(body, fds)
        elif kind in (SET_VRING_NUM, SET_VRING_BASE):
            index, number = struct.unpack("<II", body)
            setattr(self.queue(index), "size" if kind == SET_VRING_NUM else "taken", number)
        elif kind == SET_VRING_ADDR:
            index, _, descriptors, used, available, _ = struct.unpack("<IIQQQQ", body)
            queue = self.queue(index)
            queue.descriptors, queue.used, queue.available = descriptors, used, available
        elif kind == SET_VRING_CALL and fds:
            self.queue(body[0]).call = fds[0]
        elif kind == SET_VRING_KICK and fds:
            self.queue(body[0]).kick = fds[0]
            self.selector.register(fds[0], selectors.EVENT_READ, self.queue(body[0]))

    def queue(self, index: int) -> Queue:
        return self.queues.setdefault(index, Queue())

    def map(self, body: bytes, fds: list[int]) -> None:
        (number,) = struct.unpack_from("<I", body)
        for place, fd in zip(range(number), fds, strict=False):
            guest, size, user, offset = struct.unpack_from("<QQQQ", body, 8 + 32 * place)
            self.regions.append(Region(guest, size, user, mmap.mmap(fd, offset + size), offset))

    # -- memory of the guest

    def place(self, address: int, *, user: bool) -> tuple[mmap.mmap, int]:
        for region in self.regions:
            start = region.user if user else region.guest
            if start <= address < start + region.size:
                return region.memory, region.offset + address - start
        raise ValueError(f"no memory at {address:#x}")

    def read(self, address: int, size: int, *, user: bool = False) -> bytes:
        memory, offset = self.place(address, user=user)
        return memory[offset : offset + size]

    def write(self, address: int, data: bytes, *, user: bool = False) -> None:
        memory, offset = self.place(address, user=user)
        memory[offset : offset + len(data)] = data

    def pop(self, queue: Queue) -> Chain | None:
        (index,) = struct.unpack("<H", self.read(queue.available + 2, 2, user=True))
        if not queue.size or index == queue.taken & 0xFFFF:
            return None
        slot = queue.available + 4 + 2 * (queue.taken % queue.size)
        (head,) = struct.unpack("<H", self.read(slot, 2, user=True))
        queue.taken += 1
        chain, current = Chain(head), head
        while True:
            entry = self.read(queue.descriptors + 16 * current, 16, user=True)
            address, size, flags, current = struct.unpack("<QIHH", entry)
            if flags & DESCRIPTOR_WRITE:
                chain.room.append((address, size))
            else:
                chain.data += self.read(address, size)
            if not flags & DESCRIPTOR_NEXT:
                return chain

    def push(self, queue: Queue, head: int, used: int) -> None:
        (index,) = struct.unpack("<H", self.read(queue.used + 2, 2, user=True))
        self.write(queue.used + 4 + 8 * (index % queue.size), struct.pack("<II", head, used), user=True)
        self.write(queue.used + 2, struct.pack("<H", (index + 1) & 0xFFFF), user=True)

    def call(self, queue: Queue) -> None:
        with open(queue.call, "wb", buffering=0, closefd=False) as file:
            file.write(struct.pack("<Q", 1))

    # -- queues

    def work(self, queue: Queue) -> None:
        if self.features & F_NOTIFICATION and queue is self.queues.get(1):
            self.notify()
            return
        while (chain := self.pop(queue)) is not None:
            self.carry_out(queue, chain)
            # Behind the answer to what has it speak: that must not be what suffers
            self.speak()

    def carry_out(self, queue: Queue, chain: Chain) -> None:
        answer = self.reply(queue, chain)
        if answer is None:
            return
        if self.hold and self.hold == self.said:
            self.hold = ""
            self.held.append((queue, chain, answer))
        else:
            self.give(queue, chain, answer)

    def give(
        self, queue: Queue, chain: Chain, answer: bytes, used: int | None = None, head: int | None = None
    ) -> None:
        rest = answer
        for address, room in chain.room:
            self.write(address, rest[:room])
            rest = rest[room:]
        self.push(queue, chain.head if head is None else head, len(answer) if used is None else used)
        self.call(queue)
        self.notify()

    def reply(self, queue: Queue, chain: Chain) -> bytes | None:
        """Carry out a request; None if it waits."""
        _size, opcode, unique, nodeid = struct.unpack_from("<IIQQ", chain.data)
        self.said = ""
        if opcode == FSNOTIFY and self.liar and self.is_fetch(chain.data[40:]):
            self.parked = queue, chain
            return None
        error, body = self.fuse(opcode, nodeid, chain.data[40:])
        if opcode in (FORGET, BATCH_FORGET) or not chain.room:
            return b""
        return struct.pack("<IiQ", 16 + len(body), -error, unique) + body

    def change(self, step: dict[str, Any]) -> None:
        super().change(step)
        if step.get("release"):
            held, self.held = self.held, []
            for queue, chain, answer in held:
                self.give(queue, chain, answer)

    def speak(self) -> None:
        """Answer the FETCH that waits, if there is something to say."""
        if self.liar is None or self.parked is None or (answer := self.liar.next()) is None:
            return
        (queue, chain), self.parked = self.parked, None
        claims = answer.claims
        for _ in range(claims.get("times", 1)):
            self.give(queue, chain, self.message(chain, answer), claims.get("used"), claims.get("id"))

    def message(self, chain: Chain, answer: Answer) -> bytes:
        return answer.message(struct.unpack_from("<Q", chain.data, 8)[0])

    def stopped(self) -> None:
        """STOP: what waits is answered before it, with "final" of the plan, but "deaf" times it is not."""
        if self.plan.get("deaf", 0) > 0:
            self.plan["deaf"] -= 1
        elif self.parked is not None:
            (queue, chain), self.parked = self.parked, None
            final = Answer(bytes.fromhex(self.plan.get("final", "")), {})
            self.give(queue, chain, self.message(chain, final))

    def notify(self) -> None:
        queue = self.queues.get(1)
        if not self.features & F_NOTIFICATION or queue is None or queue.call < 0 or not queue.size:
            return
        while self.pending and (chain := self.pop(queue)) is not None:
            message = self.pending.pop(0)
            data = bytes.fromhex(message["data"])
            address, room = chain.room[0]
            self.write(address, data[:room])
            self.push(queue, message.get("id", chain.head), message.get("used", len(data)))
            self.call(queue)


def main() -> int:
    options = dict(word.lstrip("-").split("=", 1) for word in sys.argv[1:] if "=" in word)
    plan = json.loads(Path(options["forge"]).read_text())
    with socket.socket(fileno=int(options["fd"])) as listener:
        connection, _ = listener.accept()
    with connection, contextlib.suppress(ConnectionError):
        Device(connection, plan).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
