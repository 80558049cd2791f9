# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.series.save import save
from farwatch.system import git
from farwatch.trees.trees import Source
from tests.samples.tree import FILES, Desk, add_base, commit, contents, desk

PATCH = """\
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: =?UTF-8?q?J=C3=B6rg=20M=C3=BCller?= <jm@example.org>
Date: Tue, 2 Nov 2021 10:00:00 +0530
Subject: [PATCH v3 2/7] fs: change two lines, and say so in a subject
 that is folded

The reason.

Reviewed-by: Nobody <nobody@example.org>
---
 fs/dir.c | 4 ++--
 1 file changed, 2 insertions(+), 2 deletions(-)

diff --git a/fs/dir.c b/fs/dir.c
--- a/fs/dir.c
+++ b/fs/dir.c
@@ -1,4 +1,4 @@
 line 1
-line 2
+line two
 line 3
 line 4
@@ -19,7 +19,7 @@ line 18
 line 19
 line 20
 line 21
-line 22
+line twenty-two
 line 23
 line 24
 line 25
"""


def put_patch(bench: Desk, text: str, name: str = "0001-fs.patch", revision: str = "v1") -> Path:
    path = bench.root / "patches" / revision / "thing" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def tip(bench: Desk, revision: str = "v1") -> Source:
    return bench.trees.tip(bench.revision(revision), "thing", bench.base)


