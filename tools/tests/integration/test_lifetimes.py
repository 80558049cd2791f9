# SPDX-License-Identifier: GPL-2.0-or-later
"""A revision with its real server when one of the two goes away: no hang, no splat, nothing left."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from farwatch.app import App
from farwatch.guests.logs import LogSet
from farwatch.guests.run import run_guests
from farwatch.guests.session import Session
from farwatch.guests.setting import Setting
from farwatch.guests.trace import Limits, Trace
from farwatch.system.children import Run
from farwatch.system.procfs import watch_count
from farwatch.verdicts.splat import scan
from tests.integration.commands import need_engine
from tests.integration.forged_stage import setting_of

pytestmark = pytest.mark.integration

WATCHER = Path(__file__).parent / "forge" / "guest.py"
LIMIT = 20.0
UML_WARNS = "arch/um/drivers/virtio_uml.c"
Between = Callable[[Session], Awaitable[None]]
"""What the host does while the script runs."""


def is_of_uml(splat: str) -> bool:
    """Whether a warning is User Mode Linux' own.

    It is a dozen of them at once, of which the console can lose lines. One that has lost its first line is
    taken for one of these if it is on their way, and nothing in it is of the file system.
    """
    headless = not re.search(r"(WARNING|BUG): \S", splat)
    return UML_WARNS in splat or (
        headless and "vu_conn_broken" in splat and not re.search("fuse|virtio_?fs", splat)
    )


@dataclass(frozen=True)
class Played:
    """What the script printed, and what is on the guest's console."""

    lines: list[str]
    console: list[str]
    ended: str
    server: int
    """Its pid."""
    powered_off: bool
    server_died: str


async def nothing(_session: Session) -> None:
    """The host only looks on."""


SETTINGS = ("v1/uml", "v2/uml", "v3/uml", pytest.param("v2/vng", marks=pytest.mark.nightly))


@pytest.fixture(scope="module", params=SETTINGS)
def setting(request: pytest.FixtureRequest) -> Setting:
    revision, _, engine = request.param.partition("/")
    need_engine(engine)
    return setting_of(revision, engine)


@dataclass
class Stage:
    setting: Setting
    folder: Path

    def play(self, script: str, between: Between = nothing) -> Played:
        """Run a shell script in a fresh guest; $WATCH watches the folder of the test and prints events."""
        return run_guests(App.here().home, lambda run: self._guest(run, script, between))

    async def _guest(self, run: Run, script: str, between: Between) -> Played:
        session = Session(run, self.setting, 1, self.folder / "logs", lambda _trace: None)
        trace = Trace("lifetime", 1, LogSet(self.folder / "trace", run.clock))
        watch = f"{os.path.realpath(sys.executable)} -I /mnt/host{WATCHER}"
        try:
            await session.boot(60)
            server = next(child.pid for child in run.children if "server" in child.name)
            task = asyncio.create_task(
                session.test(trace, ["/bin/sh", "-c", f"cd $FARWATCH_SHARE\n{script}"], {"WATCH": watch})
            )
            await asyncio.wait_for(between(session), LIMIT)
            await asyncio.wait_for(task, 2 * LIMIT)
            await session.power_off()
            powered_off = not trace.hung
        finally:
            await session.close()
        console = [
            line
            for path in sorted(self.folder.rglob("console.log"))
            for line in path.read_text("utf-8", "replace").splitlines()
        ]
        lines = [line.decode("utf-8", "replace") for line in trace.output]
        return Played(lines, console, trace.ended, server, powered_off, trace.server_died)


@pytest.fixture
def stage(setting: Setting, tmp_path: Path) -> Stage:
    return Stage(setting, tmp_path)


async def appears(path: Path) -> None:
    """Until a file is there. The caller limits the wait."""
    while not path.exists():
        await asyncio.sleep(0.005)


SYSFS = "mkdir -p /tmp/sys; mount -t sysfs sysfs /tmp/sys; DRIVER=/tmp/sys/bus/virtio/drivers/virtiofs\n"
SYSFS += "DEVICE=$(basename $DRIVER/virtio*)\n"


