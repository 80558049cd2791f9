# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in a guest: watches a tree of many folders, prints what it took and how much it was told of.

usage: many.py watches|search, in a folder that has the tree w. It makes the folder "ready" when it watches;
the host makes "last" when it has done its part, and this one "heard" as soon as it is told of that.

Lines, times in ms:
    look TIME           lstat() of all folders
    added COUNT TIME    watches
    worst TIME          the longest stat() while the host was at work
    seen COUNT          files that were made
    close TIME BESIDE   of the group; the longest new watch of somebody else meanwhile
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

CREATE, OPEN, CHANGES, ISDIR, OVERFLOW = 0x100, 0x20, 0x3C6, 0x40000000, 0x4000
HEAD = struct.Struct("iIII")
LIMIT = 300.0
SYSCTLS = Path("/proc/sys/fs/inotify")
LIBC = ctypes.CDLL(None, use_errno=True)


class Group:
    """An inotify group."""

    def __init__(self) -> None:
        self.fd = LIBC.inotify_init1(os.O_CLOEXEC)

    def watch(self, path: str, mask: int) -> int:
        number: int = LIBC.inotify_add_watch(self.fd, path.encode(), mask)
        if number < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)
        return number

    def events(self) -> Iterator[tuple[int, int, str]]:
        """As they come: watch, mask, name."""
        while select.select([self.fd], [], [], LIMIT)[0]:
            data = os.read(self.fd, 1 << 16)
            while data:
                number, mask, _, size = HEAD.unpack_from(data)
                yield number, mask, data[HEAD.size : HEAD.size + size].rstrip(b"\0").decode()
                data = data[HEAD.size + size :]
        raise TimeoutError("nothing more comes")


class Clock:
    """Milliseconds since it was made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __str__(self) -> str:
        return f"{self.ms:.0f}"

    @property
    def ms(self) -> float:
        return (time.monotonic() - self._start) * 1000


class Bystander(threading.Thread):
    """Somebody else in the guest, who does the same small thing all the time."""

    def __init__(self, watches: bool) -> None:
        super().__init__()
        self._watches = watches
        self._over = threading.Event()
        self.worst = 0.0

    def run(self) -> None:
        while not self._over.wait(0.01):
            clock = Clock()
            if self._watches:
                group = Group()
                group.watch(".", CREATE)
            else:
                os.stat("w")  # noqa: PTH116
            self.worst = max(self.worst, clock.ms)
            if self._watches:
                os.close(group.fd)

    def end(self) -> float:
        self._over.set()
        self.join()
        return self.worst


def raise_limits() -> None:
    for name in ("max_user_watches", "max_queued_events"):
        with suppress(OSError):
            (SYSCTLS / name).write_text("1000000")


def add_all(group: Group, folders: list[str], mask: int) -> None:
    clock = Clock()
    for folder in folders:
        os.lstat(folder)
    print(f"look {clock}", flush=True)
    clock = Clock()
    for folder in folders:
        group.watch(folder, mask)
    print(f"added {len(folders)} {clock}", flush=True)


def follow(group: Group, last: int) -> None:
    """Until the host's folder "last"."""
    seen = 0
    for number, mask, name in group.events():
        if number == last and name == "last":
            break
        if mask & OVERFLOW:
            print("overflow")
        seen += mask == CREATE
    print(f"seen {seen}")


def close(group: Group) -> None:
    bystander = Bystander(watches=True)
    bystander.start()
    clock = Clock()
    os.close(group.fd)
    print(f"close {clock}", end="")
    print(f" {bystander.end():.0f}", flush=True)


def main() -> int:
    os.chdir(os.environ["FARWATCH_SHARE"])
    raise_limits()
    folders = [path for path, _, _ in os.walk("w")]
    group = Group()
    last = group.watch(".", CREATE)
    add_all(group, folders, CREATE | (OPEN if sys.argv[1] == "search" else CHANGES))
    bystander = Bystander(watches=False)
    bystander.start()
    Path("ready").mkdir()
    follow(group, last)
    Path("heard").mkdir()
    print(f"worst {bystander.end():.0f}")
    close(group)
    return 0


if __name__ == "__main__":
    sys.exit(main())
