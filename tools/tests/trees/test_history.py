# SPDX-License-Identifier: GPL-2.0-or-later
"""What is read of a checkout's commits, in a shell that has another repository in mind as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from farwatch.system import git
from farwatch.trees.history import above
from tests.samples.tree import commit, desk


@pytest.mark.parametrize(
    "variable", ["", "GIT_DIR", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_WORK_TREE"]
)
def test_the_commits_of_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    path = desk(tmp_path).checkout()
    base = git.line("rev-parse", "HEAD", cwd=path)
    (path / "new").write_text("x\n")
    commit(path, "fs: one\n\nIts body.")
    git.git("commit", "--quiet", "--allow-empty", "-m", "fs: two", cwd=path, env=WHO)
    other = tmp_path / "other"
    git.init_bare(other / "objects")
    if variable:
        monkeypatch.setenv(variable, str(other / "objects"))
    one, two = above(base, path)
    assert (one.summary, one.has_message, one.is_merge, one.changes) == ("fs: one", True, False, True)
    assert (two.summary, two.changes) == ("fs: two", False)
    assert two.id == git.line("rev-parse", "HEAD", cwd=path)


WHO = {
    f"GIT_{role}_{part}": "a@example.org" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")
}
