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
from farwatch.trees.patch_mail import PatchMail, not_a_patch, read_patch

_ORIGIN = re.compile(rb"^(?:rename|copy) from (?P<name>.+?)\r?$", re.MULTILINE)
_REFUSED = re.compile(r"^error: patch failed: (?P<file>.+):(?P<line>\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Target:
    """What a series is applied to; the names are for messages."""

    repository: Path
    base_commit: str
    series: str
    """"v1 linux" """
    base_label: str
    hint: str


def apply_series(target: Target, patches: Sequence[Path]) -> list[str]:
    """Commit ids, one a patch, each on top of the one before; none of them has a ref yet.

    FarwatchError for the first patch that does not apply: which file, which hunk, what to do. A hunk
    must match with all its context, though it may have moved.
    """
    return apply_mails(target, [read_patch(path, target.repository) for path in patches])


def apply_mails(target: Target, mails: Sequence[PatchMail]) -> list[str]:
    """As apply_series(), of patches that are read already."""
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
    done = git.run("apply", "--numstat", "-z", f"-p{mail.strip}", "-", cwd=target.repository, stdin=mail.diff)
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
    strict = ("--cached", "--whitespace=nowarn", f"-p{patch.strip}", "-")
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
        raise not_a_patch(patch.path, error.cause) from error


def _does_not_apply(target: Target, patch: PatchMail, stderr: str) -> FarwatchError:
    found = [_hunk(patch, match["file"], int(match["line"])) for match in _REFUSED.finditer(stderr)]
    reasons = [line.removeprefix("error: ") for line in stderr.splitlines() if line.startswith("error: ")]
    cause = "\n".join(found + [line for line in reasons if not line.startswith("patch failed: ")])
    what = f"{target.series}: {patch.path.name} does not apply to {target.base_label}"
    return FarwatchError(
        what, cause=f"{patch.path}: {patch.subject}\n{cause or stderr.strip()}", hint=target.hint
    )


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
