# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import email
import email.policy
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from farwatch.app import App
from farwatch.errors import FarwatchError
from farwatch.mail import delivery, gate, proof, scratch
from farwatch.mail.letters import Letter, finished
from farwatch.mail.proof import Proof
from farwatch.mail.record import SentSeries, read_sent
from farwatch.mail.send import Mode, Parcel, Sending, make_parcel, send
from farwatch.review.findings import NotRun
from farwatch.review.lint import LintReport
from farwatch.revisions.catalog import Catalog
from farwatch.revisions.identity import Identity
from farwatch.revisions.parts import Part, all_parts, chosen_parts
from farwatch.series.save import save
from farwatch.system import git
from tests.fakes import warm_b4
from tests.samples.mail import PERSON, Behaviour, Person, app_of, server, tls_context, write_series
from tests.samples.tree import Desk, commit, desk

SIGNED = f"\nSigned-off-by: {PERSON}"
ADOPTED = f'[adopted]\nby = "{PERSON}"\ndate = "2026-01-02"\nassisted = "LLM sparse"\n'


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    folder = tmp_path / "person"
    folder.mkdir()
    return Person(folder, monkeypatch)


_COLD_B4 = scratch.run_b4
_REQUIRE_CLEAN = gate._require_clean


@pytest.fixture(autouse=True)
def _lint_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """lint has its own tests."""
    monkeypatch.setattr(gate, "_require_clean", lambda app, revision: None)


@dataclass
class Ready:
    """v1, two patches that PERSON has adopted, and v2, empty; the mails of v1 are made already."""

    bench: Desk
    parcel: Parcel


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    folder = tmp_path_factory.mktemp("ready")
    bench = desk(folder, "v1", "v2")
    write_series(bench, author=PERSON, signed=SIGNED)
    add(bench, "v1", ADOPTED)
    with pytest.MonkeyPatch.context() as patch:
        Person(folder, patch)
        app = app_of(bench)
        wish = Sending(app.catalog.revision("v1"), parts(app), Mode.DRY_RUN, folder, to=("list@example.org",))
        parcel = make_parcel(app, wish, PERSON, *wish.parts)
    shutil.copytree(bench.root, folder / "before")
    return Ready(bench, parcel)


@pytest.fixture
def fresh(once: Ready) -> Desk:
    """The same, as it was when it was made."""
    for folder in (once.bench.root, once.bench.home.work, once.bench.home.root / "results.db"):
        shutil.rmtree(folder) if folder.is_dir() else folder.unlink(missing_ok=True)
    shutil.copytree(once.bench.root.parent / "before", once.bench.root)
    return once.bench


@pytest.fixture
def ready(fresh: Desk, once: Ready, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """For what comes after the mails: they are not made and proven again for each test."""
    stand_in(monkeypatch, once.parcel)
    return fresh


def stand_in(monkeypatch: pytest.MonkeyPatch, parcel: Parcel) -> None:
    monkeypatch.setattr("farwatch.mail.send.make_parcel", lambda *args: parcel)
    monkeypatch.setattr("farwatch.mail.send.prove", lambda *args: Proof(None))


def parts(app: App, name: str = "v1", wanted: str = "thing") -> tuple[Part, ...]:
    return chosen_parts(app.catalog.revision(name), app.catalog.components(), wanted)


def add(bench: Desk, name: str, text: str) -> None:
    with (bench.root / "patches" / name / "revision.toml").open("a") as file:
        file.write(text)


def mails(folder: Path) -> list[str]:
    return [path.read_text() for path in sorted(folder.glob("*/*.eml"))]


def run(bench: Desk, mode: Mode = Mode.DRY_RUN, name: str = "v1", answer: str = "", **more: Any) -> list[str]:
    """Send, and read the mails that were made."""
    app = app_of(bench)
    folder = bench.root.parent / "mails"
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return answer or name

    send(app, Sending(app.catalog.revision(name), parts(app, name), mode, folder, **more), ask)
    assert bool(asked) == (mode is Mode.REALLY)
    return mails(folder)


def really(bench: Desk, **more: Any) -> list[str]:
    return run(bench, Mode.REALLY, to=("list@example.org",), **more)


def addressed(parcel: Parcel, *to: str) -> Parcel:
    return replace(parcel, letters=tuple(replace(letter, to=to, cc=()) for letter in parcel.letters))


def record(bench: Desk, name: str = "v1") -> SentSeries:
    return read_sent(Catalog.load(bench.root).revision(name))["thing"]


@pytest.fixture(autouse=True, scope="module")
def _warm_b4() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scratch, "run_b4", warm_b4.run)
        yield


