# SPDX-License-Identifier: GPL-2.0-or-later
"""Patch files into commits, as `git am` makes them, but without a worktree: only an index is touched.

The committer is the author, so a series has the same commit ids on every machine. Text below the line
"---" of a patch, which `git am` drops, is kept at the end of the commit message below a line "---":
series.save() writes it back to where it was.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.system import commits, git

_PREFIX = re.compile(rb"^\[[^\]]*PATCH[^\]]*\]\s*", re.IGNORECASE)
_DIFF = re.compile(rb"^(?:diff -|--- [^\s]|Index: )", re.MULTILINE)
_ORIGIN = re.compile(rb"^(?:rename|copy) from (?P<name>.+?)\r?$", re.MULTILINE)
_SEPARATOR = re.compile(rb"^---\s*$")
_STAT = re.compile(
    rb"^ .* \| +(?:\d+|Bin|Unmerged)\b.*$|^ \d+ files? changed\b.*$"
    rb"|^ (?:create|delete|rename|copy|rewrite|mode change) .*$|^\s*$"
)
_REFUSED = re.compile(r"^error: patch failed: (?P<file>.+):(?P<line>\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class PatchMail:
    """What a patch file says."""

    path: Path
    author: str
    email: str
    date: str
    message: bytes
    diff: bytes


@dataclass(frozen=True)
class Target:
    """What a series is applied to; the names are for messages."""

    repository: Path
    base_commit: str
    series: str
    """"v1 linux" """
    base_label: str
    hint: str


def read_patch(path: Path, repository: Path) -> PatchMail:
    """Read a patch in mail form; FarwatchError when it is none."""
    raw = path.read_bytes()
    with tempfile.TemporaryDirectory(prefix="farwatch-") as name:
        folder = Path(name)
        done = git.run(
            "mailinfo",
            "-k",
            "--encoding=UTF-8",
            str(folder / "msg"),
            str(folder / "diff"),
            cwd=repository,
            stdin=raw,
        )
        if done.returncode != 0:
            raise _not_a_patch(path, f"git mailinfo cannot read it ({len(raw)} bytes)")
        body, rest = (folder / "msg").read_bytes(), (folder / "diff").read_bytes()
    info = _fields(done.stdout)
    missing = [field for field in ("Author", "Email", "Date", "Subject") if not info.get(field)]
    if missing:
        raise _not_a_patch(
            path, f"it has no {missing[0].replace('Author', 'From').replace('Email', 'From')} line"
        )
    start = _DIFF.search(rest)
    if start is None:
        raise _not_a_patch(path, "it changes nothing: there is no diff in it")
    if re.search(rb"^From [0-9a-f]{40} ", rest[start.start() :], re.MULTILINE):
        raise _not_a_patch(path, "it holds more than one patch")
    message = _message(info["Subject"], body, _notes(rest[: start.start()]))
    return PatchMail(path, info["Author"], info["Email"], info["Date"], message, rest)


def apply_series(target: Target, patches: Sequence[Path]) -> list[str]:
    """Commit ids, one a patch, each on top of the one before; none of them has a ref yet.

    FarwatchError for the first patch that does not apply: which file, which hunk, what to do. A hunk
    must match with all its context, though it may have moved.
    """
    mails = [read_patch(path, target.repository) for path in patches]
    if not mails:
        return []
    commits: list[str] = []
    for mail, tree in zip(mails, _trees(target, mails), strict=True):
        commits.append(_commit(target, mail, tree, commits[-1] if commits else target.base_commit))
    return commits


def _trees(target: Target, mails: Sequence[PatchMail]) -> list[str]:
    """The tree after each patch. Only what they touch is in the index: a kernel has 90000 files more."""
    paths = {path for mail in mails for path in _touched(target, mail)}
    with _index_of(target, paths) as env:
        before = _entries(target, env)
        changes = []
        for mail in mails:
            _apply(target, mail, env)
            after = _entries(target, env)
            changed = {path: entry for path, entry in after.items() if before.get(path) != entry}
            changes.append((changed, before.keys() - after.keys()))
            before = after
    return _written(target, changes)


def _touched(target: Target, mail: PatchMail) -> set[bytes]:
    """Names of the files that a patch reads or writes."""
    done = git.run("apply", "--numstat", "-z", "-p1", "-", cwd=target.repository, stdin=mail.diff)
    if done.returncode != 0:
        raise _does_not_apply(target, mail, done.stderr.decode("utf-8", "replace"))
    names = {line.split(b"\t", 2)[2] for line in done.stdout.split(b"\0") if line}
    names |= {_unquoted(match["name"]) for match in _ORIGIN.finditer(mail.diff)}
    return names


def _unquoted(name: bytes) -> bytes:
    """A file name as a diff has it, with C's escapes undone."""
    if not name.startswith(b'"'):
        return name
    return name[1:-1].decode("unicode_escape").encode("latin-1")


