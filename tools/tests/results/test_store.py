# SPDX-License-Identifier: GPL-2.0-or-later
"""store.py: what is stored comes back, survives trouble, and is never guessed."""

from __future__ import annotations

import dataclasses
import multiprocessing
import multiprocessing.synchronize
import sqlite3
import statistics
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farwatch.errors import FarwatchError
from farwatch.model import CellResult, Column, Verdict
from farwatch.results.store import MIGRATIONS, STALE_RUN_SECONDS, Migration, Pruned, Results

V1 = Column("v1", "7.3")
V2 = Column("v2", "7.3")
VERSION = len(MIGRATIONS)
TEST = "inotify:events.remote.create"


def cell(
    column: Column = V1, test: str = TEST, inputs: str = "a", verdict: Verdict = Verdict.PASS
) -> CellResult:
    return CellResult(column, test, inputs, verdict, "a title", "line 1\nline 2", 1.5, 2, 1e9, "run/cell")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "results.db"


def recorded(path: Path) -> list[tuple[Any, ...]]:
    """What is known of each invocation."""
    with sqlite3.connect(path) as database:
        return database.execute("SELECT id, command, host, ended, finished, started FROM run").fetchall()


def test_what_is_stored_comes_back(path: Path) -> None:
    with Results.open(path) as store:
        run = store.begin_run(["farwatch", "verify", "a b"], "two cores")
        wanted = dataclasses.replace(cell(), run=run)
        store.store(wanted)
        store.end_run(run, "done")
    with Results.open(path) as store:
        found = store.find(V1, TEST, "a")
        assert found == wanted
        assert found is not None and found.cached
        [entry] = recorded(path)
        assert entry[:4] == (run, "farwatch verify 'a b'", "two cores", "done")
        assert entry[4] >= entry[5]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(title=st.text(), detail=st.binary(), verdict=st.sampled_from(Verdict), duration=st.floats(0, 1e6))
def test_any_text_and_verdict_comes_back(
    tmp_path: Path, title: str, detail: bytes, verdict: Verdict, duration: float
) -> None:
    given_ = dataclasses.replace(
        cell(verdict=verdict),
        title=title,
        detail=detail.decode("utf-8", "surrogateescape"),
        duration=duration,
    )
    with Results.open(tmp_path / "any.db") as store:
        store.store(given_)
        (found,) = store.latest([V1])
    storable = given_.detail.encode("utf-8", "backslashreplace").decode()
    assert found == dataclasses.replace(given_, detail=storable)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_everything_but_an_infrastructure_error_is_reused(path: Path, verdict: Verdict) -> None:
    with Results.open(path) as store:
        store.store(cell(verdict=verdict))
        found = store.find(V1, TEST, "a")
    assert (found is None) == (verdict is Verdict.ERROR)


def test_an_error_does_not_hide_an_earlier_verdict_for_the_same_inputs(path: Path) -> None:
    with Results.open(path) as store:
        store.store(cell(verdict=Verdict.FAIL))
        store.store(cell(verdict=Verdict.ERROR))
        found = store.find(V1, TEST, "a")
        assert found is not None and found.verdict is Verdict.FAIL
        assert [result.verdict for result in store.latest([V1])] == [Verdict.ERROR]


def test_find_wants_the_very_same_cell(path: Path) -> None:
    with Results.open(path) as store:
        store.store(cell())
        assert store.find(V2, TEST, "a") is None
        assert store.find(V1, TEST, "b") is None
        assert store.find(V1, TEST, "A") is None
        assert store.find(V1, TEST + "x", "a") is None
        assert store.find(Column("v1", "7.3", "vng"), TEST, "a") is None
        assert store.find(Column("v1", "7.3", "uml", "kasan"), TEST, "a") is None


def test_the_newest_row_speaks_and_the_others_are_history(path: Path) -> None:
    with Results.open(path) as store:
        for inputs, verdict in (("a", Verdict.PASS), ("b", Verdict.FAIL), ("a", Verdict.HANG)):
            store.store(cell(inputs=inputs, verdict=verdict))
        store.store(cell(V2))
        found = store.find(V1, TEST, "a")
        assert found is not None and found.verdict is Verdict.HANG
        assert [result.column for result in store.latest([V2, V1])] == [V2, V1]
        assert [result.verdict for result in store.history(V1, TEST)] == [
            Verdict.HANG,
            Verdict.FAIL,
            Verdict.PASS,
        ]
        assert store.columns() == [V1, V2]
        assert len(store.latest()) == 2


def test_a_cell_of_an_unknown_run_is_refused(path: Path) -> None:
    with Results.open(path) as store, pytest.raises(sqlite3.IntegrityError):
        store.store(dataclasses.replace(cell(), run="nowhere"))


