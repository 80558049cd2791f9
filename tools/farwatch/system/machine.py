# SPDX-License-Identifier: GPL-2.0-or-later
"""How large this machine is."""

from __future__ import annotations

import os
import re
from pathlib import Path


def available_memory() -> int:
    """Bytes that programs can get without swapping; 0 if the kernel does not say."""
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    match = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else 0


def cores() -> int:
    return len(os.sched_getaffinity(0))
