# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.revisions.catalog import Catalog
from farwatch.revisions.identity import Identity
from farwatch.series.adopt import DCO, adopt
from farwatch.series.save import save
from farwatch.system import git
from farwatch.system.home import checkout_root
from tests.samples.mail import PERSON, Person, app_of, write_series
from tests.samples.tree import Desk, commit, desk


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    folder = tmp_path / "person"
    folder.mkdir()
    Person(folder, monkeypatch)
    made = desk(tmp_path)
    write_series(made)
    return made


def adopted(bench: Desk, *answers: str) -> list[str]:
    """Adopt v1 with these answers; the questions."""
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return answers[len(asked) - 1]

    app = app_of(bench)
    adopt(app, app.catalog.revision("v1"), ask)
    return asked


def files(bench: Desk) -> dict[str, bytes]:
    folder = bench.root / "patches/v1"
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def log(bench: Desk) -> list[str]:
    tip = bench.again().tip(bench.revision(), "thing", bench.base).commit
    form = "--format=%an <%ae>%n%B%x00"
    shown = git.line("log", "--reverse", "-2", form, tip, cwd=bench.trees.repository("thing"))
    return [entry.strip() for entry in shown.split("\0") if entry.strip()]


def test_a_person_becomes_author_and_signs(bench: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    asked = adopted(bench, PERSON.name, "LLM coccinelle")
    assert str(PERSON) in asked[0] and "Assisted-by" in asked[1]
    assert DCO in capsys.readouterr().out
    first, second = log(bench)
    assert first == (
        f"{PERSON}\nfs: change a line\n\nThe reason.\n\nAssisted-by: LLM sparse\nSigned-off-by: {PERSON}"
    )
    assert second == f"{PERSON}\nfs: rename a file\n\nAssisted-by: LLM coccinelle\nSigned-off-by: {PERSON}"
    adoption = Catalog.load(bench.root).revision("v1").adoption
    assert adoption is not None and (adoption.by, adoption.assisted) == (str(PERSON), "LLM coccinelle")
    with pytest.raises(FarwatchError, match="was adopted by Jane Doe"):
        adopted(bench, PERSON.name, "no")


def test_the_checkout_follows_and_save_changes_nothing(bench: Desk) -> None:
    adopted(bench, PERSON.name, "LLM")
    tip = bench.again().tip(bench.revision(), "thing", bench.base)
    path = bench.again().work_path(bench.revision(), "thing", bench.base)
    assert git.line("rev-parse", "HEAD", cwd=path) == tip.commit
    before = files(bench)
    assert not save(bench.again(), bench.revision(), "thing", bench.base).changed
    assert files(bench) == before


def test_notes_stay_below_the_trailers_and_other_authors_stay(bench: Desk) -> None:
    path = bench.checkout()
    (path / "Makefile").write_text("all:\n")
    other = Identity("Other", "other@penguins.zz")
    commit(path, f"make: less\n\nText.\n\nSigned-off-by: {other}\n---\nv2: new", author=str(other))
    save(bench.again(), bench.revision(), "thing", bench.base)
    adopted(bench, PERSON.name, "LLM")
    tip = bench.again().tip(bench.revision(), "thing", bench.base).commit
    last = git.line("log", "-1", "--format=%an%n%b", tip, cwd=bench.trees.repository("thing"))
    wanted = (
        f"Other\nText.\n\nSigned-off-by: {other}\nAssisted-by: LLM\nSigned-off-by: {PERSON}\n---\nv2: new"
    )
    assert last == wanted


@pytest.mark.parametrize(
    ("answers", "cause"),
    [
        (("yes",), "was not 'Jane Doe'"),
        ((PERSON.name, "no"), "has an Assisted-by trailer: fs: change a line"),
        ((PERSON.name, ""), "expected no, or LLM"),
        ((PERSON.name, "LLM x\nSigned-off-by: y"), "expected no, or LLM"),
    ],
)
def test_without_answers_nothing_changes(bench: Desk, answers: tuple[str, ...], cause: str) -> None:
    before = files(bench)
    with pytest.raises(FarwatchError, match="not adopted") as caught:
        adopted(bench, *answers)
    assert cause in caught.value.cause
    assert files(bench) == before


def test_unsaved_work_and_nobody_to_adopt(bench: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    (bench.checkout() / "Makefile").write_text("other\n")
    with pytest.raises(FarwatchError, match="not in the patches"):
        adopted(bench, PERSON.name, "LLM")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    with pytest.raises(FarwatchError, match="does not know who you are"):
        adopted(bench, PERSON.name, "LLM")


def test_it_takes_a_terminal(bench: Desk) -> None:
    command = [sys.executable, "-m", "farwatch", "--project", str(bench.root), "adopt", "v1"]
    env = {**os.environ, "PYTHONPATH": str(checkout_root() / "tools"), "FARWATCH_HOME": str(bench.home.root)}
    piped = subprocess.run(
        command, input=b"Jane Doe\nLLM\n", capture_output=True, env=env, timeout=60, check=False
    )
    assert piped.returncode == 2 and b"confirmed by a person" in piped.stderr
    ours, theirs = pty.openpty()
    os.write(ours, b"Jane Doe\nLLM\n")
    typed = subprocess.run(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, env=env, timeout=60, check=False
    )
    os.close(theirs)
    os.close(ours)
    assert typed.returncode == 0 and b"v1 is adopted" in typed.stdout
    assert Catalog.load(bench.root).revision("v1").adoption is not None
