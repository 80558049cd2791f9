# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes to a worker, and what it brings back: a few cells of one column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farwatch.cells.jobs import ColumnWork, Job
from farwatch.cells.plan import INSTALLED
from farwatch.cluster.artifacts import Artifact, builds_of
from farwatch.engines.capacity import GUEST_MEMORY
from farwatch.engines.engine import Engine
from farwatch.model import DEFAULT_SHARE, CellResult, Column
from farwatch.system.home import Home
from farwatch.system.machine import cores

if TYPE_CHECKING:
    from farwatch.guests.setting import Setting

BOOT_LIMIT = 300.0
CELL_LIMIT = 120.0
"""Seconds for what every errand takes, and for each of its cells: several times what the slowest took. The
limits of a guest are far below: a worker that comes here hangs."""
DEATHS = 6
"""Workers that may die with an errand until it is to blame. A death counts for all that a worker had, also
for what only waited there: by three, 100 random kills made an error of 72 in 10,000 cells."""
CORES, MEMORY, KVM = "cores", "memory", "kvm"
"""Resources that a worker has by its machine (https://distributed.dask.org/en/stable/resources.html)."""
PLENTY = 1e9
"""Of what a worker either has or has not: an engine, a file system, a program."""


@dataclass(frozen=True)
class Errand:
    """Cells of one column for one guest (another one if that is spoiled).

    number:    of the asking machine's; its logs are known by it
    setting:   with the paths of the asking machine
    artifacts: what of these paths a worker may lack
    source:    URL where it is served; in place of {host} stands the scheduler's
    needs:     resources of the worker, beside cores and memory
    largest:   cores and memory of the largest worker: all of it is enough for any guest
    """

    number: int
    column: Column
    setting: Setting
    jobs: tuple[Job, ...]
    artifacts: tuple[Artifact, ...]
    source: str
    needs: tuple[str, ...]
    largest: Mapping[str, float]

    @property
    def limit(self) -> float:
        return BOOT_LIMIT * self.setting.engine.boot_weight + CELL_LIMIT * len(self.jobs)

    @property
    def resources(self) -> dict[str, float]:
        """That it takes as long as it runs."""
        taken = {CORES: cores_of_guest(self.setting.engine), MEMORY: float(GUEST_MEMORY)}
        fitting = {name: min(amount, self.largest.get(name, amount)) for name, amount in taken.items()}
        return {**fitting, **dict.fromkeys(self.needs, 1.0)}


@dataclass(frozen=True)
class Delivery:
    """worker: its name. unfit: why nothing has come of it, and will not the next time, on that worker."""

    worker: str
    results: tuple[CellResult, ...] = ()
    logs: tuple[tuple[str, bytes], ...] = ()
    """Files, named below the folder of logs."""
    sent: float = 0.0
    """Unix time, by the worker's clock."""
    unfit: str = ""


def errands_of(
    home: Home,
    work: ColumnWork,
    jobs: Sequence[Job],
    number: int,
    source: str,
    session: str,
    largest: Mapping[str, float],
) -> Errand:
    """An errand for some of the jobs of a column."""
    paths = [*paths_of(work.setting), *(job.program for job in jobs)]
    artifacts = tuple(builds_of(home, paths).values())
    needs = (session, *needs_of(work, jobs))
    return Errand(number, work.column, work.setting, tuple(jobs), artifacts, source, needs, largest)


def needs_of(work: ColumnWork, jobs: Sequence[Job]) -> tuple[str, ...]:
    """What else a worker must have: nothing that every one has."""
    programs = {job.case.program for job in jobs} & INSTALLED.keys()
    share = work.setting.share_setting
    return (
        engine_resource(work.setting.engine.name),
        *([share_resource(share.name)] if share != DEFAULT_SHARE else []),
        *(installed_resource(name) for name in sorted(programs)),
    )


def engine_resource(name: str) -> str:
    return f"engine {name}"


def share_resource(name: str) -> str:
    return f"share setting {name}"


def installed_resource(program: str) -> str:
    """What a test program runs that is installed, as the asking machine has it."""
    return f"what {program} runs"


def cores_of_guest(engine: Engine) -> float:
    """That a guest of the engine takes."""
    return cores() / engine.guests(cores())


def paths_of(setting: Setting) -> list[Path]:
    """All that a setting names."""
    found: list[Path] = []
    for field in fields(setting):
        value = getattr(setting, field.name)
        found += [
            each for each in (value if isinstance(value, tuple) else (value,)) if isinstance(each, Path)
        ]
    return found


def moved(setting: Setting, places: Mapping[Path, Path]) -> Setting:
    """The same with other folders. places: folder of the asking machine's -> ours"""
    changes: dict[str, Any] = {}
    for field in fields(setting):
        value = getattr(setting, field.name)
        if isinstance(value, Path):
            changes[field.name] = moved_path(value, places)
        elif isinstance(value, tuple):
            changes[field.name] = tuple(
                moved_path(each, places) if isinstance(each, Path) else each for each in value
            )
    return replace(setting, **changes)


def moved_path(path: Path, places: Mapping[Path, Path]) -> Path:
    for old, new in places.items():
        if path.is_relative_to(old):
            return new / path.relative_to(old)
    return path
