# SPDX-License-Identifier: GPL-2.0-or-later
"""How compilers write what they complain about: kind is "warning" or "error", place is file:line[:column]."""

from __future__ import annotations

import re

GCC = re.compile(
    r"^(?P<place>(?P<file>[^\s:][^:]*):(?P<line>\d+)(?::\d+)?): "
    r"(?:fatal )?(?P<kind>warning|error): (?P<text>.+)$"
)
"""gcc, and sparse, which writes as gcc does."""
CARGO = re.compile(r"^(?P<kind>warning|error)(?:\[\w+\])?: (?P<text>.+)$")
CARGO_PLACE = re.compile(r"^\s*--> (?P<place>(?P<file>[^\s:]+):(?P<line>\d+):\d+)$")
"""A line of its own below what CARGO matches."""
