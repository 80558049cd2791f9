# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farwatch.errors import FarwatchError
from farwatch.series.save import Saved, save
from farwatch.system import atomic, git
from farwatch.trees.patch_mail import tidy
from tests.samples.tree import TEXT, Desk, commit, desk


def saved(bench: Desk) -> Saved:
    return save(bench.again(), bench.revision(), "thing", bench.base)


def files(bench: Desk) -> dict[str, bytes]:
    folder = bench.root / "patches/v1/thing"
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*"))} if folder.is_dir() else {}


def log(path: Path, form: str = "%T %an %ae %ad %B") -> str:
    return git.line("log", "--reverse", f"--format={form}", "HEAD", cwd=path)


def write_real_series(path: Path) -> None:
    """A series with what makes patches differ: renames, modes, binary and odd files, names, texts."""
    (path / "fs/dir.c").write_text(TEXT.replace("line 5\n", "line five\n"))
    commit(path, "fs: change a line\n\nThe reason.\n\nReviewed-by: Nobody <nobody@example.org>")
    (path / "fs/dir.c").rename(path / "fs/folder.c")
    (path / "link").unlink()
    (path / "link").symlink_to("fs/folder.c")
    commit(path, "fs: rename a file, and a link to it", author="Jörg Müller <jm@example.org>")
    (path / "tool.sh").chmod(0o644)
    (path / "Makefile").chmod(0o755)
    commit(path, "modes only")
    (path / "binary").write_bytes(bytes(reversed(range(256))) * 3)
    (path / "new.bin").write_bytes(b"\0\1\2\xff" * 50)
    commit(path, "binary: " + "a very long subject " * 12 + "äöü")
    (path / "fs/crlf.txt").write_bytes(b"one\r\nzwei\r\n")
    (path / "ß and\tblank").write_text("no newline at the end")
    (path / "empty").unlink()
    commit(
        path,
        "odd files\n\nFrom here on\n\nFrom 1 Mon Sep 17 00:00:00 2001\n\n> quote\n\n  indented\n\tbody äöü €",
    )
    # moved lines: the diff algorithms do not agree about them
    order = [23, 24, 25, 1, 1, 2, 3, 2, 3, 18, 19, 20, *range(4, 31)]
    (path / "fs/folder.c").write_text("".join(f"line {number}\n" for number in order))
    commit(path, "fs: move lines")
    (path / "Makefile").write_text("all:\n")
    commit(
        path,
        "[fs] Re: a subject in brackets\n\nBody.\n---\nv2: changed what was asked for\n\nv1: https://example.org/",
    )


