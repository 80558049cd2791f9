# SPDX-License-Identifier: GPL-2.0-or-later
"""The commits of a checkout back into patch files, so that the same commits always give the same bytes.

What is written is read back before it counts: save() applies the files it made, as checkout() will, and
refuses what would not come out again as it went in. So checkout, then save, changes nothing.
"""

from __future__ import annotations

import shutil
import tempfile
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.errors import FarwatchError
from farwatch.model import Base, Revision
from farwatch.revisions.catalog import REVISION_FILE
from farwatch.revisions.edit import set_base
from farwatch.series.cuts import follow, outcome
from farwatch.system import git
from farwatch.system.atomic import rewritten
from farwatch.system.locks import locked
from farwatch.trees import resolutions
from farwatch.trees.history import Recorded, above
from farwatch.trees.merge import PatchCommit
from farwatch.trees.mover import stale_line
from farwatch.trees.patch_mail import tidy
from farwatch.trees.trees import Trees
from farwatch.trees.worktree import changed_names, is_worktree, operation, require_repository, shown

if TYPE_CHECKING:
    from farwatch.app import App

# Everything that a setting of the repository, a version of git or the length of the series could change
# is fixed. The statistics stay: they and the line "---" are part of the form that the kernel asks for.
# "[PATCH]" has no number: to add a patch must not change the others; sending numbers them.
FORMAT = (
    "--no-numbered",
    "--subject-prefix=PATCH",
    "--zero-commit",
    "--no-signature",
    "--no-attach",
    "--no-thread",
    "--no-base",
    "--no-notes",
    "--no-cover-letter",
    "--no-signoff",
    "--no-to",
    "--no-cc",
    "--no-add-header",
    "--no-from",
    "--encode-email-headers",
    "--suffix=.patch",
    "--filename-max-length=64",
    "--stat=72",
    "--summary",
    "--find-renames=50%",
    "-l1000",
    "--diff-algorithm=myers",
    "--indent-heuristic",
    "--unified=3",
    "--inter-hunk-context=0",
    "--binary",
    "--full-index",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--no-relative",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--submodule=short",
)


@dataclass(frozen=True)
class Saved:
    """What save() did."""

    files: tuple[Path, ...]
    changed: bool
    """False: the files were already so, and were not touched."""


def save(trees: Trees, revision: Revision, component: str, base: Base) -> Saved:
    """Write the commits of a revision's checkout to its patch files, and take away those that are left over.

    On another base than that of the patches, what is written is what it takes for them to become these
    commits there. Afterwards the checkout's branch is on the commits that the files give: with the same
    content, and the author as committer. FarwatchError, and nothing is changed, when something is not
    committed, an operation of git is going on, there is no commit, one is a merge, is empty or has no
    message, two have the same subject, the base is not below them, or a message or an author would not
    survive as mail.
    """
    path = trees.work_path(revision, component, base)
    if not is_worktree(path):
        hint = f"farwatch checkout {revision.name} {component}"
        raise FarwatchError(f"{revision.name} has no checkout of {component} {base.name}", hint=hint)
    require_repository(path)
    elsewhere = bool(revision.patches(component)) and trees.own_base(revision, component) != base

    def busy(who: str) -> None:
        trees.say(f"waiting for {who}, which works on {revision.name}")

    with locked(path.parent / f".{component}.lock", busy):
        commits = _commits(path, trees.base_commit(base), revision, component)
        with rewritten(revision.folder, busy) as new:
            write = _write_resolutions if elsewhere else write_series
            made = write(trees, revision, component, base, [commit.id for commit in commits], new.path)
        if not elsewhere:
            trees.remember(base, revision.patches(component), made)
        tip = trees.tip(revision, component, base)
        if tip.commit != commits[-1].id:
            git.git("update-ref", "-m", "farwatch save", "HEAD", tip.commit, cwd=path)
        trees.set_placed(tip, tip.commit)
    return Saved(revision.patches(component), new.changed)


