# SPDX-License-Identifier: GPL-2.0-or-later
"""How many guests this machine carries at once."""

from __future__ import annotations

from farwatch.engines.engine import Engine
from farwatch.system.machine import available_memory, cores

GUEST_MEMORY = 256 << 20
"""Bytes that a guest with its server may take."""


def guests_at_once(engine: Engine, memory: int = GUEST_MEMORY) -> int:
    """By cores, memory, and what the engine needs besides; 0 when there is no room for any.

    memory: bytes that one of them may take
    """
    room = min(available_memory() * 4 // 5, engine.memory_room())
    return min(engine.guests(cores()), room // memory)
