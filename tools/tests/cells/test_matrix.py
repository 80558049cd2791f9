# SPDX-License-Identifier: GPL-2.0-or-later
"""matrix.py, and the command: each column is one job, and none that a change can affect is left out."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from farwatch.app import App
from farwatch.cells import matrix
from farwatch.cells.wish import Wish
from farwatch.cli import build_parser, main
from farwatch.errors import FarwatchError
from farwatch.model import CellResult, Column, Verdict
from farwatch.results.store import Results


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FARWATCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def github(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, str]]:
    assert main(["matrix", *words]) == 0
    found: list[dict[str, str]] = json.loads(capsys.readouterr().out)["include"]
    return found


def test_every_combination_once(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--engine", "uml,vng-stock", "--flavor", "plain,kasan", "--base", "7.3,7.2")
    found = github(capsys, "reference", "v3", *words, "--share-settings", "default,cache-always")
    keys = ("revision", "base", "engine", "flavor", "share_settings")
    columns = {tuple(job[key] for key in keys) for job in found}
    # A tmpfs has no server, and so one setting
    assert len(found) == len(columns) == 8 + 16
    assert len({job["id"] for job in found}) == len({job["name"] for job in found}) == len(found)
    assert ("reference", "7.2", "vng-stock", "kasan", "default") in columns


def test_each_says_a_command_line_that_farwatch_takes(capsys: pytest.CaptureFixture[str]) -> None:
    for job in github(capsys, "--share-settings", "all"):
        command, *words = shlex.split(job["arguments"])
        args = build_parser(command).parse_args([command, *words])
        found = (args.revisions, args.base, args.engine, args.flavor, args.share_settings)
        assert found == ([job["revision"]], job["base"], job["engine"], job["flavor"], job["share_settings"])


def test_gitlab_has_a_job_for_each_and_one_where_there_is_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["matrix", "v3", "--format", "gitlab"]) == 0
    [job] = json.loads(capsys.readouterr().out).values()
    assert job["script"][0].startswith("./farwatch verify v3 ") and job["artifacts"]["when"] == "always"
    monkeypatch.setattr(matrix, "jobs", lambda *_: [])
    assert main(["matrix", "v3", "--format", "gitlab"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["nothing"]


V3 = Column("v3", "7.3")


def planned(*columns: tuple[Column, bool]) -> Any:
    """A plan in which the columns have something to do, or nothing."""
    return lambda *_: [SimpleNamespace(column=column, todo=(1,) if todo else ()) for column, todo in columns]


def test_only_what_is_not_known_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Results.open(tmp_path / "known.db") as store:
        store.store(CellResult(V3, "t", "a", Verdict.PASS))
    monkeypatch.setattr(matrix, "plan", planned((V3, False), (Column("v2", "7.3"), True)))
    assert [job["name"] for job in github(capsys, f"--since={tmp_path / 'known.db'}")] == ["v2/7.3/uml/plain"]


def test_what_cannot_be_looked_up_is_done_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_engine(_app: App, wishes: list[Wish], _known: Results) -> list[Any]:
        if wishes[0].engine != "uml":
            raise FarwatchError("QEMU is not there")
        return []

    Results.open(tmp_path / "known.db").close()
    monkeypatch.setattr(matrix, "plan", no_engine)
    assert main(["matrix", "v3", "--engine=uml,vng", f"--since={tmp_path / 'known.db'}"]) == 0
    said = capsys.readouterr()
    assert [job["engine"] for job in json.loads(said.out)["include"]] == ["vng"]
    assert "engine vng, flavor plain: QEMU is not there" in said.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--since=/nowhere/results.db",), "there is no result file /nowhere/results.db"),
        (("--base=7.3,9.9",), "9.9"),
        (("--engine=qemu",), "qemu"),
        (("v99",), "v99"),
    ],
)
def test_mistakes_are_named(words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matrix", *words]) == 2
    said = capsys.readouterr()
    assert says in said.err and not said.out
