# SPDX-License-Identifier: GPL-2.0-or-later
"""What builds have taken on this machine, and so how long the next one will.

A build is so many steps (objects to be compiled), and what it takes anyway: to configure, to link. What both
cost is read off the last builds of the same kind of thing, whatever revision it was of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self

from farwatch.builds.store import Product, kept
from farwatch.system.home import Home

RECENT = 5
"""Builds that count: the machine, and what it is busy with, change."""
MANY = 50
"""Steps from which on they, and not the rest, are what a build takes."""


@dataclass(frozen=True)
class Past:
    """A build of the past. steps: 0 where they were not counted."""

    thing: str
    seconds: float
    steps: int = 0


class History:
    """past: oldest first."""

    def __init__(self, past: Iterable[Past]) -> None:
        self._past = list(past)

    @classmethod
    def of(cls, home: Home, kind: type[Product]) -> Self:
        """The builds of that kind that are still kept in a home."""
        return cls(Past(thing(one.label), one.seconds, one.steps) for one in kept(home, kind))

    def seconds(self, label: str, steps: int = 0) -> float | None:
        """That a build with so many steps will take (0: nobody knows how many); None: nothing like it yet."""
        same = [one for one in self._past if one.thing == thing(label)]
        if not steps:
            return _middle([one.seconds for one in same])
        anyway = self.anyway(label)
        if steps < MANY and anyway:
            return anyway
        pace = self.pace(label)
        return None if pace is None else anyway + steps * pace

    def pace(self, label: str) -> float | None:
        """Seconds that a step takes."""
        anyway = self.anyway(label)
        same = [one for one in self._past if one.thing == thing(label) and one.steps >= MANY]
        return _middle([max(one.seconds - anyway, 0) / one.steps for one in same])

    def anyway(self, label: str) -> float:
        """Seconds that a build takes with next to no steps."""
        same = [one.seconds for one in self._past if one.thing == thing(label) and 0 < one.steps < MANY]
        return _middle(same) or 0.0


def thing(label: str) -> str:
    """What is built, without the revision: "kernel 7.3 (um, plain)"."""
    return label.rpartition(" of ")[0] or label


def about(seconds: float) -> str:
    """ "about 40 s", "about 3 min": no more digits than there is reason for."""
    if seconds < 55:
        return f"about {max(5, round(seconds / 5) * 5)} s"
    return f"about {round(seconds / 60)} min"


def duration(seconds: float) -> str:
    """ "1 min 20 s"."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def pace_now(past: float | None, steps: int, seconds: float) -> float:
    """Seconds that a step takes, by the past at first, and more and more by what these have taken."""
    weight = 0 if past is None else MANY
    return (seconds + weight * (past or 0.0)) / (steps + weight)


def _middle(values: Sequence[float]) -> float | None:
    return median(values[-RECENT:]) if values else None
