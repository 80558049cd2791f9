# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in the guest: threads that add and remove watches and work on files, and one that drops caches.

usage: stress.py SECONDS THREADS. Prints "watches N events N" in the end.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import struct
import sys
import threading
import time
from pathlib import Path

ALL_EVENTS, ONESHOT = 0xFFF, 0x80000000
HEAD = struct.Struct("iIII")
FOLDERS = 6


class Totals:
    """What all threads did together."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.watches = self.events = 0

    def add(self, watches: int, events: int) -> None:
        with self.lock:
            self.watches += watches
            self.events += events


def watcher(libc: ctypes.CDLL, until: float, dice: random.Random, totals: Totals) -> None:
    """A group after the other, each with watches that come and go while events are read."""
    while time.monotonic() < until:
        group = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        watches, added, events = list[int](), 0, 0
        for _ in range(dice.randrange(5, 60)):
            path = f"d{dice.randrange(FOLDERS)}/{dice.choice(['', 'f0', 'f1', 'g0', 'sub'])}"
            number = libc.inotify_add_watch(group, path.encode(), ALL_EVENTS | dice.choice([0, 0, ONESHOT]))
            if number >= 0:
                watches.append(number)
                added += 1
            if watches and dice.random() < 0.5:
                libc.inotify_rm_watch(group, watches.pop(dice.randrange(len(watches))))
            with contextlib.suppress(BlockingIOError):
                data = os.read(group, 65536)
                while data:
                    events += 1
                    data = data[HEAD.size + HEAD.unpack_from(data)[3] :]
        os.close(group)
        totals.add(added, events)


def worker(until: float, dice: random.Random) -> None:
    """Files that are made, written, renamed and removed."""
    while time.monotonic() < until:
        folder = Path(f"d{dice.randrange(FOLDERS)}")
        file, other = folder / f"g{dice.randrange(2)}", folder / f"g{dice.randrange(2)}"
        with contextlib.suppress(OSError):
            one_operation(dice.randrange(7), folder, file, other)


def one_operation(kind: int, folder: Path, file: Path, other: Path) -> None:
    if kind == 0:
        file.write_text("guest")
    elif kind == 1:
        file.read_text()
    elif kind == 2:
        file.unlink()
    elif kind == 3:
        file.rename(other)
    elif kind == 4:
        (folder / "sub").mkdir()
    elif kind == 5:
        (folder / "sub").rmdir()
    else:
        file.chmod(0o600)


def dropper(until: float) -> None:
    while time.monotonic() < until:
        Path("/proc/sys/vm/drop_caches").write_text("3")


def main() -> int:
    seconds, threads = float(sys.argv[1]), int(sys.argv[2])
    os.chdir(os.environ["FARWATCH_SHARE"])
    libc = ctypes.CDLL(None, use_errno=True)
    until, totals = time.monotonic() + seconds, Totals()
    crowd = [threading.Thread(target=dropper, args=(until,))]
    for number in range(threads):
        dice = random.Random(number)
        crowd.append(threading.Thread(target=watcher, args=(libc, until, dice, totals)))
        crowd.append(threading.Thread(target=worker, args=(until, dice)))
    for thread in crowd:
        thread.start()
    print("started", flush=True)
    for thread in crowd:
        thread.join()
    print(f"watches {totals.watches} events {totals.events}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
