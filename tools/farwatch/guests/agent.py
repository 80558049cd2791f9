# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said to the agent, the guest's first process (kernel-tests/guest/agent.c)."""

from __future__ import annotations

import re
from collections.abc import Sequence

GUEST_HOST_ROOT = "/mnt/host"
"""Where the agent binds the host's root: the guest's own tmpfs hide /tmp, /run and /mnt."""
_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/+:=@,-"
MARK = re.compile(rb"farwatch: (begin|end) (\d+)\s*$")


def escape(text: str) -> str:
    """A field of a control request, as steps.h escapes fields."""
    data = text.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in data) or "%"


def request(verb: str, fields: Sequence[str]) -> bytes:
    """A control request line for the agent."""
    return " ".join([verb, *map(escape, fields)]).encode("ascii") + b"\n"
