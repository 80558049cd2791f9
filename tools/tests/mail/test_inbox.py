# SPDX-License-Identifier: GPL-2.0-or-later
"""import and trailers: from mails that b4 and git made, and from what else is in mailboxes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.mail import scratch
from farwatch.mail.choice import ImportWish
from farwatch.mail.inbox import import_series
from farwatch.mail.letters import Draft, Letter, Recipients, write_letters
from farwatch.mail.mailbox import read_mailbox
from farwatch.mail.replies import Discussion, discussion
from farwatch.mail.trailers import collect
from farwatch.revisions.catalog import Catalog
from farwatch.series.reword import reword
from farwatch.series.save import save
from farwatch.system import git
from tests.fakes import warm_b4
from tests.samples.mail import PERSON, Person, app_of, write_series
from tests.samples.tree import Desk, commit, desk


@pytest.fixture(autouse=True, scope="module")
def _warm_b4() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scratch, "run_b4", warm_b4.run)
        yield


class Posted:
    """v1, and its mails: a cover letter and two patches."""

    def __init__(self, folder: Path) -> None:
        self.bench = desk(folder)
        write_series(self.bench)
        self.letters = self.version(1)

    def version(self, number: int, subject: str = "A title") -> list[Letter]:
        bench = self.bench
        commits = bench.trees.commits(bench.revision(), "thing", bench.base)
        base, repository = bench.trees.base_commit(bench.base), bench.trees.repository("thing")
        who = (("user.name", PERSON.name), ("user.email", PERSON.email))
        draft = Draft(subject, "Why this is.", number, "20260101-x-1", PERSON, Recipients(("l@example.org",)))
        with scratch.scratch(repository, base, commits[-1], who) as repo:
            return write_letters(repo, draft, repo.path / ".git" / "mails")


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Posted:
    folder = tmp_path_factory.mktemp("posted")
    with pytest.MonkeyPatch.context() as patch:
        Person(folder, patch)
        made = Posted(folder)
    shutil.copytree(made.bench.root, folder / "before")
    return made


@pytest.fixture
def posted(once: Posted) -> Posted:
    for folder in (once.bench.root, once.bench.home.work):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(once.bench.root.parent / "before", once.bench.root)
    return once


def mbox(path: Path, *mails: bytes) -> Path:
    path.write_bytes(b"".join(b"From x@y Thu Jan  1 00:00:00 1970\n" + mail + b"\n" for mail in mails))
    return path


def reply(to: Letter, text: str, *, sender: str = "Rita <rita@penguins.zz>", subject: str = "") -> bytes:
    mail = EmailMessage()
    mail["From"], mail["Message-Id"] = sender, f"<{abs(hash((to.message_id, text, sender)))}@x>"
    mail["Subject"] = subject or f"Re: {to.subject}"
    mail["In-Reply-To"] = mail["References"] = f"<{to.message_id}>"
    mail.set_content(text)
    return mail.as_bytes()


def imported(
    posted: Posted, source: Path, name: str = "v9", version: int | None = None
) -> list[tuple[str, ...]]:
    """Import; author, subject and tree of each commit."""
    app = app_of(posted.bench)
    revision = import_series(app, source, name, ImportWish(version=version))
    return contents(posted.bench, revision.name)


def contents(bench: Desk, name: str) -> list[tuple[str, ...]]:
    bench.catalog = Catalog.load(bench.root)
    commits = bench.again().commits(bench.revision(name), "thing", bench.base)
    form = "--format=%an%x00%B%x00%T"
    where = bench.trees.repository("thing")
    return [tuple(git.line("log", "-1", form, found, cwd=where).split("\0")) for found in commits]


def read(source: Path) -> Discussion:
    return discussion(read_mailbox(source))


def data(letters: list[Letter]) -> list[bytes]:
    return [letter.data for letter in letters]


# import


def test_an_mbox_of_a_thread(posted: Posted, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mails = [*data(posted.letters)[::-1], reply(posted.letters[1], "Looks good.\n\n> diff --git a/x b/x\n")]
    assert imported(posted, mbox(tmp_path / "mbox", *mails)) == contents(posted.bench, "v1")
    folder = posted.bench.root / "patches/v9"
    assert (folder / "cover-letter.txt").read_text() == "A title\n\nWhy this is.\n"
    assert posted.bench.revision("v9").title == "A title"
    assert posted.bench.revision("v9").bases == {"thing": "1.0"}
    before = {path: path.read_bytes() for path in (folder / "thing").iterdir()}
    posted.bench.checkout("v9")
    assert not save(posted.bench.again(), posted.bench.revision("v9"), "thing", posted.bench.base).changed
    assert before == {path: path.read_bytes() for path in (folder / "thing").iterdir()}
    assert "left out: 1 reply" in capsys.readouterr().err


def test_what_b4_am_writes(posted: Posted, tmp_path: Path) -> None:
    mbox(tmp_path / "in", *data(posted.letters))
    repository = posted.bench.trees.repository("thing")
    with scratch.bare_scratch(repository) as repo:
        repo.b4("-c", "b4.attestation-policy=off", "am", "-m", tmp_path / "in", "-o", tmp_path)
    [made] = tmp_path.glob("*.mbx")
    assert imported(posted, made) == contents(posted.bench, "v1")


def test_a_maildir_and_folders_of_patch_files(posted: Posted, tmp_path: Path) -> None:
    wanted = contents(posted.bench, "v1")
    maildir = tmp_path / "maildir"
    for part in ("cur", "new", "tmp"):
        (maildir / part).mkdir(parents=True)
    for number, letter in enumerate(posted.letters):
        (maildir / ("cur" if number else "new") / str(9 - number)).write_bytes(
            letter.data.replace(b"\n", b"\r\n")
        )
    assert imported(posted, maildir) == wanted
    assert imported(posted, posted.bench.root / "patches/v1/thing", "v10") == wanted
    quilt = tmp_path / "quilt"
    quilt.mkdir()
    for name, letter in zip("za", posted.letters[1:], strict=True):
        (quilt / f"{name}.patch").write_bytes(letter.data)
    (quilt / "series").write_text("# order\nz.patch -p1\na.patch\n")
    assert imported(posted, quilt, "v11") == wanted


def test_public_inbox_quotes_lines_that_start_with_from(posted: Posted, tmp_path: Path) -> None:
    bench = posted.bench
    path = bench.checkout()
    (path / "new").write_text("x\n")
    commit(path, "fs: quoted\n\nFrom here on\n>From there")
    save(bench.again(), bench.revision(), "thing", bench.base)
    wanted = contents(bench, "v1")
    source = tmp_path / "mboxrd"
    where = bench.root / "patches/v1/thing"
    mails = [path.read_bytes().partition(b"\n")[2] for path in sorted(where.iterdir())]
    quoted = [
        mail.replace(b"\n>From", b"\n>>From").replace(b"\nFrom here", b"\n>From here") for mail in mails
    ]
    separator = b"From mboxrd@z Thu Jan  1 00:00:00 1970\n"
    source.write_bytes(b"".join(separator + mail + b"\n" for mail in quoted))
    assert imported(posted, source) == wanted


def test_one_version_of_several(posted: Posted, tmp_path: Path) -> None:
    both = mbox(tmp_path / "mbox", *data(posted.letters), *data(posted.version(2, "Another title")))
    with pytest.raises(FarwatchError, match="more than one series") as caught:
        imported(posted, both)
    assert "Another title" in caught.value.cause and "--version N" in caught.value.hint
    assert imported(posted, both, version=2) == contents(posted.bench, "v1")
    assert posted.bench.revision("v9").title == "Another title"


def test_foreign_mails(posted: Posted, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    foreign = [
        mail.replace(b"fs: ", b"foreign: ").replace(b"@penguins.zz>\n", b"-other@penguins.zz>\n")
        for mail in data(posted.version(1, "Foreign title"))
    ]
    with pytest.raises(FarwatchError, match="more than one series") as caught:
        imported(posted, mbox(tmp_path / "two", *data(posted.letters), *foreign))
    assert "Foreign title" in caught.value.cause and "--map thing=NUMBER" in caught.value.hint
    assert not (posted.bench.root / "patches/v9").exists()
    part = mbox(tmp_path / "part", *data(posted.letters), *foreign[:2])
    assert imported(posted, part) == contents(posted.bench, "v1")
    assert "left out: [PATCH 1/2] foreign: change a line" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("keep", "says"),
    [
        ((0, 2), "patch 1 of 2 is missing"),
        ((0,), "none of its 1 mails is a patch"),
    ],
)
def test_not_a_whole_series(posted: Posted, tmp_path: Path, keep: tuple[int, ...], says: str) -> None:
    with pytest.raises(FarwatchError) as caught:
        imported(posted, mbox(tmp_path / "mbox", *(posted.letters[number].data for number in keep)))
    assert says in caught.value.cause


def test_it_does_not_apply_or_has_a_name_that_is_taken(posted: Posted, tmp_path: Path) -> None:
    other = [mail.replace(b"-line 5", b"-line four") for mail in data(posted.letters)]
    with pytest.raises(FarwatchError, match="does not apply"):
        imported(posted, mbox(tmp_path / "mbox", *other))
    assert sorted(path.name for path in (posted.bench.root / "patches").iterdir()) == ["bases.toml", "v1"]
    for name, says in (("v1", "is there already"), ("../x", "cannot be the name")):
        with pytest.raises(FarwatchError, match=says):
            imported(posted, mbox(tmp_path / "good", *data(posted.letters)), name)
    for place, says in ((tmp_path / "none", "there is no"), (tmp_path / "empty", "has no mails")):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(FarwatchError, match=says):
            imported(posted, place)


# trailers


def test_trailers_go_to_their_patches(posted: Posted, tmp_path: Path) -> None:
    cover, first, second = posted.letters
    thread = mbox(
        tmp_path / "mbox",
        *data(posted.letters),
        reply(first, "Nice.\n\nReviewed-by: Rita <rita@penguins.zz>\n"),
        reply(cover, "All of it:\n\nTested-by: Tom <tom@penguins.zz>\n", sender="Tom <tom@penguins.zz>"),
        reply(second, "Acked-by: Other <o@penguins.zz>\n"),
    )
    app, bench = app_of(posted.bench), posted.bench
    before = contents(bench, "v1")
    found = collect(app, app.catalog.revision("v1"), "thing", read(thread))
    assert contents(bench, "v1") == before, "nothing is written"
    assert found.shown() == (
        "thing: fs: change a line\n  + Reviewed-by: Rita <rita@penguins.zz>\n"
        "  + Tested-by: Tom <tom@penguins.zz>\n"
        "thing: fs: rename a file\n  + Tested-by: Tom <tom@penguins.zz>"
    )
    assert any("Other <o@penguins.zz>" in remark for remark in found.remarks)
    bench.checkout()
    reword(app, app.catalog.revision("v1"), {"thing": found.after})
    after = contents(bench, "v1")
    assert [entry[2] for entry in after] == [entry[2] for entry in before]
    assert (
        after[0][1]
        .rstrip()
        .endswith(
            "Assisted-by: LLM sparse\nReviewed-by: Rita <rita@penguins.zz>\nTested-by: Tom <tom@penguins.zz>"
        )
    )
    tip = bench.again().tip(bench.revision(), "thing", bench.base).commit
    path = bench.again().work_path(bench.revision(), "thing", bench.base)
    assert git.line("rev-parse", "HEAD", cwd=path) == tip
    again = collect(app_of(bench), bench.revision(), "thing", read(thread))
    assert not again.changed
    sloppy = collect(app_of(bench), bench.revision(), "thing", read(thread), sloppy=True)
    assert sloppy.shown() == "thing: fs: rename a file\n  + Acked-by: Other <o@penguins.zz>"


def test_a_patch_that_has_changed_takes_fuzzy(posted: Posted, tmp_path: Path) -> None:
    thread = mbox(
        tmp_path / "mbox",
        *(mail.replace(b"+line five", b"+line 5!") for mail in data(posted.letters)),
        reply(posted.letters[1], "Reviewed-by: Rita <rita@penguins.zz>\n"),
    )
    app = app_of(posted.bench)
    revision = app.catalog.revision("v1")
    assert not collect(app, revision, "thing", read(thread)).changed
    found = collect(app, revision, "thing", read(thread), fuzzy=True)
    assert "+ Reviewed-by: Rita" in found.shown() and any("subject" in remark for remark in found.remarks)
    assert collect(app, revision, "thing", read(thread)).by_subject == ("fs: change a line",)


def test_the_command_line(
    posted: Posted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from farwatch.cli import main

    monkeypatch.chdir(posted.bench.root)
    monkeypatch.setenv("FARWATCH_HOME", str(posted.bench.home.root))
    whole = mbox(
        tmp_path / "mbox", *data(posted.letters), reply(posted.letters[1], "Acked-by: R <rita@penguins.zz>\n")
    )
    assert main(["import", str(whole), "v9", "--component", "thing", "--base", "1.0"]) == 0
    assert main(["trailers", "v9", str(whole)]) == 0
    assert "Acked-by" not in contents(posted.bench, "v9")[0][1]
    assert main(["trailers", "v9", str(whole), "--write"]) == 0
    assert "Acked-by" in contents(posted.bench, "v9")[0][1]
    assert main(["import", str(tmp_path / "none"), "v10"]) == 2
    for number, (mails, says) in enumerate(
        (
            (data(posted.letters), "has no replies with trailers"),
            (
                [reply(posted.letters[1], "Acked-by: R <r@x.zz>\n")],
                "what they answer is not there; next: b4 mbox",
            ),
            ([whole.read_bytes()], "has no trailers that v9 does not have"),
        )
    ):
        assert main(["trailers", "v9", str(mbox(tmp_path / str(number), *mails))]) == 0
        assert says in capsys.readouterr().out
    (tmp_path / "folder").mkdir()
    assert main(["trailers", "v9", str(tmp_path / "folder")]) == 2
    assert "has no mails" in capsys.readouterr().err
