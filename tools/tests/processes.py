# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of processes need: to write a program, to interrupt one, to see that none is left."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def script(path: Path, text: str) -> Path:
    """An executable shell script."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def children_of_this_process() -> set[int]:
    """Live children, zombies included: what a test must not leave behind."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.add(int(stat.parent.name))
    return found


def interruptible() -> None:
    """preexec_fn: Ctrl-C works, also where these tests run in the background and inherit that it does not."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
