# SPDX-License-Identifier: GPL-2.0-or-later
"""The store of every verdict: one SQLite file, shared by all farwatch processes of a home folder.

Rows are only ever added (prune apart): many rows for a cell are its history, and the newest row speaks.
"Newest" is the order of insertion, because the clock of a machine may be set back.
"""

from __future__ import annotations

import errno
import secrets
import shlex
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from farwatch.errors import FarwatchError
from farwatch.model import CellResult, Column, Verdict
from farwatch.system.locks import locked

Migration = tuple[str, ...]
RunRow = tuple[Any, ...]
"""id, started, finished, command, host, ended: as table `run` has them."""

MIGRATIONS: tuple[Migration, ...] = (
    (
        """CREATE TABLE run (
            id TEXT PRIMARY KEY,
            started REAL NOT NULL,
            finished REAL,
            command TEXT NOT NULL,
            host TEXT NOT NULL,
            ended TEXT NOT NULL DEFAULT ''
        )""",
        """CREATE TABLE cell (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            run TEXT REFERENCES run (id),
            revision TEXT NOT NULL,
            base TEXT NOT NULL,
            engine TEXT NOT NULL,
            flavor TEXT NOT NULL,
            test TEXT NOT NULL,
            inputs TEXT NOT NULL,
            verdict TEXT NOT NULL,
            title TEXT NOT NULL,
            detail TEXT NOT NULL,
            duration REAL NOT NULL,
            attempts INTEGER NOT NULL,
            started REAL NOT NULL,
            logs TEXT NOT NULL
        )""",
        "CREATE INDEX cell_by_name ON cell (revision, base, engine, flavor, test, inputs)",
        "CREATE INDEX cell_by_run ON cell (run)",
    ),
    (
        "ALTER TABLE cell ADD COLUMN share_setting TEXT NOT NULL DEFAULT 'default'",
        "DROP INDEX cell_by_name",
        "CREATE INDEX cell_by_name ON cell (revision, base, engine, flavor, share_setting, test, inputs)",
    ),
)
"""Step i brings a file from version i to i + 1. A released step is never edited: add one."""

BUSY_SECONDS = 30.0
LOOK_SECONDS = 2.0
"""How long others may hold the file: who writes waits, who looks can look again."""
STALE_RUN_SECONDS = 7 * 24 * 3600.0
"""A run that never said its end and holds no cell is a dead one after this long."""

REUSABLE = frozenset(Verdict) - {Verdict.ERROR}
"""Verdicts about the software under test. ERROR is about the machine, so it is tried again."""

_MAGIC = b"SQLite format 3\0"
_APPLICATION = 0x66617277  # "farw", in the header of the file
_PARTS = ("revision", "base", "engine", "flavor", "share_setting")
"""Of a column."""
_COLUMN = " AND ".join(f"{part} = ?" for part in _PARTS)
_FIELDS = f"{', '.join(_PARTS)}, test, inputs, verdict, title, detail, duration, attempts, started, logs, run"
_MARKS = ", ".join("?" * len(_FIELDS.split(", ")))


@dataclass(frozen=True)
class Pruned:
    """What `Results.prune` took away (or would take away)."""

    cells: int
    runs: int
    logs: tuple[str, ...]
    """Log folders, relative to Home.logs, that no row names any longer."""


