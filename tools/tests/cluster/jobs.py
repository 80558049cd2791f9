# SPDX-License-Identifier: GPL-2.0-or-later
"""What a worker does in tests instead of booting guests: what the name of the cell says.

A cell's program is a file in a folder that all workers see; beside it stands who has run it.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from farwatch.cells.jobs import Job
from farwatch.cluster.errand import Delivery, Errand
from farwatch.model import CellResult, Verdict

DAY = 24 * 3600.0


def play(errand: Errand, worker: str, host: str) -> Delivery:
    """Each cell of an errand."""
    del host
    off = DAY if any(job.case.test == "yesterday" for job in errand.jobs) else 0.0
    found, logs = [], []
    for number, job in enumerate(errand.jobs):
        if trouble := _trouble(job, worker, first=_note(job, worker) == 1):
            return Delivery(worker, unfit=trouble)
        folder = f"{number}-{job.case.test}"
        if job.case.test != "forgotten" or len(errand.jobs) == 1:
            found.append(_result(errand, job, f"errand/{folder}", time.time() - off))
        logs.append((f"{folder}/who", worker.encode()))
    return Delivery(worker, tuple(found), tuple(logs), time.time() - off)


def _note(job: Job, worker: str) -> int:
    """How often the cell has been begun, this time included."""
    with job.program.open("a", encoding="utf-8") as file:
        file.write(f"{worker}\n")
    return len(job.program.read_text(encoding="utf-8").splitlines())


def _trouble(job: Job, worker: str, *, first: bool) -> str:
    if job.case.test == "killer" or (job.case.test == "dies-once" and first):
        os.kill(os.getpid(), signal.SIGKILL)
    if job.case.test == "sick-once" and first:
        return "its disk is gone"
    return "nobody can do this" if job.case.test == "sick" else ""


def _result(errand: Errand, job: Job, logs: str, started: float) -> CellResult:
    case = job.case.name
    return CellResult(errand.column, case, job.inputs, Verdict.PASS, started=started, logs=logs, duration=0.1)


def nap(errand: Errand, worker: str, host: str) -> Delivery:
    """For figures: cells that take so many milliseconds as their fixture says."""
    del host
    for job in errand.jobs:
        time.sleep(int(job.case.fixture) / 1000)
    results = tuple(_result(errand, job, "", time.time()) for job in errand.jobs)
    return Delivery(worker, results, sent=time.time())


def begun(program: Path) -> list[str]:
    """The workers that have begun a cell, in that order."""
    return program.read_text(encoding="utf-8").splitlines() if program.exists() else []
