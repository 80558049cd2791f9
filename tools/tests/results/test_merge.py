# SPDX-License-Identifier: GPL-2.0-or-later
"""merge.py: results of several machines, none counted twice, none believed against another in silence."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.model import CellResult, Column, Verdict
from farwatch.results.merge import copy_of, merge
from farwatch.results.store import MIGRATIONS, Results

V1 = Column("v1", "7.3")
CELL = CellResult(V1, "inotify:create", "a", Verdict.PASS, "t", "d", 1.5, 1, 100.0, "run/cell")


def job(folder: Path, name: str, cells: Sequence[CellResult]) -> Path:
    """A result file as a job leaves it."""
    path = folder / name / "results.db"
    with Results.open(path) as store:
        run = store.begin_run(["farwatch", "verify"], name)
        for cell in cells:
            store.store(replace(cell, run=run))
        store.end_run(run)
    return path


def said(path: Path, *files: Path) -> list[tuple[str, Verdict]]:
    with Results.open(path) as store:
        merge(store, files)
        return [(cell.test, cell.verdict) for cell in store.latest()]


def test_jobs_become_one_table(tmp_path: Path) -> None:
    other = replace(CELL, test="inotify:delete", verdict=Verdict.FAIL)
    files = [job(tmp_path, "one", [CELL]), job(tmp_path, "two", [other])]
    assert said(tmp_path / "all.db", *files) == [("inotify:create", "pass"), ("inotify:delete", "fail")]
    with Results.open(tmp_path / "all.db") as store:
        assert {row[4] for row in store.runs()} == {"one", "two"}
        assert all(cell.run and not cell.logs for cell in store.every())


def test_nothing_is_counted_twice(tmp_path: Path) -> None:
    file = job(tmp_path, "one", [CELL, replace(CELL, started=200.0)])
    again = tmp_path / "again.db"
    again.write_bytes(file.read_bytes())
    with Results.open(tmp_path / "all.db") as store:
        assert [merge(store, [file, again]).added, merge(store, [file]).added] == [2, 0]


def test_what_was_found_out_last_speaks_in_whatever_order_files_are_named(tmp_path: Path) -> None:
    late = replace(CELL, started=300.0, inputs="b", verdict=Verdict.FAIL)
    files = [job(tmp_path, "late", [late]), job(tmp_path, "early", [CELL])]
    for order in (files, files[::-1]):
        assert said(tmp_path / f"{order[0].parent.name}.db", *order) == [("inotify:create", "fail")]


def test_two_verdicts_for_the_same_inputs_contradict(tmp_path: Path) -> None:
    files = [job(tmp_path, "one", [CELL]), job(tmp_path, "two", [replace(CELL, verdict=Verdict.HANG)])]
    with Results.open(tmp_path / "all.db") as store:
        [found] = merge(store, files).contradictions
    assert (found.column, found.test) == (V1, CELL.test)
    assert found.said == ((str(files[0]), Verdict.PASS), (str(files[1]), Verdict.HANG))


FAILED = replace(CELL, verdict=Verdict.FAIL)


@pytest.mark.parametrize(
    "other",
    [replace(FAILED, inputs="b"), replace(FAILED, test="other"), replace(CELL, verdict=Verdict.ERROR)],
)
def test_other_inputs_or_a_machine_that_failed_contradict_nobody(tmp_path: Path, other: CellResult) -> None:
    with Results.open(tmp_path / "all.db") as store:
        assert not merge(store, [job(tmp_path, "one", [CELL]), job(tmp_path, "two", [other])]).contradictions


def test_what_one_machine_said_before_is_its_own_history(tmp_path: Path) -> None:
    mended = [replace(CELL, verdict=Verdict.FAIL, started=1.0), CELL]
    with Results.open(tmp_path / "all.db") as store:
        assert not merge(store, [job(tmp_path, "one", mended), job(tmp_path, "two", [CELL])]).contradictions


def test_a_file_is_only_read(tmp_path: Path) -> None:
    file = job(tmp_path, "one", [CELL])
    before = {path: path.read_bytes() for path in file.parent.iterdir()}
    with copy_of(file) as store:
        store.store(CELL)
    assert {path: path.read_bytes() for path in file.parent.iterdir()} == before


def test_what_was_not_yet_in_the_file_itself_is_found(tmp_path: Path) -> None:
    """SQLite has it beside the file as long as that is open: a job may have been killed."""
    with Results.open(tmp_path / "results.db") as store:
        store.store(CELL)
        with copy_of(tmp_path / "results.db") as copy:
            assert [cell.test for cell in copy.every()] == [CELL.test]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "there is no result file"),
        (b"", "is empty"),
        (b"<html>404", "cannot be read"),
        (b"SQLite format 3\0" + b"x" * 5000, "bad.db"),
    ],
)
def test_what_is_no_result_file_is_named_and_nothing_is_added(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    bad, good = tmp_path / "bad.db", job(tmp_path, "one", [CELL])
    if content is not None:
        bad.write_bytes(content)
    with Results.open(tmp_path / "all.db") as store:
        with pytest.raises(FarwatchError, match=says) as caught:
            merge(store, [good, bad])
        assert "bad.db" in str(caught.value) and "farwatch-merge-" not in str(caught.value)
        assert not store.every()


def test_one_of_a_newer_farwatch_is_refused(tmp_path: Path) -> None:
    file = job(tmp_path, "one", [CELL])
    with sqlite3.connect(file) as database:
        database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with (
        Results.open(tmp_path / "all.db") as store,
        pytest.raises(FarwatchError, match="written by a newer farwatch"),
    ):
        merge(store, [file])
