# SPDX-License-Identifier: GPL-2.0-or-later
"""What a worker process has of its machine, however it is started."""

from __future__ import annotations

import logging
from typing import Any

from farwatch.cluster.errand import CORES, MEMORY
from farwatch.engines.uml import GUESTS_A_CORE
from farwatch.system.home import Home
from farwatch.system.machine import available_memory

SILENCE_LIMIT = 60
"""Seconds without a word after which a worker is taken for dead."""
START_LIMIT = 300
"""Seconds in which a process must have come up and found its scheduler; many may start at once."""
LOOPBACK = "127.0.0.1"


def memory_for_guests() -> int:
    """Bytes, as engines/capacity.py has it."""
    return available_memory() * 4 // 5


def nanny_options(home: Home, share: float, memory: float, security: Any) -> dict[str, Any]:
    """Of a process that runs a worker, and another one should that die. share: cores that it may use"""
    return {
        "nthreads": max(1, round(share * GUESTS_A_CORE)),
        "resources": {CORES: share, MEMORY: memory},
        "env": {"FARWATCH_HOME": str(home.root)},
        "local_directory": str(home.root / "dask"),
        "memory_limit": 0,
        "dashboard": False,
        "dashboard_address": f"{LOOPBACK}:0",
        "security": security,
        "silence_logs": logging.CRITICAL + 1,
        "preload": ["farwatch.cluster.apart"],
        "death_timeout": START_LIMIT,
    }
