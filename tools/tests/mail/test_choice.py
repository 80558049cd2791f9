# SPDX-License-Identifier: GPL-2.0-or-later
"""Series of several components in one mailbox, and what is said where it is not clear what is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from farwatch.app import App
from farwatch.errors import FarwatchError
from farwatch.mail.choice import ImportWish
from farwatch.mail.inbox import import_series
from farwatch.mail.incoming import Mail
from farwatch.model import Revision
from tests.mail.test_threads import STAT, mail
from tests.samples.mail import app_of
from tests.samples.tree import Desk, desk, sha256, write_tar

CHANGE = "Text.\n---\ndiff --git a/{0} b/{0}\n--- a/{0}\n+++ b/{0}\n@@ -1 +1 @@\n-{1}\n+{2}\n"


def series(component: str, to: str = "", *, link: str = "", front: str = "") -> list[Mail]:
    """A cover letter and two patches."""
    file = {"thing": "fs/one.c", "server": "src/main.rs"}[component]
    head = f"{component}{front.strip()}"
    cover = mail(
        head, f"[PATCH{front} 0/2] {component}: all", to, f"{link}{STAT}\n---\nChanges: {component}\n"
    )
    texts = [CHANGE.format(file, number, number + 1) for number in (1, 2)]
    numbered = enumerate(texts, start=1)
    return [
        cover,
        *(mail(f"{head}{n}", f"[PATCH{front} {n}/2] {component} {n}", head, text) for n, text in numbered),
    ]


@pytest.fixture
def bench(tmp_path: Path) -> Desk:
    made = desk(tmp_path)
    text = ""
    for component, file in (("thing", "fs/one.c"), ("server", "src/main.rs")):
        path = write_tar(tmp_path / f"{component}.tar", files={file: b"1\n", "README": b"x\n"})
        text += f'[{component}."1.0"]\nkind = "tarball"\nlocation = "{path}"\nsha256 = "{sha256(path)}"\n'
    (made.root / "patches/bases.toml").write_text(text)
    app = app_of(made)
    for component in ("thing", "server"):
        app.trees.base_commit(app.catalog.base(component))
    return made


def take(bench: Desk, mails: list[Mail], **wish: object) -> tuple[App, Revision]:
    path = bench.root.parent / "mbox"
    path.write_bytes(b"".join(b"From x Thu Jan  1 00:00:00 2026\n" + one.data for one in mails))
    app = app_of(bench)
    return app, import_series(app, path, "v9", ImportWish(**wish))  # type: ignore[arg-type]


def counts(app: App, revision: Revision) -> list[int]:
    for component in revision.bases:
        assert app.trees.commits(revision, component, app.catalog.base(component))
    return [len(revision.patches(component)) for component in ("thing", "server")]


def test_several_components_become_one_revision(bench: Desk) -> None:
    app, revision = take(bench, [*series("server", "thing"), *series("thing")])
    assert counts(app, revision) == [2, 2] and revision.title == "thing: all"
    assert (revision.folder / "cover-letter.txt").read_text().startswith("thing: all\n")
    assert (revision.folder / "server/cover-letter.txt").read_text() == "server: all\n\nBlurb.\n"
    assert (revision.folder / "changelog.txt").read_text() == "Changes: thing\n\nChanges: server\n"
    assert not (app.home.root / "mail/import-v9").exists()


def test_threads_that_name_each_other(bench: Desk) -> None:
    """As `send` writes them."""
    app, revision = take(bench, [*series("thing"), *series("server", link="Message-ID: <thing>\n")])
    assert counts(app, revision) == [2, 2]


def test_threads_that_have_nothing_in_common(bench: Desk) -> None:
    both = [*series("thing"), *series("server")]
    with pytest.raises(FarwatchError, match="more than one series") as caught:
        take(bench, both)
    assert "1: [PATCH 0/2] thing: all (A), 2 patches\n2: [PATCH 0/2] server" in caught.value.cause
    assert "--map thing=NUMBER" in caught.value.hint
    assert counts(*take(bench, both, components={"thing": "1", "server": "server: ALL"})) == [2, 2]


@pytest.mark.parametrize(
    "wish",
    [{"component": "server"}, {"components": {"server": "2"}}, {"components": {"server": "<server1>"}}],
)
def test_one_of_them(bench: Desk, wish: dict[str, object]) -> None:
    assert counts(*take(bench, [*series("thing"), *series("server")], **wish)) == [0, 2]


@pytest.mark.parametrize("which", ["3", "0", "all", "nothing", "none@x"])
def test_a_name_that_says_nothing(bench: Desk, which: str) -> None:
    with pytest.raises(FarwatchError, match="of the series in") as caught:
        take(bench, [*series("thing"), *series("server")], components={"thing": which})
    assert "1: [PATCH 0/2] thing" in caught.value.cause and "--map" in caught.value.hint


def test_versions_of_several_components(bench: Desk) -> None:
    both = [*series("thing"), *series("server", "thing"), *series("thing", "thing", front=" v2")]
    both += series("server", "thingv2", front=" v2")
    with pytest.raises(FarwatchError, match="more than one series") as caught:
        take(bench, both)
    assert "--version N" in caught.value.hint
    app, revision = take(bench, both, version=2)
    assert counts(app, revision) == [2, 2]


def test_one_after_the_other(bench: Desk) -> None:
    """Patches without numbers, which `git am` would put on in the order of the mailbox."""
    one, two = series("thing")[1:]
    mails = [mail("a", "[PATCH] one", "", one.body), mail("b", "[PATCH] two", "", two.body)]
    with pytest.raises(FarwatchError, match="more than one series") as caught:
        take(bench, mails)
    assert "thing=1+2" in caught.value.hint
    assert counts(*take(bench, mails, components={"thing": "1+2"})) == [2, 0]


def test_what_does_not_apply_is_kept(bench: Desk) -> None:
    """The error names the mail, and a file that is there; corrected, the folder is imported."""
    mails = series("thing")
    mails[2] = mail("thing2", "[PATCH 2/2] thing 2", "thing", CHANGE.format("fs/one.c", 7, 3))
    with pytest.raises(FarwatchError, match="does not apply") as caught:
        take(bench, mails)
    kept = Path(caught.value.cause.partition(": ")[0])
    assert ": thing 2\n" in caught.value.cause and kept.name == "0002-thing-2.patch"
    assert caught.value.hint.endswith(f"farwatch import {kept.parent} v9")
    kept.write_bytes(kept.read_bytes().replace(b"-7", b"-2"))
    app = app_of(bench)
    revision = import_series(app, kept.parent, "v9", ImportWish())
    assert counts(app, revision) == [2, 0] and revision.title == "thing: all"


def test_a_date_that_cannot_be_read(bench: Desk) -> None:
    mails = series("thing")
    text = mails[1].data.replace(b"\nSubject", b"\nDate: Mon, 99 Feb 2026 25:61:61 +9999\nSubject")
    spam = b"From: S <s@x.org>\nDate: Tue, 10 Jan 99999999999999 10:00:00 +0000\nSubject: Buy\n\nx\n"
    path = bench.root.parent / "mbox"
    path.write_bytes(
        b"From x Thu Jan  1 00:00:00 2026\n".join([b"", mails[0].data, mails[2].data, spam, text])
    )
    with pytest.raises(FarwatchError) as caught:
        import_series(app_of(bench), path, "v9", ImportWish())
    assert "invalid date format: Mon, 99 Feb" in caught.value.cause and "0001-thing-1" in caught.value.what
    assert "farwatch import" in caught.value.hint


def test_a_patch_without_a_subject(bench: Desk) -> None:
    """The first line of its text is what git am takes."""
    [_, one, _] = series("thing")
    app, revision = take(bench, [mail("1", "", "", one.body)])
    assert counts(app, revision) == [1, 0] and revision.title == "v9"
    assert revision.patches("thing")[0].name == "0001-Text.patch"
