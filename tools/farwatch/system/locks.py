# SPDX-License-Identifier: GPL-2.0-or-later
"""Locks on files: one process at a time, whoever it belongs to."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from farwatch.errors import FarwatchError

LOCK_LIMIT = 2 * 3600.0
"""Seconds to wait for a lock: longer than the longest build takes."""
_LOCK_TICK = 0.1


@contextmanager
def locked(path: Path, busy: Callable[[], None] | None = None, limit: float = LOCK_LIMIT) -> Iterator[None]:
    """Hold an exclusive lock on the file `path`; call `busy` once if it has to wait.

    The kernel drops the lock when the holder dies, however it dies. FarwatchError after `limit` seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        if not _try_lock(handle):
            if busy is not None:
                busy()
            _wait_for_lock(handle, path, limit)
        yield


def _try_lock(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_for_lock(handle: IO[str], path: Path, limit: float) -> None:
    """flock(2) knows no time limit, and a signal would be the whole process's: so ask again and again."""
    until = time.monotonic() + limit
    while not _try_lock(handle):
        if time.monotonic() > until:
            raise FarwatchError(
                f"{path} stays locked",
                cause=f"another farwatch has held it for more than {limit:.0f} s",
                hint=f"see who: fuser {path}",
            )
        time.sleep(_LOCK_TICK)
