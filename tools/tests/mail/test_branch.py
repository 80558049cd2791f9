# SPDX-License-Identifier: GPL-2.0-or-later
"""A branch to push, where a project takes merge requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.mail.send import prepare_branch
from farwatch.system import git
from tests.samples.mail import app_of, write_series
from tests.samples.tree import TEXT, Desk, desk


@pytest.fixture
def bench(tmp_path: Path) -> Desk:
    made = desk(tmp_path)
    write_series(made)
    (made.root / "patches/v1/cover-letter.txt").write_text("A title\n\nWhy.\n")
    return made


def prepare(bench: Desk, clone: Path | None = None) -> Path:
    app = app_of(bench)
    prepare_branch(app, app.catalog.revision("v1"), "thing", bench.root.parent / "out", clone)
    return clone or bench.root.parent / "out/thing-branch"


def project(folder: Path, tag: str = "v1.0", text: str = TEXT) -> Path:
    """A clone, with more in it than a package has, and a commit after its release."""
    (folder / "fs").mkdir(parents=True)
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    git.git("init", "--quiet", "--initial-branch=main", ".", cwd=folder)
    for number, content in enumerate((text, text + "later\n")):
        (folder / "fs/dir.c").write_text(content)
        (folder / "CI").write_text("x\n")
        git.git("add", "--all", cwd=folder)
        git.git(*who, "commit", "--quiet", "-m", f"c{number}", cwd=folder)
        if not number:
            git.git("tag", tag, cwd=folder)
    return folder


def subjects(place: Path) -> list[str]:
    return git.line("log", "--format=%s", "v1", cwd=place).split("\n")


def test_in_a_new_repository(bench: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        place = prepare(bench)
        assert subjects(place)[:2] == ["fs: rename a file", "fs: change a line"]
        assert (place / "fs/folder.c").is_file() and not git.line("status", "--porcelain", cwd=place)
    said = git.line("config", "branch.v1.description", cwd=place)
    assert said.startswith("A title\n\nWhy.\n\nFor thing 1.0.") and "---" not in said
    assert "farwatch adopt v1" in capsys.readouterr().out


@pytest.mark.parametrize("tag", ["v1.0", "1.0", "thing-v1.0"])
def test_in_a_clone_on_the_commit_of_the_release(bench: Desk, tmp_path: Path, tag: str) -> None:
    clone = prepare(bench, project(tmp_path / "clone", tag))
    assert subjects(clone) == ["fs: rename a file", "fs: change a line", "c0"]
    assert git.line("ls-tree", "--name-only", "v1", cwd=clone).split() == ["CI", "fs"]
    assert git.line("symbolic-ref", "HEAD", cwd=clone) == "refs/heads/main", "what is checked out stays"
    assert git.line("config", "branch.v1.description", cwd=clone).startswith("A title")
    prepare(bench, clone)


def test_what_a_clone_lacks(bench: Desk, tmp_path: Path) -> None:
    with pytest.raises(FarwatchError, match="is no git repository"):
        prepare(bench, tmp_path / "none")
    with pytest.raises(FarwatchError, match=r"no commit that thing-1\.0 was made from") as caught:
        prepare(bench, project(tmp_path / "other", "v0.9"))
    assert "v1.0, 1.0" in caught.value.cause and "fetch --tags" in caught.value.hint
    with pytest.raises(FarwatchError, match="does not apply"):
        prepare(bench, project(tmp_path / "changed", text=TEXT.replace("line 5\n", "line V\n")))
    taken = project(tmp_path / "taken")
    git.git("branch", "v1", cwd=taken)
    with pytest.raises(FarwatchError, match="has another branch v1") as caught:
        prepare(bench, taken)
    assert "branch -m v1 OTHER" in caught.value.hint
