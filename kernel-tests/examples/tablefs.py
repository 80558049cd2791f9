#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A FUSE server whose files change by themselves, and which tells so: inotifywait sees it.

    tablefs.py MOUNTPOINT [--fetch] < LINES

Its files are rows of a table in memory. A line of standard input changes the table, as somebody else would do
who shares it: "set NAME TEXT", "del NAME", "move NAME NEWNAME". The kernel is told by FUSE_NOTIFY_FSNOTIFY, or
with --fetch by the answer to the request that waits for it. Without a library, since none knows the protocol
yet; what a server has to do for it is in the functions named fsnotify_*. It takes root, Linux with the series
"remote fsnotify for FUSE", and sysctl fs.inotify.remote=1 for inotify. To read of it all: include/uapi/linux/fuse.h.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import os
import select
import stat
import struct
import sys
import time
from dataclasses import dataclass, field

LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE, INIT = 1, 2, 3, 14, 15, 17, 18, 26
OPENDIR, READDIR, RELEASEDIR, FLUSH, DESTROY, BATCH_FORGET, FSNOTIFY = 27, 28, 29, 25, 38, 42, 54
WATCH, FETCH, STOP = 1, 2, 3
NOTIFY_FSNOTIFY, INIT_EXT, HAVE_FSNOTIFY, CAN_FETCH = 10, 1 << 30, 1 << 44, 1 << 0
MODIFY, MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x2, 0x40, 0x80, 0x100, 0x200
RENAME, ON_CHILD = 0x10000000, 0x08000000
DEAD = 1 << 0
ROOT = 1


@dataclass
class Row:
    """A file: its number in the kernel, and what is in it."""

    node: int
    text: bytes
    changed: float = field(default_factory=time.time)


