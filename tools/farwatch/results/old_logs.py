# SPDX-License-Identifier: GPL-2.0-or-later
"""Logs that nobody will look at any more: old ones that no verdict of the table names.

A verdict's history stays in the store; `farwatch show` and the table need the logs of the newest only.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.results.store import Results
from farwatch.system.home import Home
from farwatch.system.locks import is_held

DAYS = 30
"""Age after which logs go by themselves."""
_DAY = 24 * 3600.0
_STAMP = "logs-pruned"
_STARTING = 3600.0
"""Seconds that a log folder may be older than the lock of its run; it is made just before."""


def drop_old_logs(home: Home, say: Callable[[str], None], now: float | None = None) -> None:
    """Remove logs older than DAYS that no newest verdict names; looks for them at most once a day.

    For the start of a run that writes some. Whatever goes wrong is left for `farwatch prune` to tell.
    now: Unix time (default: the clock's)
    """
    when = time.time() if now is None else now
    stamp = home.own / _STAMP
    # abs: a stamp of the future, by a clock that was set back, must not hold for ever
    if stamp.exists() and abs(when - stamp.stat().st_mtime) < _DAY:
        return
    with suppress(OSError, FarwatchError):
        stamp.touch()
        os.utime(stamp, (when, when))
        doomed = old_logs(home, when, DAYS * _DAY, DAYS * _DAY)
        for folder in doomed:
            shutil.rmtree(folder, ignore_errors=True)
        if doomed:
            say(
                f"removed {len(doomed)} log folders older than {DAYS} days that no verdict in the table names"
            )


def old_logs(home: Home, now: float, age: float, ownerless: float) -> list[Path]:
    """Folders in Home.logs that no newest verdict names, and that no live run can be writing to.

    age:       seconds after which the logs of superseded verdicts are old
    ownerless: seconds after which those are that no verdict ever named (of boot, of a run that was killed)
    A run's other folders (its guests' logs) stay as long as one of its cells does.
    """
    newest, named = _named_logs(home)
    in_use = min(_live_since(home), default=now) - _STARTING
    doomed: list[Path] = []
    for run in _entries(home.logs):
        mine = {path for path in _entries(run) if f"{run.name}/{path.name}" in named}
        wanted = {path for path in mine if f"{run.name}/{path.name}" in newest}
        used = last_change(run)
        if used > in_use:
            continue
        if not wanted and now - used > (age if mine else ownerless):
            doomed.append(run)
        elif now - used > age:
            doomed += sorted(mine - wanted)
    return doomed


def _live_since(home: Home) -> list[float]:
    """When each run that still runs began, Unix times: a boot may be kept open for weeks."""
    return [lock.stat().st_mtime for lock in home.runs.glob("*/lock") if is_held(lock)]


def _named_logs(home: Home) -> tuple[set[str], frozenset[str]]:
    """Log folders of the newest verdicts, and of all verdicts, relative to Home.logs."""
    if not home.results.exists():
        return set(), frozenset()
    with Results.open(home.results) as results:
        return {cell.logs for cell in results.latest()}, results.log_folders()


def last_change(path: Path) -> float:
    """Unix time of the newest change at the top of a folder."""
    times = [_changed(entry) for entry in [path, *_entries(path)]]
    return max(times, default=0.0)


def _entries(path: Path) -> list[Path]:
    try:
        return list(path.iterdir())
    except OSError:
        return []


def _changed(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0
