# SPDX-License-Identifier: GPL-2.0-or-later
"""What every command starts from: the checkout, the home folder, the catalog, the reporter."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from farwatch.revisions.catalog import Catalog
from farwatch.system.home import Home, checkout_root

if TYPE_CHECKING:
    from farwatch.build import Builder
    from farwatch.system.children import Run
    from farwatch.terminal.progress import Reporter
    from farwatch.trees.trees import Trees

T = TypeVar("T")


@dataclass(frozen=True)
class App:
    """One invocation. Everything in it is made when it is first needed."""

    root: Path
    home: Home

    @classmethod
    def here(cls) -> App:
        return cls(checkout_root(), Home.from_env())

    @cached_property
    def catalog(self) -> Catalog:
        return Catalog.load(self.root)

    @cached_property
    def reporter(self) -> Reporter:
        from farwatch.terminal.progress import Reporter

        return Reporter.for_stream(sys.stderr)

    @cached_property
    def trees(self) -> Trees:
        from farwatch.trees.trees import Trees

        return Trees(self.home, self.catalog, self.reporter.say)

    @cached_property
    def builder(self) -> Builder:
        from farwatch.build import Builder

        return Builder(self.home, self.catalog, self.trees, self.reporter.say)


def run_guests(home: Home, work: Callable[[Run], Awaitable[T]]) -> T:
    """Run asynchronous work that owns guests; nothing of it is left on any way out.

    Ctrl-C, SIGTERM and SIGHUP cancel the work, whose own clean-up then ends
    the guests; whatever that misses is killed here.
    """
    from farwatch.system.children import Run

    run = Run(home)

    async def main() -> T:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, task.cancel)
        try:
            return await work(run)
        finally:
            await run.close()

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        run.abandon()
