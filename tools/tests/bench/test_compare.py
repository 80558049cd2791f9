# SPDX-License-Identifier: GPL-2.0-or-later
"""compare.py: what is a regression, and what is only noise."""

from __future__ import annotations

import random

import pytest

from farwatch.bench.compare import GUESTS, STATISTICS, Pair, chance, compare, render

FAST = (10.0, 10.1, 10.2, 10.3, 10.4, 10.5)
SLOW = (11.0, 11.1, 11.2, 11.3, 11.4, 11.5)


def test_chance_is_exact() -> None:
    assert chance((3.0, 4.0), (1.0, 2.0)) == 1 / 6
    assert chance((1.0, 2.0), (3.0, 4.0)) == 1.0
    assert chance((1.0, 1.0), (1.0, 1.0)) == 1.0
    assert chance(SLOW, FAST) == 1 / 924


def test_all_guests_slower_is_a_regression_whichever_line_it_is() -> None:
    calm = [Pair(f"calm{number}", "calm", FAST, FAST) for number in range(40)]
    *others, found = compare([*calm, Pair("slow", "slow", SLOW, FAST)])
    assert found.regression and found.p == 1 / 924 and not any(each.regression for each in others)


@pytest.mark.parametrize("mine", [FAST, tuple(number * 1.02 for number in FAST), (*FAST[:5], 99.0)])
def test_noise_one_bad_guest_or_a_trifle_is_none(mine: tuple[float, ...]) -> None:
    [found] = compare([Pair("key", "title", mine, FAST)])
    assert not found.regression


def test_faster_is_none() -> None:
    [found] = compare([Pair("key", "title", FAST, SLOW)])
    assert not found.regression and found.pair.ratio < 1


def test_a_trifle_that_is_certain_is_left_alone() -> None:
    certain = tuple(number + 0.01 * place for place, number in enumerate((10.2,) * GUESTS))
    [found] = compare([Pair("key", "title", certain, (10.0,) * GUESTS)])
    assert found.p < 0.01 and not found.regression


def test_from_nothing_to_something_is_one_however_little() -> None:
    [found] = compare([Pair("key", "title", (1.0,) * GUESTS, (0.0,) * GUESTS)])
    assert found.regression and found.pair.ratio == float("inf")


def test_false_alarms_are_as_rare_as_promised() -> None:
    """A hundred runs of thirty lines each, nothing being different: 5 in the mean, seldom above 14."""
    chosen = random.Random(1)

    def guests() -> tuple[float, ...]:
        return tuple(chosen.lognormvariate(0, 0.5) for _ in range(GUESTS))

    runs = [compare([Pair(str(line), "", guests(), guests()) for line in range(30)]) for _ in range(100)]
    assert sum(any(found.regression for found in run) for run in runs) <= 14


def test_it_says_what_it_has_used() -> None:
    shown = render(compare([Pair("key", "an event, us", SLOW, FAST)]), "v3", "v2")
    assert "an event, us" in shown and "regression" in shown and shown.endswith(f"1 regression: {STATISTICS}")
    assert render(compare([]), "v3", "v2").endswith(f"no regression: {STATISTICS}")
