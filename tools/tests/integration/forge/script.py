# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in the guest: carry out a script, which is Python and has the names of this file.

usage: script.py FILE
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import struct
import sys
import threading  # noqa: F401  # for scripts
import time  # noqa: F401  # for scripts
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
ACCESS, MODIFY, ATTRIB, CLOSE_WRITE, OPEN = 0x1, 0x2, 0x4, 0x8, 0x20
MOVED_FROM, MOVED_TO, CREATE, DELETE, DELETE_SELF, MOVE_SELF = 0x40, 0x80, 0x100, 0x200, 0x400, 0x800
EXCL_UNLINK, ON_CHILD, ONDIR = 0x04000000, 0x08000000, 0x40000000
HEAD = struct.Struct("iIII")
# fanotify_init() and fanotify_mark()
REPORT_FID, REPORT_DIR_FID, REPORT_NAME, REPORT_TARGET_FID = 0x200, 0x400, 0x800, 0x1000
MARK_ADD, MARK_REMOVE, IGNORED, SURV_MODIFY, EVICTABLE = 0x1, 0x2, 0x20, 0x40, 0x200
RECORDS = {1: "FID", 2: "DFID_NAME", 3: "DFID", 4: "PIDFD", 10: "OLD", 12: "NEW"}


def checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def do(key: str) -> None:
    """Have the device do a step of the plan."""
    Path(f"/mnt/share/do-{key}").exists()


def inotify() -> int:
    return checked(LIBC.inotify_init1(os.O_CLOEXEC))


def watch(group: int, path: str, mask: int) -> int:
    return checked(LIBC.inotify_add_watch(group, path.encode(), ctypes.c_uint32(mask)))


def tries(call: object, *args: object) -> int:
    """errno of a call, or 0."""
    try:
        call(*args)  # type: ignore[operator]
    except OSError as error:
        return error.errno or -1
    return 0


def read(group: int, seconds: float = 5.0, count: int = 1) -> None:
    """Print so many events, or "silence" if one does not come in that time."""
    while count > 0:
        if not select.select([group], [], [], seconds)[0]:
            print("silence", flush=True)
            return
        data = os.read(group, 65536)
        while data:
            wd, mask, _cookie, size = HEAD.unpack_from(data)
            name = data[HEAD.size : HEAD.size + size].rstrip(b"\0").decode()
            data = data[HEAD.size + size :]
            print(" ".join([str(wd), f"{mask:x}", *([name] if name else [])]), flush=True)
            count -= 1


def until(group: int, last: bytes, seconds: float = 10.0) -> None:
    """Print events like guest.py, up to that with a name; "silence" if none comes in that time."""
    name = b""
    while name != last:
        if not select.select([group], [], [], seconds)[0]:
            print("silence", flush=True)
            return
        data, lines = os.read(group, 65536), []
        while data:
            _, mask, cookie, size = HEAD.unpack_from(data)
            name = data[HEAD.size : HEAD.size + size].rstrip(b"\0")
            lines.append(f"{mask:x} {cookie:x} {name!r}")
            data = data[HEAD.size + size :]
        print("\n".join(lines), flush=True)


def fanotify(flags: int) -> int:
    return checked(LIBC.fanotify_init(flags, os.O_RDONLY))


def mark(group: int, path: str, mask: int, flags: int = MARK_ADD) -> None:
    checked(LIBC.fanotify_mark(group, flags, ctypes.c_uint64(mask), -100, path.encode()))


def handle(path: str) -> str:
    buffer = ctypes.create_string_buffer(struct.pack("Ii", 128, 0), 136)
    checked(LIBC.name_to_handle_at(-100, path.encode(), buffer, ctypes.byref(ctypes.c_int()), 0))
    size, kind = struct.unpack_from("Ii", buffer.raw)
    return f"{kind:x}:{buffer.raw[8 : 8 + size].hex()}"


def read_fanotify(group: int, known: dict[str, str], seconds: float = 5.0) -> None:
    """Print one event: mask, pid, and each record with its name and what its handle is known as."""
    if not select.select([group], [], [], seconds)[0]:
        print("silence", flush=True)
        return
    data = os.read(group, 65536)
    while data:
        size, _, _, head, mask, _fd, pid = struct.unpack_from("<IBBHQii", data)
        words, at = [f"{mask:x}", f"pid={pid}"], head
        while at < size:
            kind, _, length = struct.unpack_from("<BBH", data, at)
            bytes_, type_ = struct.unpack_from("<Ii", data, at + 12)
            fid = f"{type_:x}:{data[at + 20 : at + 20 + bytes_].hex()}"
            name = data[at + 20 + bytes_ : at + length].split(b"\0")[0].decode()
            words.append(f"{RECORDS[kind]}={known.get(fid, '?')}{'/' + name if name else ''}")
            at += length
        print(" ".join(words), flush=True)
        data = data[size:]


AUDIT_ADD_RULE, AUDIT_LIST_RULES, NETLINK_AUDIT = 1011, 1013, 9


def audit(kind: int, body: bytes = b"") -> int:
    """Ask audit something; how many rules the answer has."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_AUDIT) as asks:
        asks.bind((0, 0))
        asks.send(struct.pack("=IHHII", 16 + len(body), kind, 1 | (4 if body else 0), 1, 0) + body)
        rules = 0
        while select.select([asks], [], [], 2)[0]:
            answer = asks.recv(65536)
            _, told, _, _, _ = struct.unpack_from("=IHHII", answer)
            if told in (2, 3):  # an error, 0 included, or the end
                error = struct.unpack_from("=i", answer, 16)[0] if told == 2 else 0
                if error:
                    raise OSError(-error, os.strerror(-error))
                if body or told == 3:
                    break
            rules += told == AUDIT_LIST_RULES
        return rules


def audit_path(path: str) -> None:
    """A rule: who does anything to what has this path."""
    watch_, perm = 105, 106
    fields = [watch_, perm] + [0] * 62
    values = [len(path), 15] + [0] * 62
    rule = struct.pack("=3I64I", 4, 2, 2, *[0xFFFFFFFF] * 64)
    rule += struct.pack("=64I64I64II", *fields, *values, *[0x40000000] * 64, len(path)) + path.encode()
    audit(AUDIT_ADD_RULE, rule)


if __name__ == "__main__":
    os.chdir("/mnt/share")
    exec(compile(Path(sys.argv[1]).read_text(), sys.argv[1], "exec"))
