# SPDX-License-Identifier: GPL-2.0-or-later
"""A few files that FUSE asks for, as a server that lies has them, whatever carries the requests.

It has a root directory (nodeid 1), what its plan names, and whatever directories are made in it (2, 3, ...).
What a plan can have is said in device.py.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass
from typing import Any

from tests.integration.forge.fetch import Liar

GO = "go"
DONE, DONE_ID = "done", 3000
"""Is there when all that was to be made at random has been."""
(LOOKUP, FORGET, GETATTR, SETATTR, MKDIR, INIT, DESTROY, FSNOTIFY) = (1, 2, 3, 4, 9, 26, 38, 54)
(OPEN, READ, STATFS, RELEASE, OPENDIR, RELEASEDIR, BATCH_FORGET) = (14, 15, 17, 18, 27, 29, 42)
INTERRUPT = 36
KEEP_CACHE = 1 << 1
ENOENT, ENOSYS = 2, 38
FETCH, STOP = 2, 3
HAVE_FSNOTIFY, INIT_EXT, ASYNC_READ = 1 << 44, 1 << 30, 1 << 0


@dataclass
class Node:
    """An object: what LOOKUP and GETATTR tell of it."""

    id: int
    gen: int = 1
    mode: int = 0o40777
    data: str = ""
    nlink: int = 2
    submount: bool = False


class Files:
    """What there is, and what is said of it."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.pending: list[dict[str, Any]] = list(plan.get("early", []))
        self.nodes = {1: Node(1)}
        self.names: dict[tuple[int, str], int] = {}
        self.made = 0
        self.refuse = 0
        self.said = self.hold = ""
        self.watched = False
        self.liar = Liar() if "mask" in plan else None
        Files.change(self, {key: plan[key] for key in ("nodes", "refuse", "hold") if key in plan})

    def say(self, text: str) -> None:
        self.said = text
        print(text, file=sys.stderr, flush=True)

    def change(self, step: dict[str, Any]) -> None:
        """What a step does, or the plan in the beginning."""
        for name in step.get("gone", []):
            del self.names[self.at(name)]
        for given in step.get("nodes", []):
            node = Node(**{key: value for key, value in given.items() if key != "name"})
            self.nodes[node.id] = node
            self.names[self.at(given["name"])] = node.id
        self.refuse = step.get("refuse", self.refuse)
        self.hold = step.get("hold", self.hold)
        self.pending += step.get("messages", [])
        if self.liar is not None:
            self.liar.add(step)

    def at(self, path: str) -> tuple[int, str]:
        parent, _, name = path.rpartition("/")
        return (self.names[1, parent] if parent else 1), name

    # -- FUSE

    def fuse(self, opcode: int, nodeid: int, data: bytes) -> tuple[int, bytes]:
        if opcode == INIT:
            if self.liar:
                self.liar.begin()
            flags = INIT_EXT | ASYNC_READ | (HAVE_FSNOTIFY if self.plan["grant"] else 0)
            background = self.plan.get("background", 8)
            low, high = flags & 0xFFFFFFFF, flags >> 32
            head = struct.pack(
                "<IIIIHHIIHHI", 7, 47, 1 << 17, low, background, background, 1 << 17, 1, 16, 0, high
            )
            v3 = struct.pack("<IHHI", 0, 0, self.plan.get("fetch", 1), self.plan.get("mask", 0))
            return 0, (head + v3).ljust(64, b"\0")
        if opcode == DESTROY:
            self.pending += self.plan.get("late", [])
            return 0, b""
        if opcode in (GETATTR, SETATTR):
            return self.attr(nodeid)
        if opcode in (LOOKUP, MKDIR):
            return self.entry(opcode, nodeid, data)
        if opcode in (OPEN, OPENDIR):
            return 0, struct.pack("<QIi", 0, KEEP_CACHE if self.plan.get("keep") else 0, 0)
        if opcode == READ:
            _, offset, size = struct.unpack_from("<QQI", data)
            return 0, self.nodes[nodeid].data.encode()[offset : offset + size]
        if opcode == STATFS:
            return 0, struct.pack("<5Q4I", 0, 0, 0, 0, 0, 4096, 255, 4096, 0).ljust(80, b"\0")
        if opcode == FSNOTIFY and self.liar:
            return self.fsnotify(nodeid, data)
        if opcode == FSNOTIFY:
            self.say(f"watch {nodeid} {struct.unpack_from('<Q', data)[0]:#x}")
            self.watched = True
            return self.refuse, b""
        return (0, b"") if opcode in (FORGET, BATCH_FORGET, RELEASE, RELEASEDIR) else (ENOSYS, b"")

    def fsnotify(self, nodeid: int, data: bytes) -> tuple[int, bytes]:
        """A request of v3's that is not FETCH."""
        op, _, mask = struct.unpack_from("<III", data)
        if op == STOP:
            self.say("stop")
            self.stopped()
            return 0, b""
        self.say(f"watch {nodeid} {mask:#x}")
        self.watched = True
        return self.refuse, struct.pack("<II", mask, 0)

    def is_fetch(self, data: bytes) -> bool:
        """Whether a request of v3's is FETCH, which tells what has become of the last answer."""
        op, _, _, _, _, seq = struct.unpack_from("<IIIIQQ", data)
        if op == FETCH and self.liar:
            self.liar.fetched(seq)
        return bool(op == FETCH)

    def stopped(self) -> None:
        """Nobody is told of anything any more."""

    def attr(self, nodeid: int) -> tuple[int, bytes]:
        if nodeid not in self.nodes:
            return ENOENT, b""
        return 0, struct.pack("<QII", self.plan.get("valid", 0), 0, 0) + self.attributes(self.nodes[nodeid])

    def entry(self, opcode: int, parent: int, data: bytes) -> tuple[int, bytes]:
        name = data[8 if opcode == MKDIR else 0 :].split(b"\0")[0].decode("ascii", "replace")
        self.say(f"{'mkdir' if opcode == MKDIR else 'lookup'} {name}")
        if name == DONE and self.liar and self.liar.ended:
            self.nodes[DONE_ID], self.names[1, DONE] = Node(DONE_ID), DONE_ID
        if opcode == LOOKUP and (parent, name) not in self.names:
            if name == GO and self.watched:
                self.pending += self.plan.pop("messages", [])
            if name.startswith("do-"):
                self.change(self.plan["steps"][name.removeprefix("do-")])
                self.said = ""
            return ENOENT, b""
        if opcode == MKDIR:
            self.made += 1
            if self.made == 1:
                self.pending += self.plan.get("made", [])
            self.nodes[self.made + 1] = Node(self.made + 1)
            self.names[parent, name] = self.made + 1
        node = self.nodes[self.names[parent, name]]
        valid = self.plan.get("valid", 0)
        return 0, struct.pack("<QQQQII", node.id, node.gen, valid, valid, 0, 0) + self.attributes(node)

    def attributes(self, node: Node) -> bytes:
        times = (0, 0, 0, 0, 0, 0)
        owner = (0, 0, 0)
        return struct.pack(
            "<QQQQQQIIIIIIIIII",
            *(node.id, len(node.data), *times[:4], *times[:3]),
            *(node.mode, node.nlink, *owner, 4096, int(node.submount)),
        )
