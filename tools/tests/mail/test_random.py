# SPDX-License-Identifier: GPL-2.0-or-later
"""Made up series of every kind survive save, sending and reading back."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from farwatch.errors import FarwatchError
from farwatch.mail import scratch
from farwatch.mail.headings import Difference
from farwatch.mail.letters import Draft, Letter, Recipients, finished, write_letters
from farwatch.mail.proof import Proof, prove
from farwatch.series.save import save
from farwatch.system import git
from tests.fakes import warm_b4
from tests.samples.mail import PERSON
from tests.samples.tree import Desk, commit, desk
from tests.series.test_random import act, patches

covers = st.text(st.sampled_from("ab \n-#Fä."), max_size=60).map(lambda text: f"From here\n{text}".strip())


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = desk(tmp_path_factory.mktemp("random"))
    made.checkout()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scratch, "run_b4", warm_b4.run)
        patch.setenv("HOME", str(made.root))
        yield made


def series(bench: Desk, chosen: Sequence[tuple[Any, ...]]) -> bool:
    """Make v1 of these patches; whether there is anything of it that patch files can carry."""
    path = bench.trees.work_path(bench.revision(), "thing", bench.base)
    git.git("reset", "--quiet", "--hard", bench.trees.base_commit(bench.base), cwd=path)
    git.git("clean", "-ffdxq", cwd=path)
    for number, (subject, body, author, actions) in enumerate(chosen):
        for action in actions:
            act(path, action)
        if git.git("status", "--porcelain", cwd=path):
            commit(path, f"p{number}: {subject}\n\n{body}", author=author)
    shutil.rmtree(bench.root / "patches/v1/thing", ignore_errors=True)
    try:
        save(bench.again(), bench.revision(), "thing", bench.base)
    except FarwatchError as error:
        event(f"not saved: {error.what.rpartition(':')[2]}")
        return False
    return True


def mailed(bench: Desk, cover: str) -> tuple[list[str], list[Letter], Proof]:
    trees = bench.again()
    commits = trees.commits(bench.revision(), "thing", bench.base)
    base, repository = trees.base_commit(bench.base), trees.repository("thing")
    draft = Draft("A title", cover, 2, "20260101-x-1", PERSON, Recipients(("l@example.org",)))
    who = (("user.name", PERSON.name), ("user.email", PERSON.email))
    with scratch.scratch(repository, base, commits[-1], who) as repo:
        letters = finished(write_letters(repo, draft, repo.path / ".git" / "mails"), {}, {})
    return list(commits), letters, prove(repository, base, commits, letters, PERSON)


# git cannot read an author back from the text of a mail if the name looks like an encoded word
mailable = patches.filter(lambda patch: "=?" not in patch[2])
_TRAILER = re.compile(r"^\s*\w\S+:\s+\S", re.MULTILINE)


def is_known_of_b4(bench: Desk, found: Difference) -> bool:
    """What b4 does to what it reads: it moves lines that look like trailers out of the text around them, and
    overlooks patches without text whose file names are quoted."""
    if found.reader != "b4 am":
        return False
    data = bench.revision().patches("thing")[found.number - 1].read_bytes().decode("utf-8", "replace")
    if found.part == "content":
        return 'diff --git "' in data and "\n+++ " not in data
    return _TRAILER.search(data.partition("\n\n")[2].partition("\ndiff --git ")[0]) is not None


@settings(
    max_examples=3,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    phases=[Phase.generate],
)
@given(st.lists(mailable, min_size=2, max_size=5), covers)
def test_a_series_arrives_as_it_was_written(
    bench: Desk, chosen: Sequence[tuple[Any, ...]], cover: str
) -> None:
    if not series(bench, chosen):
        return
    commits, letters, proof = mailed(bench, cover)
    assert len(letters) == len(commits) + 1 or len(commits) == 1
    assert all(len(line) <= 998 for letter in letters for line in letter.data.split(b"\n"))
    assert not any(b"\r" in letter.data or b"\nFrom " in letter.data for letter in letters)
    event(str(proof.difference and (proof.difference.reader, proof.difference.part)))
    assert proof.difference is None or is_known_of_b4(bench, proof.difference), proof


LATIN = [("write", "new.c", b"caf\xe9\n"), ("delete", "empty", None)]
MOVED = [("rename", "fs/dir.c", "ü\tx"), ("mode", "tool.sh", 0o644)]
HARD = (
    ("crlf", "", "Jörg Müller", [("write", "fs/crlf2.txt", b"a\r\nb\r\n"), ("edit", "fs/crlf.txt", b"x")]),
    ("binary", "From here on\n\nFrom 1 Mon Sep 17 00:00:00 2001", "李 小龍", [("edit", "binary", b"\0\1")]),
    ("rename and mode", "", "Константин Константинопольский", MOVED),
    ("latin", "Text.\n---\nnotes\n---\nmore", "A Person", LATIN),
    ("long " * 30, "long " * 300, "O'Neil, J. (work)", [("write", "fs/long.c", b"y" * 3000 + b"\n")]),
)


def test_each_thing_that_mail_is_known_to_damage(bench: Desk) -> None:
    chosen = [(subject, body, f"{name} <p@penguins.zz>", actions) for subject, body, name, actions in HARD]
    assert series(bench, chosen)
    commits, letters, proof = mailed(bench, "# no comment\n\nFrom here\n\n" + "long " * 300)
    assert proof.difference is None, proof
    assert len(commits) == len(HARD) and len(letters) == len(HARD) + 1
    crlf, binary, rename, latin, long = (letter.data for letter in letters[1:])
    assert b"GIT binary patch" in crlf and b"GIT binary patch" in latin and b"rename from fs/dir.c" in rename
    assert b"=46rom here on" in binary and b"quoted-printable" in long
    assert b"\n# no comment\n" in letters[0].data
