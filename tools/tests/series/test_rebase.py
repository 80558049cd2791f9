# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from farwatch.app import App
from farwatch.errors import FarwatchError
from farwatch.model import Base
from farwatch.series import rebase
from farwatch.series.save import save
from farwatch.system import git
from farwatch.trees.resolutions import Memory
from farwatch.trees.trees import Trees
from tests.samples.tree import FILES, TEXT, Desk, add_base, commit, desk, elsewhere

FIVE = "line 5\n"
NEWER = {
    "fs/dir.c": ("header\n" + TEXT.replace(FIVE, "line 5, newer\n").replace("line 25\n", "")).encode(),
    "fs/more.c": b"more\n",
}


def app(bench: Desk) -> App:
    made = App(bench.root, bench.home)
    made.__dict__["trees"] = Trees(bench.home, made.catalog, bench.said.append)
    return made


def series(bench: Desk, *changes: tuple[str, str, str]) -> None:
    """Commit changes (subject, old, new) of fs/dir.c in the checkout of v1, and save them."""
    path = bench.checkout()
    for subject, old, new in changes:
        text = (path / "fs/dir.c").read_text()
        assert old in text
        (path / "fs/dir.c").write_text(text.replace(old, new))
        commit(path, f"{subject}\n\nThe reason for {subject}.", author="Jörg Müller <jm@example.org>")
    save(bench.trees, bench.revision(), "thing", bench.base)


def three(bench: Desk) -> Base:
    """A series of three of which the second conflicts on the other base."""
    series(
        bench,
        ("fs: first", "line 12\n", "line twelve\n"),
        ("fs: second", FIVE, "line five\n"),
        ("fs: third", "line 20\n", "line twenty\n"),
    )
    return add_base(bench, "2.0", NEWER)


def snapshot(bench: Desk) -> dict[str, bytes]:
    folder = bench.root / "patches/v1"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def resolve(bench: Desk, onto: Base, text: str = "line five, newer\n") -> Path:
    """Take the conflict markers out of the file in the worktree."""
    path = bench.trees.work_path(bench.revision(), "thing", onto)
    content = (path / "fs/dir.c").read_text()
    start, end = content.index("<<<<<<< onto"), content.index(">>>>>>> patch\n") + len(">>>>>>> patch\n")
    (path / "fs/dir.c").write_text(content[:start] + text + content[end:])
    return path


def tip_text(bench: Desk, base: Base, name: str = "fs/dir.c") -> str:
    tip = bench.again().tip(bench.revision(), "thing", base)
    return git.git("show", f"{tip.commit}:{name}", cwd=bench.trees.repository("thing")).decode()


def bases_of(bench: Desk) -> dict[str, str]:
    return bench.revision().bases


