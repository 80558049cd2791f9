# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in the guest: watch the files of a server while its table changes, and say what inotify says.

usage: table.py SERVER-COMMAND... MOUNTPOINT [OPTION...], as kernel-tests/examples/tablefs.py wants them.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
import subprocess
import sys
import time
from pathlib import Path

LINES = ("set a one", "set a another", "move a b", "del b")
NAMES = {0x2: "MODIFY", 0x40: "MOVED_FROM", 0x80: "MOVED_TO", 0x100: "CREATE", 0x200: "DELETE"}
EVENTS_OF = (1, 1, 2, 1)
"""How many each line makes."""
HEAD = struct.Struct("iIII")
LIMIT = 20.0
UNTIL_SILENCE = 2.0
libc = ctypes.CDLL(None, use_errno=True)


def mounted(point: Path) -> None:
    until = time.monotonic() + LIMIT
    while not point.is_mount():
        if time.monotonic() > until:
            sys.exit("not mounted")
        time.sleep(0.01)


def read_events(group: int, limit: float) -> list[tuple[int, str]]:
    if not select.select([group], [], [], limit)[0]:
        return []
    data, found = os.read(group, 65536), []
    while data:
        _, mask, _, size = HEAD.unpack_from(data)
        found.append((mask, data[HEAD.size : HEAD.size + size].rstrip(b"\0").decode()))
        data = data[HEAD.size + size :]
    return found


def content(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return "gone"


def told(group: int, point: Path, number: int) -> bool:
    """Says the events of one line; False if they do not come."""
    while number > 0:
        events = read_events(group, UNTIL_SILENCE)
        if not events:
            return False
        for mask, name in events:
            print(f"{NAMES[mask]} {name}: {content(point / name)}", flush=True)
        number -= len(events)
    return True


def main() -> int:
    point = next(Path(word) for word in sys.argv[1:] if word.startswith("/tmp/"))
    server = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, text=True, bufsize=1)
    assert server.stdin is not None
    mounted(point)
    group = libc.inotify_init1(os.O_CLOEXEC)
    libc.inotify_add_watch(group, os.fsencode(point), sum(NAMES))
    content(point / "a")  # so that its absence is cached
    for line, number in zip(LINES, EVENTS_OF, strict=True):
        server.stdin.write(line + "\n")
        if not told(group, point, number):
            print("silence")
            break
    os.close(group)
    print("unmounted" if libc.umount2(os.fsencode(point), 0) == 0 else "busy")
    server.kill()
    server.wait(LIMIT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
