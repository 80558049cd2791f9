# SPDX-License-Identifier: GPL-2.0-or-later
"""farwatch init."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from farwatch.cli import main
from farwatch.errors import FarwatchError
from farwatch.revisions import start
from farwatch.revisions.catalog import Catalog
from farwatch.revisions.start import example_files, examples, new_files, write_project
from farwatch.system import git

KERNEL = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\nEXTRAVERSION = -rc3\n"


def repository(folder: Path, makefile: str = KERNEL) -> str:
    """A repository with one commit; the commit."""
    folder.mkdir()
    (folder / "Makefile").write_text(makefile)
    git.git("init", "--quiet", cwd=folder)
    git.git("add", "--all", cwd=folder)
    person = ("-c", "user.name=A Tester", "-c", "user.email=tester@example.org")
    git.git(*person, "commit", "--quiet", "--message=x", cwd=folder)
    return git.line("rev-parse", "HEAD", cwd=folder)


def test_a_new_project_is_one(tmp_path: Path) -> None:
    write_project(tmp_path / "mine", new_files(None))
    catalog = Catalog.load(tmp_path / "mine", ["uml"])
    assert [revision.name for revision in catalog.revisions()] == ["baseline", "v1"]
    assert catalog.components() == ["linux"]
    assert {revision.share for revision in catalog.revisions()} == {"none"}
    assert (tmp_path / "mine" / "kernel-tests" / "example_test.c").is_file()
    assert "farwatch verify" in (tmp_path / "mine" / "README.md").read_text()


@pytest.mark.parametrize("named", ["7.2", "linux-7.2"])
def test_a_base_that_is_known(tmp_path: Path, named: str) -> None:
    write_project(tmp_path / "mine", new_files(named))
    catalog = Catalog.load(tmp_path / "mine")
    assert catalog.base("linux").name == "7.2"
    assert catalog.revision("v1").bases == {"linux": "7.2"}


def test_a_repository(tmp_path: Path) -> None:
    commit = repository(tmp_path / "linux")
    write_project(tmp_path / "mine", new_files(str(tmp_path / "linux")))
    base = Catalog.load(tmp_path / "mine").base("linux")
    assert (base.name, base.kind, base.commit) == ("mine-6.12-rc3", "git", commit)
    assert base.location == str(tmp_path / "linux")


def test_a_tarball(tmp_path: Path) -> None:
    tarball = tmp_path / "linux-6.12.3.tar.xz"
    tarball.write_bytes(b"x")
    write_project(tmp_path / "mine", new_files(str(tarball)))
    base = Catalog.load(tmp_path / "mine").base("linux")
    assert (base.name, base.kind) == ("mine-6.12.3", "tarball")
    assert base.sha256 == hashlib.sha256(b"x").hexdigest()


def test_no_kernel(tmp_path: Path) -> None:
    repository(tmp_path / "other", "all:\n")
    with pytest.raises(FarwatchError, match="not a kernel's"):
        new_files(str(tmp_path / "other"))
    with pytest.raises(FarwatchError, match="no git repository"):
        new_files(str(tmp_path))
    with pytest.raises(FarwatchError, match=r"unknown base or path '7\.4'") as caught:
        new_files("7.4")
    assert "a git repository of the kernel" in caught.value.hint


def test_what_is_there_stays(tmp_path: Path) -> None:
    """A folder with other things may become a project; one with the same things may not."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes").write_text("mine")
    write_project(mine, new_files(None))
    assert (mine / "notes").read_text() == "mine"
    with pytest.raises(FarwatchError, match="is a project already"):
        write_project(mine, new_files(None))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "README.md").write_text("mine")
    with pytest.raises(FarwatchError, match="cannot make a project") as caught:
        write_project(tmp_path / "other", new_files(None))
    assert "README.md" in caught.value.cause
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["README.md"]
    with pytest.raises(FarwatchError, match="is a file"):
        write_project(mine / "notes", new_files(None))


def test_an_interruption_leaves_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Path.write_bytes

    def fail(self: Path, data: bytes) -> int:
        if self.name == "bases.toml":
            raise KeyboardInterrupt
        return written(self, data)

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(KeyboardInterrupt):
        write_project(tmp_path / "mine", new_files(None))
    assert not [path for path in (tmp_path / "mine").rglob("*") if path.is_file()]
    monkeypatch.undo()
    write_project(tmp_path / "mine", new_files(None))


@pytest.mark.parametrize("name", examples())
def test_an_example_is_a_project(tmp_path: Path, name: str) -> None:
    write_project(tmp_path / "mine", example_files(name))
    catalog = Catalog.load(tmp_path / "mine", ["uml"])
    assert catalog.revision("baseline").expectations
    assert catalog.tests.is_dir()


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FARWATCH_HOME", str(tmp_path / "home"))
    assert main(["init", "mine"]) == 0
    assert "cd mine; farwatch verify" in capsys.readouterr().out
    assert main(["init", "other", "--example", "pipe-fdinf"]) == 2
    assert "did you mean 'pipe-fdinfo'?" in capsys.readouterr().err
    assert main(["init", "other", "--linux", "7.3", "--example", "pipe-fdinfo"]) == 2
    assert not (tmp_path / "other").exists()
    assert start.examples() == ["from-a-list", "pipe-fdinfo"]