def test_save_writes_the_series(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    path = bench.checkout()
    write_real_series(path)
    before = log(path)
    result = saved(bench)
    assert result.changed and len(result.files) == 7
    assert [file.name for file in result.files][:2] == [
        "0001-fs-change-a-line.patch",
        "0002-fs-rename-a-file-and-a-link-to-it.patch",
    ]
    first = result.files[0].read_text()
    assert first.startswith(
        "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\nFrom: A Person"
    )
    assert "\nSubject: [PATCH] fs: change a line\n" in first
    assert "\n---\n fs/dir.c | 2 +-\n" in first
    assert "rename from fs/dir.c" in result.files[1].read_text()
    assert log(path) == before, "nothing is lost on the way"


def test_checkout_then_save_changes_nothing(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    write_real_series(bench.checkout())
    saved(bench)
    before = files(bench)
    stamps = {path: path.stat().st_mtime_ns for path in (bench.root / "patches/v1/thing").iterdir()}
    # elsewhere, from the patch files alone
    (tmp_path / "other").mkdir()
    other = desk(tmp_path / "other")
    (other.root / "patches/v1/thing").mkdir()
    for name, content in before.items():
        (other.root / "patches/v1/thing" / name).write_bytes(content)
    assert git.line("rev-parse", "HEAD", cwd=other.checkout()) == git.line(
        "rev-parse", "HEAD", cwd=bench.checkout()
    )
    for place in (bench, other):
        result = saved(place)
        assert not result.changed
        assert files(place) == before
    assert stamps == {path: path.stat().st_mtime_ns for path in (bench.root / "patches/v1/thing").iterdir()}


def test_git_am_takes_the_files(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    path = bench.checkout()
    (path / "fs/dir.c").write_text(TEXT.replace("line 5\n", "line five\n"))
    commit(path, "fs: change a line\n\nThe reason.", author="Jörg Müller <jm@example.org>")
    (path / "fs/dir.c").rename(path / "fs/folder.c")
    commit(path, "fs: rename a file")
    result = saved(bench)
    am = tmp_path / "am"
    base = bench.trees.base_commit(bench.base)
    git.git("worktree", "add", "--quiet", "--detach", str(am), base, cwd=bench.trees.repository("thing"))
    who = {"GIT_COMMITTER_NAME": "x", "GIT_COMMITTER_EMAIL": "x@example.org"}
    git.git("am", "--quiet", *map(str, result.files), cwd=am, env=who)
    assert log(am) == log(path)


def test_save_replaces_what_was_there_and_keeps_other_files(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    path = bench.checkout()
    write_real_series(path)
    saved(bench)
    (bench.root / "patches/v1/thing/NOTES").write_text("kept")
    git.git("reset", "--quiet", "--hard", "HEAD~5", cwd=path)
    assert saved(bench).changed
    assert sorted(files(bench)) == [
        "0001-fs-change-a-line.patch",
        "0002-fs-rename-a-file-and-a-link-to-it.patch",
        "NOTES",
    ]
    assert bench.again().working(bench.revision(), "thing", bench.base) is None
    assert not list((bench.root / "patches").rglob(".*"))


def test_notes_below_the_line_stay_where_a_person_put_them(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    path = bench.checkout()
    (path / "Makefile").write_text("all:\n")
    commit(path, "make: less\n\nReason.")
    file = saved(bench).files[0]
    file.write_text(file.read_text().replace("\n---\n", "\n---\nv2: not so much\n\n", 1))
    path = bench.checkout()
    assert log(path, "%B").endswith("make: less\n\nReason.\n---\nv2: not so much")
    assert saved(bench).changed
    assert "v2: not so much" in file.read_text()
    before = files(bench)
    assert not saved(bench).changed and files(bench) == before


@pytest.mark.parametrize(
    ("message", "lost"),
    [
        ("subject\n\nFrom: Somebody Else <else@example.org>\n\nbody", "author"),
        ("subject\n\nbody\n\ndiff --git a/x b/x\n\nmore", "message"),
        ("subject\n\nbody\n\nIndex: x\n\nmore", "message"),
        ("subject\n\nbody\n\n--- a\n\nmore", "message"),
    ],
)
def test_a_message_that_mail_would_change_is_refused(tmp_path: Path, message: str, lost: str) -> None:
    bench = desk(tmp_path)
    path = bench.checkout()
    (path / "Makefile").write_text("all:\n")
    commit(path, message)
    with pytest.raises(FarwatchError) as caught:
        saved(bench)
    assert lost in caught.value.what or "is not a patch" in caught.value.what or "apply" in caught.value.what
    assert files(bench) == {}


def broken(path: Path, how: str) -> None:
    (path / "Makefile").write_text("mine\n")
    if how in ("changed", "new", "staged"):
        if how == "new":
            git.git("checkout", "--quiet", "Makefile", cwd=path)
            (path / "new").write_text("x")
        if how == "staged":
            git.git("add", "--all", cwd=path)
        return
    commit(path, "" if how == "no message" else "mine")
    if how == "same subject":
        (path / "Makefile").write_text("mine again\n")
        commit(path, "mine\n\nfor another reason")
    if how == "empty":
        commit(path, "nothing")
    if how == "merge":
        git.git("checkout", "--quiet", "-b", "side", "HEAD^", cwd=path)
        (path / "side").write_text("x")
        commit(path, "side")
        who = {f"GIT_{role}_{part}": "x@x" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
        git.git("merge", "--quiet", "--no-edit", "v1/1.0", cwd=path, env=who)
    if how == "other base":
        git.git("checkout", "--quiet", "--orphan", "other", cwd=path)
        commit(path, "another root")
    if how == "rebase":
        git_dir = Path(git.line("rev-parse", "--absolute-git-dir", cwd=path))
        (git_dir / "rebase-merge").mkdir()
    if how == "no commits":
        git.git("reset", "--quiet", "--hard", "HEAD^", cwd=path)


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("changed", "not committed"),
        ("new", "not committed"),
        ("staged", "not committed"),
        ("no message", "has no message"),
        ("same subject", "have the same subject"),
        ("empty", "changes nothing"),
        ("merge", "is a merge"),
        ("other base", "not on top of its base"),
        ("rebase", "a git rebase is going on"),
        ("no commits", "no commits on top"),
    ],
)
def test_save_refuses_what_is_no_series(tmp_path: Path, how: str, what: str) -> None:
    bench = desk(tmp_path)
    path = bench.checkout()
    (path / "binary").unlink()
    commit(path, "first")
    saved(bench)
    before = files(bench)
    if how == "no commits":
        git.git("reset", "--quiet", "--hard", "HEAD^", cwd=path)
    broken(path, how)
    with pytest.raises(FarwatchError, match=what) as caught:
        saved(bench)
    assert caught.value.hint
    assert files(bench) == before


def test_save_without_a_checkout(tmp_path: Path) -> None:
    with pytest.raises(FarwatchError, match="has no checkout") as caught:
        saved(desk(tmp_path))
    assert "farwatch checkout v1 thing" in caught.value.hint


@pytest.mark.parametrize(
    "where",
    ["series.save._format", "series.save._require_same", "system.atomic._put", "system.atomic.exchange"],
)
def test_an_interrupted_save_leaves_the_old_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    bench = desk(tmp_path)
    path = bench.checkout()
    (path / "binary").unlink()
    commit(path, "first")
    saved(bench)
    before = files(bench)
    (path / "Makefile").write_text("mine\n")
    commit(path, "second")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(f"farwatch.{where}", killed)
        saved(bench)
    assert files(bench) == before
    (bench.root / "patches/.v1-new-left").mkdir()  # of a save that was killed outright
    assert len(saved(bench).files) == 2
    assert not list((bench.root / "patches").rglob(".*"))


def test_users_settings_in_the_checkout_do_not_change_the_files(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    path = bench.checkout()
    write_real_series(path)
    saved(bench)
    before = files(bench)
    for key, value in {
        "format.signOff": "true",
        "format.attach": "x",
        "format.to": "x@example.org",
        "format.headers": "X-Mailer: y",
        "format.numbered": "true",
        "format.subjectPrefix": "RFC",
        "format.suffix": ".txt",
        "format.coverLetter": "true",
        "format.filenameMaxLength": "20",
        "format.notes": "true",
        "format.useAutoBase": "whenAble",
        "format.from": "true",
        "format.thread": "deep",
        "diff.algorithm": "patience",
        "diff.context": "7",
        "diff.interHunkContext": "9",
        "diff.renames": "false",
        "diff.noprefix": "true",
        "diff.indentHeuristic": "false",
        "diff.statGraphWidth": "10",
        "core.abbrev": "40",
        "core.quotePath": "false",
        "log.date": "iso",
    }.items():
        git.git("config", key, value, cwd=path)
    assert not saved(bench).changed
    assert files(bench) == before


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t"), max_size=200)
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=40)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    bench = desk(tmp_path_factory.mktemp("shared"))
    bench.checkout()
    return bench


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(subject=NAMES, body=TEXTS, name=NAMES, content=st.binary(max_size=300))
def test_any_commit_survives_or_is_refused(
    shared: Desk, subject: str, body: str, name: str, content: bytes
) -> None:
    path = shared.trees.work_path(shared.revision(), "thing", shared.base)
    git.git("reset", "--quiet", "--hard", shared.trees.base_commit(shared.base), cwd=path)
    (path / "file").write_bytes(content + b".")
    name = "".join(letter for letter in name if letter not in "<>") + " x"
    commit(path, f"{subject}\n\n{body}", author=f"{name} <x@example.org>", cleanup="verbatim")
    if not log(path, "%B").rpartition("sha256")[2].strip():
        return
    tree = git.line("rev-parse", "HEAD^{tree}", cwd=path)
    before = files(shared)
    try:
        saved(shared)
    except FarwatchError as error:
        assert error.hint and files(shared) == before
        return
    written = files(shared)
    assert git.line("rev-parse", "HEAD^{tree}", cwd=path) == tree
    assert not saved(shared).changed
    git.git("checkout", "--quiet", "--detach", cwd=path)
    git.git("update-ref", "-d", "refs/heads/v1/1.0", cwd=path)
    fresh = shared.again()
    assert fresh.tip(shared.revision(), "thing", shared.base).commit == git.line(
        "rev-parse", "HEAD", cwd=path
    )
    git.git("checkout", "--quiet", "-B", "v1/1.0", cwd=path)
    assert not saved(shared).changed and files(shared) == written


def test_ordinary_messages_are_not_refused(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    path = bench.checkout()
    texts = [
        "a: b",
        "b: b\n\nc",
        'c: b\n\n* c\n  - d\n\nLink: https://example.org/?q=1\nFixes: 0123456789ab ("x")',
        "ä",
    ]
    for number, text in enumerate(texts):
        (path / "file").write_text(str(number))
        commit(path, text)
    before = log(path)
    saved(bench)
    assert log(path) == before


def test_tidy() -> None:
    assert tidy(b"\n\na  \n\n\n\nb\t\nc\n\n") == b"a\n\nb\nc\n"


def test_exchange_falls_back_to_two_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoLibc:
        def __init__(self, *_: object, **__: object) -> None: ...

        def renameat2(self, *_: object) -> int:
            return -1

    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    monkeypatch.setattr("ctypes.CDLL", NoLibc)
    atomic.exchange(tmp_path / "one", tmp_path / "other")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["one"]
