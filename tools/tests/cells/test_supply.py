# SPDX-License-Identifier: GPL-2.0-or-later
"""Which column the next guest is for."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, cast

import pytest

from farwatch.cells.jobs import ColumnWork
from farwatch.cells.supply import Supply
from farwatch.model import Column


def column(name: str, jobs: int, engine: str = "uml") -> ColumnWork:
    return ColumnWork(Column(name, "7.3", engine), cast(Any, None), deque(cast(Any, range(jobs))))


def supply_of(*columns: ColumnWork, at_once: int = 4) -> Supply:
    supply = Supply(lambda _work: at_once)
    for one in columns:
        supply.add(one)
    return supply


def up(work: ColumnWork) -> None:
    """Its guest has booted, and takes a test."""
    work.coming -= 1
    work.jobs.popleft()


async def waits(supply: Supply) -> bool:
    """Whether nobody gets a guest for now."""
    asking = asyncio.ensure_future(supply.next())
    for _ in range(10):
        await asyncio.sleep(0)
    waiting = not asking.done()
    asking.cancel()
    return waiting


async def names(supply: Supply, count: int) -> list[str]:
    found = [await supply.next() for _ in range(count)]
    return [work.column.revision for work in found if work]


def test_guests_are_for_the_column_with_most_tests_for_each() -> None:
    supply = supply_of(column("large", 9), column("small", 2), at_once=5)
    assert asyncio.run(names(supply, 5)) == ["large"] * 4 + ["small"]


def test_a_test_needs_no_more_than_the_guest_that_is_coming_for_it() -> None:
    async def story() -> None:
        work = column("one", 1)
        supply = supply_of(work)
        assert await supply.next() is work
        assert await waits(supply)
        up(work)
        assert await waits(supply)
        work.jobs.append(cast(Any, "once more"))
        supply.give_back(work)
        assert await supply.next() is work

    asyncio.run(story())


def test_one_engine_at_a_time() -> None:
    async def story() -> None:
        uml, vng = column("a", 1), column("a", 1, "vng")
        supply = supply_of(uml, vng)
        assert await supply.next() is uml
        assert await waits(supply)
        up(uml)
        supply.give_back(uml)
        assert await supply.next() is vng

    asyncio.run(story())


def test_an_engine_that_has_come_first_is_not_left_before_it_is_done() -> None:
    async def story() -> None:
        uml, vng = column("a", 2), column("a", 9, "vng")
        supply = supply_of(uml, vng, at_once=1)
        assert await supply.next() is uml
        up(uml)
        supply.give_back(uml)
        assert await supply.next() is uml

    asyncio.run(story())


def test_no_more_guests_than_the_machine_carries() -> None:
    async def story() -> None:
        work = column("a", 9)
        supply = supply_of(work, at_once=2)
        await names(supply, 2)
        assert await waits(supply)
        supply.give_back(work)
        assert await supply.next() is work

    asyncio.run(story())


@pytest.mark.parametrize("late", [True, False])
def test_the_end_is_when_nothing_runs_and_nothing_comes(late: bool) -> None:
    async def story() -> None:
        supply = supply_of()
        assert await waits(supply)
        work = column("a", 1)
        supply.add(work)
        assert await supply.next() is work
        up(work)
        assert await waits(supply)
        if late:
            supply.give_back(work)
            assert await waits(supply)
            supply.end()
        else:
            supply.end()
            assert await waits(supply)
            supply.give_back(work)
        assert await supply.next() is None

    asyncio.run(story())