def test_a_rebase_without_conflict_needs_no_worktree(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    series(bench, ("fs: first", "line 12\n", "line twelve\n"), ("fs: third", "line 20\n", "line twenty\n"))
    onto = add_base(bench, "2.0", NEWER)
    assert rebase.start(app(bench), "v1", "thing-2.0", keep=False) == 0
    assert bases_of(bench) == {"thing": "2.0"}
    assert not bench.trees.work_path(bench.revision(), "thing", onto).exists()
    assert tip_text(bench, onto).startswith("header\n") and "line twelve" in tip_text(bench, onto)
    log = git.line(
        "log", "-2", "--format=%an %ae %ad %s", bench.trees.tip(bench.revision(), "thing", onto).commit,
        cwd=bench.trees.repository("thing"),
    )  # fmt: skip
    assert log.count("Jörg Müller jm@example.org Tue Feb 3 04:05:06 2026 +0530") == 2
    assert not (bench.root / "patches/v1/thing/resolutions").exists()


def test_it_stops_and_says_which_patch_which_file_and_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = desk(tmp_path)
    onto = three(bench)
    before = snapshot(bench)
    assert rebase.start(app(bench), "v1", "2.0", keep=False) == 1
    said = capsys.readouterr().out
    path = bench.trees.work_path(bench.revision(), "thing", onto)
    assert "v1 thing: patch 2 of 3 does not go onto thing-2.0" in said
    assert "0002-fs-second.patch: fs: second" in said
    assert f"{path}/fs/dir.c:6:" in said
    shown = "<<<<<<< onto\n    line 5, newer\n    ||||||| before\n    line 5\n    =======\n    line five\n"
    assert shown in said
    for word in ("--continue", "--skip", "--abort"):
        assert f"farwatch rebase {word}" in said
    assert snapshot(bench) == before, "nothing changes before the end"
    assert git.git("status", "--porcelain", cwd=path) == b"UU fs/dir.c\n"
    with pytest.raises(FarwatchError, match="farwatch rebase is going on"):
        save(bench.again(), bench.revision(), "thing", onto)


def test_a_resolution_is_kept_and_used_for_the_way_back_too(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    onto = three(bench)
    before = snapshot(bench)
    tips = [bench.trees.tip(bench.revision(), "thing", bench.base).commit]
    rebase.start(app(bench), "v1", "2.0", keep=False)
    path = resolve(bench, onto)
    assert rebase.resume(app(bench), None, "2.0 says newer") == 0
    assert bases_of(bench) == {"thing": "2.0"}
    assert "line five, newer\n" in tip_text(bench, onto) and "line twenty\n" in tip_text(bench, onto)
    assert git.line("symbolic-ref", "--short", "HEAD", cwd=path) == "v1/2.0"
    assert not save(bench.again(), bench.revision(), "thing", onto).changed
    kept = bench.root / "patches/v1/thing/resolutions/1.0-to-2.0/0002-fs-second.diff"
    text = kept.read_text()
    assert "\nSubject: fs: second\n" in text and "\nBase: 2.0\nConflict: contents fs/dir.c\n" in text
    assert "\nNote: 2.0 says newer\n" in text
    assert (
        "-<<<<<<< onto\n-line 5, newer\n-||||||| before\n-line 5\n-=======\n-line five\n->>>>>>> patch\n"
        in text
    )
    assert "+line five, newer\n" in text
    # and back, with no question asked
    assert rebase.start(app(bench), "v1", "1.0", keep=False) == 0
    assert bases_of(bench) == {"thing": "1.0"}
    after = snapshot(bench)
    assert {name: after[name] for name in before} == before
    assert bench.again().tip(bench.revision(), "thing", bench.base).commit == tips[0]


@pytest.mark.parametrize("keep", [True, False])
def test_a_fresh_clone_elsewhere_replays_it(tmp_path: Path, keep: bool) -> None:
    bench = desk(tmp_path)
    onto = three(bench)
    rebase.start(app(bench), "v1", "2.0", keep=keep)
    resolve(bench, onto)
    rebase.resume(app(bench), None, "why")
    if not keep:
        rebase.start(app(bench), "v1", "1.0", keep=False)
    assert bases_of(bench) == {"thing": "1.0"}
    (tmp_path / "clone").mkdir()
    clone = elsewhere(bench, tmp_path / "clone")
    for base in (clone.base, onto):
        here, there = (place.again().tip(place.revision(), "thing", base) for place in (bench, clone))
        assert here.commit == there.commit
    assert "line five, newer" in tip_text(clone, onto)
    # a third base with the same conflict, elsewhere in the file
    changed = {"fs/dir.c": b"other\nheader\n" + NEWER["fs/dir.c"]}
    third = add_base(clone, "3.0", changed)
    assert "line five, newer" in tip_text(clone, third)
    assert rebase.start(app(clone), "v1", "3.0", keep=True) == 0
    kept = clone.root / "patches/v1/thing/resolutions/1.0-to-3.0/0002-fs-second.diff"
    assert "Note: why" in kept.read_text()


def test_without_a_resolution_the_patch_is_named(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    onto = three(bench)
    with pytest.raises(FarwatchError) as caught:
        bench.trees.tip(bench.revision(), "thing", onto)
    assert caught.value.what == "v1 thing: 0002-fs-second.patch conflicts on thing 2.0"
    assert "Merge conflict in fs/dir.c" in caught.value.cause
    assert caught.value.hint == "farwatch rebase v1 --onto thing-2.0 --keep"


def test_a_resolution_for_another_form_of_the_patch_is_flagged_not_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = desk(tmp_path)
    onto = three(bench)
    rebase.start(app(bench), "v1", "2.0", keep=True)
    resolve(bench, onto)
    rebase.resume(app(bench), None, "")
    path = bench.checkout()
    git.git("reset", "--quiet", "--hard", "HEAD~2", cwd=path)
    (path / "fs/dir.c").write_text((path / "fs/dir.c").read_text().replace(FIVE, "line FIVE\n"))
    commit(path, "fs: second\n\nChanged.")
    save(bench.again(), bench.revision(), "thing", bench.base)
    [outdated] = bench.again().outdated(bench.revision(), "thing")
    assert outdated.subject == "fs: second"
    with pytest.raises(FarwatchError) as caught:
        bench.again().tip(bench.revision(), "thing", onto)
    kept = bench.root / "patches/v1/thing/resolutions/1.0-to-2.0/0002-fs-second.diff"
    assert f"{kept}: made when this patch was another one, not used" in caught.value.cause
    capsys.readouterr()
    assert rebase.start(app(bench), "v1", "2.0", keep=True) == 1
    said = capsys.readouterr().out
    assert "made when this patch was another one" in said and f"apply {kept}" in said
    resolve(bench, onto, "line FIVE, newer\n")
    assert rebase.resume(app(bench), "v1", "") == 0
    assert "line FIVE, newer" in tip_text(bench, onto)
    assert bench.again().outdated(bench.revision(), "thing") == []


def write_again(bench: Desk, first: str, more: str) -> None:
    """The series of three(), with another first patch, or with something more in the second."""
    path = bench.checkout()
    git.git("reset", "--quiet", "--hard", bench.trees.base_commit(bench.base), cwd=path)
    for subject, old, new in (("fs: first", "line 12\n", first), ("fs: second", FIVE, "line five\n")):
        text = (path / "fs/dir.c").read_text()
        (path / "fs/dir.c").write_text(text.replace(old, new))
        if subject == "fs: second":
            (path / "Makefile").write_text(f"all:\n\techo hello\n{more}")
        commit(path, subject)
    save(bench.again(), bench.revision(), "thing", bench.base)


def test_only_the_patch_itself_decides_whether_a_resolution_is_for_it(tmp_path: Path) -> None:
    """The conflict is the same text each time: it would fit."""
    bench = desk(tmp_path)
    onto = three(bench)
    rebase.start(app(bench), "v1", "2.0", keep=True)
    resolve(bench, onto)
    rebase.resume(app(bench), None, "")
    kept = bench.root / "patches/v1/thing/resolutions/1.0-to-2.0/0002-fs-second.diff"
    write_again(bench, "line dozen\n", "")
    assert "line five, newer" in tip_text(bench, onto), "another patch before it does not matter"
    write_again(bench, "line dozen\n", "\techo more\n")
    with pytest.raises(FarwatchError) as caught:
        bench.again().tip(bench.revision(), "thing", onto)
    assert f"{kept}: made when this patch was another one, not used" in caught.value.cause


def test_what_is_remembered_applies_to_the_conflict_by_git_alone(tmp_path: Path) -> None:
    """It is an ordinary patch for the file with its conflict markers."""
    bench = desk(tmp_path)
    onto = three(bench)
    rebase.start(app(bench), "v1", "2.0", keep=True)
    resolve(bench, onto)
    rebase.resume(app(bench), None, "")
    kept = bench.root / "patches/v1/thing/resolutions/1.0-to-2.0/0002-fs-second.diff"
    aside = tmp_path / "aside.diff"
    kept.rename(aside)
    assert rebase.start(app(bench), "v1", "2.0", keep=True) == 1
    path = bench.trees.work_path(bench.revision(), "thing", onto)
    git.git("apply", str(aside), cwd=path)
    assert rebase.resume(app(bench), None, "") == 0
    assert kept.read_bytes() == aside.read_bytes()


def test_continue_refuses_what_is_not_resolved(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    onto = three(bench)
    rebase.start(app(bench), "v1", "2.0", keep=False)
    with pytest.raises(FarwatchError, match=r"0002-fs-second.patch is not resolved yet") as caught:
        rebase.resume(app(bench), None, "")
    assert "fs/dir.c:6: conflict markers" in caught.value.cause
    path = bench.trees.work_path(bench.revision(), "thing", onto)
    git.git("add", "fs/dir.c", cwd=path)
    with pytest.raises(FarwatchError, match="conflict markers"):
        rebase.resume(app(bench), None, "")
    resolve(bench, onto, "line 5, newer\n")
    with pytest.raises(FarwatchError, match="nothing is left") as caught:
        rebase.resume(app(bench), None, "")
    assert "--skip" in caught.value.hint
    (path / "fs/dir.c").write_text((path / "fs/dir.c").read_text().replace("line 5, newer", "mine"))
    commit(path, "committed by hand")
    assert rebase.resume(app(bench), None, "") == 0
    assert "mine\n" in tip_text(bench, onto)
    assert "fs: second" in git.line("log", "-3", "--format=%s", "v1/2.0", cwd=path)


def test_skip_leaves_the_patch_out_there(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    onto = three(bench)
    rebase.start(app(bench), "v1", "2.0", keep=True)
    assert rebase.skip(app(bench), "v1", "not needed") == 0
    text = tip_text(bench, onto)
    assert "line 5, newer" in text and "line twenty" in text
    assert len(bench.again().commits(bench.revision(), "thing", onto)) == 2
    kept = (bench.root / "patches/v1/thing/resolutions/1.0-to-2.0/0002-fs-second.diff").read_text()
    assert "\nSkip: yes\nNote: not needed\n" in kept
    assert len(bench.revision().patches("thing")) == 3
    rebase.start(app(bench), "v1", "2.0", keep=False)
    assert len(bench.revision().patches("thing")) == 2
    assert not save(bench.again(), bench.revision(), "thing", onto).changed


def test_what_stands_in_for_a_base_gets_what_was_decided_for_that(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    onto = three(bench)
    rebase.start(app(bench), "v1", "2.0", keep=True)
    rebase.skip(app(bench), None, "2.0 has something better")
    other = add_base(bench, "2.1", {**NEWER, "fs/even-more.c": b"more\n"})
    newest = replace(other, name="2.0-newest-2.1", stands_for=onto)
    assert tip_text(bench, newest) == tip_text(bench, onto)
    with pytest.raises(FarwatchError, match=r"fs-second\.patch conflicts on thing 2\.1"):
        tip_text(bench, other)


def test_a_patch_that_the_base_has_already_is_dropped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = desk(tmp_path)
    series(bench, ("fs: first", "line 12\n", "line twelve\n"), ("fs: third", "line 20\n", "line twenty\n"))
    onto = add_base(bench, "2.0", {"fs/dir.c": TEXT.replace("line 12\n", "line twelve\n").encode()})
    assert "line twenty" in tip_text(bench, onto)
    assert rebase.start(app(bench), "v1", "2.0", keep=False) == 0
    assert "0001-fs-first.patch: there already" in capsys.readouterr().out
    assert [path.name for path in bench.revision().patches("thing")] == ["0001-fs-third.patch"]


@pytest.mark.parametrize("worktree", [False, True])
def test_abort_puts_everything_back(tmp_path: Path, worktree: bool) -> None:
    bench = desk(tmp_path)
    series(bench, ("fs: first", "line 12\n", "line twelve\n"))
    onto = add_base(bench, "2.0", NEWER)
    path = bench.trees.work_path(bench.revision(), "thing", onto)
    if worktree:
        bench.trees.checkout(bench.revision(), "thing", onto)
    three_more = ("fs: second", FIVE, "line five\n")
    series(bench, three_more)
    before = snapshot(bench)
    assert rebase.start(app(bench), "v1", "2.0", keep=False) == 1
    assert rebase.abort(app(bench), None) == 0
    assert snapshot(bench) == before
    assert path.exists() == worktree
    if worktree:
        assert git.line("symbolic-ref", "--short", "HEAD", cwd=path) == "v1/2.0"
        assert git.git("status", "--porcelain", cwd=path) == b""
    with pytest.raises(FarwatchError, match="no rebase is going on"):
        rebase.abort(app(bench), None)
    assert rebase.start(app(bench), "v1", "2.0", keep=False) == 1


def test_what_is_in_the_way_is_refused(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    onto = three(bench)
    path = bench.checkout()
    (path / "Makefile").write_text("mine\n")
    with pytest.raises(FarwatchError, match="holds work that is not saved") as caught:
        rebase.start(app(bench), "v1", "2.0", keep=False)
    assert "farwatch save v1 thing --base 1.0" in caught.value.hint
    git.git("checkout", "--quiet", "--force", ".", cwd=path)
    with pytest.raises(FarwatchError, match=r"unknown base '2.1'"):
        rebase.start(app(bench), "v1", "2.1", keep=False)
    rebase.start(app(bench), "v1", "2.0", keep=False)
    with pytest.raises(FarwatchError, match="is going on"):
        rebase.start(app(bench), "v1", "2.0", keep=False)
    patch = bench.revision().patches("thing")[0]
    patch.write_text(patch.read_text().replace("The reason", "Another reason"))
    resolve(bench, onto)
    with pytest.raises(FarwatchError, match="have changed"):
        rebase.resume(app(bench), None, "")


def test_a_damaged_resolution_is_named(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    onto = three(bench)
    folder = bench.root / "patches/v1/thing/resolutions/1.0-to-2.0"
    folder.mkdir(parents=True)
    for text, cause in (("rubbish", "no 'Key: value'"), ("Patch: x\n\n", "no line 'Written-For:'")):
        (folder / "0001-x.diff").write_text(text)
        with pytest.raises(FarwatchError, match="is not a remembered resolution") as caught:
            bench.again().tip(bench.revision(), "thing", onto)
        assert cause in caught.value.cause


def make_conflicts(path: Path) -> None:
    """One commit whose changes conflict in every way with OTHER_WAYS."""
    (path / "binary").write_bytes(b"\0mine" * 9)
    (path / "Makefile").unlink()
    (path / "fs/crlf.txt").write_bytes(b"one\r\nmine\r\n")
    (path / "tool.sh").write_text("#!/bin/sh\nmine\n")
    (path / "fs/new.c").write_text("mine\n")
    commit(path, "every way")


OTHER_WAYS: dict[str, bytes | None] = {
    "binary": b"\0theirs" * 9,
    "Makefile": b"all:\n\techo theirs\n",
    "fs/crlf.txt": b"one\r\ntheirs\r\n",
    "tool.sh": None,
    "fs/new.c": b"theirs\n",
}


def test_conflicts_of_every_kind_are_remembered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = desk(tmp_path)
    make_conflicts(bench.checkout())
    save(bench.trees, bench.revision(), "thing", bench.base)
    onto = add_base(bench, "2.0", OTHER_WAYS)
    assert rebase.start(app(bench), "v1", "2.0", keep=True) == 1
    path = bench.trees.work_path(bench.revision(), "thing", onto)
    with pytest.raises(FarwatchError, match="not resolved") as caught:
        rebase.resume(app(bench), None, "")
    for name in ("binary", "Makefile", "fs/crlf.txt", "tool.sh", "fs/new.c"):
        assert name in caught.value.cause
    (path / "binary").write_bytes(b"\0ours" * 9)
    (path / "fs/crlf.txt").write_bytes(b"one\r\nours\r\n")
    (path / "fs/new.c").write_text("ours\n")
    git.git("add", "binary", "fs/crlf.txt", "fs/new.c", "tool.sh", cwd=path)
    git.git("rm", "--quiet", "--cached", "Makefile", cwd=path)
    (path / "Makefile").unlink(missing_ok=True)
    assert rebase.resume(app(bench), None, "") == 0
    wanted = git.line("rev-parse", "HEAD^{tree}", cwd=path)
    listed = git.git("ls-tree", "-r", "--name-only", wanted, cwd=path).decode()
    assert "Makefile" not in listed and "tool.sh" in listed
    (tmp_path / "clone").mkdir()
    clone = elsewhere(bench, tmp_path / "clone")
    assert clone.trees.tip(clone.revision(), "thing", onto).tree == wanted


def test_a_rename_on_one_side_is_followed(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    series(bench, ("fs: first", "line 12\n", "line twelve\n"))
    moved = FILES["fs/dir.c"]
    assert isinstance(moved, bytes)
    onto = add_base(bench, "2.0", {"fs/dir.c": None, "fs/folder.c": moved})
    assert "line twelve" in tip_text(bench, onto, "fs/folder.c")


def test_save_on_another_base_keeps_what_differs_there(tmp_path: Path) -> None:
    """What merges cleanly, but is wrong on the other base, is corrected in a checkout there."""
    bench = desk(tmp_path)
    series(bench, ("fs: first", "line 12\n", "line twelve\n"), ("fs: third", "line 20\n", "line twenty\n"))
    onto = add_base(bench, "2.0", NEWER)
    before = snapshot(bench)
    path = bench.trees.checkout(bench.revision(), "thing", onto)
    assert not save(bench.again(), bench.revision(), "thing", onto).changed
    who = {f"GIT_COMMITTER_{part}": "x@x" for part in ("NAME", "EMAIL")}
    (path / "fs/more.c").write_text("more, for this base\n")
    git.git("commit", "--quiet", "--all", "--amend", "--no-edit", cwd=path, env=who)
    tree = git.line("rev-parse", "HEAD^{tree}", cwd=path)
    assert save(bench.again(), bench.revision(), "thing", onto).changed
    after = snapshot(bench)
    assert {name: after[name] for name in before} == before, "the patch files stay"
    assert bench.again().tip(bench.revision(), "thing", onto).tree == tree
    assert bench.again().working(bench.revision(), "thing", onto) is None
    [entry] = Memory.load(bench.root / "patches/v1/thing").resolutions
    assert entry.conflicts == () and entry.subject == "fs: third"
    # the ground changes so that it does not fit any more: said, not dropped in silence
    kept = bench.root / "patches/v1/thing" / "resolutions" / entry.name
    kept.write_bytes(kept.read_bytes().replace(b"-more\n", b"-less\n"))
    with pytest.raises(FarwatchError) as caught:
        bench.again().tip(bench.revision(), "thing", onto)
    assert f"{kept}: does not fit what is there now" in caught.value.cause
    (path / "x").write_text("x")
    commit(path, "one more")
    kept.unlink()
    with pytest.raises(FarwatchError, match=r"is none of v1's patches"):
        save(bench.again(), bench.revision(), "thing", onto)
