# SPDX-License-Identifier: GPL-2.0-or-later
"""Locks on files and folders: one process at a time, whoever it belongs to; the others learn who it is."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.system.procfs import command_line

LOCK_LIMIT = 2 * 3600.0
"""Seconds to wait for a lock: longer than the longest build takes."""
_LOCK_TICK = 0.1
_COMMAND_SHOWN = 80

Busy = Callable[[str], None]
"""Told who holds a lock that has to be waited for, in words: "another farwatch (pid 12: farwatch verify)"."""

# 1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF; of those that wait the second word is ->
_HELD = re.compile(r"^\d+: FLOCK +\S+ +\S+ (\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) ", re.MULTILINE)


@contextmanager
def locked(path: Path, busy: Busy | None = None, limit: float = LOCK_LIMIT) -> Iterator[None]:
    """Hold an exclusive lock on the file `path`; call `busy` once if it has to wait.

    The kernel drops the lock when the holder dies, however it dies. FarwatchError after `limit` seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        _wait_for_lock(handle.fileno(), path, busy, limit)
        yield


@contextmanager
def locked_folder(folder: Path, busy: Busy | None = None, limit: float = LOCK_LIMIT) -> Iterator[None]:
    """The same with the lock of a folder itself, so that no lock file is left among a person's files."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _wait_for_lock(handle, folder, busy, limit)
        yield
    finally:
        os.close(handle)


@contextmanager
def lock_if_free(path: Path) -> Iterator[int | None]:
    """Hold the lock on the file `path`, as a file descriptor; None if somebody else does.

    A child that inherits the descriptor holds the lock as well, for as long as it lives.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        yield handle.fileno() if _try_lock(handle.fileno()) else None


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock on a file now; False when it cannot be read."""
    try:
        with path.open("r") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_for_lock(handle: int, path: Path, busy: Busy | None, limit: float) -> None:
    """flock(2) knows no time limit, and a signal would be the whole process's: so ask again and again."""
    if _try_lock(handle):
        return
    if busy is not None:
        busy(_named(_holder(handle)))
    until = time.monotonic() + limit
    while not _try_lock(handle):
        if time.monotonic() > until:
            raise _stays_locked(path, _holder(handle), limit)
        time.sleep(_LOCK_TICK)


def _holder(handle: int) -> int | None:
    """Process that holds the lock on a file; None where that cannot be told, or when it is ourselves.

    The kernel's own list is right at any time, whoever died, and tells it to every user; nothing has to
    be written into the file. It names a file by number: of the file system too, but some (overlay, btrfs)
    go by another number there, so that one counts only where the file's is not enough.
    """
    status = os.fstat(handle)
    try:
        locks = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return None
    held = [match for match in _HELD.findall(locks) if int(match[3]) == status.st_ino]
    device = (os.major(status.st_dev), os.minor(status.st_dev))
    here = [match for match in held if (int(match[1], 16), int(match[2], 16)) == device]
    found = {int(match[0]) for match in here or held} - {0, os.getpid()}  # 0: of another container
    return found.pop() if len(found) == 1 else None


def _named(pid: int | None) -> str:
    command = _command(pid) if pid else ""
    if not command:
        return "another farwatch"
    kind = "farwatch" if command.startswith("farwatch") else "program"
    return f"another {kind} (pid {pid}: {command})"


def _command(pid: int) -> str:
    """Command line of a process as a person typed it; "" if it has ended or is hidden from us."""
    words = command_line(pid)
    if "farwatch" in words and words[words.index("farwatch") - 1] == "-m":  # behind python -P
        words = words[words.index("farwatch") :]
    text = "".join(char if char.isprintable() else "?" for char in shlex.join(words))
    return text if len(text) <= _COMMAND_SHOWN else f"{text[:_COMMAND_SHOWN]}…"


def _stays_locked(path: Path, pid: int | None, limit: float) -> FarwatchError:
    then = "then run the command again"
    return FarwatchError(
        f"{path} stays locked",
        cause=f"waited {limit:.0f} s for {_named(pid)}",
        hint=f"let it finish or end it (kill {pid}), {then}" if pid else f"see who: fuser {path}, {then}",
    )
