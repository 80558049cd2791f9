# SPDX-License-Identifier: GPL-2.0-or-later
"""What a process watches: the marks of its inotify and fanotify groups, as /proc/PID/fdinfo lists them.

Source: proc_pid_fdinfo(5): one line a mark, "inotify wd:... ino:..." or "fanotify ino:...".
"""

from __future__ import annotations

import contextlib
from pathlib import Path

_MARKS = (b"inotify wd:", b"fanotify ino:", b"fanotify mnt_id:", b"fanotify sdev:")


def watch_count(pid: int) -> int:
    """Marks in all groups of a process; 0 when it is gone."""
    total = 0
    for file in Path(f"/proc/{pid}/fdinfo").glob("*"):
        # A descriptor can be closed, or the process be gone, since it was listed
        with contextlib.suppress(OSError):
            total += sum(line.startswith(_MARKS) for line in file.read_bytes().splitlines())
    return total