@contextmanager
def _index_of(target: Target, paths: set[bytes]) -> Iterator[dict[str, str]]:
    """Environment with a private index that holds those of `paths` that the base has."""
    folders = {path[:place] for path in paths for place, byte in enumerate(path) if byte == ord("/")}
    listed = _listed(target, paths | folders)
    # a file where a patch wants a folder, or all of a folder where it wants a file, has to be in the way
    files = {path: head for path, head in listed.items() if b" tree " not in head}
    in_the_way = (listed.keys() - files.keys()) & paths
    files |= _listed(target, in_the_way, "-r") if in_the_way else {}
    with tempfile.TemporaryDirectory(prefix="farwatch-") as folder:
        env = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        info = b"".join(b"%s\t%s\0" % (head, path) for path, head in files.items())
        git.git("update-index", "-z", "--index-info", cwd=target.repository, env=env, stdin=info)
        yield env


def _listed(target: Target, paths: Set[bytes], *options: str) -> dict[bytes, bytes]:
    """Path -> "mode type id" of those that the base has."""
    wanted = [os.fsdecode(path) for path in sorted(paths)]
    literal = {"GIT_LITERAL_PATHSPECS": "1"}
    command = ("ls-tree", "-z", *options, target.base_commit, "--", *wanted)
    lines = git.git(*command, cwd=target.repository, env=literal).split(b"\0")
    split = (line.partition(b"\t") for line in lines if line)
    return {path: head for head, _, path in split}


def _entries(target: Target, env: dict[str, str]) -> dict[bytes, bytes]:
    """File name -> "mode blob" of an index."""
    lines = git.git("ls-files", "--stage", "-z", cwd=target.repository, env=env).split(b"\0")
    split = (line.partition(b"\t") for line in lines if line)
    return {path: head.rpartition(b" ")[0] for head, _, path in split}


def _written(target: Target, changes: Sequence[tuple[dict[bytes, bytes], Set[bytes]]]) -> list[str]:
    """Write trees, each with changes (what is new, what is gone) on top of the one before; their ids."""
    with tempfile.TemporaryDirectory(prefix="farwatch-") as folder:
        marks = Path(folder) / "marks"
        ref = f"refs/farwatch/scratch/{os.getpid()}-{Path(folder).name}".encode()
        stream = [b"feature done"]
        for number, (new, gone) in enumerate(changes, start=1):
            stream += [b"commit %s\nmark :%d\ncommitter - <-> 0 +0000\ndata 0" % (ref, number)]
            stream += [b"from %s" % target.base_commit.encode()] if number == 1 else []
            stream += [b"D " + _quoted(path) for path in sorted(gone)]
            stream += [b"M " + entry + b" " + _quoted(path) for path, entry in sorted(new.items())]
        stream += [b"reset %s\nfrom %s\n" % (ref, b"0" * len(target.base_commit)), b"done\n"]
        options = ("--quiet", "--force", f"--export-marks={marks}")
        git.git("fast-import", *options, cwd=target.repository, stdin=b"\n".join(stream))
        made = dict(line.split() for line in marks.read_text().splitlines())
    names = [f"{made[f':{number}']}^{{tree}}" for number in range(1, len(changes) + 1)]
    return git.git("rev-parse", *names, cwd=target.repository).decode().split()


def _quoted(path: bytes) -> bytes:
    """A file name as fast-import takes any."""
    return b'"' + path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'


