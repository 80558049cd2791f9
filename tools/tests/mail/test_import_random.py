# SPDX-License-Identifier: GPL-2.0-or-later
"""What `git am` or `b4 am` make of any mailbox, import makes of it too; or it says what to do.

A few mailboxes in every run. FARWATCH_MAILS=5000 makes as many mails as that, and says how they fared.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from farwatch.errors import FarwatchError
from farwatch.mail import scratch
from farwatch.mail.choice import ImportWish
from farwatch.mail.inbox import import_series
from farwatch.system import git
from tests.fakes import warm_b4
from tests.mail.mailboxes import Made, Posting, made, postings, write
from tests.samples.mail import app_of
from tests.samples.tree import Desk, desk

MAILS = int(os.environ.get("FARWATCH_MAILS", "0"))
EXAMPLES = MAILS // 4 or 6
FORM = "--format=%T%x00%an%x00%ae%x00%ad%x00%B%x01"


@dataclass
class Reader:
    """A base, and worktrees for git and b4."""

    bench: Desk
    tree: Path
    counts: Counter[str] = field(default_factory=Counter)

    def commits(self, tip: str, where: Path) -> list[list[bytes]]:
        """Tree, author, date and message, without the notes below it."""
        base = self.bench.trees.base_commit(self.bench.base)
        shown = git.git("log", "--reverse", "--date=raw", FORM, f"{base}..{tip}", cwd=where)
        entries = [entry.lstrip(b"\n").split(b"\0") for entry in shown.split(b"\x01") if entry.strip()]
        return [[*entry[:4], _message(entry[4])] for entry in entries]

    def am(self, *files: Path) -> list[list[bytes]] | None:
        """What `git am` makes of files; None where it takes them not."""
        git.git("reset", "--quiet", "--hard", self.bench.trees.base_commit(self.bench.base), cwd=self.tree)
        git.git("clean", "-ffdxq", cwd=self.tree)
        who = {"GIT_COMMITTER_NAME": "x", "GIT_COMMITTER_EMAIL": "x@example.org"}
        done = git.run("am", "--quiet", "--keep-cr", *map(str, files), cwd=self.tree, env=who)
        if done.returncode != 0:
            place = git.line("rev-parse", "--git-path", "rebase-apply", cwd=self.tree)
            shutil.rmtree(self.tree / place)  # am --abort refuses where a mail could not be parsed
            return None
        return self.commits("HEAD", self.tree)

    def b4_am(self, source: Path, version: int, folder: Path) -> list[list[bytes]] | None:
        """What `b4 am` and then `git am` make of a mailbox."""
        options = (
            "--no-cover",
            "--no-add-trailers",
            "-v",
            str(version),
            "-M",
            "-m",
            str(source),
            "-o",
            str(folder),
        )
        modes = ("--offline-mode", "--no-stdin", "--no-interactive", "-c", "b4.attestation-policy=off")
        status, _ = warm_b4.run([*modes, "am", *options], self.tree, git.environment())
        found = sorted(folder.glob("*.maildir/new/*"))
        return self.am(*found) if status == 0 and found else None


def _message(text: bytes) -> bytes:
    """A message, with its notes taken away, and blanks that b4 strips."""
    return b"\n".join(line.rstrip() for line in text.partition(b"\n---\n")[0].strip().split(b"\n"))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    bench = desk(tmp_path_factory.mktemp("import"))
    tree = tmp_path_factory.mktemp("am") / "tree"
    base = bench.trees.base_commit(bench.base)
    git.git("worktree", "add", "--quiet", "--detach", str(tree), base, cwd=bench.trees.repository("thing"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scratch, "run_b4", warm_b4.run)
        patch.setenv("HOME", str(bench.root))
        found = Reader(bench, tree)
        yield found
    sys.stderr.write(f"\nmailboxes: {dict(sorted(found.counts.items()))}\n")


def imported(reader: Reader, source: Path, version: int) -> list[list[bytes]]:
    app = app_of(reader.bench)
    revision = import_series(app, source, "v9", ImportWish(version=version))
    repository = app.trees.repository("thing")
    return reader.commits(app.trees.commits(revision, "thing", reader.bench.base)[-1], repository)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@given(postings)
def test_import_is_as_good_as_git_and_b4(
    reader: Reader, tmp_path_factory: pytest.TempPathFactory, posting: Posting
) -> None:
    folder = tmp_path_factory.mktemp("mails")
    found = made(posting)
    (folder / "box").mkdir()
    source = write(posting, found, folder / "box")
    try:
        outcome = compared(reader, posting, found, source, folder)
    finally:
        shutil.rmtree(folder)
        shutil.rmtree(reader.bench.root / "patches/v9", ignore_errors=True)
    reader.counts[outcome] += 1
    reader.counts["mails"] += len(found.mails)


def compared(reader: Reader, posting: Posting, found: Made, source: Path, folder: Path) -> str:
    """The outcome, in a word."""
    files = []
    for number, data in enumerate(found.files()):
        files.append(folder / f"{number}.eml")
        files[-1].write_bytes(data)
    by_git = reader.am(*files)
    readable = posting.container in ("mbox", "mboxrd", "maildir")
    by_b4 = reader.b4_am(source, found.version, folder / "b4") if readable else None
    if by_b4 is not None and len(by_b4) != found.total:
        by_b4 = None
    try:
        ours = imported(reader, source, found.version)
    except FarwatchError as error:
        assert error.hint, error
        taken = [name for name, other in (("git", by_git), ("b4", by_b4)) if other is not None]
        assert not taken, f"{taken} take it: {error}\n{posting}"
        return "refused"
    assert len(ours) == found.total, posting
    if by_git is not None:
        assert ours == by_git, f"{posting}\nours: {ours}\ngit:  {by_git}"
        return "same as git"
    if ours == by_b4:
        return "same as b4"
    for entry, file, meant in zip(ours, files, found.meant, strict=True):
        alone = reader.am(file)  # each of them applies by itself
        wanted = (alone[0][1], alone[0][4]) if alone else (meant[0].rstrip(".").encode(), meant[1].encode())
        assert (entry[1], entry[4]) == wanted, f"{posting}\nours: {entry}\nmeant: {wanted}\nb4: {by_b4}"
    return "git gives up, as it was meant"