def save_series(app: App, name: str, component: str | None = None, base_name: str | None = None) -> int:
    """The save command, for one component or each that is checked out. Prints the outcome; exit status."""
    revision = app.catalog.revision(name)
    bases = app.catalog.chosen_bases(revision, app.catalog.components(), component, base_name)
    found = [base for base in bases if is_worktree(app.trees.work_path(revision, base.component, base))]
    if not found:
        raise FarwatchError(f"nothing of {name} is checked out", hint=f"farwatch checkout {name}")
    for base in found:
        saved = save(app.trees, revision, base.component, base)
        state = "written" if saved.changed else "unchanged"
        print(f"{name} {base.component}: {len(saved.files)} patches, {state}")
        if wrong := outcome(app.catalog.revision(name), base.component):
            print(textwrap.indent(wrong, "  "))
        for entry in app.trees.outdated(revision, base.component):
            print(f"  {stale_line(entry)}; farwatch rebase {name} --onto {entry.onto} --keep")
    return 0


def write_series(
    trees: Trees, revision: Revision, component: str, base: Base, commits: Sequence[str], folder: Path
) -> list[str]:
    """Make `folder`, a copy of the revision's, hold these commits as patch files, and record their base.

    The commits that the files give, proven to have the same content.
    """
    with tempfile.TemporaryDirectory(prefix="farwatch-") as name:
        made = _write(trees, revision, component, base, commits, Path(name) / "series")
        files = sorted(path.name for path in (Path(name) / "series").iterdir())
        follow(trees, revision, base, made, files, folder / REVISION_FILE)
        series = folder / component
        series.mkdir(exist_ok=True)
        for old in series.glob("[0-9]*.patch"):
            old.unlink()
        for file in files:
            shutil.copyfile(Path(name) / "series" / file, series / file)
    set_base(folder / REVISION_FILE, component, base.name)
    return made


def _write_resolutions(
    trees: Trees, revision: Revision, component: str, base: Base, commits: Sequence[str], folder: Path
) -> list[str]:
    """Make `folder` hold what it takes for the patches to become these commits, on another base."""
    patches = trees.series(revision, component)
    matched = _matched(trees.repository(component), patches, commits, revision, base)
    mover = trees.mover(revision, component, base)
    kept = mover.remember_all(patches, trees.base_commit(base), matched, {})
    resolutions.write(folder / component, mover.origin, base.name, kept)
    return list(commits)


def _matched(
    repository: Path, patches: Sequence[PatchCommit], commits: Sequence[str], revision: Revision, base: Base
) -> list[str | None]:
    """The commit that each patch became, None where it was left out; they differ in content only."""
    form = "--format=%an <%ae> %ad%n%B"
    show = ("log", "-1", "--date=raw", form)
    left, matched = list(commits), []
    for patch in patches:
        wanted = git.git(*show, patch.commit, cwd=repository)
        same = bool(left) and git.git(*show, left[0], cwd=repository) == wanted
        matched.append(left.pop(0) if same else None)
    if left:
        subject = git.line("log", "-1", "--format=%h (%s)", left[0], cwd=repository)
        raise FarwatchError(
            f"commit {subject} is none of {revision.name}'s patches",
            cause="on another base than its own, a series may have other content and fewer patches, but no "
            f"other messages, authors, patches or order ({base.label} is not its own)",
            hint=f"change those in the checkout of its own base: farwatch checkout {revision.name}",
        )
    return matched


def _commits(path: Path, base: str, revision: Revision, component: str) -> list[Recorded]:
    """The checkout's commits, oldest first, when they are fit to be a series."""
    if operation(path):
        raise FarwatchError(f"a {operation(path)} is going on in {path}", hint="finish it or abort it")
    changed = changed_names(path)
    if changed:
        hint = f"in {path}: git add and git commit them, or git stash --include-untracked"
        raise FarwatchError(f"{path} has changes that are not committed", cause=shown(changed), hint=hint)
    if git.run("merge-base", "--is-ancestor", base, "HEAD", cwd=path).returncode != 0:
        hint = f"git rebase --onto {base[:12]} <the commit below yours>, in {path}"
        raise FarwatchError(f"{path} is not on top of its base", cause=f"the base is {base}", hint=hint)
    commits = above(base, path)
    for commit in commits:
        _require_fit(commit, path)
    _require_distinct(commits, path)
    if not commits:
        hint = f"to drop the series of {component}, delete {revision.folder / component}"
        raise FarwatchError(f"{path} has no commits on top of its base", hint=hint)
    return commits


