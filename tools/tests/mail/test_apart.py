# SPDX-License-Identifier: GPL-2.0-or-later
"""A component that is cut into series: how they are mailed, answered, and read again."""

from __future__ import annotations

import email
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from farwatch.app import App
from farwatch.errors import FarwatchError
from farwatch.mail import gate, scratch
from farwatch.mail.choice import ImportWish
from farwatch.mail.inbox import import_series
from farwatch.mail.mailbox import read_mailbox
from farwatch.mail.record import read_sent
from farwatch.mail.replies import discussion
from farwatch.mail.send import Mode, Sending, send
from farwatch.mail.trailers import collect
from farwatch.revisions.parts import chosen_parts, parts_of
from farwatch.series.adopt import adopt
from farwatch.series.save import save
from farwatch.system import git
from tests.fakes import warm_b4
from tests.samples.mail import PERSON, Behaviour, Person, app_of, server
from tests.samples.tree import TEXT, Desk, commit, desk

CUT = """
[series.thing.low]
first = "fs-one"
last = "fs-two"
[series.thing.high]
first = "fs-three"
last = "fs-three"
cc = ["high@example.org"]
"""
TO = ("list@example.org",)
_WHO = {"GIT_COMMITTER_NAME": "x", "GIT_COMMITTER_EMAIL": "x@example.org"}


@pytest.fixture(autouse=True, scope="module")
def _warm_b4() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scratch, "run_b4", warm_b4.run)
        yield


@pytest.fixture(autouse=True)
def _lint_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_require_clean", lambda app, revision: None)


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    (tmp_path / "person").mkdir()
    return Person(tmp_path / "person", monkeypatch)


def write(bench: Desk, name: str = "v1") -> None:
    """Three patches of one file in two series, the first with a cover letter."""
    path = bench.checkout(name)
    text = TEXT
    for number, word in ((5, "one"), (15, "two"), (25, "three")):
        text = text.replace(f"line {number}\n", f"line {word} of {name}\n")
        (path / "fs/dir.c").write_text(text)
        commit(path, f"fs: {word}\n\nThe reason.", author="farwatch <farwatch@localhost>")
    save(bench.again(), bench.revision(name), "thing", bench.base)
    folder = bench.root / "patches" / name
    with (folder / "revision.toml").open("a") as file:
        file.write(CUT)
    (folder / "thing/cover-letter-low.txt").write_text("fs: the low part\n\nWhy low.\n")
    (folder / "thing/cover-letter-high.txt").write_text("fs: three\n\nWhy high.\n")


@pytest.fixture
def bench(tmp_path: Path) -> Desk:
    made = desk(tmp_path, "v1", "v2")
    write(made)
    return made


def mailed(bench: Desk, wanted: str = "thing", mode: Mode = Mode.DRY_RUN, name: str = "v1") -> list[str]:
    """Send; the mails, the files of which are below `mails`."""
    app = app_of(bench)
    revision = app.catalog.revision(name)
    parts = chosen_parts(revision, app.catalog.components(), wanted)
    folder = bench.root.parent / "mails"
    shutil.rmtree(folder, ignore_errors=True)
    send(app, Sending(revision, parts, mode, folder, TO), lambda question: name)
    return [path.read_text() for path in sorted(folder.rglob("*.eml"), key=str)]


def head(mail: str) -> str:
    return str(email.message_from_string(mail)["Message-Id"])


def adopted(bench: Desk) -> None:
    app = app_of(bench)
    answers = iter((PERSON.name, "LLM sparse"))
    adopt(app, app.catalog.revision("v1"), lambda question: next(answers))


