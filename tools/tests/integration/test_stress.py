# SPDX-License-Identifier: GPL-2.0-or-later
"""v3 with everybody busy: threads on both sides, caches dropped, and an end in the middle of it.

FARWATCH_STRESS_SECONDS says for how long (default 4), FARWATCH_TEST_FLAVOR on which kernel.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from farwatch.app import App
from farwatch.guests.agent import GUEST_HOST_ROOT
from farwatch.guests.logs import LogSet
from farwatch.guests.run import run_guests
from farwatch.guests.session import Session
from farwatch.guests.trace import Limits, Trace
from farwatch.system.children import Run
from farwatch.system.procfs import watch_count
from farwatch.verdicts.splat import scan
from tests.integration.forged_stage import setting_of

pytestmark = pytest.mark.integration

SECONDS = float(os.environ.get("FARWATCH_STRESS_SECONDS", "4"))
THREADS = 8
FOLDERS = 6
PROGRAM = Path(__file__).parent / "programs" / "stress.py"
UML_WARNS = "arch/um/drivers/virtio_uml.c"
Between = Callable[[Session], Awaitable[None]]


def work(folder: Path, stop: threading.Event, number: int) -> None:
    """What a thread of the host does."""
    dice = random.Random(number)
    while not stop.is_set():
        directory = folder / f"d{dice.randrange(FOLDERS)}"
        file, other = directory / f"f{dice.randrange(2)}", directory / f"f{dice.randrange(2)}"
        with contextlib.suppress(OSError):
            kind = dice.randrange(7)
            if kind == 0:
                file.write_text("host")
            elif kind == 1:
                file.read_text()
            elif kind == 2:
                file.unlink()
            elif kind == 3:
                file.rename(other)
            elif kind == 4:
                (directory / "sub").mkdir()
            elif kind == 5:
                (directory / "sub").rmdir()
            else:
                file.chmod(0o644)


@dataclass(frozen=True)
class Played:
    lines: list[str]
    """What the script printed."""
    splats: list[str]
    left: int
    """How many watches the server keeps in the end."""
    trace: Trace


async def stress(run: Run, folder: Path, script: str, between: Between) -> Played:
    session = Session(run, setting_of("v3"), 1, folder / "logs", lambda _trace: None)
    trace = Trace("stress", 1, LogSet(folder / "trace", run.clock))
    python = f"{GUEST_HOST_ROOT}{os.path.realpath(sys.executable)} -I {GUEST_HOST_ROOT}{PROGRAM}"
    stop, left = threading.Event(), -1
    try:
        await session.boot(120)
        words = ["/bin/sh", "-c", f"cd $FARWATCH_SHARE\nSTRESS='{python} {SECONDS} {THREADS}'\n{script}"]
        share = session.share / "c1"
        task = asyncio.create_task(session.test(trace, words, {}))
        while not share.exists() and not task.done():
            await asyncio.sleep(0.005)
        for number in range(FOLDERS):
            (share / f"d{number}").mkdir()
        (share / "go").touch()
        crowd = [threading.Thread(target=work, args=(share, stop, number)) for number in range(THREADS)]
        for thread in crowd:
            thread.start()
        try:
            await between(session)
            await task
        finally:
            stop.set()
            for thread in crowd:
                thread.join()
        assert session._server is not None
        left = watch_count(session._server.child.pid)
        await session.power_off()
    finally:
        await session.close()
    assert not trace.guest_died, trace
    text = [path.read_text("utf-8", "replace") for path in sorted(folder.rglob("console.log"))]
    splats = [splat.text for splat in scan("".join(text).splitlines())]
    return Played([line.decode("utf-8", "replace") for line in trace.output], splats, left, trace)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(test=SECONDS + 60, event=10.0, end=30.0)
    monkeypatch.setattr(Limits, "measured", classmethod(lambda cls, boot: limits))


def play(folder: Path, script: str, between: Between) -> Played:
    return run_guests(App.here().home, lambda run: stress(run, folder, script, between))


async def nothing(_session: Session) -> None:
    """Let them work."""


WAIT = "until [ -e go ]; do :; done\n"


def test_to_the_end(tmp_path: Path) -> None:
    """Events arrive, and no watch is left when all groups are closed."""
    played = play(tmp_path, WAIT + "$STRESS; cd /; umount /mnt/share && echo unmounted", nothing)
    assert played.splats == [] and not played.trace.hung
    assert played.lines[0] == "started" and played.lines[-1] == "unmounted", played.lines
    _, watches, _, events = played.lines[1].split()
    assert int(watches) > 100 and int(events) > 100
    assert played.left == 0


def test_unmounted_in_the_middle(tmp_path: Path) -> None:
    script = WAIT + "$STRESS & until ls d*/g* >/dev/null 2>&1; do :; done\n"
    played = play(tmp_path, script + "cd /; umount -l /mnt/share && echo unmounted; wait", nothing)
    assert played.splats == [] and not played.trace.hung
    assert "unmounted" in played.lines


def test_the_server_is_killed_in_the_middle(tmp_path: Path) -> None:
    """What waits for the server waits for ever, as with stock virtiofs; the kernel goes on."""

    async def kill(session: Session) -> None:
        share = session.share / "c1"
        while not any(share.glob("d*/g*")):
            await asyncio.sleep(0.005)
        assert session._server is not None
        await session._server.kill()

    played = play(
        tmp_path, WAIT + "$STRESS & for i in 1 2 3; do timeout 1 yes > /dev/null; done; echo on", kill
    )
    assert [text for text in played.splats if UML_WARNS not in text] == []
    assert played.lines[-1] == "on"
    assert played.trace.stuck in ("", "a process survived SIGKILL")