def test_prune_keeps_the_newest_and_names_the_lost_logs(path: Path) -> None:
    with Results.open(path) as store:
        run = store.begin_run(["farwatch"])
        for number in range(4):
            store.store(dataclasses.replace(cell(), started=float(number), logs=f"log{number}"))
        store.store(dataclasses.replace(cell(test="other"), started=0.0, logs="log0", run=run))
        store.end_run(run)
        assert store.prune(before=1.5, keep=1, dry=True) == Pruned(2, 0, ("log1",))
        assert len(store.history(V1, TEST)) == 4, "a dry run deletes nothing"
        assert store.prune(before=1.5, keep=1) == Pruned(2, 0, ("log1",))
        assert store.prune(keep=1) == Pruned(1, 0, ("log2",))
        assert store.log_folders() == {"log0", "log3"}
        assert store.prune(keep=0) == Pruned(2, 1, ("log0", "log3"))


def test_prune_spares_a_run_that_has_only_begun(path: Path) -> None:
    with Results.open(path) as store:
        store.begin_run(["farwatch"])
        assert store.prune(keep=0).runs == 0
        store.begin_run(["farwatch"], started=time.time() - 2 * STALE_RUN_SECONDS)
        assert store.prune(keep=0).runs == 1


# -- versions


NEXT = ("ALTER TABLE cell ADD COLUMN weather TEXT NOT NULL DEFAULT 'fine'",)


def version_of(path: Path) -> int:
    with sqlite3.connect(path) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def test_an_older_file_is_migrated_and_keeps_its_rows(path: Path) -> None:
    older: tuple[Migration, ...] = (
        ("CREATE TABLE old_cell (name TEXT)", "INSERT INTO old_cell VALUES ('kept')"),
    )
    with Results.open(path, older):
        pass
    newer = (*older, ("CREATE TABLE new_cell (name TEXT)", "INSERT INTO new_cell SELECT name FROM old_cell"))
    with Results.open(path, newer):
        pass
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT name FROM new_cell").fetchall() == [("kept",)]
    assert version_of(path) == 2


def test_a_file_of_today_survives_the_next_step(path: Path) -> None:
    with Results.open(path) as store:
        store.store(cell())
    with Results.open(path, (*MIGRATIONS, NEXT)) as store:
        assert store.find(V1, TEST, "a") == cell()


def test_a_failed_migration_leaves_the_old_version(path: Path) -> None:
    with Results.open(path) as store:
        store.store(cell())
    with pytest.raises(sqlite3.OperationalError):
        Results.open(path, (*MIGRATIONS, (*NEXT, "not SQL")))
    assert version_of(path) == VERSION
    with Results.open(path, (*MIGRATIONS, NEXT)) as store:
        assert store.find(V1, TEST, "a") == cell(), "the first half of the failed step was undone"


def test_a_newer_file_is_refused_and_not_touched(path: Path) -> None:
    with Results.open(path, (*MIGRATIONS, NEXT)):
        pass
    before = path.read_bytes()
    with pytest.raises(FarwatchError) as caught:
        Results.open(path)
    assert f"version {VERSION + 1}" in caught.value.cause
    assert f"version {VERSION};" in caught.value.cause
    assert "FARWATCH_HOME" in caught.value.hint
    assert path.read_bytes() == before


# -- trouble


def test_a_file_that_is_no_database_is_named_and_kept(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"hello " * 1000)
    with pytest.raises(FarwatchError) as caught:
        Results.open(path)
    assert str(path) in caught.value.what
    assert f"mv {path} {path}.damaged" in caught.value.hint
    assert path.read_bytes() == b"hello " * 1000


def test_a_malformed_database_is_named_and_kept(path: Path) -> None:
    with Results.open(path) as store:
        for number in range(200):
            store.store(cell(test=f"test{number}"))
    data = path.read_bytes()
    spoiled = data[:4096] + b"\xff" * (len(data) - 4096)
    path.write_bytes(spoiled)
    with pytest.raises(FarwatchError) as caught, Results.open(path) as store:
        store.latest()
    assert "cannot be read" in caught.value.what and "mv " in caught.value.hint
    assert path.read_bytes() == spoiled


def test_another_programs_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE bookmarks (name TEXT)")
    db.close()
    with pytest.raises(FarwatchError, match="cannot be read"):
        Results.open(path)
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT name FROM sqlite_schema").fetchall() == [("bookmarks",)]


