# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in one of two guests that share a folder: works in it, one after the other, and prints what it saw.

usage: pair.py MY-NAME OTHER-NAME: the smaller name works first.

Lines: the events on the folder d, as "MASK NAME", in the order in which they came; consecutive ones that are
the same are one, as inotify's own queue has it.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
import sys
from pathlib import Path

CREATE, ALL_EVENTS = 0x100, 0xFFF
HEAD = struct.Struct("iIII")
LIMIT = 20.0


class Watch:
    """An inotify group with a watch on one directory."""

    def __init__(self, path: str, mask: int) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._group = libc.inotify_init1(os.O_CLOEXEC)
        if libc.inotify_add_watch(self._group, path.encode(), mask) < 0:
            raise OSError(ctypes.get_errno(), path)
        self.seen: list[tuple[int, str]] = []

    def until(self, name: str) -> None:
        """Read events until one of that name has been there."""
        while name not in [entry for _, entry in self.seen]:
            if not select.select([self._group], [], [], LIMIT)[0]:
                raise TimeoutError(f"no event of {name}; there were {self.seen}")
            data = os.read(self._group, 65536)
            while data:
                _, mask, _, size = HEAD.unpack_from(data)
                self.seen.append((mask, data[HEAD.size : HEAD.size + size].rstrip(b"\0").decode()))
                data = data[HEAD.size + size :]


def work(name: str) -> None:
    """Something of everything, in d."""
    path = Path("d") / name
    path.write_text("text")
    path.chmod(0o600)
    path.read_text()
    os.truncate(path, 1)
    path.rename(path.with_suffix(".new"))
    path.with_suffix(".new").unlink()
    (Path("d") / f"{name}-folder").mkdir()
    (Path("d") / f"{name}-folder").rmdir()


def main() -> int:
    mine, other = sys.argv[1:]
    os.chdir(os.environ["FARWATCH_MOUNT"])
    turns = Watch(".", CREATE)
    Path("d").mkdir(exist_ok=True)
    watch = Watch("d", ALL_EVENTS)
    Path(f"ready-{mine}").mkdir()
    if not Path(f"ready-{other}").exists():
        turns.until(f"ready-{other}")
    if mine > other:
        turns.until(f"done-{other}")
    work(mine)
    Path(f"done-{mine}").mkdir()
    if mine < other:
        turns.until(f"done-{other}")
    Path(f"d/last-{mine}").mkdir()
    watch.until(f"last-{mine}")
    watch.until(f"last-{other}")
    for place, (mask, name) in enumerate(watch.seen):
        if not place or watch.seen[place - 1] != (mask, name):
            print(f"{mask:x} {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