def test_no_patches_is_the_base(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    source = tip(bench)
    assert source.commit == bench.trees.base_commit(bench.base)
    assert (source.path, source.revision, source.label) == (None, "v1", "v1 on thing 1.0")
    assert bench.trees.commits(bench.revision(), "thing", bench.base) == ()


def test_a_patch_becomes_the_commit_that_git_am_makes(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    patch = put_patch(bench, PATCH)
    source = tip(bench)
    repository = bench.trees.repository("thing")
    am = tmp_path / "am"
    git.git(
        "worktree", "add", "--quiet", "--detach", str(am), bench.trees.base_commit(bench.base), cwd=repository
    )
    who = {"GIT_COMMITTER_NAME": "x", "GIT_COMMITTER_EMAIL": "x@example.org"}
    git.git("am", "--quiet", str(patch), cwd=am, env=who)
    form = "--format=%T%n%an%n%ae%n%ad%n%B"
    assert git.line("log", "-1", form, source.commit, cwd=am) == git.line("log", "-1", form, "HEAD", cwd=am)
    assert "Jörg Müller\njm@example.org" in git.line("log", "-1", "--format=%cn%n%ce", source.commit, cwd=am)
    assert bench.trees.commits(bench.revision(), "thing", bench.base) == (source.commit,)


def test_same_series_has_the_same_ids_everywhere(tmp_path: Path) -> None:
    found = []
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        bench = desk(tmp_path / place)
        put_patch(bench, PATCH)
        found.append(tip(bench).commit)
    assert found[0] == found[1]


def test_tip_is_made_once_and_again_when_a_patch_changes(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    put_patch(bench, PATCH)
    first = tip(bench)
    bench.said.clear()
    assert bench.again().tip(bench.revision(), "thing", bench.base) == first
    assert bench.said == []
    put_patch(bench, PATCH.replace("+line two", "+line 2b"))
    assert tip(bench).tree != first.tree
    assert any("applying" in line for line in bench.said)


def test_a_patch_that_does_not_apply_names_patch_file_and_hunk(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    put_patch(bench, PATCH.replace("-line 22", "-line 99"), name="0002-x.patch")
    with pytest.raises(FarwatchError) as caught:
        tip(bench)
    error = caught.value
    assert error.what == "v1 thing: 0002-x.patch does not apply to thing 1.0"
    assert "fs/dir.c: hunk 2, at line 23 of the patch: @@ -19,7 +19,7 @@" in error.cause
    assert error.hint


def test_context_must_match_as_a_whole(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    put_patch(bench, PATCH.replace(" line 24", " line 24 "))
    with pytest.raises(FarwatchError, match="does not apply"):
        tip(bench)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    put_patch(bench, PATCH.replace("fs/dir.c", "fs/gone.c"))
    with pytest.raises(FarwatchError) as caught:
        tip(bench)
    assert "fs/gone.c: does not exist in index" in caught.value.cause


def new_file(name: str) -> str:
    head = PATCH[: PATCH.index("diff --git")]
    diff = f"diff --git a/{name} b/{name}\nnew file mode 100644\n--- /dev/null\n+++ b/{name}\n"
    return f"{head}{diff}@@ -0,0 +1 @@\n+x\n"


@pytest.mark.parametrize("name", ["fs", "Makefile/x", "Makefile"])
def test_what_is_in_the_way_of_a_new_file(tmp_path: Path, name: str) -> None:
    bench = desk(tmp_path)
    put_patch(bench, new_file(name))
    with pytest.raises(FarwatchError, match="does not apply"):
        tip(bench)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "0 bytes"),
        ("hello\n", "no From line"),
        (PATCH.replace("Date: ", "X-Date: "), "no Date line"),
        (PATCH[: PATCH.index("diff --git")], "no diff"),
        (PATCH + PATCH.replace("0000000 Mon", "0000001 Mon"), "more than one patch"),
    ],
)
def test_what_is_not_a_patch(tmp_path: Path, text: str, cause: str) -> None:
    bench = desk(tmp_path)
    put_patch(bench, text)
    with pytest.raises(FarwatchError, match=r"0001-fs.patch is not a patch") as caught:
        tip(bench)
    assert cause in caught.value.cause and "git format-patch" in caught.value.hint


def test_a_truncated_patch_does_not_apply(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    put_patch(bench, PATCH[: PATCH.index(" line 24")])
    with pytest.raises(FarwatchError, match="does not apply") as caught:
        tip(bench)
    assert "corrupt patch" in caught.value.cause


def test_managed_has_the_content_and_touches_only_what_differs(tmp_path: Path) -> None:
    bench = desk(tmp_path, "v1", "v2")
    put_patch(bench, PATCH, revision="v2")
    one, two = tip(bench, "v1"), tip(bench, "v2")
    with bench.trees.managed(one) as folder:
        assert contents(folder) == FILES
        assert os.access(folder / "tool.sh", os.X_OK) and not os.access(folder / "Makefile", os.X_OK)
        before = {path: path.lstat().st_mtime_ns for path in folder.rglob("*") if not path.is_dir()}
        (folder / "left.o").write_text("ignored")
        (folder / "left").write_text("new")
        (folder / "nested").mkdir()
        subprocess.run(["git", "init", "-q", str(folder / "nested")], check=True)
    with bench.trees.managed(two) as again:
        assert again == folder
        assert contents(folder).keys() == FILES.keys()
        assert b"line two" in (folder / "fs/dir.c").read_bytes()
        after = {path: path.lstat().st_mtime_ns for path in folder.rglob("*") if not path.is_dir()}
        assert {path.name for path in before if before[path] != after[path]} == {"dir.c"}


def test_managed_undoes_edits_and_survives_damage(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    source = tip(bench)
    with bench.trees.managed(source) as folder:
        git_dir = Path(git.line("rev-parse", "--absolute-git-dir", cwd=folder))
    (folder / "Makefile").write_text("edited")
    (git_dir / "index.lock").touch()
    with bench.trees.managed(source):
        assert contents(folder) == FILES
    for damage in (lambda: (git_dir / "index").write_text("rubbish"), lambda: shutil.rmtree(git_dir)):
        damage()
        with bench.trees.managed(source):
            assert contents(folder) == FILES
    shutil.rmtree(folder)
    with bench.trees.managed(source):
        assert contents(folder) == FILES


def test_managed_is_one_at_a_time(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    source = tip(bench)
    order: list[str] = []
    inside = threading.Event()

    def second() -> None:
        inside.wait(10)
        with bench.again().managed(source):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with bench.trees.managed(source):
        inside.set()
        thread.join(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert any("waiting for" in line for line in bench.said)


def test_checkout_is_on_a_branch_with_the_series(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    put_patch(bench, PATCH)
    path = bench.checkout()
    assert path == bench.home.work / "v1-1.0" / "thing"
    assert git.line("symbolic-ref", "HEAD", cwd=path) == "refs/heads/v1/1.0"
    assert git.line("rev-parse", "HEAD", cwd=path) == tip(bench).commit
    assert b"line two" in (path / "fs/dir.c").read_bytes()


def test_checkout_follows_the_patches_when_nothing_is_unsaved(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    path = bench.checkout()
    put_patch(bench, PATCH)
    assert bench.checkout() == path
    assert git.line("rev-parse", "HEAD", cwd=path) == tip(bench).commit
    shutil.rmtree(path)
    bench.checkout()
    assert b"line two" in (path / "fs/dir.c").read_bytes()


@pytest.mark.parametrize("state", ["changed", "new", "staged", "committed", "branch", "rebase"])
def test_checkout_keeps_unsaved_work(tmp_path: Path, state: str) -> None:
    bench = desk(tmp_path)
    path = bench.checkout()
    (path / ("new" if state == "new" else "Makefile")).write_text("mine\n")
    if state == "staged":
        git.git("add", "--all", cwd=path)
    if state in ("committed", "branch"):
        commit(path, "mine")
    if state == "branch":
        git.git("checkout", "--quiet", "--detach", "HEAD^", cwd=path)
    if state == "rebase":
        git.git("checkout", "--quiet", "--force", ".", cwd=path)
        git_dir = Path(git.line("rev-parse", "--absolute-git-dir", cwd=path))
        (git_dir / "rebase-merge").mkdir()
    before = (git.line("rev-parse", "HEAD", "v1/1.0", cwd=path), contents(path))
    put_patch(bench, PATCH)
    assert bench.checkout() == path
    assert (git.line("rev-parse", "HEAD", "v1/1.0", cwd=path), contents(path)) == before
    assert "kept" in bench.said[-1] and "farwatch save v1" in bench.said[-1]


def test_commits_survive_when_the_folder_is_deleted(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    path = bench.checkout()
    (path / "Makefile").write_text("mine\n")
    mine = commit(path, "mine")
    shutil.rmtree(path)
    bench.checkout()
    assert git.line("rev-parse", "HEAD", cwd=path) == mine
    assert "v1/1.0 has commits" in bench.said[-1]


def test_checkout_refuses_a_folder_that_is_not_its_own(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    path = bench.trees.work_path(bench.revision(), "thing", bench.base)
    path.mkdir(parents=True)
    (path / "precious").write_text("x")
    with pytest.raises(FarwatchError, match="cannot use"):
        bench.checkout()
    assert (path / "precious").read_text() == "x"


def test_new_files_are_seen_where_the_base_ignores_all_of_them(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    odd = b"*.o\n# packaging: ignore everything\n/*\n!/debian/\n"
    base = add_base(bench, "2.0", {".gitignore": odd})
    for _ in range(2):
        path = bench.trees.checkout(bench.revision(), "thing", base)
        assert git.git("status", "--porcelain", cwd=path) == b""
    (path / "fs/new.c").write_text("new\n")
    (path / "fs/new.o").write_text("ignored\n")
    source = bench.again().working(bench.revision(), "thing", base)
    assert source is not None
    listed = git.git("ls-tree", "-r", "--name-only", source.tree, cwd=path).decode().split("\n")
    assert "fs/new.c" in listed and "fs/new.o" not in listed
    commit(path, "a new file")
    assert git.git("show", "HEAD:.gitignore", cwd=path) == odd, "for git it is what it was"
    git.git("reset", "--quiet", "--hard", "HEAD^", cwd=path)
    assert git.git("status", "--porcelain", cwd=path) == b""


def working(bench: Desk) -> Source | None:
    return bench.again().working(bench.revision(), "thing", bench.base)


def test_working_is_none_without_a_difference(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    assert working(bench) is None
    assert not bench.trees.imported(bench.base), "nothing is imported to find that out"
    path = bench.checkout()
    assert working(bench) is None
    (path / "x.o").write_text("ignored")
    (path / "Makefile").touch()
    assert working(bench) is None


def test_working_covers_every_change(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    path = bench.checkout()
    index = Path(git.line("rev-parse", "--absolute-git-dir", cwd=path)) / "index"
    trees: list[str] = []
    for step in (
        lambda: (path / "Makefile").write_text("edited"),
        lambda: (path / "Makefile").write_text("edited again"),
        lambda: (path / "new").write_text("new"),
        (path / "binary").unlink,
        lambda: (path / "tool.sh").chmod(0o644),
        lambda: git.git("add", "--all", cwd=path),
        lambda: commit(path, "all of it"),
    ):
        step()
        before = index.read_bytes()
        source = working(bench)
        assert source is not None and source.path == path and "edited" in source.label
        entries = git.git("ls-files", "--stage", cwd=path)
        trees.append(source.tree)
        assert git.git("ls-files", "--stage", cwd=path) == entries and before
    assert len(set(trees)) == 5, "staging and committing change no content"
    assert trees[-1] == git.line("rev-parse", "HEAD^{tree}", cwd=path)
    put_patch(bench, PATCH)
    save(bench.trees, bench.revision(), "thing", bench.base)
    assert working(bench) is None


def test_a_checkout_of_older_patches_does_not_count(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    path = bench.checkout()
    put_patch(bench, PATCH)
    assert working(bench) is None, "nobody edited it"
    bench.checkout()
    git.git("reset", "--quiet", "--hard", "HEAD^", cwd=path)
    source = working(bench)
    assert source is not None, "somebody dropped the patch"
    assert source.commit == bench.trees.base_commit(bench.base)


def test_a_lost_repository_is_said(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    bench.checkout()
    shutil.rmtree(bench.home.git)
    with pytest.raises(FarwatchError, match="has lost its repository"):
        working(bench)


def test_users_git_settings_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "user").mkdir()
    (tmp_path / "user/hook").mkdir()
    hook = tmp_path / "user/hook/post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hook-ran\n")
    hook.chmod(0o755)
    settings = f"""
[core]
    autocrlf = true
    hooksPath = {tmp_path}/user/hook
    excludesFile = {tmp_path}/user/ignore
    attributesFile = {tmp_path}/user/attributes
[commit]
    gpgSign = true
[diff]
    noprefix = true
    mnemonicPrefix = true
[format]
    signOff = true
    attach = x
"""
    (tmp_path / "user/.gitconfig").write_text(settings)
    (tmp_path / "user/attributes").write_text("* text eol=crlf\n")
    (tmp_path / "user/ignore").write_text("new\n")
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "user/.gitconfig"))
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    bench = desk(tmp_path)
    put_patch(bench, PATCH)
    path = bench.checkout()
    expected = dict(FILES)
    expected["fs/dir.c"] = (path / "fs/dir.c").read_bytes()
    assert contents(path) == expected and b"\r" not in (path / "fs/dir.c").read_bytes()
    assert not (tmp_path / "hook-ran").exists()
    (path / "new").write_text("x")
    assert working(bench) is not None


def test_heavy_modules_stay_out_of_the_quick_path(tmp_path: Path) -> None:
    heavy = ("git", "urllib.request", "jinja2", "rich")
    code = f"import sys, farwatch.trees.trees; print([name for name in {heavy} if name in sys.modules])"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=tmp_path, check=True
    )
    assert done.stdout.strip() == "[]"