@contextmanager
def private_index(repository: Path, tree: str) -> Iterator[dict[str, str]]:
    """Environment of git calls with an index of their own, which holds a tree or that of a commit."""
    with tempfile.TemporaryDirectory(prefix="farwatch-") as folder:
        env = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git.git("read-tree", tree, cwd=repository, env=env)
        yield env


def _apply(target: Target, patch: PatchMail, env: dict[str, str]) -> None:
    strict = ("--cached", "--whitespace=nowarn", "-p1", "-")
    settings = ("-c", "apply.ignoreWhitespace=no")
    done = git.run(*settings, "apply", *strict, cwd=target.repository, stdin=patch.diff, env=env)
    if done.returncode != 0:
        raise _does_not_apply(target, patch, done.stderr.decode("utf-8", "replace"))


def _commit(target: Target, patch: PatchMail, tree: str, parent: str) -> str:
    who = commits.Signature(patch.author, patch.email, patch.date)
    made = commits.Commit(tree, (parent,), who, who, patch.message)
    try:
        return commits.write(made, target.repository)
    except FarwatchError as error:
        raise _not_a_patch(patch.path, error.cause) from error


def tidy(message: bytes) -> bytes:
    """A message as git commit cleans it: no blanks at ends of lines, no runs of empty lines."""
    lines = [line.rstrip(b" \t\r\f\v") for line in message.split(b"\n")]
    kept = [line for place, line in enumerate(lines) if line or (place and lines[place - 1])]
    return b"\n".join(kept).strip(b"\n") + b"\n"


def _fields(info: bytes) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in info.decode("utf-8", "replace").splitlines():
        name, colon, value = line.partition(": ")
        if colon:
            fields[name] = f"{fields[name]} {value}" if name in fields else value
    return fields


def _message(subject: str, body: bytes, notes: bytes) -> bytes:
    title = _PREFIX.sub(b"", subject.encode(), count=1)
    message = tidy(title + b"\n\n" + body)
    if not notes:
        return message
    # an empty line ends the subject, so there must be one if nothing else does
    return tidy(message + (b"" if body.strip() else b"\n") + b"---\n" + notes)


def _notes(head: bytes) -> bytes:
    """What stands between the message and the diff, without the separators and the statistics."""
    lines = head.split(b"\n")
    last = max((place for place, line in enumerate(lines) if _SEPARATOR.match(line)), default=-1)
    first = next((place for place, line in enumerate(lines) if _SEPARATOR.match(line)), -1)
    before = lines[first + 1 : last]
    after = [line for line in lines[last + 1 :] if not _STAT.match(line)]
    return tidy(b"\n".join([*before, *after])).strip(b"\n")


def _does_not_apply(target: Target, patch: PatchMail, stderr: str) -> FarwatchError:
    found = [_hunk(patch, match["file"], int(match["line"])) for match in _REFUSED.finditer(stderr)]
    reasons = [line.removeprefix("error: ") for line in stderr.splitlines() if line.startswith("error: ")]
    cause = "\n".join(found + [line for line in reasons if not line.startswith("patch failed: ")])
    what = f"{target.series}: {patch.path.name} does not apply to {target.base_label}"
    return FarwatchError(what, cause=f"{patch.path}\n{cause or stderr.strip()}", hint=target.hint)


def _hunk(patch: PatchMail, file: str, line: int) -> str:
    """Where in the patch file the hunk is that git refuses; git tells its old line number only."""
    inside, count = False, 0
    for number, text in enumerate(patch.path.read_text("utf-8", "replace").split("\n"), start=1):
        if text.startswith("diff --git "):
            inside, count = text.endswith(f" b/{file}") or f" a/{file} " in text, 0
        elif inside and text.startswith("@@ "):
            count += 1
            if text.startswith((f"@@ -{line},", f"@@ -{line} ")):
                return f"{file}: hunk {count}, at line {number} of the patch: {text}"
    return f"{file}: at line {line}"


def _not_a_patch(path: Path, reason: str) -> FarwatchError:
    hint = (
        "a patch file is what `git format-patch` writes: From, Date and Subject lines, a message and a diff"
    )
    return FarwatchError(f"{path} is not a patch that can be applied", cause=reason, hint=hint)
