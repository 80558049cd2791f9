# SPDX-License-Identifier: GPL-2.0-or-later
"""Is one revision slower than another, by more than guests differ?

Both are measured in the same run, in guests by turns, since a machine is not equally fast all the time.
What is compared are the guests' figures and not single samples: those of one guest resemble each other.

The statistics: the exact permutation test of the difference of means over guests, one-sided, which supposes
nothing about how figures are distributed; Holm's correction over all lines, so that many lines do not make
one of them look bad by chance; and what is less than SLIGHT is not called a regression, however certain.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

GUESTS = 6
"""Of each revision: 924 ways to divide twelve, enough for 46 lines."""
LEVEL = 0.05
"""How likely one false alarm in a whole run may be."""
SLIGHT = 0.03
"""Share of the other's median that is too little to speak of."""
STATISTICS = (
    f"exact permutation test over {GUESTS} guests each, one-sided, Holm at {LEVEL:g}; "
    f"less than {SLIGHT:.0%} is left alone"
)


@dataclass(frozen=True)
class Pair:
    """The figures of one line, one number a guest; less is better."""

    key: str
    title: str
    mine: tuple[float, ...]
    others: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Medians; infinite where the other's is 0 and this one's is not."""
        mine, others = statistics.median(self.mine), statistics.median(self.others)
        if not others:
            return float("inf") if mine > 0 else 1.0
        return mine / others


@dataclass(frozen=True)
class Compared:
    """A pair, and whether it is a regression."""

    pair: Pair
    p: float
    """Not corrected."""
    regression: bool


def chance(mine: Sequence[float], others: Sequence[float]) -> float:
    """How likely so large a difference is if it did not matter whose guest is whose."""
    everything = (*mine, *others)
    seen = sum(mine)
    ways = [sum(chosen) for chosen in combinations(everything, len(mine))]
    # Sums of the same numbers in another order differ in the last digits
    slack = 1e-9 * max(map(abs, everything), default=0)
    return sum(way >= seen - slack for way in ways) / len(ways)


def compare(pairs: Sequence[Pair]) -> list[Compared]:
    """In the order of the pairs."""
    chances = {pair.key: chance(pair.mine, pair.others) for pair in pairs}
    certain = _holm(chances)
    return [
        Compared(pair, chances[pair.key], pair.key in certain and pair.ratio > 1 + SLIGHT) for pair in pairs
    ]


def _holm(chances: dict[str, float]) -> set[str]:
    """Keys whose difference is none by chance. Source: S. Holm, Scand. J. Statist. 6 (1979), 65."""
    certain: set[str] = set()
    for place, key in enumerate(sorted(chances, key=chances.__getitem__)):
        if chances[key] > LEVEL / (len(chances) - place):
            break
        certain.add(key)
    return certain


def render(findings: Sequence[Compared], mine: str, others: str) -> str:
    """A line for each pair, the regressions marked, and the statistics named."""
    width = max((len(finding.pair.title) for finding in findings), default=0)
    lines = [f"{'':<{width}} {mine + ' / ' + others:>16} {'p':>8}"]
    for finding in findings:
        mark = "  regression" if finding.regression else ""
        lines.append(
            f"{finding.pair.title:<{width}} {finding.pair.ratio:>16.3f} {finding.p:>8.4f}{mark}".rstrip()
        )
    count = sum(finding.regression for finding in findings)
    said = f"{count} regression{'' if count == 1 else 's'}" if count else "no regression"
    return "\n".join([*lines, f"{said}: {STATISTICS}"])
