# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a worker may run cells, by what it has answered to the greeting."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

LEAST_FREE = 1 << 30
"""Bytes of disk: kernel, server and tests of a column, and logs."""
CLOCKS_AGREE = 5.0
"""Seconds by which clocks may differ without anybody minding: a message takes time, too."""


@dataclass(frozen=True)
class Facts:
    """What a machine says of itself (greeting.py)."""

    time: float
    host: str
    arch: str
    python: str
    libc: str
    version: str
    home: str
    free: int

    @classmethod
    def read(cls, answer: Mapping[str, object]) -> Facts:
        """Of what has come over the wire."""
        texts = {name: str(answer[name]) for name in ("host", "arch", "python", "libc", "version", "home")}
        return cls(time=float(str(answer["time"])), free=int(str(answer["free"])), **texts)


def refusal(theirs: Facts, ours: Facts) -> str:
    """Why cells may not be run there; empty: they may."""
    if not theirs.version:
        return "it has no farwatch"
    if theirs.arch != ours.arch:
        return f"its architecture is {theirs.arch}, and not {ours.arch}"
    if theirs.version != ours.version:
        return f"its farwatch is another one ({theirs.version}, and not {ours.version})"
    if _numbers(theirs.libc) < _numbers(ours.libc):
        return f"its C library is older ({theirs.libc or 'another one'}, and not {ours.libc})"
    if theirs.free < LEAST_FREE:
        return f"its disk is full: {theirs.free >> 20} MiB are free for {theirs.home}"
    return ""


def clock_note(theirs: Facts, asked: float, answered: float) -> str:
    """What to say of its clock; empty where it agrees with ours.

    asked, answered: Unix times, by our clock, between which theirs was read
    """
    ahead = _beyond(theirs.time, asked, answered)
    if not ahead:
        return ""
    which = "ahead of" if ahead > 0 else "behind"
    return f"its clock is {abs(ahead):.0f} s {which} this machine's; times are put right"


def put_right(when: float, sent: float, received: float) -> float:
    """A Unix time of another machine's, by our clock.

    sent, received: when the message with it left, by their clock, and came, by ours
    """
    ahead = _beyond(sent, received, received)
    return when - ahead if ahead else when


def _beyond(theirs: float, earliest: float, latest: float) -> float:
    """Seconds that another clock is ahead of ours; 0 where it may well be right."""
    ahead = theirs - min(max(theirs, earliest), latest)
    return ahead if abs(ahead) > CLOCKS_AGREE else 0.0


def _numbers(libc: str) -> tuple[int, ...]:
    """ "glibc 2.36" as what compares."""
    return tuple(map(int, re.findall(r"\d+", libc)))
