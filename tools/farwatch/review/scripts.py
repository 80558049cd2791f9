# SPDX-License-Identifier: GPL-2.0-or-later
"""Scripts of a base, run in a folder with what they read of its tree; what they said is kept."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from farwatch.builds import store
from farwatch.errors import FarwatchError
from farwatch.model import Base, hash_of
from farwatch.system import git
from farwatch.system.home import Home
from farwatch.system.locks import locked
from farwatch.system.tools import missing_tool
from farwatch.trees.trees import Trees

_RECIPE_VERSION = "3"
_NEEDED = ("scripts", "include", "tools/docs", "tools/lib/python", "LICENSES")
"""Beside the files at the top, by which scripts know where they are; .mailmap and MAINTAINERS are two."""
_LIMIT = 120.0
"""Seconds that one script may take over one patch."""
_CAMEL = "--- a/x.c\n+++ b/x.c\n@@ -0,0 +1 @@\n+int camelCase;\n"


def tools_of(home: Home, trees: Trees, base: Base) -> Path:
    """A folder with what the scripts of a base need of it; made once (seconds)."""
    commit = trees.base_commit(base)
    key = hash_of("kernel-tools", _RECIPE_VERSION, commit)
    if kept := store.find(home, "kernel-tools", key):
        return kept.folder
    with locked(home.builds / f".kernel-tools-{key}.lock"):
        if store.find(home, "kernel-tools", key) is None:
            trees.say(f"unpacking the scripts of {base.label}")
            with store.fresh(home, "kernel-tools", key, {"label": f"scripts of {base.label}"}) as folder:
                _unpack(trees.repository(base.component), commit, folder)
                if base.component == "linux" and (folder / "scripts" / "checkpatch.pl").exists():
                    checkpatch_says(
                        folder, "-", ["--no-signoff"], stdin=_CAMEL
                    )  # lists the names in include/
    return store.folder_of(home, "kernel-tools", key)


def _unpack(repository: Path, commit: str, folder: Path) -> None:
    """What is read, and of the rest the folders: MAINTAINERS tells them from files by what is there."""
    listed = git.git("ls-tree", "-r", "-d", "-z", "--name-only", commit, cwd=repository)
    for name in filter(None, os.fsdecode(listed).split("\0")):
        (folder / name).mkdir(parents=True, exist_ok=True)
    known = git.git("ls-tree", "-z", "--name-only", commit, "--", *_NEEDED, cwd=repository)
    names = [name for name in os.fsdecode(known).split("\0") if name]
    top = os.fsdecode(git.git("ls-tree", "-z", commit, cwd=repository)).split("\0")
    names += [name for head, _, name in (line.partition("\t") for line in top) if " blob " in head]
    if names:
        git.unpack(git.git("archive", commit, "--", *names, cwd=repository), folder)


def checkpatch_says(tools: Path, file: str, options: Sequence[str], stdin: str = "") -> str:
    words = ["--terse", "--show-types", "--no-summary", "--color=never", *options, file]
    return run_script(
        ["perl", "scripts/checkpatch.pl", *words], tools, stdin, f"checkpatch on {file}", (0, 1)
    )


def remembered(home: Home, about: Sequence[str | bytes], ask: Callable[[], str]) -> str:
    """What a script says about this content; asked once."""
    key = hash_of("script", *about)
    kept = store.find(home, "script", key)
    if kept is not None:
        return str(kept.record["said"])
    said = ask()
    with store.fresh(home, "script", key, {"said": said}):
        pass
    return said


def run_script(words: Sequence[str], cwd: Path, stdin: str, what: str, good: Sequence[int]) -> str:
    """What a script prints, on both of its streams."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    # a person's .checkpatch.conf or .get_maintainer.conf would make the result theirs alone
    env |= {"HOME": str(cwd), "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env=env,
            input=stdin.encode("utf-8", "surrogateescape"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_LIMIT,
            check=False,
        )
    except FileNotFoundError as error:
        raise missing_tool(words[0]) from error
    except subprocess.TimeoutExpired as error:
        raise FarwatchError(f"{what} came to no end within {_LIMIT:.0f} s") from error
    said = done.stdout.decode("utf-8", "replace")
    if done.returncode not in good:
        raise FarwatchError(f"{what} failed (status {done.returncode})", cause=said[-2000:].strip())
    return said
