# SPDX-License-Identifier: GPL-2.0-or-later
"""What is done on a worker, in a thread of its process: see what there is, and run cells.

A worker has a home of its own, for what it fetches; verdicts and logs go back to who has asked.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.cells.jobs import ColumnWork
from farwatch.cells.plan import installed
from farwatch.cells.runner import Runner
from farwatch.cells.setting import installed_engine, lacking_for
from farwatch.cells.supply import Supply
from farwatch.cluster.artifacts import fetched
from farwatch.cluster.errand import (
    Delivery,
    Errand,
    engine_resource,
    installed_resource,
    moved,
    moved_path,
    share_resource,
)
from farwatch.errors import FarwatchError
from farwatch.guests.kvm import accelerated, not_offered
from farwatch.guests.run import run_unheeding
from farwatch.model import CellResult, ShareSetting, Verdict
from farwatch.system import venv
from farwatch.system.home import Home

if TYPE_CHECKING:
    from farwatch.app import App
    from farwatch.system.children import Run

_SPARE = 64 << 20
"""Bytes of disk without which nothing can be believed that has gone wrong."""


@dataclass(frozen=True)
class Demands:
    """What cells need beside a kernel, as the asking machine has it.

    engines:  name -> version of what runs guests
    programs: test program -> what it runs that is installed
    """

    engines: tuple[tuple[str, str], ...]
    share_settings: tuple[ShareSetting, ...]
    programs: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Offer:
    """What of that a worker has. lacking: resource -> why it has not"""

    has: tuple[str, ...]
    lacking: tuple[tuple[str, str], ...]
    kvm: bool


def wanted(
    engines: tuple[str, ...], settings: tuple[ShareSetting, ...], programs: tuple[str, ...]
) -> Demands:
    """By what this machine has."""
    from farwatch.engines.registry import engine_named

    return Demands(
        tuple((name, engine_named(name).version()) for name in engines),
        settings,
        tuple((name, _installed_for(name)) for name in programs),
    )


def offer(want: Demands) -> Offer:
    """Found out by trying, once; nothing is run yet."""
    app = _app()
    found = {engine_resource(name): _engine_trouble(name, version) for name, version in want.engines}
    found |= {share_resource(each.name): lacking_for(app, each) for each in want.share_settings}
    for name, theirs in want.programs:
        same = _installed_for(name) == theirs
        found[installed_resource(name)] = "" if same else "installed in another version, or not at all"
    return Offer(
        tuple(name for name, trouble in found.items() if not trouble),
        tuple((name, trouble) for name, trouble in found.items() if trouble),
        not not_offered(),
    )


def _installed_for(program: str) -> tuple[str, ...]:
    """As a cell's inputs have it (cells/plan.py), wherever a home is."""
    return (venv.prefix().name, *installed(program))


def _app() -> App:
    from farwatch.app import App

    return App.of_home()


def _engine_trouble(name: str, version: str) -> str:
    try:
        engine = installed_engine(_app(), name)
    except FarwatchError as error:
        return error.what
    if trouble := engine.examine():
        return trouble
    ours = engine.version()
    return f"it has {ours or 'none'}, and not {version}" if ours != version else ""


def run(errand: Errand, worker: str, host: str) -> Delivery:
    """The cells of an errand; whatever is wrong with this machine is told, and no verdict.

    host: of the scheduler
    """
    try:
        home = Home.from_env()
        logs = home.logs / f"errand-{errand.number}-{os.getpid()}"
        try:
            results = _cells(home, _at_home(home, errand, host), logs, errand.limit)
            trouble = _trouble(home) if any(each.verdict is Verdict.ERROR for each in results) else ""
            if trouble:
                return Delivery(worker, unfit=trouble)
            return Delivery(worker, tuple(results), tuple(_files(logs)), time.time())
        finally:
            shutil.rmtree(logs, ignore_errors=True)
    except TimeoutError:
        return Delivery(worker, unfit=f"its cells have not ended after {errand.limit:.0f} s")
    except FarwatchError as error:
        return Delivery(worker, unfit=": ".join(filter(None, (error.what, error.cause))))
    except OSError as error:
        return Delivery(worker, unfit=str(error))


def _at_home(home: Home, errand: Errand, host: str) -> ColumnWork:
    """What the errand says, with what it needs in this home."""
    source = errand.source.replace("{host}", host)
    places = {each.folder: fetched(home, each, source) for each in errand.artifacts}
    setting = moved(errand.setting, places)
    setting = replace(setting, engine=accelerated(home, setting, lambda _: None))
    jobs = deque(replace(job, program=moved_path(job.program, places)) for job in errand.jobs)
    return ColumnWork(errand.column, setting, jobs)


def _cells(home: Home, work: ColumnWork, logs: Path, limit: float) -> list[CellResult]:
    results: list[CellResult] = []

    async def fill(run: Run) -> None:
        supply = Supply(lambda _: 1)
        supply.add(work)
        supply.end()
        async with asyncio.timeout(limit):
            await Runner(run, logs, results.append, "").work(supply)

    logs.mkdir(parents=True)
    run_unheeding(home, fill)
    return results


def _trouble(home: Home) -> str:
    """What is wrong with the disk of this machine, on which the run has gone wrong; empty: nothing."""
    if shutil.disk_usage(home.root).free < _SPARE:
        return f"the disk of {home.root} is full"
    with tempfile.TemporaryFile(dir=home.root) as file:  # OSError where it is gone, or read-only
        file.write(b"x")
    return ""


def _files(logs: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(logs.rglob("*")):
        if path.is_file():
            yield path.relative_to(logs).as_posix(), path.read_bytes()