@pytest.mark.usefixtures("person")
def test_each_series_is_a_thread_on_the_one_before(bench: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    high, cover, one, two = mailed(bench)
    assert "Subject: [PATCH 0/2] fs: the low part\n" in cover and "Why low." in cover
    assert "Subject: [PATCH 2/2] fs: two\n" in two and f"In-Reply-To: {head(cover)}" in one
    assert f"Goes together with 1 patch for thing (high):\nMessage-ID: {head(high)}" in cover
    assert "Subject: [PATCH] fs: three\n" in high and "In-Reply-To" not in high and "Why high." in high
    stands = f"Stands on 2 patches for thing (low), 'fs: the low part':\nMessage-ID: {head(cover)}"
    assert stands in high
    assert "prerequisite" not in cover
    base = f"base-commit: {bench.trees.base_commit(bench.base)}\n"
    assert base in cover and base in high
    ids = [git.git("patch-id", "--stable", cwd=bench.root, stdin=mail.encode()) for mail in (one, two)]
    lines = "".join(f"prerequisite-patch-id: {name.decode().split()[0]}\n" for name in ids)
    assert lines in high
    said = capsys.readouterr().out
    assert said.count("proven: read back") == 2 and "1 commit is what they were" in said


@pytest.mark.usefixtures("person")
def test_one_of_them_alone_is_the_same(bench: Desk) -> None:
    [high] = mailed(bench, "thing/high")
    assert "Message-ID: <head-of" not in high
    assert "'fs: the low part':\n(not posted yet)" in high and high.count("prerequisite-patch-id") == 2
    assert not (bench.root.parent / "mails/thing/low").exists()


def test_they_go_out_in_order_and_have_a_record_each(bench: Desk, person: Person) -> None:
    adopted(bench)
    with server(Behaviour()) as running:
        person.mails_to(running)
        with pytest.raises(FarwatchError, match="thing/high stands on thing/low, which has not") as caught:
            mailed(bench, "thing/high", Mode.REALLY)
        assert "farwatch send v1 thing/low --really" in caught.value.hint
        mailed(bench, "thing/low", Mode.REALLY)
        assert list(read_sent(bench.revision())) == ["thing/low"]
        with pytest.raises(FarwatchError, match="thing/low was sent already"):
            mailed(bench, "thing", Mode.REALLY)
        [high] = mailed(bench, "thing/high", Mode.REALLY)
    record = read_sent(bench.revision())
    assert [len(one.letters) for one in record.values()] == [3, 1]
    assert f"Message-ID: <{record['thing/low'].head}>" in high
    assert record["thing/high"].base_commit == record["thing/low"].commit
    assert "Cc: high@example.org" not in high, "--to is instead of others"


def test_the_next_version_of_one_series(bench: Desk, person: Person) -> None:
    adopted(bench)
    with server(Behaviour()) as running:
        person.mails_to(running)
        mailed(bench, "thing", Mode.REALLY)
    write(bench, "v2")
    high, cover, *_ = mailed(bench, name="v2")
    record = read_sent(bench.revision())
    for mail, label in ((cover, "thing/low"), (high, "thing/high")):
        assert f"- v1: Message-ID: <{record[label].head}>" in mail
        assert f"change-id: {record[label].change_id}" in mail
        assert "Range-diff versus v1:" in mail or label == "thing/high"
    shown = cover.partition("Range-diff versus v1:")[2]
    assert "fs: one" in shown and "fs: two" in shown and "fs: three" not in shown


@pytest.mark.usefixtures("person")
def test_a_component_that_was_one_series_before(bench: Desk) -> None:
    """Nothing to compare with, but the earlier posting is named."""
    toml = bench.root / "patches/v1/revision.toml"
    toml.write_text(toml.read_text().replace(CUT, ""))
    letters = [{"number": 0, "message_id": "old@x", "subject": "s", "to": [], "cc": [], "sent": "y"}]
    letters[0]["refused"] = []
    plain = dict.fromkeys(("change_id", "base", "base_commit", "commit", "sender", "started"), "x")
    record = {"thing": {"version": 1, **plain, "letters": letters}}
    (bench.root / "patches/v1/sent.json").write_text(json.dumps(record))
    write(bench, "v2")
    high, cover, *_ = mailed(bench, name="v2")
    assert "Range-diff" not in cover and "change-id: x" not in cover
    assert "- v1: Message-ID: <old@x>" in cover and "- v1: Message-ID: <old@x>" in high


@pytest.mark.usefixtures("person")
def test_trailers_of_a_reply_to_one_cover_letter(bench: Desk) -> None:
    high, cover, one, two = mailed(bench)
    answer = (
        f"From: R <rita@penguins.zz>\nSubject: Re: [PATCH 0/2] fs: the low part\nMessage-Id: <r@x>\n"
        f"In-Reply-To: {head(cover)}\nDate: Thu, 1 Jan 2026 00:00:00 +0000\n\n"
        "Reviewed-by: R <rita@penguins.zz>\n"
    )
    folder = bench.root.parent / "answers"
    folder.mkdir()

    def asked(fuzzy: bool, *mails: str) -> str:
        for number, mail in enumerate(mails):
            (folder / f"{number}.eml").write_text(mail)
        app = app_of(bench)
        thread = discussion(read_mailbox(folder))
        return collect(app, app.catalog.revision("v1"), "thing", thread, fuzzy=fuzzy).shown()

    line = "\n  + Reviewed-by: R <rita@penguins.zz>"
    wanted = f"thing: fs: one{line}\nthing: fs: two{line}"
    assert asked(True, answer) == wanted, "by the title of its letter alone"
    assert asked(False, answer, high, cover, one, two) == wanted


def taken(bench: Desk, source: Path, name: str = "v9") -> App:
    app = app_of(bench)
    import_series(app, source, name, ImportWish())
    return app


@pytest.mark.usefixtures("person")
def test_what_was_posted_apart_is_read_as_it_was(bench: Desk) -> None:
    mailed(bench)
    app = taken(bench, bench.root.parent / "mails")
    old, new = (app.catalog.revision(name) for name in ("v1", "v9"))
    assert [part.label for part in parts_of(new, "thing")] == ["thing/low", "thing/high"]
    assert new.texts() == old.texts()
    for name in new.texts():
        assert (new.folder / name).read_text() == (old.folder / name).read_text()
    trees = [app.trees.tip(one, "thing", bench.base).tree for one in (old, new)]
    assert trees[0] == trees[1]
    for one, other in zip(old.patches("thing"), new.patches("thing"), strict=True):
        assert one.read_text().partition("Subject:")[2] == other.read_text().partition("Subject:")[2]


@pytest.mark.usefixtures("person")
def test_a_series_without_those_that_it_stands_on(bench: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    mailed(bench)
    taken(bench, bench.root.parent / "mails/thing/high")
    said = capsys.readouterr().err
    assert "fs: three: stands on 2 other patches, which are not in it" in said
    path = bench.root.parent / "mails/thing/high/0001.eml"
    path.write_text(path.read_text().replace(" line 24\n", " line two\n"))
    with pytest.raises(FarwatchError) as caught:
        taken(bench, path.parent, "v10")
    assert "the series stands on 2 other patches: import it together with them" in caught.value.hint


# What `save` makes of it


def cuts(bench: Desk) -> list[tuple[str, str]]:
    return [(cut.first, cut.last) for cut in app_of(bench).catalog.revision("v1").cuts]


def rewritten(bench: Desk, *words: str) -> None:
    """The checkout, with its last commits made anew: "SUBJECT" or "SUBJECT+" (with other content, too)."""
    path = bench.checkout()
    git.git("reset", "--quiet", "--hard", f"HEAD~{len(words)}", cwd=path)
    old = git.line("rev-list", "--reverse", f"HEAD..v1/{bench.base.name}@{{1}}", cwd=path).split()
    for commit_id, word in zip(old, words, strict=True):
        git.git("cherry-pick", commit_id, cwd=path, env=_WHO)
        if word.endswith("+"):
            (path / "more").write_text(word)
            git.git("add", "more", cwd=path)
        git.git("commit", "--quiet", "--amend", "-m", f"fs: {word.rstrip('+')}", cwd=path, env=_WHO)
    save(bench.again(), bench.revision(), "thing", bench.base)


def test_an_end_follows_a_patch_with_another_subject(bench: Desk) -> None:
    rewritten(bench, "second", "three")
    assert cuts(bench) == [("fs-one", "fs-second"), ("fs-three", "fs-three")]
    assert [len(part.patches) for part in parts_of(bench.revision(), "thing")] == [2, 1]


def test_an_end_that_is_another_patch_is_for_a_person_to_name(bench: Desk) -> None:
    rewritten(bench, "second+", "three")
    assert cuts(bench) == [("fs-one", "fs-two"), ("fs-three", "fs-three")]
    with pytest.raises(FarwatchError, match="unknown last patch of thing/low 'fs-two'"):
        parts_of(app_of(bench).catalog.revision("v1"), "thing")


def test_what_is_added_at_a_border_is_in_no_series(bench: Desk) -> None:
    path = bench.checkout()
    (path / "last").write_text("x\n")
    commit(path, "fs: four", author="farwatch <farwatch@localhost>")
    save(bench.again(), bench.revision(), "thing", bench.base)
    with pytest.raises(FarwatchError, match="fs-four is in no series") as caught:
        parts_of(app_of(bench).catalog.revision("v1"), "thing")
    assert "after the last patch of thing/high" in caught.value.cause
