# SPDX-License-Identifier: GPL-2.0-or-later
"""How many guests this machine carries at once."""

from __future__ import annotations

import os
import re
from pathlib import Path

from farwatch.engine import Engine

GUEST_MEMORY = 256 << 20
"""Bytes that a guest with its server may take."""


def available_memory() -> int:
    """Bytes that programs can get without swapping; 0 if the kernel does not say."""
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    match = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else 0


def cores() -> int:
    return len(os.sched_getaffinity(0))


def guests_at_once(engine: Engine) -> int:
    """By cores, memory, and what the engine needs besides; 0 when there is no room for any."""
    room = min(available_memory() * 4 // 5, engine.memory_room())
    return min(engine.guests(cores()), room // GUEST_MEMORY)
