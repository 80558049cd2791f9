# SPDX-License-Identifier: GPL-2.0-or-later
"""One patch on other ground: three-way merges of whole trees by git, without a worktree.

What a merge cannot decide is left in its tree as git leaves it in a worktree, with the three sides
between markers. Their labels are the same on every base, so that the same conflict has the same text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.system import commits, git
from farwatch.terminal.escape import printable
from farwatch.trees.apply import private_index

ONTO, BEFORE, PATCH = "onto", "before", "patch"
"""Labels of the three sides: the new ground; the file as the patch found it; the file as it left it."""

_OLDEST_GIT = "2.39"
_ANCESTOR = re.compile(rb"^(?P<bar>\|{7,}) (?P<id>[0-9a-f]{4,64})\b", re.MULTILINE)
_MARKER = re.compile(rb"^(?:<{7,} onto|>{7,} patch)\b")
_NOBODY = {
    f"GIT_{role}_{part}": value
    for role in ("AUTHOR", "COMMITTER")
    for part, value in (("NAME", "farwatch"), ("EMAIL", "farwatch"), ("DATE", "@0 +0000"))
}


@dataclass(frozen=True)
class PatchCommit:
    """A patch as a commit on the base that it was written for."""

    file: str
    """Name of its file."""
    commit: str
    tree: str
    before: str
    """Tree that it was made on."""
    subject: str
    id: str
    """git's patch id of the change, blanks counted: the same wherever the lines are."""


@dataclass(frozen=True)
class UnmergedEntry:
    """An entry of an index that is not merged."""

    mode: str
    blob: str
    number: int
    """1: before, 2: onto, 3: patch."""
    path: bytes


@dataclass(frozen=True)
class Merge:
    """What came of a merge."""

    tree: str
    """The content; where it is not clean, with conflict markers."""
    stages: tuple[UnmergedEntry, ...] = ()
    conflicts: tuple[str, ...] = ()
    """Kind and files of each conflict: "contents fs/dir.c"."""
    messages: tuple[str, ...] = ()
    """git's own words for them."""

    @property
    def clean(self) -> bool:
        return not self.conflicts

    @property
    def files(self) -> tuple[bytes, ...]:
        return tuple(dict.fromkeys(stage.path for stage in self.stages))


def patches_of(
    repository: Path, base: str, commits: Sequence[str], files: Sequence[str]
) -> list[PatchCommit]:
    """The patches that `commits` are, oldest first; `base` is the commit below them."""
    if not commits:
        return []
    lines = git.git("log", "--no-walk=unsorted", "--format=%T%x00%s", base, *commits, cwd=repository)
    shown = [line.split("\0", 1) for line in lines.decode("utf-8", "replace").splitlines()]
    trees = [tree for tree, _ in shown]
    ids = patch_ids(repository, commits)
    return [
        PatchCommit(file, commit, tree, before, subject, ids[commit])
        for file, commit, tree, before, (_, subject) in zip(
            files, commits, trees[1:], trees, shown[1:], strict=False
        )
    ]


def patch_ids(repository: Path, commits: Sequence[str]) -> dict[str, str]:
    """Commit -> patch id. Line numbers and messages do not count, blanks and context do."""
    options = ("-p", "--stdin", "--no-renames", "--full-index", "--binary", "--unified=3", "--no-color")
    fixed = ("--diff-algorithm=myers", "--no-ext-diff", "--no-textconv", "--indent-heuristic")
    wanted = "".join(f"{commit}\n" for commit in commits).encode()
    diffs = git.git("diff-tree", *options, *fixed, cwd=repository, stdin=wanted)
    pairs = git.git("patch-id", "--verbatim", cwd=repository, stdin=diffs).decode().split()
    found = dict(zip(pairs[1::2], pairs[::2], strict=True))
    return {commit: found.get(commit, "none") for commit in commits}


def merge(repository: Path, patch: PatchCommit, onto: str) -> Merge:
    """The change of a patch on top of the tree `onto`."""
    if onto == patch.before:
        return Merge(patch.tree)
    ancestor = _bare_commit(repository, patch.before)
    ours, theirs = (_bare_commit(repository, tree, ancestor) for tree in (onto, patch.tree))
    settings = ("-c", "merge.conflictStyle=diff3", "-c", "merge.renames=true")
    done = git.run(*settings, "merge-tree", "--write-tree", "-z", ours, theirs, cwd=repository)
    if done.returncode > 1:
        raise _cannot_merge(repository, done.stderr)
    tree, _, rest = done.stdout.partition(b"\0")
    if done.returncode == 0:
        return Merge(tree.decode().strip())
    found = _conflicts(rest, {ours: ONTO, theirs: PATCH})
    return _with_plain_labels(repository, tree.decode(), found, ancestor, {ours: ONTO, theirs: PATCH})


def commit_like(repository: Path, patch: PatchCommit, tree: str, parent: str) -> str:
    """A commit with the author, date and message of a patch, and this content."""
    like = commits.read(patch.commit, repository)
    return commits.write(replace(like, tree=tree, parents=(parent,)), repository)


