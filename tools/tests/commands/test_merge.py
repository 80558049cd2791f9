# SPDX-License-Identifier: GPL-2.0-or-later
"""merge, as a command: the table of several files, and when it is not to be trusted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from farwatch.cli import main
from farwatch.model import CellResult, Column, Verdict
from farwatch.results.store import Results

TEST = "inotify_test:directory.remote.create"
CELL = CellResult(Column("v3", "7.3"), TEST, "a", Verdict.PASS, started=1.0)
RACE = "inotify_lifetime_test:deleted.local.one_of_two_links"
"""v1 leaves it open who wins: its revision.toml says so."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FARWATCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def job(folder: Path, name: str, *cells: CellResult) -> str:
    path = folder / f"{name}.db"
    with Results.open(path) as store:
        for cell in cells:
            store.store(cell)
    return str(path)


def test_one_table_of_all_and_this_machine_knows_nothing_of_it(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = job(tmp_path, "plain", CELL)
    kasan = job(tmp_path, "kasan", replace(CELL, column=Column("v3", "7.3", "uml", "kasan")))
    out = tmp_path / "table.json"
    assert main(["merge", plain, kasan, f"--json={out}"]) == 0
    assert {entry["flavor"] for entry in json.loads(out.read_text())["columns"]} == {"plain", "kasan"}
    assert TEST.partition(":")[0] in capsys.readouterr().out
    assert not (home / "results.db").exists()


def test_kept_it_is_what_table_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["merge", "--keep", job(tmp_path, "plain", CELL)]) == 0
    capsys.readouterr()
    assert main(["table", "v3"]) == 0
    assert "1 pass" in capsys.readouterr().out


def test_a_surprise_is_one_here_too(tmp_path: Path) -> None:
    assert main(["merge", job(tmp_path, "plain", replace(CELL, verdict=Verdict.FAIL))]) == 1


def test_a_contradiction_is_named_with_both_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    early = job(tmp_path, "early", replace(CELL, verdict=Verdict.CRASH))
    late = job(tmp_path, "late", replace(CELL, started=2.0))
    assert main(["merge", late, early]) == 1
    said = capsys.readouterr().err
    assert f"v3/7.3/uml/plain/{TEST}, same inputs: pass in {late}, crash in {early}" in said
    assert "1 cell has more than one verdict for the same inputs; shown is what came last" in said


def test_where_a_design_leaves_it_open_nothing_contradicts(tmp_path: Path) -> None:
    race = replace(CELL, column=Column("v1", "7.3"), test=RACE, detail="came IN_IGNORED")
    both = [
        job(tmp_path, str(verdict), replace(race, verdict=verdict))
        for verdict in (Verdict.PASS, Verdict.FAIL)
    ]
    assert main(["merge", *both]) == 0


def test_revisions_that_are_not_here_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = replace(CELL, column=Column("v99", "7.3"))
    assert main(["merge", job(tmp_path, "both", CELL, other)]) == 0
    assert "left out: v99" in capsys.readouterr().err
    assert main(["merge", job(tmp_path, "other", other)]) == 2


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["merge", str(tmp_path / "none.db")]) == 2
    assert "there is no result file" in capsys.readouterr().err