class Server:
    """Answers one request after the other; the table may change between two of them."""

    def __init__(self, device: int, can_fetch: bool) -> None:
        self.device = device
        self.can_fetch = can_fetch
        self.rows: dict[str, Row] = {}
        self.last_node = ROOT
        self.mounted = True
        self.watched: dict[int, int] = {}
        """Node -> events that the kernel wants to be told of."""
        self.seq = 0
        self.backlog: list[bytes] = []
        self.waiting = 0
        """The FETCH that waits: its number, or 0."""

    # what remote fsnotify takes: the offer, watches, events

    def fsnotify_offer(self, flags: int) -> tuple[int, int, int]:
        """For the answer to INIT: flags2, fsnotify_flags, fsnotify_mask."""
        if not flags & HAVE_FSNOTIFY:
            return 0, 0, 0
        return HAVE_FSNOTIFY >> 32, CAN_FETCH if self.can_fetch else 0, MODIFY | CREATE | DELETE | RENAME

    def fsnotify_request(self, unique: int, node: int, body: bytes) -> bytes | None:
        """FUSE_FSNOTIFY; None: it is answered later."""
        op, _, mask, _ = struct.unpack_from("<IIII", body)
        if op == WATCH:
            self.watched[node] = mask
            return struct.pack("<II", mask, 0)
        if self.waiting:
            self.reply(self.waiting, b"")
        self.waiting = unique if op == FETCH else 0
        if op == STOP:
            return b""
        self.fsnotify_send()
        return None

    def fsnotify_tell(self, mask: int, name: str, child: int, newname: str = "", flags: int = 0) -> None:
        """Something has happened: to a name in the root, or (DEAD) to a node."""
        names = b"".join(n.encode() + b"\0" for n in (name, newname) if n)
        size = (64 + len(names) + 7) & ~7
        head = struct.pack("<IIIHH", size, flags, mask, len(name.encode()), len(newname.encode()))
        nodes = struct.pack("<QQQQQQ", ROOT if name else 0, 0, child, 0, ROOT if newname else 0, 0)
        if self.watched.get(ROOT) or self.watched.get(child):
            self.backlog.append((head + nodes + names).ljust(size, b"\0"))
        self.fsnotify_send()

    def fsnotify_send(self) -> None:
        """All that there is, as one batch."""
        if not self.backlog or (self.can_fetch and not self.waiting):
            return
        self.seq += 1
        batch = struct.pack("<QII", self.seq, len(self.backlog), 0) + b"".join(self.backlog)
        self.backlog.clear()
        if self.can_fetch:
            self.reply(self.waiting, batch)
            self.waiting = 0
        else:
            os.write(self.device, struct.pack("<IiQ", 16 + len(batch), NOTIFY_FSNOTIFY, 0) + batch)

    # the table

    def line(self, line: str) -> None:
        """One change, by "somebody else"."""
        verb, name, *rest = line.split(maxsplit=2)
        row = self.rows.get(name)
        if verb == "set" and row is not None:
            row.text, row.changed = rest[0].encode(), time.time()
            self.fsnotify_tell(MODIFY, name, row.node)
        elif verb == "set":
            self.last_node += 1
            self.rows[name] = Row(self.last_node, rest[0].encode())
            self.fsnotify_tell(CREATE, name, 0)
        elif verb == "del" and row is not None:
            del self.rows[name]
            self.fsnotify_tell(DELETE, name, row.node)
            self.fsnotify_tell(0, "", row.node, flags=DEAD)
        elif verb == "move" and row is not None:
            self.rows[rest[0]] = self.rows.pop(name)
            self.fsnotify_tell(RENAME, name, row.node, rest[0])
        else:
            print(f"tablefs: no such line or file: {line}", file=sys.stderr)

    # the rest is what any file system does

    def row_of(self, node: int) -> Row:
        for row in self.rows.values():
            if row.node == node:
                return row
        raise OSError(errno.ESTALE, "")

    def attr(self, node: int) -> bytes:
        if node == ROOT:
            mode, size, changed = stat.S_IFDIR | 0o755, 0, max((r.changed for r in self.rows.values()), default=0.0)
        else:
            row = self.row_of(node)
            mode, size, changed = stat.S_IFREG | 0o444, len(row.text), row.changed
        t, ns = int(changed), int(changed % 1 * 1e9)
        return struct.pack("<6Q10I", node, size, 1, t, t, t, ns, ns, ns, mode, 1, 0, 0, 0, 4096, 0)

    def request(self, op: int, unique: int, node: int, body: bytes) -> bytes | None:
        """The answer, or None if there is none now."""
        if op == INIT:
            _, _, readahead, flags, *flags2 = struct.unpack_from("<IIII" + "I" * (len(body) >= 20), body)
            flags2_out, caps, mask = self.fsnotify_offer(flags | (flags2[0] << 32 if flags2 else 0))
            ext = INIT_EXT if flags2_out else 0
            head = struct.pack("<IIIIHHIIHHIIHHI", 7, 47, readahead, ext, 12, 9, 65536, 1, 16, 0, flags2_out, 0, 0, caps, mask)
            return head.ljust(64, b"\0")
        if op == LOOKUP:
            row = self.rows.get(body.split(b"\0")[-2].decode())
            if row is None:
                raise OSError(errno.ENOENT, "")
            hour = 3600  # nothing is asked twice, unless an event says so
            return struct.pack("<QQQQII", row.node, 0, hour, hour, 0, 0) + self.attr(row.node)
        if op == GETATTR:
            return struct.pack("<QII", 3600, 0, 0) + self.attr(node)
        if op in (OPEN, OPENDIR):
            return struct.pack("<QII", 0, 0, 0)
        if op == READ:
            _, offset, size = struct.unpack_from("<QQI", body)
            return self.row_of(node).text[offset : offset + size]
        if op == READDIR:
            _, offset, size = struct.unpack_from("<QQI", body)
            return self.listing()[offset : offset + size] if not offset else b""
        if op == STATFS:
            return bytes(80)
        if op == FSNOTIFY:
            return self.fsnotify_request(unique, node, body)
        if op in (FORGET, BATCH_FORGET):
            return None
        if op in (RELEASE, RELEASEDIR, FLUSH, DESTROY):
            return b""
        raise OSError(errno.ENOSYS, "")

    def listing(self) -> bytes:
        out = b""
        for name, row in self.rows.items():
            raw = name.encode()
            size = (24 + len(raw) + 7) & ~7
            out += struct.pack("<QQII", row.node, len(out) + size, len(raw), stat.S_IFREG >> 12) + raw.ljust(size - 24, b"\0")
        return out

    def reply(self, unique: int, answer: bytes, error: int = 0) -> None:
        os.write(self.device, struct.pack("<IiQ", 16 + len(answer), -error, unique) + answer)

    def serve_one(self) -> None:
        try:
            raw = os.read(self.device, 1 << 17)
        except OSError as error:
            self.mounted = error.errno != errno.ENODEV
            return
        _, op, unique, node = struct.unpack_from("<IIQQ", raw)
        try:
            answer = self.request(op, unique, node, raw[40:])
        except OSError as error:
            self.reply(unique, b"", error.errno or errno.EIO)
            return
        if answer is not None:
            self.reply(unique, answer)

    def run(self) -> None:
        lines: list[int] = [0]
        while self.mounted:
            ready, _, _ = select.select([self.device, *lines], [], [])
            if self.device in ready:
                self.serve_one()
            if 0 in ready:
                line = sys.stdin.readline()
                if line.strip():
                    self.line(line.strip())
                elif not line:
                    lines.clear()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mountpoint")
    parser.add_argument("--fetch", action="store_true", help="let a request of the kernel wait for events")
    args = parser.parse_args()
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
    if ctypes.CDLL(None, use_errno=True).mount(b"table", args.mountpoint.encode(), b"fuse", 0, options.encode()):
        sys.exit(f"tablefs: cannot mount on {args.mountpoint}: {os.strerror(ctypes.get_errno())}")
    Server(device, args.fetch).run()


if __name__ == "__main__":
    main()
