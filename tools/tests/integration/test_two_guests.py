# SPDX-License-Identifier: GPL-2.0-or-later
"""Two guests on one folder, each with a server of its own: each sees what the other does, and itself once."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from farwatch.app import App
from farwatch.guests.agent import GUEST_HOST_ROOT
from farwatch.guests.logs import LogSet
from farwatch.guests.run import run_guests
from farwatch.guests.session import Session
from farwatch.guests.setting import Share
from farwatch.guests.trace import Trace
from farwatch.system.children import Run
from tests.integration.forged_stage import setting_of
from tests.samples.event_rules import Event, merged

pytestmark = pytest.mark.integration

PAIR = Path(__file__).parent / "programs" / "pair.py"
STORM = Path(__file__).parent / "programs" / "storm.py"
WORK = """\
100 NAME
20 NAME
2 NAME
8 NAME
4 NAME
20 NAME
1 NAME
10 NAME
2 NAME
40 NAME
80 NAME.new
200 NAME.new
40000100 NAME-folder
40000200 NAME-folder
"""
"""What inotify says of pair.py's work() on a local file system. (A read that finds the end is no access.)"""


Between = Callable[[list[Session]], Awaitable[None]]
"""What the host does while both programs run."""


async def nothing(_sessions: list[Session]) -> None:
    """The host only looks on."""


async def both(run: Run, folder: Path, program: Path, between: Between = nothing) -> list[list[str]]:
    """Run a program in each guest: with its own name, and the other one's."""
    setting = setting_of("v3")
    share = run.folder / "share"
    sessions = [
        Session(run, setting, number, folder / f"g{number}", lambda _trace: None, [Share(share)])
        for number in (1, 2)
    ]
    traces = [
        Trace("pair", number, LogSet(folder / f"t{number}", run.clock))
        for number in range(1, len(sessions) + 1)
    ]
    python = f"{GUEST_HOST_ROOT}{os.path.realpath(sys.executable)}"
    words = [python, "-I", f"{GUEST_HOST_ROOT}{program}"]
    try:
        for session in sessions:
            await session.boot(60)
        names = (("a", "b"), ("b", "a"))
        plays = zip(sessions, traces, names, strict=True)
        tests = [session.test(trace, [*words, *pair], {}) for session, trace, pair in plays]
        await asyncio.gather(*tests, between(sessions))
        for session in sessions:
            await session.power_off()
    finally:
        for session in sessions:
            await session.close()
    for trace in traces:
        assert trace.ended == "exit 0", b"\n".join(trace.output).decode()
    return [[line.decode() for line in trace.output] for trace in traces]


def parsed(lines: list[str], name: str) -> list[Event]:
    """The events on what one of the two has worked on."""
    words = [line.split(" ") for line in lines]
    return [("d", int(mask, 16), 0, entry) for mask, entry in words if entry.startswith(name)]


def test_each_sees_the_other_and_itself_once(tmp_path: Path) -> None:
    seen = run_guests(App.here().home, lambda run: both(run, tmp_path, PAIR))
    for me, events in zip(("a", "b"), seen, strict=True):
        for name in ("a", "b"):
            work, came = parsed(WORK.replace("NAME", name).splitlines(), name), parsed(events, name)
            assert came == work if name == me else merged(came) == merged(work), (me, name)
        last = [line for line in events if "last-" in line]
        assert sorted(last) == ["40000100 last-a", "40000100 last-b"]


QUIET_MS = 300
STORM_LIMIT = 20.0
"""Seconds within which two servers that have nothing to do are quiet."""
FEW = 40
"""Events of one look into a folder; three are right, on the folder and on its name in the one above."""


async def look(sessions: list[Session]) -> None:
    """List the folder once, as soon as both guests watch; and end it when nothing happens any more."""
    share = sessions[0].share
    while not all((share / f"ready-{name}").exists() for name in "ab"):
        await asyncio.sleep(0.005)
    assert not list((share / "d" / "sub").iterdir())
    try:
        async with asyncio.timeout(STORM_LIMIT):
            for session in sessions:
                assert session._server is not None
                await session._server.quiet(QUIET_MS)
    except TimeoutError:
        (share / "storm").mkdir()
    (share / "over").mkdir()


def test_two_that_watch_each_other_do_not_storm(tmp_path: Path) -> None:
    """Both want to be told of OPEN and ACCESS: what a server opens to find names is news to the other."""
    seen = run_guests(App.here().home, lambda run: both(run, tmp_path, STORM, look))
    assert all(len(events) <= FEW for events in seen), [(len(events), events[:FEW]) for events in seen]
    assert all("40000020 sub" in events and "storm" not in events for events in seen), seen
