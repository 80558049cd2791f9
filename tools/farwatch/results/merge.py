# SPDX-License-Identifier: GPL-2.0-or-later
"""Results of several machines in one store: nothing is counted twice, and what contradicts is said."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.model import CellResult, Column, Verdict
from farwatch.results.store import REUSABLE, Results, RunRow

_SIDE_FILES = ("-wal",)
"""What SQLite may have beside a file that nobody has closed."""


@dataclass(frozen=True)
class Contradiction:
    """One cell with the same inputs, and more than one verdict."""

    column: Column
    test: str
    said: tuple[tuple[str, Verdict], ...]
    """File, and its last word."""


@dataclass(frozen=True)
class Merged:
    """What came of it."""

    added: int
    contradictions: tuple[Contradiction, ...]


def merge(into: Results, files: Sequence[Path]) -> Merged:
    """Add what the files have. Of two verdicts on a cell that which was found out later speaks.

    FarwatchError: a file is missing, damaged, no result file, or of a newer farwatch; then nothing is added.
    """
    found: dict[str, list[CellResult]] = {}
    runs: list[RunRow] = []
    for file in dict.fromkeys(files):
        with copy_of(file) as results:
            # Their logs are on another machine, and prune must not look for them here
            found[str(file)] = [replace(result, logs="") for result in results.every()]
            runs += results.runs()
    in_order = sorted((result for each in found.values() for result in each), key=lambda one: one.started)
    return Merged(into.take(in_order, runs), tuple(_contradictions(found)))


@contextmanager
def copy_of(file: Path) -> Iterator[Results]:
    """Opened; the file itself is only read, as it may be where nothing can be written."""
    if not file.is_file():
        hint = "a job's is results.db in its FARWATCH_HOME"
        raise FarwatchError(f"there is no result file {file}", hint=hint)
    with tempfile.TemporaryDirectory(prefix="farwatch-merge-") as folder:
        copy = Path(folder) / file.name
        try:
            shutil.copyfile(file, copy)
            for suffix in _SIDE_FILES:
                beside = file.with_name(file.name + suffix)
                if beside.is_file():
                    shutil.copyfile(beside, copy.with_name(copy.name + suffix))
        except OSError as error:
            raise FarwatchError(f"cannot read {file}", cause=str(error)) from error
        if not copy.stat().st_size:
            raise FarwatchError(f"{file} is empty", cause="no results were ever stored in it")
        try:
            results = Results.open(copy)
        except FarwatchError as error:
            what, cause = (text.replace(str(copy), str(file)) for text in (error.what, error.cause))
            raise FarwatchError(what, cause=cause, hint="leave it out, or upload it again") from None
        with results:
            yield results


def _contradictions(found: Mapping[str, Sequence[CellResult]]) -> Iterator[Contradiction]:
    """Of each file only its last word counts: what it said before is its own history."""
    said: dict[tuple[Column, str, str], dict[str, Verdict]] = {}
    for file, results in found.items():
        for result in results:
            if result.verdict in REUSABLE:
                said.setdefault((result.column, result.test, result.inputs), {})[file] = result.verdict
    for (column, test, _), verdicts in said.items():
        if len(set(verdicts.values())) > 1:
            yield Contradiction(column, test, tuple(verdicts.items()))