def test_an_empty_file_is_a_new_store(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with Results.open(path) as store:
        assert store.latest() == []


def test_a_full_disk_keeps_the_earlier_results(path: Path) -> None:
    with Results.open(path) as store:
        store.store(cell())
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(FarwatchError) as caught:
            store.store(dataclasses.replace(cell(), detail="x" * 100_000))
        assert "full" in caught.value.what and "prune" in caught.value.hint
        assert store.latest() == [cell()]
    with Results.open(path) as store:
        assert store.latest() == [cell()]
        store.store(cell(inputs="b"))


def test_enospc_from_the_file_system_is_a_full_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("farwatch.results.store._check_header", no_space)
    with pytest.raises(FarwatchError, match="disk is full"):
        Results.open(path)


def test_a_folder_in_place_of_the_file_is_explained(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(FarwatchError, match="cannot use the results file"):
        Results.open(path)


# -- several at once


def write_many(path: Path, worker: int, start: multiprocessing.synchronize.Barrier) -> None:
    start.wait()
    with Results.open(path) as store:
        run = store.begin_run(["worker", str(worker)])
        for number in range(50):
            store.store(dataclasses.replace(cell(test=f"w{worker}.{number}"), run=run))
        store.end_run(run)


def test_processes_share_the_file_from_its_first_moment(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(3)
    workers = [context.Process(target=write_many, args=(path, number, barrier)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    with Results.open(path) as store:
        assert len(store.latest([V1])) == 150
    assert len(recorded(path)) == 3


def test_opening_is_quick(path: Path) -> None:
    with Results.open(path) as store:
        for number in range(300):
            store.store(cell(test=f"test{number}"))

    def once() -> float:
        begun = time.perf_counter()
        Results.open(path).close()
        return time.perf_counter() - begun

    assert statistics.median(once() for _ in range(9)) < 0.02


def test_a_share_setting_is_a_column_of_its_own(path: Path) -> None:
    other = dataclasses.replace(V1, share_setting="writeback")
    with Results.open(path) as store:
        store.store(cell())
        assert store.find(other, TEST, "a") is None
        store.store(cell(other, verdict=Verdict.FAIL))
        assert store.columns() == [V1, other]
        assert [result.verdict for result in store.latest()] == [Verdict.PASS, Verdict.FAIL]
        assert store.prune(keep=1).cells == 0
        assert len(store.history(other, TEST)) == 1


def test_what_is_older_than_share_settings_is_of_the_default_one(path: Path) -> None:
    with Results.open(path, MIGRATIONS[:1]):
        pass
    with sqlite3.connect(path) as db:
        db.execute(
            "INSERT INTO cell (revision, base, engine, flavor, test, inputs, verdict, title, detail,"
            " duration, attempts, started, logs)"
            " VALUES ('v1', '7.3', 'uml', 'plain', ?, 'a', 'fail', '', '', 1, 1, 1, '')",
            (TEST,),
        )
    db.close()
    with Results.open(path) as store:
        found = store.find(V1, TEST, "a")
        assert found is not None and found.verdict is Verdict.FAIL and found.column.share_setting == "default"


def suite_rows(run: str, logs: str, *names: str, inputs: str = "a") -> list[CellResult]:
    return [
        dataclasses.replace(cell(test=f"mine:{name}", inputs=inputs), run=run, logs=logs) for name in names
    ]


def test_the_rows_of_each_run_of_a_program_stay_together(path: Path) -> None:
    with Results.open(path) as store:
        first, second = store.begin_run(["farwatch"]), store.begin_run(["farwatch"])
        store.store_all(suite_rows(first, "1/1", "p", "p.a", "p.b"))
        store.store_all(suite_rows(first, "1/2", "q"))
        store.store(cell(test="mine-too:p"))
        store.store(cell(V2, test="mine:p"))
        store.store_all(suite_rows(second, "2/1", "p", "p.a"))
        runs = [[row.test for row in rows] for rows in store.suite_rows(V1, "mine")]
    assert runs == [["mine:p", "mine:p.a", "mine:p.b"], ["mine:q"], ["mine:p", "mine:p.a"]]


def test_the_rows_of_a_program_are_stored_all_or_not_at_all(path: Path) -> None:
    with Results.open(path) as store:
        rows = suite_rows("", "1/1", "p", "p.a")
        broken = [rows[0], dataclasses.replace(rows[1], run="no such run")]
        with pytest.raises(sqlite3.IntegrityError):
            store.store_all(broken)
        assert store.suite_rows(V1, "mine") == []


def test_ten_thousand_rows_are_looked_up_at_once(path: Path) -> None:
    """The product's limit is two seconds for the whole table; a fifth of it is the store's, and generous."""
    from farwatch.results.table import build_table

    with Results.open(path) as store:
        names = ["p", *(f"p.case {number}" for number in range(10_000))]
        for column in (V1, V2):
            rows = suite_rows("", "1/1", *names)
            store.store_all([dataclasses.replace(row, column=column) for row in rows])
        times = []
        for _ in range(3):
            started = time.process_time()
            found = [row for column in (V1, V2) for run in store.suite_rows(column, "mine") for row in run]
            table = build_table(found, [], [V1, V2], suites=["mine"], base="v1", whole=False)
            times.append(time.process_time() - started)
    assert len(table.rows) == 10_001
    assert min(times) < 2