@pytest.mark.usefixtures("person")
def test_dry_run_writes_proven_mails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "run_b4", _COLD_B4)
    bench = desk(tmp_path)
    write_series(bench)
    (bench.root / "patches/v1/cover-letter.txt").write_text("A title\n\nWhy.\n\n# kept\n")
    cover, first, second = run(bench, to=("A B <a@example.org>",), cc=("c@example.org",))
    assert "Subject: [PATCH 0/2] A title\n" in cover and "\nWhy.\n\n# kept\n" in cover
    assert re.search(r"^base-commit: [0-9a-f]{40}$", cover, re.MULTILINE)
    assert "For thing 1.0." in cover and "fs: rename a file" in cover
    assert "\nTo: A B <a@example.org>\nCc: c@example.org\n" in first
    assert "\nFrom: farwatch <farwatch@farwatch.invalid>\n\nThe reason.\n" in first
    assert f"From: {PERSON}" in first and "rename from fs/dir.c" in second
    head = email.message_from_string(cover)["Message-Id"]
    assert email.message_from_string(second)["In-Reply-To"] == head
    assert "proven" in capsys.readouterr().out
    assert not (bench.root / "patches/v1/sent.json").exists()


@pytest.mark.usefixtures("person")
def test_a_single_patch_needs_no_cover_letter(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    write_series(bench)
    next((bench.root / "patches/v1/thing").glob("0002*")).unlink()
    [mail] = run(bench)
    assert "Subject: [PATCH] fs: change a line\n" in mail and "base-commit:" in mail


def test_no_identity(ready: Desk, person: Person) -> None:
    person.set("user.email", "")
    run(ready)
    with pytest.raises(FarwatchError, match="git does not know who you are"):
        run(ready, Mode.REFLECT)


# What would not arrive


@pytest.mark.usefixtures("person")
@pytest.mark.parametrize(
    ("message", "part"),
    [
        ("[fs] a subject in brackets", "subject"),
        ("fs: scissors\n\nabove\n\n-- >8 --\n\nbelow", "author"),
        ("fs: trailers\n\nText.\nReviewed-by: A <a@example.org>", "body"),
    ],
)
def test_the_first_difference_is_named(tmp_path: Path, message: str, part: str) -> None:
    bench = desk(tmp_path)
    path = bench.checkout()
    (path / "new").write_text("x\n")
    commit(path, message)
    save(bench.again(), bench.revision(), "thing", bench.base)
    with pytest.raises(FarwatchError, match=r"patch 1 .* would not arrive") as caught:
        run(bench)
    assert f"its {part} changes" in caught.value.cause


def test_a_reader_that_loses_something_is_noticed(once: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = proof.sent_and_received
    parcel = once.parcel
    repository = once.bench.trees.repository("thing")
    letters = finished(parcel.letters, {}, {})

    def read(lossy: Callable[[list[bytes]], list[bytes]]) -> Proof:
        monkeypatch.setattr(proof, "sent_and_received", lambda *args: lossy(whole(*args)))
        return proof.prove(repository, parcel.below, parcel.commits, letters, PERSON)

    found = read(lambda mails: [mail.replace(b"+line five", b"+line six") for mail in mails]).difference
    assert found and (found.number, found.part, found.reader) == (1, "content", "git am")
    found = read(lambda mails: mails[:-1]).difference
    assert found and (found.number, found.part) == (2, "content")
    found = read(lambda mails: [mail.replace(b"-line 5", b"-line 4") for mail in mails]).difference
    assert found and found.number == 1 and "patch" in found.read
    found = read(lambda mails: [mail.replace(b"reason.", b"cause.") for mail in mails]).difference
    assert found and (found.part, found.written, found.read) == ("body", "The reason.", "The cause.")
    found = read(lambda mails: [mail.replace(b"LLM sparse", b"LLM") for mail in mails]).difference
    assert found and found.part == "trailers"
    assert read(lambda mails: mails).difference is None


# Really


def test_really_sends_once_and_records(ready: Desk, person: Person) -> None:
    post = Behaviour()
    with server(post) as running:
        person.mails_to(running)
        made = really(ready)
        assert [content.replace(b"\r\n", b"\n").decode() for content in post.contents] == made
        assert post.envelopes == [(PERSON.email, ["list@example.org"])] * 3
        found = record(ready)
        assert found.complete and len(found.letters) == 3
        tip = ready.again().tip(ready.revision(), "thing", ready.base)
        assert (found.commit, found.base, found.version, found.sender) == (tip.commit, "1.0", 1, str(PERSON))
        assert found.letters[0].to == ("list@example.org",)
        with pytest.raises(FarwatchError, match="was sent already"):
            really(ready)
    assert len(post.contents) == 3


def test_the_next_revision_is_compared_and_threaded(
    fresh: Desk, once: Ready, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = fresh
    with server(Behaviour()) as running, monkeypatch.context() as patch:
        person.mails_to(running)
        stand_in(patch, once.parcel)
        really(ready)
    head = record(ready).head
    write_series(ready, "v2")
    (ready.root / "patches/v2/changelog.txt").write_text("- since v1: other words\n")
    cover = run(ready, name="v2", same_thread=True)[0]
    assert "Subject: [PATCH v2 0/2] t\n" in cover
    assert "Range-diff versus v1:" in cover and "line five of v2" in cover
    assert f"Changes in v2:\n- since v1: other words\n- v1: Message-ID: <{head}>\n" in cover
    assert f"In-Reply-To: <{head}>" in cover
    assert f"change-id: {record(ready).change_id}" in cover


@pytest.mark.parametrize("trouble", ["refuse", "drop", "hang"])
def test_a_repeat_sends_only_the_rest(
    ready: Desk, person: Person, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr(delivery, "LIMIT", 1.0)
    post = Behaviour(good=1, trouble=trouble)
    with server(post) as running:
        person.mails_to(running)
        with pytest.raises(FarwatchError, match="1 of 3 mails went out") as caught:
            really(ready)
        said = {"refuse": "550 not wanted here", "drop": "closed", "hang": "no answer within 1 s"}[trouble]
        assert said in caught.value.cause and "the rest" in caught.value.hint
        assert [bool(letter.sent) for letter in record(ready).letters] == [True, False, False]
        post.good = 100
        really(ready)
    assert record(ready).complete and len(post.contents) == 3
    ids = [str(email.message_from_bytes(content)["Message-Id"]).strip("<>") for content in post.contents]
    assert ids == [letter.message_id for letter in record(ready).letters]
    assert {email.message_from_bytes(content)["References"] for content in post.contents[1:]} == {
        f"<{ids[0]}>"
    }


def test_half_sent_and_then_changed(
    ready: Desk, once: Ready, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = Behaviour(good=1, trouble="refuse")
    with server(post) as running:
        person.mails_to(running)
        with pytest.raises(FarwatchError, match="1 of 3"):
            really(ready)
        stand_in(monkeypatch, replace(once.parcel, commits=once.parcel.commits[:1]))
        with pytest.raises(FarwatchError, match="has changed since 1 of its mails went out"):
            really(ready)
    assert len(post.contents) == 1


def test_a_refused_recipient_is_said_and_recorded(
    ready: Desk,
    once: Ready,
    person: Person,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stand_in(monkeypatch, addressed(once.parcel, "good@example.org", "bad@example.org"))
    with server(Behaviour(trouble="refuse one")) as running:
        person.mails_to(running)
        really(ready)
    assert record(ready).letters[0].refused == ("bad@example.org",)
    assert "bad@example.org was refused" in capsys.readouterr().out


def test_starttls(ready: Desk, tmp_path: Path, person: Person) -> None:
    post = Behaviour()
    with server(post, tls_context=tls_context(tmp_path), require_starttls=True) as running:
        person.mails_to(running)
        with pytest.raises(FarwatchError, match="0 of 3 mails went out") as caught:
            really(ready)
        assert "STARTTLS" in caught.value.cause
        person.mails_to(running, smtpEncryption="tls")
        really(ready)
    assert len(post.contents) == 3


def test_nobody_listens(ready: Desk, person: Person) -> None:
    with server(Behaviour()) as running:
        person.mails_to(running)
    with pytest.raises(FarwatchError, match="cannot reach the mail server") as caught:
        really(ready)
    assert "refused" in caught.value.cause
    assert not (ready.root / "patches/v1/sent.json").exists()


@pytest.mark.usefixtures("person")
def test_no_server_is_set(ready: Desk) -> None:
    with pytest.raises(FarwatchError, match="does not know how to send mail"):
        really(ready)


def test_reflect_goes_to_oneself_alone_and_is_not_recorded(ready: Desk, person: Person) -> None:
    bench = ready
    post = Behaviour()
    with server(post) as running:
        person.mails_to(running)
        made = run(bench, Mode.REFLECT, to=("list@example.org",))
    assert {tuple(who) for _, who in post.envelopes} == {(PERSON.email,)} and len(post.envelopes) == 3
    assert all("To: list@example.org" in mail for mail in made)
    assert not (bench.root / "patches/v1/sent.json").exists()


def test_a_command_sends(ready: Desk, tmp_path: Path, person: Person) -> None:
    script = tmp_path / "sendmail"
    script.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/args; cat >>{tmp_path}/got\n')
    script.chmod(0o755)
    person.set("sendemail.sendmailCmd", str(script))
    with pytest.raises(FarwatchError, match="cannot reflect by a local command"):
        run(ready, Mode.REFLECT)
    made = really(ready)
    assert (tmp_path / "got").read_text() == "".join(made)
    assert (tmp_path / "args").read_text() == "-i list@example.org\n" * 3
    script.write_text("#!/bin/sh\necho no >&2; exit 75\n")
    (ready.root / "patches/v1/sent.json").unlink()
    with pytest.raises(FarwatchError, match="0 of 3") as caught:
        really(ready)
    assert "sendmail: no" in caught.value.cause


# What is refused


@pytest.mark.usefixtures("person")
def test_nobody_has_adopted_it(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    write_series(bench)
    with pytest.raises(FarwatchError, match="has not been adopted") as caught:
        really(bench)
    assert caught.value.hint == "farwatch adopt v1"
    add(bench, "v1", ADOPTED)
    with pytest.raises(FarwatchError, match=r"0001-.*is not adopted"):
        really(bench)


@pytest.mark.usefixtures("person")
def test_unsaved_work(ready: Desk) -> None:
    (ready.checkout() / "Makefile").write_text("other\n")
    with pytest.raises(FarwatchError, match="not in the patches"):
        really(ready)


@pytest.mark.usefixtures("person")
def test_a_failed_lint(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_require_clean", _REQUIRE_CLEAN)
    monkeypatch.setattr("farwatch.review.lint.lint_revision", lambda app, revision: SimpleNamespace(ok=False))
    with pytest.raises(FarwatchError, match="is not clean"):
        really(ready)


@pytest.mark.usefixtures("person")
def test_a_rule_that_was_not_looked_at(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    report = LintReport("v1", (), (NotRun("sparse", "it is not installed"),), ())
    monkeypatch.setattr(gate, "_require_clean", _REQUIRE_CLEAN)
    monkeypatch.setattr("farwatch.review.lint.lint_revision", lambda app, revision: report)
    with pytest.raises(FarwatchError, match="nothing shows that v1 is clean") as caught:
        really(ready)
    assert caught.value.cause == "lint did not look at sparse: it is not installed"


@pytest.mark.usefixtures("person")
def test_a_surprising_cell(ready: Desk) -> None:
    from farwatch.model import CellResult, Column, Verdict
    from farwatch.results.store import Results

    with Results.open(ready.home.results) as results:
        run_id = results.begin_run(["test"])
        result = CellResult(Column("v1", "1.0"), "a:b.c", "0", Verdict.FAIL, run=run_id)
        results.store(result)
    with pytest.raises(FarwatchError, match="1 surprising cell") as caught:
        really(ready)
    assert "a:b.c" in caught.value.cause


def test_another_answer_sends_nothing(ready: Desk, person: Person) -> None:
    post = Behaviour()
    with server(post) as running:
        person.mails_to(running)
        with pytest.raises(FarwatchError, match="was not sent"):
            really(ready, answer="yes")
    assert post.contents == []


@pytest.mark.usefixtures("person")
def test_nobody_to_send_to(ready: Desk, once: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, addressed(once.parcel))
    app = app_of(ready)
    wish = Sending(app.catalog.revision("v1"), parts(app), Mode.REALLY, ready.root.parent / "mails")
    with pytest.raises(FarwatchError, match="nobody is to get"):
        send(app, wish, lambda question: "v1")


@pytest.mark.usefixtures("person")
def test_a_damaged_record(ready: Desk) -> None:
    (ready.root / "patches/v1/sent.json").write_text('{"thing": {"letters": []}}')
    with pytest.raises(FarwatchError, match=r"cannot read .*sent\.json"):
        really(ready)


def test_two_series_name_each_other(
    fresh: Desk, person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patches = fresh.root / "patches"
    text = (patches / "bases.toml").read_text()
    (patches / "bases.toml").write_text(text + text.replace("[thing", "[server"))
    toml = patches / "v1/revision.toml"
    toml.write_text(toml.read_text().replace("[bases]\n", '[bases]\nserver = "1.0"\n'))
    shutil.copytree(patches / "v1/thing", patches / "v1/server")
    real, made = make_parcel, dict[str, Parcel]()

    def once(app: App, wish: Sending, sender: Identity, part: Part) -> Parcel:
        made[part.label] = made.get(part.label) or real(app, wish, sender, part)
        return made[part.label]

    monkeypatch.setattr("farwatch.mail.send.make_parcel", once)
    monkeypatch.setattr("farwatch.mail.send.prove", lambda *args: Proof(None))
    app = app_of(fresh)
    revision = app.catalog.revision("v1")

    def mailed(mode: Mode, *components: str) -> None:
        some = all_parts(revision, components)
        send(app, Sending(revision, some, mode, tmp_path, ("list@example.org",)), lambda question: "v1")

    mailed(Mode.DRY_RUN, "thing", "server")
    covers = [(tmp_path / name / "0000.eml").read_text() for name in ("thing", "server")]
    ids = [str(email.message_from_string(cover)["Message-Id"]) for cover in covers]
    assert f"Goes together with 2 patches for server:\nMessage-ID: {ids[1]}" in covers[0]
    assert f"Goes together with 2 patches for thing:\nMessage-ID: {ids[0]}" in covers[1]
    with server(Behaviour()) as running:
        person.mails_to(running)
        mailed(Mode.REALLY, "thing")
        assert b"(not posted yet)" in running.handler.contents[0]
        mailed(Mode.REALLY, "server")
        head = json.loads((revision.folder / "sent.json").read_text())["thing"]["letters"][0]["message_id"]
        assert head.encode() in running.handler.contents[3]


@pytest.mark.usefixtures("person")
def test_git_takes_the_mails_as_they_are(ready: Desk, tmp_path: Path) -> None:
    """The proof's own shortcut, trees without the files that no patch names, changes no outcome."""
    run(ready)
    am = tmp_path / "am"
    base = ready.trees.base_commit(ready.base)
    git.git("worktree", "add", "--quiet", "--detach", str(am), base, cwd=ready.trees.repository("thing"))
    who = {"GIT_COMMITTER_NAME": "x", "GIT_COMMITTER_EMAIL": "x@example.org"}
    files = sorted(str(path) for path in (ready.root.parent / "mails/thing").glob("*.eml"))[1:]
    git.git("am", "--quiet", *files, cwd=am, env=who)
    tip = ready.again().tip(ready.revision(), "thing", ready.base)
    assert git.line("rev-parse", "HEAD^{tree}", cwd=am) == tip.tree


# What stands above the text


@pytest.mark.parametrize(
    "name",
    ["Test, Jr", "Test [work]", 'Te"s"t', "Ana Müller", "Müller, Ana (work)", "李 小龍", "Ω" * 40, "a.b"],
)
def test_any_name_of_a_sender(once: Ready, name: str) -> None:
    """From: has the whole name and the address, for Python, git and b4; the proof would say if not."""
    bench, sender = once.bench, Identity(name, "sender@penguins.zz")
    app = app_of(bench)
    to = ('"Wilcox (Oracle), M." <willy@example.org>', "Zoë <z@example.org>", "list@example.org")
    wish = Sending(app.catalog.revision("v1"), parts(app), Mode.DRY_RUN, bench.root, to=to)
    parcel = make_parcel(app, wish, sender, *wish.parts)
    for letter in parcel.letters:
        read = email.message_from_bytes(letter.data, policy=email.policy.default)
        [who] = read["From"].addresses
        assert (who.display_name, who.addr_spec) == (name, sender.email)
    letters, repository = finished(parcel.letters, {}, {}), bench.trees.repository("thing")

    def proven(made: list[Letter]) -> Proof:
        return proof.prove(repository, parcel.below, parcel.commits, made, sender, parcel.draft.recipients)

    assert proven(letters).difference is None


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        (rb"^From: .*$", b"From: Jane", "From"),
        (rb"^From: .*$", b"From: Jane Doe <other@penguins.zz>", "From"),
        (rb"^To: .*$", b"To: Other <list@example.org>", "To and Cc"),
        (rb"^To: .*\n", b"", "To and Cc"),
        (rb"^Subject: .*$", b"Subject: [PATCH 0/2] other", "Subject"),
        (rb"^Message-Id: .*$", b"Message-Id: <other@x>", "Message-ID"),
        (rb"^Date: .*$", b"Date: yesterday", "Date"),
        (rb"charset=.*$", b"charset=us-ascii", "charset"),
        (rb"^MIME-Version: ", "X-Name: Zoë\nMIME-Version: ".encode(), "charset"),
    ],
)
def test_a_header_that_says_something_else_is_noticed(once: Ready, old: bytes, new: bytes, part: str) -> None:
    parcel, repository = once.parcel, once.bench.trees.repository("thing")
    first, *others = finished(parcel.letters, {}, {})
    body = "Zoë ".encode() if part == "charset" and b"us-ascii" in new else b""
    data = re.sub(old, lambda match: new, first.data, count=1, flags=re.MULTILINE | re.IGNORECASE)
    changed = replace(first, data=data.replace(b"\n\n", b"\n\n" + body, 1))
    recipients = parcel.draft.recipients
    found = proof.prove(
        repository, parcel.below, parcel.commits, [changed, *others], PERSON, recipients
    ).difference
    assert found and found.part == part, found


def test_an_answer_to_something_else_is_noticed(once: Ready) -> None:
    parcel, repository = once.parcel, once.bench.trees.repository("thing")
    letters = finished(parcel.letters, {}, {})
    for name in ("In-Reply-To", "References"):
        data = re.sub(rb"(?m)^%b: .*$" % name.encode(), b"%b: <other@x>" % name.encode(), letters[1].data)
        changed = [letters[0], replace(letters[1], data=data), *letters[2:]]
        found = proof.prove(repository, parcel.below, parcel.commits, changed, PERSON).difference
        assert found and found.part == name, found
