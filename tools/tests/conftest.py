# SPDX-License-Identifier: GPL-2.0-or-later
"""What several tests need: a home folder of their own, the step actor, programs that pretend."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

from farwatch.app import App
from farwatch.engines import ENGINES
from farwatch.errors import FarwatchError
from farwatch.home import Home, checkout_root
from farwatch.plan import usable_engine

# A slow machine is no failure. A CI service sees the same examples each time; people see new ones.
settings.register_profile("farwatch", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("farwatch")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    folder = tmp_path / "home"
    folder.mkdir()
    return Home(folder)


@pytest.fixture(scope="session")
def actor_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The host actor, built from the sources."""
    program = tmp_path_factory.mktemp("actor") / "actor"
    sources = [checkout_root() / "kernel-tests" / name for name in ("actor.c", "steps.c")]
    subprocess.run(["gcc", "-Wall", "-Wextra", "-Werror", "-O1", "-o", program, *sources], check=True)
    return program


def need_engine(name: str) -> None:
    """Skip where an engine that is an offer cannot be had, and say why; the one that is not must work."""
    if not ENGINES[name].packages:
        return
    try:
        usable_engine(App.here(), name)
    except FarwatchError as error:
        pytest.skip(f"no engine {name} here: {error}")


def script(path: Path, text: str) -> Path:
    """An executable shell script."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def children_of_this_process() -> set[int]:
    """Live children, zombies included: what a test must not leave behind."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.add(int(stat.parent.name))
    return found


def interruptible() -> None:
    """preexec_fn: Ctrl-C works, also where these tests run in the background and inherit that it does not."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
