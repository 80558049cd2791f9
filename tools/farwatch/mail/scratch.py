# SPDX-License-Identifier: GPL-2.0-or-later
"""Repositories to be thrown away: b4 and git leave branches, tags and settings in them, and nowhere else.

One borrows the objects of a component's repository and has only a few files in its worktree, so that
making one of the kernel takes a fraction of a second.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.system import git
from farwatch.system.commits import Commit, write

BASE, SERIES = "base", "series"
"""Its branches: what the series applies to, and the series, which is checked out."""

B4_LIMIT = 300.0
"""Seconds that one b4 command may take."""

# b4 takes the pieces of a long encoded name apart wrongly, so git is to give it such names as they are
_CONFIG = """\
[core]
\tbare = false
\tlogAllRefUpdates = false
[format]
\tencodeEmailHeaders = false
[gc]
\tauto = 0
"""
# files at the top, and what get_maintainer.pl wants; the rest stays in the repository
_FILES = "/*\n!/*/\n/scripts/get_maintainer.pl\n/.get_maintainer.*\n"


@dataclass(frozen=True)
class Scratch:
    """Such a repository."""

    path: Path
    settings: tuple[tuple[str, str], ...] = ()
    """Settings of git and b4 beside those of farwatch.system.git: a person's, where they have a say."""

    def environment(self) -> dict[str, str]:
        """For git and all that calls it: these settings, and no others."""
        env = git.environment()
        first = int(env["GIT_CONFIG_COUNT"])
        for number, (key, value) in enumerate(self.settings, start=first):
            env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        env["GIT_CONFIG_COUNT"] = str(first + len(self.settings))
        for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME"):
            env[name] = str(self.path / ".git" / "farwatch")
        return env

    def git(self, *args: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None) -> bytes:
        """Output of a git command that must succeed."""
        return git.git(*args, cwd=self.path, env=self.environment() | dict(env or {}), stdin=stdin)

    def write(self, commit: Commit) -> str:
        """Put a commit into it, with its user as the committer; its id."""
        return write(commit, self.path, self.environment())

    def line(self, *args: str) -> str:
        return self.git(*args).decode("utf-8", "surrogateescape").strip()

    def b4(self, *args: str | Path) -> str:
        """What a b4 command says; FarwatchError when it fails. It reaches no network and asks nothing."""
        modes = ("--offline-mode", "--no-stdin", "--no-interactive")
        status, said = run_b4([*modes, *map(str, args)], self.path, self.environment())
        if status != 0:
            verb = next((str(word) for word in args if str(word) in ("send", "am", "trailers")), "")
            raise FarwatchError(f"b4 {verb} failed", cause="\n".join(said.strip().splitlines()[-15:]))
        return said


def run_b4(args: list[str], cwd: Path, env: Mapping[str, str]) -> tuple[int, str]:
    """Exit status of b4, and what it says."""
    try:
        done = subprocess.run(
            # -P: a file in the tree must not stand in for a module
            [sys.executable, "-P", "-m", "b4.command", *args],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=B4_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise FarwatchError(f"b4 does not come to an end within {B4_LIMIT:.0f} s") from error
    return done.returncode, done.stdout.decode("utf-8", "replace")


@contextmanager
def bare_scratch(repository: Path, settings: Sequence[tuple[str, str]] = ()) -> Iterator[Scratch]:
    """A scratch repository with the objects of `repository`, and no branch yet."""
    with tempfile.TemporaryDirectory(prefix="farwatch-", ignore_cleanup_errors=True) as name:
        made = Scratch(Path(name) / "tree", tuple(settings))
        made.path.mkdir()
        made.git("init", "--quiet", "--template=", f"--initial-branch={SERIES}", ".")
        own = made.path / ".git"
        with (own / "config").open("a") as file:
            file.write(_CONFIG)
        for folder in ("info", "objects/info"):
            (own / folder).mkdir(exist_ok=True)
        (own / "objects" / "info" / "alternates").write_text(f"{repository / 'objects'}\n")
        (own / "info" / "attributes").write_bytes((repository / "info" / "attributes").read_bytes())
        yield made


@contextmanager
def scratch(
    repository: Path, base: str, series: str, settings: Sequence[tuple[str, str]] = ()
) -> Iterator[Scratch]:
    """A scratch repository with two branches at these commits of `repository`."""
    with bare_scratch(repository, settings) as made:
        made.git("config", "core.sparseCheckout", "true")
        (made.path / ".git" / "info" / "sparse-checkout").write_text(_FILES)
        made.git("update-ref", f"refs/heads/{BASE}", base)
        made.git("update-ref", f"refs/heads/{SERIES}", series)
        made.git("read-tree", "-mu", "HEAD")
        yield made


def personal_settings(root: Path) -> list[tuple[str, str]]:
    """What a person's git settings say about themselves and about mail, as seen from `root`; no passwords."""
    wanted = r"^(user|sendemail|b4|patatt|gpg)\."
    command = ["git", "config", "-z", "--get-regexp", wanted]
    done = subprocess.run(command, cwd=root, capture_output=True, check=False, timeout=git.LIMIT)
    entries = os.fsdecode(done.stdout).split("\0")
    # a setting without "=" is a true one
    pairs = [
        (key, value if mark else "true") for key, mark, value in (e.partition("\n") for e in entries) if key
    ]
    return [(key, value) for key, value in pairs if not key.endswith("pass")]
