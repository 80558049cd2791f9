# SPDX-License-Identifier: GPL-2.0-or-later
"""farwatch as a person calls it, on this checkout or on a copy whose patches a test may change."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from farwatch.app import App
from farwatch.cells.setting import usable_engine
from farwatch.engines.registry import ENGINES
from farwatch.errors import FarwatchError
from farwatch.system import procfs
from farwatch.system.home import Home, checkout_root

ONE = "inotify_test:directory.local.create"
LONG_ENOUGH = 45 * 60
"""Seconds for a command that may have to build everything first."""


GUEST_MARK = "FARWATCH_CHECK"
"""A variable that tells what this run of the tests has started from what others do in the same home."""


def guests_left() -> list[str]:
    """Command lines of guests and servers that these tests have started and that still run."""
    builds, mark = str(Home.from_env().builds), f"{GUEST_MARK}={os.environ[GUEST_MARK]}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        words = procfs.command_line(int(folder.name))
        ours = any(word.startswith(builds) for word in words)
        if ours and mark in (procfs.environment(int(folder.name)) or []):
            found.append(" ".join(words))
    return found


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "farwatch", *map(str, words)]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(checkout_root() / "tools"), **more}


def farwatch(*words: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words),
        capture_output=True,
        text=True,
        check=False,
        timeout=LONG_ENOUGH,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
    )


def add_revision(folder: Path, name: str, old: str, new: str) -> None:
    """A revision with one patch, which replaces a line of fs/fuse/dir.c."""
    app = App.here()
    base = app.catalog.base("linux")
    repository = app.trees.repository("linux")
    content = subprocess.run(
        ["git", "-C", repository, "show", f"{app.trees.base_commit(base)}:fs/fuse/dir.c"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lines = content.splitlines()
    place = lines.index(old)
    before, after = lines[place - 3 : place], lines[place + 1 : place + 4]
    hunk = [*(f" {line}" for line in before), f"-{old}", f"+{new}", *(f" {line}" for line in after)]
    patches = folder / "patches" / name / "linux"
    patches.mkdir(parents=True)
    (patches.parent / "revision.toml").write_text(
        'title = "Made up"\nshare = "virtiofs"\n[bases]\nlinux = "7.3"\nvirtiofsd = "1.14.0"\n'
    )
    (patches / "0001-fuse-made-up.patch").write_text(
        "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n"
        "From: A Tester <tester@example.org>\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n"
        "Subject: [PATCH] fuse: made up\n\nMade up.\n---\n"
        "diff --git a/fs/fuse/dir.c b/fs/fuse/dir.c\n--- a/fs/fuse/dir.c\n+++ b/fs/fuse/dir.c\n"
        f"@@ -{place - 2},7 +{place - 2},7 @@\n" + "\n".join(hunk) + "\n"
    )


def in_checkout(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """farwatch, working on another checkout's patches."""
    return subprocess.run(
        command("--project", folder, *words),
        capture_output=True,
        text=True,
        check=False,
        timeout=LONG_ENOUGH,
        env=environment(),
        stdin=subprocess.DEVNULL,
    )


def need_engine(name: str) -> None:
    """Skip where an engine that is an offer cannot be had, and say why; the one that is not must work."""
    if not ENGINES[name].packages:
        return
    try:
        usable_engine(App.here(), name)
    except FarwatchError as error:
        pytest.skip(f"no engine {name} here: {error}")