def _require_fit(commit: Recorded, path: Path) -> None:
    """FarwatchError for a commit that cannot be a patch."""
    if commit.is_merge:
        hint = f"git rebase, in {path}: a series is a straight line of commits"
        raise FarwatchError(f"{commit.label} is a merge", hint=hint)
    if not commit.has_message:
        raise FarwatchError(f"commit {commit.id[:12]} has no message", hint=f"git rebase -i, in {path}")
    if not commit.changes:
        raise FarwatchError(f"{commit.label} changes nothing", hint=f"git rebase -i, in {path}, and drop it")


def _require_distinct(commits: Sequence[Recorded], path: Path) -> None:
    """FarwatchError for two commits of the same subject: nobody could tell their patches apart."""
    seen: dict[str, Recorded] = {}
    for commit in commits:
        other = seen.setdefault(commit.summary, commit)
        if other is not commit:
            what = f"commits {other.id[:12]} and {commit.id[:12]} have the same subject"
            raise FarwatchError(what, cause=commit.summary, hint=f"git rebase -i, in {path}: reword one")


def _write(
    trees: Trees, revision: Revision, component: str, base: Base, commits: Sequence[str], folder: Path
) -> list[str]:
    """Fill `folder` with the patch files of commits. What they give, proven to have the same content."""
    start, repository = trees.base_commit(base), trees.repository(component)
    files = _format(repository, start, commits[-1], folder)
    made = trees.apply(revision, component, base, files)
    for old, new in zip(commits, made, strict=True):
        _require_same(repository, old, new)
    if made[-1] != commits[-1]:
        # a message with odd blanks is tidied on its way: what counts is that it stays as it is from now on
        shutil.rmtree(folder)
        files = _format(repository, start, made[-1], folder)
        if trees.apply(revision, component, base, files) != made:
            raise FarwatchError(
                f"the series of {revision.name} {component} does not survive as mail",
                cause="read back from its patch files and written again, it differs",
                hint="look for unusual characters in messages and names of authors",
            )
    return made


def _format(path: Path, start: str, end: str, folder: Path) -> tuple[Path, ...]:
    git.git("format-patch", "--quiet", *FORMAT, f"--output-directory={folder}", f"{start}..{end}", cwd=path)
    return tuple(sorted(folder.glob("[0-9]*.patch")))


def _require_same(repository: Path, old: str, new: str) -> None:
    """FarwatchError unless what a patch file gives is the commit that it was made from."""
    if old == new:
        return
    form = "--format=%T%x00%an%x00%ae%x00%ad%x00%B"
    show = ("log", "-1", "--date=raw", form)
    parts = [git.git(*show, commit, cwd=repository).split(b"\0", 4) for commit in (old, new)]
    names = ("content", "author", "author's address", "date", "message")
    for name, before, after in zip(names, *parts, strict=True):
        if before == after or (name == "message" and _flat(before) == _flat(after)):
            continue
        raise FarwatchError(
            f"commit {old[:12]} does not survive as mail: its {name} would change",
            cause=f"written: {_excerpt(before, after)}\nread:    {_excerpt(after, before)}",
            hint="git am and mail readers would do the same; reword it: no line may start with 'diff -', "
            "'--- x' or 'Index:', nor the text with 'From:'",
        )


def _flat(message: bytes) -> bytes:
    """A message without what mail may change: blanks in the subject, its line breaks, empty lines."""
    subject, _, body = tidy(message).partition(b"\n\n")
    head, _, notes = (b"\n" + body).partition(b"\n---\n")
    return b" ".join(subject.split()) + b"\n\n" + head.strip(b"\n") + b"\n---\n" + notes.strip(b"\n")


def _excerpt(text: bytes, other: bytes) -> str:
    """The first line of `text` that is not in `other`."""
    known = other.split(b"\n")
    found = next((line for line in text.split(b"\n") if line not in known), b"(nothing)")
    return found.decode("utf-8", "replace")[:100]
