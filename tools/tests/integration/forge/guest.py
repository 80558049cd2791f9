# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in the guest: watch the test's folder and print each event, until one is named "last" or none comes.

usage: guest.py SECONDS [NAME]: how long to wait for an event; a directory to make when the watch is there.

A line an event: MASK COOKIE NAME, the first two hex, the name as Python writes bytes. "silence" in the end if
the last one did not come; "stat" and errno of a look at the directory after all that.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
import sys
from pathlib import Path

ALL_EVENTS = 0xFFF
HEAD = struct.Struct("iIII")


def main() -> int:
    os.chdir(os.environ["FARWATCH_SHARE"])
    libc = ctypes.CDLL(None, use_errno=True)
    seconds = float(sys.argv[1])
    group = libc.inotify_init1(os.O_CLOEXEC)
    if libc.inotify_add_watch(group, b".", ALL_EVENTS) < 0:
        print("no watch", ctypes.get_errno())
        return 1
    for made in sys.argv[2:]:
        Path(made).mkdir()
    if not sys.argv[2:]:
        Path("go").exists()  # the device that lies waits for this
    name = b""
    while name != b"last":
        if not select.select([group], [], [], seconds)[0]:
            print("silence")
            break
        data = os.read(group, 65536)
        while data:
            _, mask, cookie, size = HEAD.unpack_from(data)
            name = data[HEAD.size : HEAD.size + size].rstrip(b"\0")
            print(f"{mask:x} {cookie:x} {name!r}", flush=True)
            data = data[HEAD.size + size :]
    try:
        Path().stat()
        print("stat 0")
    except OSError as error:
        print("stat", error.errno)
    return 0


if __name__ == "__main__":
    sys.exit(main())
