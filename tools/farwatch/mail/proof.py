# SPDX-License-Identifier: GPL-2.0-or-later
"""The proof that a series arrives as it was written.

The mails go to an SMTP server on this machine. What that server got is read as a maintainer would: by
`git am`, on the base, and by `b4 am`. Every commit must come out with the tree, author, subject, body and
trailers that it has here; every header (headings.py) must say what was meant.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from farwatch.mail.delivery import door_to
from farwatch.mail.headings import Difference, difference
from farwatch.mail.letters import Letter, Recipients
from farwatch.mail.scratch import Scratch, bare_scratch
from farwatch.mail.sink import sink
from farwatch.revisions.identity import Identity
from farwatch.system import commits, git
from farwatch.trees.patch_mail import tidy

_READER = Identity("reader", "reader@localhost.invalid")
_SETTINGS = (
    ("user.name", _READER.name),
    ("user.email", _READER.email),
    ("b4.attestation-policy", "off"),
)
_CUT = re.compile(rb"^---\s*$", re.MULTILINE)
_TRAILER = re.compile(r"[A-Za-z][A-Za-z-]*: \S")


@dataclass(frozen=True)
class Content:
    """A commit, as far as a mail carries it."""

    tree: str
    author: str
    subject: str
    body: str
    trailers: str


@dataclass(frozen=True)
class Proof:
    """Outcome of a round trip."""

    difference: Difference | None
    """The first one."""
    notes: tuple[str, ...] = ()
    """What a reader sees otherwise, and no sender can help."""


def prove(
    repository: Path,
    base: str,
    commits: Sequence[str],
    letters: Sequence[Letter],
    sender: Identity,
    recipients: Recipients | None = None,
) -> Proof:
    """Send the letters to a server of our own, read them back, compare them with the commits.

    recipients: who must be among those that each letter is for
    """
    received = sent_and_received(letters, sender)
    with bare_scratch(repository, _SETTINGS) as repo, tempfile.TemporaryDirectory(prefix="farwatch-") as name:
        written = _reduced(repo, [base, *commits])
        repo.git("reset", "--quiet", "--hard", written[0])
        files = _stored(received, Path(name), cover=len(letters) > len(commits))
        found = _by_git(repo, written, files)
        found = found or difference(repo, received, letters, sender, recipients or Recipients())
        return Proof(found) if found else _by_b4(repo, received, files)


def _reduced(repo: Scratch, commits: Sequence[str]) -> list[str]:
    """Commits like these, a base and a series on it, but without the files that no patch of it names.

    A patch can neither see nor change those, so a tree of the others is as good as a whole one; and
    `git am`, which writes the whole index for each patch, is done with it in no time.
    """
    names: set[str] = set()
    for commit in commits[1:]:
        found = repo.git("diff-tree", "--no-commit-id", "--name-only", "-r", "-z", "--no-renames", commit)
        names |= set(filter(None, os.fsdecode(found).split("\0")))
    made: list[str] = []
    for commit in commits:
        entries = repo.git(
            "--literal-pathspecs", "ls-tree", "-r", "-z", "--full-tree", commit, "--", *sorted(names)
        )
        repo.git("read-tree", "--empty")
        repo.git("update-index", "-z", "--index-info", stdin=entries)
        made.append(_recommitted(repo, commit, repo.line("write-tree"), made[-1:]))
    return made


def _recommitted(repo: Scratch, commit: str, tree: str, parents: Sequence[str]) -> str:
    """A commit with the author, date and message of another one."""
    like = commits.read(commit, repo.path)
    return repo.write(replace(like, tree=tree, parents=tuple(parents), committer=None))


def sent_and_received(letters: Sequence[Letter], sender: Identity) -> list[bytes]:
    """What an SMTP server makes of the letters, with LF at the ends of lines, as mail is stored."""
    with sink() as server:
        with door_to(server.hostname, server.port, sender.email) as door:
            for letter in letters:
                door.send(letter, letter.recipients or [sender.email])
        return [content.replace(b"\r\n", b"\n") for content in server.handler.contents]


def _stored(received: Sequence[bytes], folder: Path, *, cover: bool) -> list[Path]:
    """The patches among the mails, as files."""
    files = []
    for number, mail in enumerate(received, start=0 if cover else 1):
        if number:
            files.append(folder / f"{number:04}.eml")
            files[-1].write_bytes(mail)
    return files


# git am


def _by_git(repo: Scratch, commits: Sequence[str], files: Sequence[Path]) -> Difference | None:
    """Compare what `git am` makes of the mails with the commits; the first of those is the base."""
    done = git.run("am", "--quiet", *map(str, files), cwd=repo.path, env=repo.environment())
    written = contents(repo, commits[0], commits[-1])
    read = contents(repo, commits[0], "HEAD")
    for number, (one, other) in enumerate(zip(written, read, strict=False), start=1):
        if found := _compare("git am", number, one, other):
            return found
    if done.returncode == 0 and len(read) == len(written):
        return None
    number = min(len(read) + 1, len(written))
    said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
    subject = written[number - 1].subject
    return Difference("git am", number, subject, "content", "a patch", " ".join(said[:3]) or "nothing")


def contents(repo: Scratch, base: str, tip: str) -> list[Content]:
    """The commits above `base`, without the notes below their "---", which are not applied."""
    form = "--format=%T%x00%an <%ae>%x00%B%x00"
    shown = repo.git("log", "--reverse", form, f"{base}..{tip}").split(b"\0\n")
    return [_commit(*entry.split(b"\0", 2)) for entry in shown if entry]


def _commit(tree: bytes, author: bytes, message: bytes) -> Content:
    return _content(tree.decode(), author.decode("utf-8", "replace"), message)


def _content(tree: str, author: str, message: bytes) -> Content:
    text = tidy(_CUT.split(message, maxsplit=1)[0]).decode("utf-8", "replace").rstrip("\n")
    head, _, body = text.partition("\n\n")
    rest, _, last = body.rpartition("\n\n")
    if last and all(_TRAILER.match(line) for line in last.splitlines()):
        return Content(tree, author, " ".join(head.split("\n")), rest, last)
    return Content(tree, author, " ".join(head.split("\n")), body, "")


def _compare(reader: str, number: int, written: Content, read: Content) -> Difference | None:
    for part in ("author", "subject", "body", "trailers", "tree"):
        one, other = getattr(written, part), getattr(read, part)
        if one != other:
            name = "content" if part == "tree" else part
            return Difference(
                reader, number, written.subject, name, _excerpt(one, other), _excerpt(other, one)
            )
    return None


def _excerpt(text: str, other: str) -> str:
    """The first line of `text` that is not so in `other`."""
    lines, others = text.split("\n"), other.split("\n")
    for place, line in enumerate(lines):
        if place >= len(others) or others[place] != line:
            return line[:200] or "(an empty line)"
    return "(nothing more)"


# b4 am


def _by_b4(repo: Scratch, received: Sequence[bytes], files: Sequence[Path]) -> Proof:
    """Compare what b4 hands to git with what git found by itself: if it is the same, so is the commit."""
    folder = files[0].parent
    # b4 reads a maildir as it is; an mbox would have its own idea of lines that start with From
    maildir = folder / "received"
    for part in ("new", "cur", "tmp"):
        (maildir / part).mkdir(parents=True)
    for number, mail in enumerate(received):
        (maildir / "new" / f"{number:04}").write_bytes(mail)
    repo.b4("am", "--no-cover", "-M", "-m", maildir, "-o", folder / "am")
    made = sorted((folder / "am").glob("*.maildir/new/*"))
    if len(made) != len(files):
        # it overlooks patches that only rename, delete or chmod files with unusual names
        subjects = [_mailinfo(repo, mail).subject for mail in files]
        taken = [_mailinfo(repo, mail).subject for mail in made]
        number = next(place for place, subject in enumerate([*subjects, ""], 1) if subject not in taken)
        lost = subjects[min(number, len(subjects)) - 1]
        return Proof(Difference("b4 am", number, lost, "content", f"{len(files)} patches", f"{len(made)}"))
    notes = []
    for number, (ours, theirs) in enumerate(zip(files, made, strict=True), start=1):
        one, other = _mailinfo(repo, ours), _mailinfo(repo, theirs)
        if difference := _compare("b4 am", number, _plain(one), _plain(other)):
            return Proof(difference)
        if one != other:
            where = f"at the start of a line, in patch {number}"
            notes.append(f"b4 am changes blanks, or 'From ' {where}")
    return Proof(None, tuple(notes))


def _mailinfo(repo: Scratch, mail: Path) -> Content:
    """A mail as git takes it apart; the patch stands for the tree."""
    with tempfile.TemporaryDirectory(dir=mail.parent.parent) as name:
        message, patch = Path(name) / "message", Path(name) / "patch"
        words = ("mailinfo", str(message), str(patch))
        done = git.run(*words, cwd=repo.path, stdin=mail.read_bytes(), env=repo.environment())
        fields = dict(re.findall(r"^(\w+): (.*)$", done.stdout.decode("utf-8", "replace"), re.MULTILINE))
        text = f"{fields.get('Subject', '')}\n\n".encode() + message.read_bytes()
        change = patch.read_bytes()
    start = re.search(rb"^diff --git ", change, re.MULTILINE)
    # below the change stands the version of git, as a signature
    body = re.sub(rb"\n-- \n[^\n]*\n+\Z", b"\n", change[start.start() :] if start else b"")
    author = f"{fields.get('Author', '')} <{fields.get('Email', '')}>"
    return _content(body.decode("utf-8", "replace").rstrip("\n"), author, text)


def _plain(found: Content) -> Content:
    """Without what b4 changes by itself: "From " at the start of a line becomes ">From ", as in old
    mailboxes, and the blanks at both ends of a text go."""
    body = re.sub(r"^>+From ", "From ", found.body, flags=re.MULTILINE).strip()
    return Content(found.tree, found.author, found.subject, body, found.trailers)
