# SPDX-License-Identifier: GPL-2.0-or-later
"""The state of one git worktree: what is changed in it, what it holds, what is going on in it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.system import git

REBASE_STATE = "farwatch-rebase.json"
"""File in the git folder of a worktree while `farwatch rebase` waits for a person."""


_HIDES_ALL = (b"/*", b"*")


def is_worktree(path: Path) -> bool:
    """Whether there is a worktree at `path`; its repository may be gone."""
    return (path / ".git").is_file()


def require_repository(path: Path) -> None:
    """FarwatchError when the repository that a worktree belongs to was deleted."""
    if not git_dir(path).is_dir():
        cause = f"{git_dir(path)} is gone: without it nobody can tell what was changed"
        raise FarwatchError(f"{path} has lost its repository", cause=cause, hint=f"mv {path} {path}.old")


def operation(path: Path) -> str:
    """What a worktree is in the middle of, such as "git rebase"; empty when there is nothing."""
    states = {
        REBASE_STATE: "farwatch rebase",
        "rebase-merge": "git rebase",
        "rebase-apply": "git rebase or am",
        "MERGE_HEAD": "git merge",
        "CHERRY_PICK_HEAD": "git cherry-pick",
        "REVERT_HEAD": "git revert",
    }
    return next((name for file, name in states.items() if (git_dir(path) / file).exists()), "")


def changed_names(path: Path) -> list[bytes]:
    """Names of files that differ from HEAD: staged, changed, deleted or new; ignored ones do not count."""
    # git remembers which folders have new files only of a status that does not look into new folders
    changed = _status(path, "normal")
    if any(name.endswith(b"/") for name in changed):
        return _status(path, "all")
    return changed


def _status(path: Path, untracked: str) -> list[bytes]:
    options = ("--porcelain=v1", "-z", f"--untracked-files={untracked}", "--no-renames")
    # with its lock, git writes down what it found out, so that the next status is quick
    status = git.git("status", *options, cwd=path, env={"GIT_OPTIONAL_LOCKS": "1"})
    return [entry[3:] for entry in status.split(b"\0") if entry]


def shown(names: list[bytes], most: int = 5) -> str:
    """File names for a message."""
    listed = ", ".join(name.decode("utf-8", "replace") for name in names[:most])
    return f"{listed} and {len(names) - most} more" if len(names) > most else listed


def content_tree(path: Path, changed: list[bytes]) -> str:
    """Git tree id of what is in a worktree now, `changed` being what differs from HEAD. Its index stays."""
    # a folder in the list is a repository of its own: no part of the content
    files = b"".join(name + b"\0" for name in changed if not name.endswith(b"/"))
    with tempfile.TemporaryDirectory(prefix="farwatch-") as name:
        private = {"GIT_INDEX_FILE": str(shutil.copyfile(git_dir(path) / "index", Path(name) / "index"))}
        git.git("update-index", "--add", "--remove", "-z", "--stdin", cwd=path, env=private, stdin=files)
        return git.line("write-tree", cwd=path, env=private)


def show_new_files(path: Path) -> bool:
    """Make git see new files in a tree whose .gitignore hides all of them; False when there was no need.

    Debian's kernel sources end theirs with "/*". Such a rule is taken out of the file in the worktree, and
    git is told not to look whether that file is changed: for git it stays what it is in the commit.
    """
    shown = git.run("cat-file", "blob", "HEAD:.gitignore", cwd=path)
    lines = shown.stdout.split(b"\n")
    if shown.returncode != 0 or not any(line.strip() in _HIDES_ALL for line in lines):
        return False
    git.git("update-index", "--skip-worktree", "--", ".gitignore", cwd=path)
    new = path / ".gitignore"
    new.write_bytes(b"\n".join(line for line in lines if line.strip() not in _HIDES_ALL))
    return True


def git_dir(path: Path) -> Path:
    """The worktree's own folder in its repository, whether that is there or not."""
    return Path((path / ".git").read_text().removeprefix("gitdir:").strip())


def force(folder: Path, target: str, *options: str) -> None:
    """Make a worktree that is ours alone equal to a commit or branch, touching only what differs.

    options: of git checkout, --detach or -B BRANCH
    """
    (git_dir(folder) / "index.lock").unlink(
        missing_ok=True
    )  # of a git that was killed: we hold the tree's lock
    git.git("checkout", "--quiet", "--force", *options, target, cwd=folder)
    git.git("clean", "-ffdxq", cwd=folder)


def add_worktree(repository: Path, folder: Path, target: str, *options: str) -> None:
    """A new worktree at `folder` of a commit or branch; options: --detach or -B BRANCH, as of git checkout.

    FarwatchError when something else is there, or no space is left.
    """
    require_free(folder)
    # --force: a worktree that was deleted by hand may still be registered; twice: locked, if git was killed
    command = ("-c", "checkout.workers=0", "worktree", "add", "--quiet", "--force", "--force")
    try:
        git.git(*command, *options, str(folder), target, cwd=repository)
    except FarwatchError as error:
        if "free some space" in error.hint:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def require_free(folder: Path) -> None:
    """FarwatchError when a worktree cannot be put there; its parent is made."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.is_dir() and any(folder.iterdir()):
        cause = "it is there, it is not empty, and it is not a worktree of farwatch"
        raise FarwatchError(f"cannot use {folder}", cause=cause, hint="move it away")
