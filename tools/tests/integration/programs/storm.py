# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in one of two guests that share a folder: watches who opens and reads what, and prints it.

usage: storm.py MY-NAME OTHER-NAME. It makes ready-MY-NAME when it watches, and ends when there is "over".

Lines: the events on the top and on d, as "MASK NAME"; and "storm" if the host says so.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from contextlib import suppress
from pathlib import Path

CREATE, READS = 0x100, 0x31
HEAD = struct.Struct("iIII")
SHOWN = 1000


def main() -> int:
    os.chdir(os.environ["FARWATCH_MOUNT"])
    with suppress(FileExistsError):
        Path("d").mkdir()
    with suppress(FileExistsError):
        Path("d/sub").mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    group = libc.inotify_init1(os.O_CLOEXEC)
    watches = [
        libc.inotify_add_watch(group, path, mask) for path, mask in ((b".", CREATE | READS), (b"d", READS))
    ]
    assert min(watches) > 0
    Path(f"ready-{sys.argv[1]}").mkdir()
    events: list[str] = []
    while "over" not in events:
        data = os.read(group, 1 << 16)
        while data:
            _, mask, _, size = HEAD.unpack_from(data)
            name = data[HEAD.size : HEAD.size + size].rstrip(b"\0").decode()
            data = data[HEAD.size + size :]
            if mask & READS:
                events.append(f"{mask:x} {name}")
            elif name in ("storm", "over"):
                events.append(name)
    print("\n".join([event for event in events if event != "over"][:SHOWN]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