def tree_of(repository: Path, commit: str) -> str:
    return git.line("rev-parse", f"{commit}^{{tree}}", cwd=repository)


def change(repository: Path, before: str, after: str) -> bytes:
    """The difference between two trees, as `git apply` reads it."""
    options = ("-p", "--binary", "--full-index", "--no-renames", "--unified=3", "--no-color", "--no-ext-diff")
    fixed = ("--diff-algorithm=myers", "--no-textconv", "--indent-heuristic")
    return git.git("diff-tree", *options, *fixed, before, after, cwd=repository)


def changed_by(repository: Path, tree: str, diff: bytes) -> str | None:
    """The tree with a change on top; None when the change does not fit exactly."""
    if not diff.strip():
        return tree
    settings = ("-c", "apply.ignoreWhitespace=no")
    with private_index(repository, tree) as env:
        command = ("apply", "--cached", "--whitespace=nowarn", "-p1", "-")
        done = git.run(*settings, *command, cwd=repository, stdin=diff, env=env)
        return git.line("write-tree", cwd=repository, env=env) if done.returncode == 0 else None


def markers(content: bytes) -> list[int]:
    """Numbers (from 1) of the lines that open or close a conflict of merge()."""
    return [number for number, line in enumerate(content.split(b"\n"), start=1) if _MARKER.match(line)]


def _bare_commit(repository: Path, tree: str, *parents: str) -> str:
    """A commit of that tree, the same for everybody: merge-tree takes nothing less."""
    options = [word for parent in parents for word in ("-p", parent)]
    made = git.git("commit-tree", tree, *options, "-m", "-", cwd=repository, env=_NOBODY)
    return made.decode().strip()


def _cannot_merge(repository: Path, stderr: bytes) -> FarwatchError:
    cause = stderr.decode("utf-8", "replace").strip().splitlines() or ["git gave no reason"]
    version = git.line("--version", cwd=repository)
    hint = f"this needs git {_OLDEST_GIT} or later; here is {version}"
    return FarwatchError("git merge-tree failed", cause=cause[0], hint=hint)


def _conflicts(rest: bytes, labels: dict[str, str]) -> Merge:
    """Read what merge-tree -z prints after the tree: entries, an empty one, then messages."""
    words = iter(rest.split(b"\0"))
    stages = []
    for word in iter(lambda: next(words, b""), b""):
        info, _, path = word.partition(b"\t")
        mode, blob, number = info.decode().split()
        stages.append(UnmergedEntry(mode, blob, int(number), _relabelled(path, labels)))
    conflicts, messages = [], []
    for count in words:
        if not count.strip().isdigit():
            break
        paths = [_relabelled(next(words), labels) for _ in range(int(count))]
        kind, text = next(words).decode(), _relabelled(next(words), labels).decode("utf-8", "replace").strip()
        if kind.startswith("CONFLICT"):
            names = " ".join(printable(path.decode("utf-8", "surrogateescape")) for path in paths)
            conflicts.append(f"{kind.removeprefix('CONFLICT (').removesuffix(')')} {names}")
            messages.append(text)
    return Merge("", tuple(stages), tuple(sorted(conflicts)) or ("unknown",), tuple(messages))


def _relabelled(text: bytes, labels: dict[str, str]) -> bytes:
    for commit, label in labels.items():
        text = text.replace(commit.encode(), label.encode())
    return text


def _with_plain_labels(
    repository: Path, tree: str, found: Merge, ancestor: str, labels: dict[str, str]
) -> Merge:
    """The merge with labels in place of commit ids, in markers and in the names of files put aside."""
    with private_index(repository, tree) as env:
        entries = git.git("ls-files", "--stage", "-z", cwd=repository, env=env).split(b"\0")
        info = []
        for entry in filter(None, entries):
            head, _, path = entry.partition(b"\t")
            name = _relabelled(path, labels) if b"~" in path else path
            mode, blob = head.decode().split()[:2]
            if name in found.files and mode.startswith("100"):
                plain = _plain_blob(repository, blob, ancestor, labels)
            elif name == path:
                continue
            else:
                plain = blob
            info += [b"0 %s\t%s" % (b"0" * len(blob), path), f"{mode} {plain}\t".encode() + name]
        update = ("update-index", "-z", "--index-info")
        git.git(*update, cwd=repository, env=env, stdin=b"".join(line + b"\0" for line in info))
        made = git.line("write-tree", cwd=repository, env=env)
    return Merge(made, found.stages, found.conflicts, found.messages)


def _plain_blob(repository: Path, blob: str, ancestor: str, labels: dict[str, str]) -> str:
    content = git.git("cat-file", "blob", blob, cwd=repository)

    def plain(match: re.Match[bytes]) -> bytes:
        known = ancestor.encode().startswith(match["id"])
        return match["bar"] + b" " + BEFORE.encode() if known else match[0]

    made = _ANCESTOR.sub(plain, _relabelled(content, labels))
    if made == content:
        return blob
    return git.git("hash-object", "-w", "--stdin", cwd=repository, stdin=made).decode().strip()
