# SPDX-License-Identifier: GPL-2.0-or-later
"""What /proc tells of processes: proc(5) and its parts. A process that is gone is an answer, not an error."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

_MARKS = (b"inotify wd:", b"fanotify ino:", b"fanotify mnt_id:", b"fanotify sdev:")
_MASK = re.compile(rb"^fanotify ino:.* mask:([0-9a-f]+)")
_ENDINGS = 0x200 | 0x4000_0000
"""FAN_DELETE, FAN_ONDIR: with nothing else, a mark looks for the end of directories in the marked
one, and reports nothing to anybody."""


def command_line(pid: int) -> list[str]:
    """The words that a process was started with; none when it is gone, or hidden from us."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def environment(pid: int) -> list[bytes] | None:
    """NAME=VALUE of each variable of a process, as at its start; None when it is gone, or hidden from us."""
    try:
        content = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return None
    return content.split(b"\0") if content else []


def resident_kib(pid: int) -> int:
    """Memory that a process has resident (proc_pid_statm(5)); 0 when it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_bytes().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * (os.sysconf("SC_PAGE_SIZE") // 1024)


def wakeups(pid: int) -> int:
    """How often the threads that a process has now have slept (proc_pid_status(5)); 0 when it is gone."""
    total = 0
    for file in Path(f"/proc/{pid}/task").glob("*/status"):
        # A thread can end while it is looked at
        with contextlib.suppress(OSError):
            found = re.search(rb"^voluntary_ctxt_switches:\s+(\d+)", file.read_bytes(), re.MULTILINE)
            total += int(found[1]) if found else 0
    return total


def watch_count(pid: int) -> int:
    """Marks in all inotify and fanotify groups of a process; 0 when it is gone.

    Source: proc_pid_fdinfo(5): one line a mark, "inotify wd:... ino:..." or "fanotify ino:...".
    """
    total = 0
    for file in Path(f"/proc/{pid}/fdinfo").glob("*"):
        # A descriptor can be closed, or the process be gone, since it was listed
        with contextlib.suppress(OSError):
            total += sum(map(_is_watch, file.read_bytes().splitlines()))
    return total


def _is_watch(line: bytes) -> bool:
    mask = _MASK.match(line)
    return line.startswith(_MARKS) and not (mask and int(mask[1], 16) | _ENDINGS == _ENDINGS)


def session_members(session: int) -> list[int]:
    """The processes of a session, by /proc/PID/stat (field 6)."""
    members = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_bytes()
        except OSError:
            continue
        fields = stat.rpartition(b")")[2].split()
        if fields[0] != b"Z" and int(fields[3]) == session:
            members.append(int(entry.name))
    return members


def start_time(pid: int) -> int:
    """When a process started, in clock ticks since boot: tells it from a later one of the same pid."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    return int(stat.rpartition(b")")[2].split()[19])


def stopped(pid: int) -> bool:
    """Whether all threads of a process are in state T (proc(5))."""
    states = []
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):
            states.append(stat.read_bytes().rpartition(b")")[2].split()[0])
    return all(state in (b"T", b"t", b"Z", b"X") for state in states)


def cpu_ticks(pid: int) -> int:
    """utime + stime of a process, in clock ticks; -1 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return -1
    return int(fields[11]) + int(fields[12])
