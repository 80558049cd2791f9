# SPDX-License-Identifier: GPL-2.0-or-later
"""Which project is meant, and what is its own in a home."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from farwatch.app import App
from farwatch.cli import main
from farwatch.errors import FarwatchError
from farwatch.model import CellResult, Column, Verdict
from farwatch.results.store import Results
from farwatch.revisions import project
from farwatch.revisions.project import home_of, project_folder
from farwatch.revisions.start import new_files, write_project
from farwatch.system.home import Home, checkout_root


def made(folder: Path) -> Path:
    write_project(folder, new_files(None))
    return folder


@pytest.fixture
def here(tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, as the current one."""
    monkeypatch.setenv("FARWATCH_HOME", str(home.root))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def test_it_is_the_innermost_that_the_current_folder_is_in(
    here: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project_folder(None, home) == checkout_root()
    outer, inner = made(here / "outer"), made(here / "outer" / "deep" / "inner")
    for folder, found in ((outer, outer), (outer / "deep", outer), (inner / "patches" / "v1", inner)):
        monkeypatch.chdir(folder)
        assert project_folder(None, home) == found


def test_a_checkout_of_it_is_in_it(here: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    own = home_of(made(here / "mine"), home)
    tree = own.work / "v1-7.3" / "linux"
    tree.mkdir(parents=True)
    monkeypatch.chdir(tree)
    assert project_folder(None, home) == here / "mine"
    shutil.rmtree(here / "mine")
    assert project_folder(None, home) == checkout_root()


def test_the_current_folder_is_gone(here: Path, home: Home) -> None:
    here.rmdir()
    assert project_folder(None, home) == checkout_root()


def test_an_installed_farwatch_has_none_of_its_own(
    here: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project, "installed", lambda: True)
    with pytest.raises(FarwatchError, match="no project here") as caught:
        project_folder(None, home)
    assert "farwatch init" in caught.value.hint
    assert project_folder(str(made(here / "mine")), home) == here / "mine"


@pytest.mark.parametrize(
    ("named", "cause", "hint"),
    [
        ("mien", "did you mean '{here}/mine'?", "farwatch init mien"),
        ("far/away", "no such folder", "farwatch init"),
        ("file", "it is a file", ""),
        ("empty", "it has no patches/bases.toml", ""),
        ("mine/patches", "", "--project {here}/mine"),
    ],
)
def test_a_wrong_name(here: Path, home: Home, named: str, cause: str, hint: str) -> None:
    made(here / "mine")
    (here / "empty").mkdir()
    (here / "file").touch()
    with pytest.raises(FarwatchError) as caught:
        project_folder(named, home)
    assert cause.format(here=here) in caught.value.cause
    assert hint.format(here=here) in caught.value.hint


@pytest.mark.parametrize("words", [("--project", "mine", "list"), ("list", "--project=mine")])
def test_the_option_stands_before_the_command_or_behind(
    here: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    made(here / "mine")
    assert main([*words]) == 0
    said = capsys.readouterr().out
    assert "First revision (linux 7.3 + 0 patches)" in said
    assert "share settings" not in said  # there is nobody to serve one


def test_completion_is_that_of_the_project(here: Path) -> None:
    from farwatch.cli import build_parser
    from farwatch.commands.common import _completer

    made(here / "mine")
    args = build_parser("test").parse_args(["--project", "mine", "test", "x"])
    assert _completer("revision")("", parsed_args=args) == ["baseline", "v1"]


def test_two_projects_of_the_same_names_in_one_home(here: Path, home: Home) -> None:
    """Revision, base and test are called the same; neither sees what the other one has found."""
    for folder, verdict in ((made(here / "a" / "fix"), "pass"), (made(here / "b" / "fix"), "fail")):
        with Results.open(App.here(str(folder)).home.results) as results:
            results.store(CellResult(Column("v1", "7.3"), "x_test:global.x", "same", Verdict(verdict)))
    homes = [App.here(str(here / name / "fix")).home for name in "ab"]
    found = [Results.open(own.results).latest()[0].verdict for own in homes]
    assert found == [Verdict.PASS, Verdict.FAIL]
    assert homes[0].logs != homes[1].logs and homes[0].work != homes[1].work
    assert homes[0].builds == homes[1].builds == home.builds
    assert [own.folder for own in homes] == [here / "a" / "fix", here / "b" / "fix"]
    assert home.each() == [home, *sorted(homes, key=lambda own: own.project)]


def test_the_flagship_has_what_is_in_the_root(home: Home) -> None:
    assert home_of(checkout_root(), home) == home
    assert home.results == home.root / "results.db"


def test_checkouts_of_two_projects_are_on_different_branches(here: Path, home: Home) -> None:
    apps = [App(made(here / name), home_of(here / name, home)) for name in ("a", "b")]
    revision = apps[0].catalog.revision("v1")
    names = {app.trees.branch(revision, app.catalog.base("linux")) for app in apps}
    assert len(names) == 2 and all(name.endswith("/v1/7.3") for name in names)


def test_a_project_of_a_newer_farwatch(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bases = made(here / "mine") / "patches" / "bases.toml"
    bases.write_text(bases.read_text().replace("format = 1", "format = 2"))
    assert main(["--project", "mine", "list"]) == 2
    said = capsys.readouterr().err
    assert "this project is of a newer farwatch" in said and "update farwatch" in said


def test_a_project_that_cannot_be_written(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on a read-only file system: what reads goes on; what writes says why not, and leaves nothing."""
    made(here / "mine")

    def refuse(*_args: object, **_more: object) -> None:
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr("farwatch.system.atomic.tempfile.TemporaryDirectory", refuse)
    assert main(["--project", "mine", "list"]) == 0
    assert main(["--project", "mine", "new", "v2", "--from", "v1"]) == 2
    assert "cannot write in" in capsys.readouterr().err
    assert not (here / "mine" / "patches" / "v2").exists()
