# SPDX-License-Identifier: GPL-2.0-or-later
"""Object folders and the sources they were made from.

make goes by times: a file that is moved or copied back with its old time looks
older than the object made from what it was before, which then stays. As every
build is kept under the hash of its sources' content, such an object must not
get into it: each file whose content differs from that of the last build is
made newer than all objects.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.system import git

_RECORD = "farwatch.tree"


def refresh(objects: Path, tree: Path, content: str) -> None:
    """Before make runs: see to it that it finds all that changed since it last ran in `objects`.

    tree:    the source folder, a git worktree
    content: git tree id of what is in it
    An object folder of which it cannot be told is emptied.
    """
    record = objects / _RECORD
    known = (objects / ".config").exists()
    last = _read(record)
    if known and (last is None or not _touch_changed(tree, last[0], content, last[1])):
        shutil.rmtree(objects)
        objects.mkdir()
    record.write_text(json.dumps({"tree": content, "ended": 0}), encoding="utf-8")


def last(objects: Path) -> str | None:
    """Git tree id of what the objects were made from; None when there are none, or nobody knows."""
    found = _read(objects / _RECORD)
    return found[0] if found and found[1] and (objects / ".config").exists() else None


def ended(objects: Path, content: str) -> None:
    """After make ran, well or not: no object is newer than now."""
    record = {"tree": content, "ended": time.time_ns()}
    (objects / _RECORD).write_text(json.dumps(record), encoding="utf-8")


def forget(objects: Path) -> None:
    """The sources changed while make ran: nobody knows what the objects were made from."""
    (objects / _RECORD).unlink(missing_ok=True)


def changed(tree: Path, before: str, now: str) -> list[str] | None:
    """Files that differ between two contents of a worktree; None when git does not know."""
    if before == now:
        return []
    try:
        names = git.git("diff-tree", "-r", "-z", "--name-only", "--no-renames", before, now, cwd=tree)
    except FarwatchError:
        return None
    return list(filter(None, os.fsdecode(names).split("\0")))


def _read(record: Path) -> tuple[str, int] | None:
    """(tree id, time in ns of make's end or 0 if it was interrupted)."""
    try:
        said = json.loads(record.read_text(encoding="utf-8"))
        return str(said["tree"]), int(said["ended"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _touch_changed(tree: Path, before: str, now: str, end: int) -> bool:
    """Make files that differ newer than `end`; False when git does not know what differs."""
    names = changed(tree, before, now)
    if names is None:
        return False
    for name in names:
        with suppress(OSError):
            path = tree / name
            if end == 0 or path.lstat().st_mtime_ns <= end:
                os.utime(path, follow_symlinks=False)
    return True