def test_unbound_while_it_is_watched(stage: Stage) -> None:
    """The device goes under a mount with watches, and comes back for a new mount."""

    async def act(session: Session) -> None:
        await appears(session.share / "c1" / "watching")
        (session.share / "c1" / "seen").touch()

    played = stage.play(
        SYSFS + "$WATCH 2 watching > /tmp/events &\n"
        "until grep -q seen /tmp/events || ! kill -0 $!; do :; done 2>/dev/null\n"
        "cd /; echo $DEVICE > $DRIVER/unbind && echo unbound\n"
        "stat $FARWATCH_SHARE >/dev/null 2>&1 || echo gone\n"
        "wait; umount -l /mnt/share; echo $DEVICE > $DRIVER/bind && echo bound",
        act,
    )
    assert scan(played.console) == [] and played.powered_off
    assert played.lines == ["unbound", "gone", "bound"]


def test_bound_and_unbound_while_nothing_is_mounted(stage: Stage) -> None:
    played = stage.play(
        SYSFS + "cd /; umount -l /mnt/share; for i in 1 2 3 4 5; do\n"
        "echo $DEVICE > $DRIVER/unbind && echo $DEVICE > $DRIVER/bind && echo again; done"
    )
    assert scan(played.console) == [] and played.powered_off
    assert played.lines == ["again"] * 5


def test_the_server_is_killed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the guest does then fails or is given up; its kernel goes on, and can be powered off.

    Not in QEMU, which leaves requests to a dead server unanswered: there it is known why nothing ends.
    """
    if stage.setting.engine.runs_vmm:
        limits = Limits(test=LIMIT / 2)
        monkeypatch.setattr(Limits, "measured", classmethod(lambda cls, boot: limits))

    async def act(session: Session) -> None:
        await appears(session.share / "c1" / "watching")
        assert session._server is not None
        # A directory can be seen before the guest has been told that it was made
        await session._server.quiet(200)
        os.kill(session._server.child.pid, signal.SIGKILL)
        await session._server.child.process.wait()

    played = stage.play(
        "$WATCH 2 watching > /tmp/events & wait; echo watched; cat /tmp/events\n"
        "timeout -s KILL 3 stat new >/dev/null 2>&1; echo on",
        act,
    )
    assert played.server_died == "killed by SIGKILL"
    if stage.setting.engine.runs_vmm:
        assert (scan(played.console), played.ended) == ([], "timeout")
        return
    # Stock User Mode Linux warns, too, for each queue whose call pipe has lost its other end
    others = [splat.title for splat in scan(played.console) if not is_of_uml(splat.text)]
    assert others == []
    assert "watched" in played.lines and played.lines[-1] == "on"


def test_the_guest_is_killed(stage: Stage) -> None:
    """The server ends with its guest; so its watches do."""

    async def act(session: Session) -> None:
        await appears(session.share / "c1" / "watching")
        assert session._server is not None and session._guest is not None
        server = session._server.child
        assert watch_count(server.pid) == 1
        os.kill(session._guest.child.pid, signal.SIGKILL)
        await server.process.wait()
        assert watch_count(server.pid) == 0

    played = stage.play("$WATCH 20 watching & wait", act)
    assert scan(played.console) == []


SLEEPS = """
(cd /tmp/sys; echo 1 > module/suspend/parameters/pm_test_delay
for level in freezer devices; do
    echo $level > power/pm_test && echo freeze > power/state && echo woken from $level
done)
"""


@pytest.mark.nightly
def test_put_to_sleep_while_it_is_watched(tmp_path: Path) -> None:
    """As far as that goes without a clock to wake it: tasks and devices stop, and go on; so do events."""

    async def act(session: Session) -> None:
        await appears(session.share / "c1" / "woken")
        (session.share / "c1" / "last").touch()

    stage = Stage(setting_of("v3", flavor="suspend"), tmp_path)
    script = SYSFS + "$WATCH 20 watching > /tmp/events &\nuntil [ -d watching ]; do :; done\n"
    script += SLEEPS + "mkdir woken; wait; grep -q last /tmp/events && echo told"
    played = stage.play(script, act)
    assert scan(played.console) == [] and played.powered_off
    assert played.lines == ["woken from freezer", "woken from devices", "told"]
