# SPDX-License-Identifier: GPL-2.0-or-later
"""What may differ between the events of somebody else's work and those on a local file system."""

from __future__ import annotations

Event = tuple[str, int, int, str]
"""Watched object, mask, number of its cookie, name."""
PLACE = {bit: place for place, bit in enumerate((0x100, 0x20, 0x1, 0x2, 0x4, 0x10, 0x8, 0x800, 0x200))}
"""Bit of an event -> its place in a message of several."""


def merged(events: list[Event]) -> list[Event]:
    """Each run of mergeable events on one name: each kind once, in the order of the protocol."""
    out: list[Event] = []
    run: list[Event] = []
    for event in [*events, ("", 0, 0, "")]:
        if run and (event[3] != run[0][3] or event[1] & 0xFFF not in PLACE):
            out += sorted(set(run), key=lambda entry: PLACE[entry[1] & 0xFFF])
            run = []
        (run if event[1] & 0xFFF in PLACE else out).append(event)
    return out[:-1]
