# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's side of a virtiofs device, without a guest: a front end of vhost-user with memory of its own.

It puts whatever it is given into the queues of a server, and takes what comes back. Bytes become a descriptor
that the server reads, numbers one with so many bytes that it may write.
"""

from __future__ import annotations

import array
import mmap
import os
import select
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.integration.forge.device import (
    DESCRIPTOR_NEXT,
    DESCRIPTOR_WRITE,
    F_PROTOCOL,
    F_VERSION_1,
    GET_FEATURES,
    GET_PROTOCOL,
    GET_VRING_BASE,
    HEADER,
    NEED_REPLY,
    PROTOCOL_MQ,
    SET_FEATURES,
    SET_MEM_TABLE,
    SET_VRING_ADDR,
    SET_VRING_BASE,
    SET_VRING_CALL,
    SET_VRING_ENABLE,
    SET_VRING_KICK,
    SET_VRING_NUM,
    VERSION,
)

SET_OWNER, SET_PROTOCOL = 3, 16
PROTOCOL_REPLY_ACK, PROTOCOL_DEVICE_STATE = 1 << 3, 1 << 19
SET_DEVICE_STATE_FD, CHECK_DEVICE_STATE = 42, 43
PROTOCOLS = PROTOCOL_MQ | PROTOCOL_REPLY_ACK | PROTOCOL_DEVICE_STATE
HIPRIO, REQUESTS = 0, 1
SLOTS, PARTS, ROOM = 64, 4, 1 << 16
"""Requests that can be under way in a queue, their descriptors, and bytes of memory of each."""
QUEUE_MEMORY = SLOTS * ROOM + (1 << 16)
USER = 0x7000_0000_0000
"""Where our memory seems to be."""
LIMIT = 20.0
"""Seconds for any answer."""

Part = bytes | int


@dataclass
class Ring:
    """A queue, seen by its driver."""

    index: int
    kick: int
    call: int
    available: int = 0
    used: int = 0
    free: list[int] = field(default_factory=lambda: list(range(SLOTS)))
    under_way: dict[int, Sequence[Part]] = field(default_factory=dict)

    @property
    def base(self) -> int:
        return self.index * QUEUE_MEMORY


class FrontEnd:
    def __init__(self, server: socket.socket) -> None:
        self.socket = server
        self.socket.settimeout(LIMIT)
        size = 2 * QUEUE_MEMORY
        self.fd = os.memfd_create("guest")
        os.truncate(self.fd, size)
        self.memory = mmap.mmap(self.fd, size)
        self.rings = [Ring(index, os.eventfd(0), os.eventfd(0)) for index in (HIPRIO, REQUESTS)]

    def start(self) -> None:
        """Negotiate what is needed, and start all queues."""
        self.ask(GET_FEATURES)
        self.tell(SET_OWNER)
        self.tell(SET_FEATURES, struct.pack("<Q", F_PROTOCOL | F_VERSION_1))
        self.ask(GET_PROTOCOL)
        self.tell(SET_PROTOCOL, struct.pack("<Q", PROTOCOLS))
        self.share(len(self.memory))
        for ring in self.rings:
            self.start_ring(ring)

    def share(self, size: int) -> None:
        """Let the server see so much of our memory."""
        table = struct.pack("<IIQQQQ", 1, 0, 0, size, USER, 0)
        self.confirmed(SET_MEM_TABLE, table, self.fd)

    def start_ring(self, ring: Ring) -> None:
        """It may have been stopped."""
        self.tell(SET_VRING_NUM, struct.pack("<II", ring.index, SLOTS * PARTS))
        self.tell(SET_VRING_BASE, struct.pack("<II", ring.index, ring.available & 0xFFFF))
        at = USER + ring.base
        rings = struct.pack("<IIQQQQ", ring.index, 0, at, at + 0x8000, at + 0x4000, 0)
        self.tell(SET_VRING_ADDR, rings)
        self.tell(SET_VRING_CALL, struct.pack("<Q", ring.index), ring.call)
        self.tell(SET_VRING_KICK, struct.pack("<Q", ring.index), ring.kick)
        self.enable(ring, 1)

    def enable(self, ring: Ring, enabled: int) -> None:
        self.confirmed(SET_VRING_ENABLE, struct.pack("<II", ring.index, enabled))

    def saved(self) -> tuple[bool, bytes]:
        """The state of the device, and whether it is one. All queues must have been stopped."""
        ours, theirs = os.pipe()
        self.ask(SET_DEVICE_STATE_FD, struct.pack("<II", 0, 0), theirs)
        os.close(theirs)
        state = b""
        while part := os.read(ours, 1 << 16):
            state += part
        os.close(ours)
        (failed,) = struct.unpack("<Q", self.ask(CHECK_DEVICE_STATE))
        return not failed, state

    def stop_ring(self, ring: Ring) -> None:
        self.ask(GET_VRING_BASE, struct.pack("<II", ring.index, 0))

    # -- messages

    def tell(self, kind: int, body: bytes = b"", fd: int = -1, flags: int = VERSION) -> None:
        fds = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))] if fd >= 0 else []
        self.socket.sendmsg([HEADER.pack(kind, flags, len(body)) + body], fds)

    def ask(self, kind: int, body: bytes = b"", fd: int = -1, flags: int = VERSION) -> bytes:
        self.tell(kind, body, fd, flags)
        _, _, size = HEADER.unpack(self.receive(HEADER.size))
        return self.receive(size)

    def confirmed(self, kind: int, body: bytes, fd: int = -1) -> None:
        (failed,) = struct.unpack("<Q", self.ask(kind, body, fd, VERSION | NEED_REPLY))
        assert not failed, kind

    def receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise EOFError("the server has gone")
            data += part
        return data

    # -- requests

    def put(self, queue: int, parts: Sequence[Part]) -> int:
        """Offer a request, of which the server is told by `kick`; its number."""
        ring = self.rings[queue]
        slot = ring.free.pop()
        ring.under_way[slot] = parts
        at = self.area(ring, slot)
        for number, part in enumerate(parts):
            size = part if isinstance(part, int) else len(part)
            if isinstance(part, bytes):
                self.memory[at : at + size] = part
            follows = number + 1 < len(parts)
            self.describe(ring, slot * PARTS + number, at, size, isinstance(part, int), follows)
            at += size
        place = ring.base + 0x4000 + 4 + 2 * (ring.available % (SLOTS * PARTS))
        self.memory[place : place + 2] = struct.pack("<H", slot * PARTS)
        ring.available += 1
        self.memory[ring.base + 0x4002 : ring.base + 0x4004] = struct.pack("<H", ring.available & 0xFFFF)
        return slot

    def area(self, ring: Ring, slot: int) -> int:
        return ring.base + (1 << 16) + slot * ROOM

    def describe(self, ring: Ring, index: int, at: int, size: int, writes: bool, follows: bool) -> None:
        flags = (DESCRIPTOR_WRITE if writes else 0) | (DESCRIPTOR_NEXT if follows else 0)
        entry = struct.pack("<QIHH", at, size, flags, index + 1 if follows else 0)
        self.memory[ring.base + 16 * index : ring.base + 16 * index + 16] = entry

    def kick(self, queue: int) -> None:
        os.eventfd_write(self.rings[queue].kick, 1)

    def kicked(self) -> bool:
        """Whether there is a kick that the server has not taken note of."""
        return bool(select.select([ring.kick for ring in self.rings], [], [], 0)[0])

    def taken(self, queue: int) -> list[tuple[int, bytes]]:
        """Requests that have come back, and what the server claims to have written."""
        ring = self.rings[queue]
        (index,) = struct.unpack_from("<H", self.memory, ring.base + 0x8002)
        back = []
        while ring.used & 0xFFFF != index:
            place = ring.base + 0x8004 + 8 * (ring.used % (SLOTS * PARTS))
            head, size = struct.unpack_from("<II", self.memory, place)
            ring.used += 1
            back.append((head // PARTS, self.written(ring, head // PARTS, size)))
        return back

    def written(self, ring: Ring, slot: int, size: int) -> bytes:
        at, data = self.area(ring, slot), b""
        for part in ring.under_way.pop(slot):
            if isinstance(part, int):
                data += self.memory[at : at + part]
            at += part if isinstance(part, int) else len(part)
        ring.free.append(slot)
        return data[:size]

    def wait(self, queue: int, limit: float = LIMIT) -> list[tuple[int, bytes]]:
        """What comes back; nothing if nothing does in that time, EOFError if the server has gone."""
        while not (back := self.taken(queue)):
            call, server = self.rings[queue].call, self.socket.fileno()
            ready, _, _ = select.select([call, server], [], [], limit)
            if server in ready:
                raise EOFError("the server has gone")
            if not ready:
                break
            os.eventfd_read(call)
        return back

    def request(self, parts: Sequence[Part], queue: int = REQUESTS) -> bytes:
        """One request, whose answer is waited for; others must not come back meanwhile."""
        slot = self.put(queue, parts)
        self.kick(queue)
        ((back, answer),) = self.wait(queue)
        assert back == slot
        return answer
