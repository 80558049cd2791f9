# SPDX-License-Identifier: GPL-2.0-or-later
"""git as farwatch calls it: the same everywhere, whatever the user's and the system's git settings say."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from farwatch.errors import FarwatchError

LIMIT = 1800.0
"""Seconds that one git command may take."""

# Set on the command line too: they have defaults below $XDG_CONFIG_HOME, or may be changed in a worktree.
_SETTINGS = {
    "core.attributesFile": os.devnull,
    "core.excludesFile": os.devnull,
    "core.hooksPath": os.devnull,
    "core.quotePath": "true",
    "core.fsmonitor": "false",
    "commit.gpgSign": "false",
    "i18n.commitEncoding": "UTF-8",
    "i18n.logOutputEncoding": "UTF-8",
    "advice.detachedHead": "false",
}
# Nothing in a tree may change bytes on the way to or from a worktree.
_ATTRIBUTES = "* -text -ident -filter !working-tree-encoding -export-subst -export-ignore\n"
_REPOSITORY_CONFIG = """\
[core]
\trepositoryFormatVersion = 0
\tbare = true
\tfileMode = true
\tsymlinks = true
\tautocrlf = false
\tlogAllRefUpdates = true
\tcompression = 1
\tuntrackedCache = true
\thooksPath = /dev/null
[gc]
\tauto = 0
[maintenance]
\tauto = false
[pack]
\tcompression = 1
[commit]
\tgpgSign = false
"""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment of every git call: no settings but the repository's own and those of this module."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env |= {
        "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_CONFIG_COUNT": str(len(_SETTINGS)),
    }
    for number, (key, value) in enumerate(_SETTINGS.items()):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return env | dict(extra or {})


def run(
    *args: str,
    cwd: Path,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    limit: float = LIMIT,
) -> subprocess.CompletedProcess[bytes]:
    """Run git in `cwd`, for better or worse; FarwatchError only if it cannot run or never ends."""
    command = ["git", *args]
    given = stdin if stdin is not None else b""
    try:
        return subprocess.run(
            command,
            cwd=cwd,
            env=environment(env),
            input=given,
            capture_output=True,
            check=False,
            timeout=limit,
        )
    except FileNotFoundError as error:
        if not cwd.is_dir():
            raise FarwatchError(f"{cwd} is gone", hint="run the command again") from error
        raise FarwatchError("git is not installed", hint="apt-get install git") from error
    except subprocess.TimeoutExpired as error:
        cause = f"no end after {limit:.0f} s"
        raise FarwatchError(f"git {args[0]} hangs in {cwd}", cause=cause, hint="try again") from error


def git(
    *args: str,
    cwd: Path,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    limit: float = LIMIT,
) -> bytes:
    """Standard output of a git command that must succeed."""
    done = run(*args, cwd=cwd, stdin=stdin, env=env, limit=limit)
    if done.returncode != 0:
        raise failed(args, cwd, done.stderr)
    return done.stdout


def line(*args: str, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Standard output of a git command that prints one line."""
    return git(*args, cwd=cwd, env=env).decode("utf-8", "surrogateescape").strip()


def failed(args: tuple[str, ...], cwd: Path, stderr: bytes) -> FarwatchError:
    """The error for a git command that failed, out of space told apart."""
    cause = stderr.decode("utf-8", "replace").strip() or "git gave no reason"
    hint = "see the message of git above"
    if "No space left on device" in cause or "Out of diskspace" in cause:
        hint = "free some space (farwatch prune), then run the command again"
    return FarwatchError(f"git {args[0]} failed in {cwd}", cause=cause, hint=hint)


def resolve(repository: Path, name: str) -> tuple[str, str] | None:
    """(commit id, tree id) of a full ref name, or None when there is no such ref."""
    if not repository.is_dir():
        return None
    found = line("for-each-ref", "--format=%(objectname) %(tree)", name, cwd=repository)
    commit, _, tree = found.partition(" ")
    return (commit, tree) if tree else None


def init_bare(repository: Path) -> None:
    """Make `repository` a bare repository, or bring the settings of an existing one up to date."""
    if not (repository / "HEAD").exists():
        repository.mkdir(parents=True, exist_ok=True)
        git("init", "--quiet", "--bare", "--template=", "--initial-branch=none", ".", cwd=repository)
        (repository / "config").write_text(_REPOSITORY_CONFIG)
    attributes = repository / "info" / "attributes"
    if not attributes.exists():
        attributes.parent.mkdir(exist_ok=True)
        attributes.write_text(_ATTRIBUTES)


def unpack(archive: bytes, folder: Path) -> None:
    """Unpack what `git archive` wrote. (tarfile's own way to do that changed within Python 3.11.)"""
    subprocess.run(["tar", "-xf", "-", "-C", str(folder)], input=archive, check=True)
