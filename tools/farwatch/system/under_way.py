# SPDX-License-Identifier: GPL-2.0-or-later
"""What the farwatch processes of a home are doing, for others to read: a small file for each.

A file is named after its process, and gone with it on every way out but a SIGKILL; then it is known to be a
dead one's, because no process has that number and that start time. It is never the reason why a run fails.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from farwatch.system.procfs import start_time

_LARGEST = 64 << 10
"""Bytes of a file that is read: ours are smaller."""


@dataclass(frozen=True)
class Doing:
    """A task that is under way."""

    title: str
    done: int
    total: int | None
    unit: str
    note: str


@dataclass(frozen=True)
class UnderWay:
    """What one process is doing."""

    pid: int
    host: str
    command: tuple[str, ...]
    began: float
    """Unix time."""
    said: tuple[str, ...]
    """Its last lines."""
    tasks: tuple[Doing, ...]


class Note:
    """The file of this process. Safe for one thread at a time."""

    def __init__(self, folder: Path, command: Sequence[str]) -> None:
        self._folder = folder
        self._file = folder / f"{os.getpid()}-{start_time(os.getpid())}.json"
        self._command = tuple(command)
        self._began = time.time()

    def write(self, said: Iterable[str], tasks: Iterable[Doing]) -> None:
        """Whole, in place of what it said before; where it cannot be written there is none."""
        host = os.uname().nodename
        now = UnderWay(os.getpid(), host, self._command, self._began, tuple(said), tuple(tasks))
        new = self._file.with_suffix(".new")
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            new.write_text(json.dumps(asdict(now)), encoding="utf-8")
            new.replace(self._file)

    def remove(self) -> None:
        for file in (self._file, self._file.with_suffix(".new")):
            with suppress(OSError):
                file.unlink(missing_ok=True)


def under_way(folder: Path) -> list[UnderWay]:
    """What runs now on this machine, the oldest first."""
    living = (_read(file) for file in _files(folder) if _lives(file))
    return sorted((one for one in living if one is not None), key=lambda one: one.began)


def forget_dead(folder: Path) -> None:
    """Remove what processes of this machine have left that were killed."""
    for file in _files(folder):
        if not _lives(file) and _read(file) is not None:
            with suppress(OSError):
                file.unlink()


def _files(folder: Path) -> Iterator[Path]:
    with suppress(OSError):
        yield from sorted(folder.glob("*-*.json"))


def _lives(file: Path) -> bool:
    pid, _, begun = file.stem.partition("-")
    return pid.isdigit() and begun.isdigit() and int(begun) > 0 and start_time(int(pid)) == int(begun)


def _read(file: Path) -> UnderWay | None:
    """None for what is damaged, of another farwatch, or of another machine with the same home."""
    try:
        with file.open("rb") as handle:
            read = json.loads(handle.read(_LARGEST))
        tasks = tuple(Doing(**task) for task in read["tasks"])
        words = (tuple(map(str, read[key])) for key in ("command", "said"))
        command, said = words
        one = UnderWay(int(read["pid"]), str(read["host"]), command, float(read["began"]), said, tasks)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return one if one.host == os.uname().nodename else None
