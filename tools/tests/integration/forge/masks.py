# SPDX-License-Identifier: GPL-2.0-or-later
"""Bits of events, and of what v2's and v3's servers say of them, from the kernel's uapi headers."""

from __future__ import annotations

ACCESS, MODIFY, ATTRIB, CLOSE_WRITE, CLOSE_NOWRITE, OPEN = 0x1, 0x2, 0x4, 0x8, 0x10, 0x20
MOVED_FROM, MOVED_TO, CREATE, DELETE, DELETE_SELF, MOVE_SELF = 0x40, 0x80, 0x100, 0x200, 0x400, 0x800
OPEN_EXEC, RENAME, ISDIR, ON_CHILD = 0x1000, 0x10000000, 0x40000000, 0x08000000
OBJECT = ACCESS | MODIFY | ATTRIB | CLOSE_WRITE | CLOSE_NOWRITE | OPEN | OPEN_EXEC
DEAD, OVERFLOW, UNLINKED = 1, 2, 4