class Results:
    """The open store. Safe for several threads, and for several processes at once."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection
        self._lock = threading.RLock()

    @classmethod
    def open(cls, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> Results:
        """Open the store, making or migrating the file where needed.

        FarwatchError: made by a newer farwatch (the file is not touched), damaged, or not usable here.
        """
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _check_header(path, len(migrations))
            connection = _connect(path)
            try:
                _bring_up_to_date(connection, path, migrations)
            except BaseException:
                connection.close()
                raise
        return cls(path, connection)

    @classmethod
    def look(cls, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> Results:
        """Open the store to read alone: nothing is made, migrated or written, and nobody is waited for long.

        FarwatchError: as of `open`; also if there is none, or it is of an older farwatch.
        """
        with _explained(path):
            if not path.exists():
                raise FarwatchError(
                    "no results are stored yet", cause=f"there is no {path}", hint="farwatch verify"
                )
            _check_header(path, len(migrations))
            connection = _connect(path, read_only=True)
            try:
                _require_current(connection, path, len(migrations))
            except BaseException:
                connection.close()
                raise
        return cls(path, connection)

    def __enter__(self) -> Results:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            self._db.close()

    # -- runs

    def begin_run(self, command: Sequence[str], host: str = "", started: float | None = None) -> str:
        """Record the start of a run; its id sorts by time and is fit for a folder name."""
        when = time.time() if started is None else started
        run = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(when))}-{secrets.token_hex(3)}"
        self._write(
            "INSERT INTO run (id, started, command, host) VALUES (?, ?, ?, ?)",
            (run, when, _storable(shlex.join(command)), _storable(host)),
        )
        return run

    def end_run(self, run: str, ended: str = "done", finished: float | None = None) -> None:
        """Record how a run ended."""
        when = time.time() if finished is None else finished
        self._write("UPDATE run SET finished = ?, ended = ? WHERE id = ?", (when, _storable(ended), run))

    # -- cells

    def store(self, result: CellResult) -> None:
        """Add one verdict. It is on disk, in whole or not at all, when this returns."""
        self.store_all([result])

    def store_all(self, found: Sequence[CellResult]) -> None:
        """Add the rows of one program: all of them are on disk, or none is."""
        with self._transaction():
            self._db.executemany(f"INSERT INTO cell ({_FIELDS}) VALUES ({_MARKS})", map(_row_of, found))

    def suite_rows(self, column: Column, suite: str) -> list[list[CellResult]]:
        """What is stored of a suite in a column: the rows of each run of a program, oldest first.

        A run of a program has a log folder of its own, and its rows are stored together.
        """
        rows = self._read(
            f"SELECT {_FIELDS} FROM cell WHERE {_COLUMN} AND test > ? AND test < ? ORDER BY id",
            (*_key(column), f"{suite}:", f"{suite};"),
        )
        runs: dict[tuple[str, str, str], list[CellResult]] = {}
        for row in rows:
            result = _result_of(row)
            runs.setdefault((result.run, result.logs, result.inputs), []).append(result)
        return list(runs.values())

    def find(self, column: Column, test: str, inputs: str) -> CellResult | None:
        """The newest verdict for exactly these inputs that may stand for a new run, else None."""
        marks = ", ".join("?" * len(REUSABLE))
        rows = self._read(
            f"SELECT {_FIELDS} FROM cell WHERE {_COLUMN} AND test = ? AND inputs = ?"
            f" AND verdict IN ({marks}) ORDER BY id DESC LIMIT 1",
            (*_key(column), test, inputs, *sorted(REUSABLE)),
        )
        return _result_of(rows[0]) if rows else None

    def latest(self, columns: Iterable[Column] | None = None) -> list[CellResult]:
        """The newest verdict of every column and test, ERROR included; ordered as `columns`, then by test."""
        wanted = self.columns() if columns is None else list(dict.fromkeys(columns))
        found: list[CellResult] = []
        for column in wanted:
            rows = self._read(
                f"SELECT {_FIELDS} FROM cell WHERE id IN"
                f" (SELECT max(id) FROM cell WHERE {_COLUMN} GROUP BY test) ORDER BY test",
                _key(column),
            )
            found += [_result_of(row) for row in rows]
        return found

    def history(self, column: Column, test: str, limit: int = 100) -> list[CellResult]:
        """The verdicts of one cell, newest first, over all inputs."""
        rows = self._read(
            f"SELECT {_FIELDS} FROM cell WHERE {_COLUMN} AND test = ? ORDER BY id DESC LIMIT ?",
            (*_key(column), test, limit),
        )
        return [_result_of(row) for row in rows]

    def histories(self, columns: Iterable[Column], limit: int) -> dict[tuple[Column, str], list[CellResult]]:
        """The newest verdicts of every cell of these columns, newest first, without their details."""
        fields = _FIELDS.replace("detail", "''")
        found: dict[tuple[Column, str], list[CellResult]] = {}
        for column in dict.fromkeys(columns):
            rows = self._read(f"SELECT {fields} FROM cell WHERE {_COLUMN} ORDER BY id DESC", _key(column))
            for row in rows:
                history = found.setdefault((column, row[len(_PARTS)]), [])
                if len(history) < limit:
                    history.append(_result_of(row))
        return found

    def columns(self) -> list[Column]:
        """Every column that has a verdict, by name."""
        rows = self._read(f"SELECT DISTINCT {', '.join(_PARTS)} FROM cell ORDER BY 1, 2, 3, 4, 5")
        return [Column(*row) for row in rows]

    def programs(self) -> list[tuple[Column, str]]:
        """Every column with each of the programs that it has a verdict of: "fio" of "fio:share/read"."""
        program = "substr(test, 1, instr(test, ':') - 1)"
        return [
            (Column(*row[:-1]), row[-1])
            for row in self._read(f"SELECT DISTINCT {', '.join(_PARTS)}, {program} FROM cell")
        ]

    def newest(self) -> int:
        """A number that grows with every verdict."""
        return int(self._read("SELECT coalesce(max(id), 0) FROM cell")[0][0])

    def open_runs(self) -> list[RunRow]:
        """Those that have not said their end, as `runs` has them, the newest first."""
        fields = "id, started, finished, command, host, ended"
        return self._read(f"SELECT {fields} FROM run WHERE finished IS NULL ORDER BY id DESC")

    def counts(self, run: str) -> list[tuple[Column, Verdict, int]]:
        """What a run has found so far."""
        columns = ", ".join(_PARTS)
        rows = self._read(
            f"SELECT {columns}, verdict, count(*) FROM cell WHERE run = ? GROUP BY {columns}, verdict", (run,)
        )
        return [(Column(*row[:-2]), Verdict(row[-2]), int(row[-1])) for row in rows]

    def every(self) -> list[CellResult]:
        """Every verdict that there is, in the order in which they came."""
        return [_result_of(row) for row in self._read(f"SELECT {_FIELDS} FROM cell ORDER BY id")]

    def take(self, found: Sequence[CellResult], runs: Sequence[RunRow]) -> int:
        """Add verdicts of another store with the runs that they are of; how many were not here already."""
        same = f"{_COLUMN} AND test = ? AND inputs = ? AND verdict = ? AND started = ? AND run IS ?"
        before = self._count()
        with self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO run VALUES (?, ?, ?, ?, ?, ?)", runs)
            for result in found:
                who = (*_key(result.column), result.test, result.inputs, str(result.verdict))
                self._db.execute(
                    f"INSERT INTO cell ({_FIELDS}) SELECT {_MARKS}"
                    f" WHERE NOT EXISTS (SELECT 1 FROM cell WHERE {same})",
                    (*_row_of(result), *who, result.started, result.run or None),
                )
        return self._count() - before

    def runs(self) -> list[RunRow]:
        """As they are stored."""
        return self._read("SELECT id, started, finished, command, host, ended FROM run ORDER BY id")

    def _count(self) -> int:
        return int(self._read("SELECT count(*) FROM cell")[0][0])

    def log_folders(self) -> frozenset[str]:
        """Every log folder that a verdict still names, relative to Home.logs."""
        return frozenset(row[0] for row in self._read("SELECT DISTINCT logs FROM cell WHERE logs != ''"))

    def prune(self, *, before: float | None = None, keep: int = 1, dry: bool = False) -> Pruned:
        """Forget old verdicts; say which log folders lost their last row.

        before: Unix time; only verdicts started earlier are dropped (None: whatever their age)
        keep:   so many newest verdicts of each cell stay, whatever their age
        dry:    only say what would go
        """
        limit = float("inf") if before is None else before
        with self._transaction():
            logs = {row[0] for row in self._db.execute("SELECT logs FROM cell WHERE logs != ''")}
            cells = self._drop_cells(limit, keep)
            logs -= {row[0] for row in self._db.execute("SELECT logs FROM cell WHERE logs != ''")}
            runs = self._drop_empty_runs()
            if dry:
                self._db.execute("ROLLBACK")
        return Pruned(cells, runs, tuple(sorted(logs)))

    def _drop_cells(self, before: float, keep: int) -> int:
        return self._db.execute(
            "DELETE FROM cell WHERE started < ? AND id NOT IN (SELECT id FROM (SELECT id, row_number() OVER"
            f" (PARTITION BY {', '.join(_PARTS)}, test ORDER BY id DESC) AS age FROM cell)"
            " WHERE age <= ?)",
            (before, keep),
        ).rowcount

    def _drop_empty_runs(self) -> int:
        return self._db.execute(
            "DELETE FROM run WHERE (finished IS NOT NULL OR started < ?)"
            " AND NOT EXISTS (SELECT 1 FROM cell WHERE cell.run = run.id)",
            (time.time() - STALE_RUN_SECONDS,),
        ).rowcount

    # -- SQLite

    def _read(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock, _explained(self.path):
            return self._db.execute(sql, values).fetchall()

    def _write(self, sql: str, values: Sequence[object]) -> None:
        with self._transaction():
            self._db.execute(sql, values)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, _explained(self.path), _transaction(self._db):
            yield


def _connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}{'?mode=ro' if read_only else ''}"
    seconds = LOOK_SECONDS if read_only else BUSY_SECONDS
    connection = sqlite3.connect(
        uri, uri=True, timeout=seconds, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA foreign_keys = ON")
    # With WAL this still keeps every committed row through a crash of farwatch; only
    # a power cut may take the last ones, which would then simply be run again.
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _check_header(path: Path, version: int) -> None:
    """Refuse a foreign or newer file before SQLite gets a chance to write to it."""
    if not path.exists():
        return
    with path.open("rb") as handle:
        header = handle.read(100)
    if header and not header.startswith(_MAGIC):
        raise _damaged(path, "it is not an SQLite file")
    if len(header) == 100:
        _check_version(path, int.from_bytes(header[60:64], "big"), version)


def _check_version(path: Path, found: int, known: int) -> None:
    if found > known:
        raise FarwatchError(
            f"{path} was written by a newer farwatch",
            cause=f"the file has version {found}, this farwatch reads version {known}; it was not touched",
            hint="update farwatch, or set another FARWATCH_HOME",
        )


def _require_current(db: sqlite3.Connection, path: Path, known: int) -> None:
    found = _version(db)
    _check_version(path, found, known)
    _check_application(db, path)
    if found < known:
        raise FarwatchError(
            f"{path} was written by an older farwatch",
            cause=f"the file has version {found}, this farwatch reads version {known}",
            hint="farwatch table: it brings the file up to date",
        )


def _bring_up_to_date(db: sqlite3.Connection, path: Path, migrations: Sequence[Migration]) -> None:
    found = _version(db)
    _check_version(path, found, len(migrations))
    if found == len(migrations):
        _check_application(db, path)
        return
    # Two first starts at once: switching to WAL fails at once when the file is busy, so take turns.
    with locked(path.with_name(path.name + ".lock")):
        _check_application(db, path)
        db.execute("PRAGMA journal_mode = WAL").fetchone()
        _migrate(db, migrations)


def _migrate(db: sqlite3.Connection, migrations: Sequence[Migration]) -> None:
    """Apply the missing steps, each with its version number in one transaction."""
    for number in range(_version(db), len(migrations)):
        with _transaction(db):
            for statement in migrations[number]:
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {_APPLICATION}")
            db.execute(f"PRAGMA user_version = {number + 1}")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _check_application(db: sqlite3.Connection, path: Path) -> None:
    ours = int(db.execute("PRAGMA application_id").fetchone()[0]) == _APPLICATION
    empty = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    if not ours and not empty:
        raise _damaged(path, "it is an SQLite file, but another program's")


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        if db.in_transaction:
            db.execute("COMMIT")
    except BaseException:
        # SQLite itself has already rolled back after some errors, a full disk for one.
        with suppress(sqlite3.Error):
            if db.in_transaction:
                db.execute("ROLLBACK")
        raise


def _damaged(path: Path, why: str) -> FarwatchError:
    return FarwatchError(
        f"the results file {path} cannot be read",
        cause=f"{why}; nothing was deleted",
        hint=f"set it aside and start a new one: {_set_aside(path)}",
    )


def _set_aside(path: Path) -> str:
    """The command that moves the file with its WAL: a left-over WAL would spoil the new file."""
    return "; ".join(
        shlex.join(["mv", str(name), f"{name}.damaged"])
        for name in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm")))
        if name == path or name.exists()
    )


def _full(path: Path, error: Exception) -> FarwatchError:
    return FarwatchError(
        f"the disk is full: cannot write {path}",
        cause=f"{error}; earlier results are intact",
        hint="free some space (./farwatch prune), then run the same command again",
    )


def _busy(path: Path, error: Exception) -> FarwatchError:
    return FarwatchError(
        f"{path} is in use by another process, and has been for too long",
        cause=str(error),
        hint="see who holds it (fuser), then run the same command again",
    )


def _unusable(path: Path, error: Exception) -> FarwatchError:
    return FarwatchError(
        f"cannot use the results file {path}",
        cause=str(error),
        hint="check the permissions and the file system, or set another FARWATCH_HOME",
    )


def _corrupt(path: Path, error: Exception) -> FarwatchError:
    return _damaged(path, str(error))


_EXPLANATIONS: dict[int, Callable[[Path, Exception], FarwatchError]] = {
    sqlite3.SQLITE_FULL: _full,
    sqlite3.SQLITE_CORRUPT: _corrupt,
    sqlite3.SQLITE_NOTADB: _corrupt,
    sqlite3.SQLITE_BUSY: _busy,
    sqlite3.SQLITE_LOCKED: _busy,
    sqlite3.SQLITE_CANTOPEN: _unusable,
    sqlite3.SQLITE_READONLY: _unusable,
    sqlite3.SQLITE_PERM: _unusable,
    sqlite3.SQLITE_PROTOCOL: _unusable,
    sqlite3.SQLITE_IOERR: _unusable,
}
"""By primary result code, https://www.sqlite.org/rescode.html. Any other error is a defect of farwatch."""


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system say into errors for the user."""
    try:
        yield
    except sqlite3.Error as error:
        explain = _EXPLANATIONS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        if explain is None:
            raise
        raise explain(path, error) from error
    except OSError as error:
        raise (_full if error.errno == errno.ENOSPC else _unusable)(path, error) from error


def _key(column: Column) -> tuple[str, ...]:
    return tuple(getattr(column, part) for part in _PARTS)


def _storable(text: str) -> str:
    """Text that SQLite takes: a byte that was no UTF-8 is shown as an escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _row_of(result: CellResult) -> tuple[object, ...]:
    return (
        *_key(result.column),
        result.test,
        result.inputs,
        str(result.verdict),
        _storable(result.title),
        _storable(result.detail),
        result.duration,
        result.attempts,
        result.started,
        result.logs,
        result.run or None,
    )


def _result_of(row: Sequence[Any]) -> CellResult:
    column, rest = row[: len(_PARTS)], row[len(_PARTS) :]
    return CellResult(
        column=Column(*column),
        test=rest[0],
        inputs=rest[1],
        verdict=Verdict(rest[2]),
        title=rest[3],
        detail=rest[4],
        duration=float(rest[5]),
        attempts=int(rest[6]),
        started=float(rest[7]),
        logs=rest[8],
        run=rest[9] or "",
        cached=True,
    )
