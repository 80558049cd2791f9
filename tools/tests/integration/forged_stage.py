# SPDX-License-Identifier: GPL-2.0-or-later
"""A patched kernel and a device that lies (forge/device.py), with a program in the guest that watches."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from farwatch.app import App
from farwatch.cells.setting import setting_for
from farwatch.cells.wish import Wish
from farwatch.guests.logs import LogSet
from farwatch.guests.run import run_guests
from farwatch.guests.session import Session
from farwatch.guests.setting import Setting
from farwatch.guests.trace import Trace
from farwatch.system.children import Run
from farwatch.verdicts.splat import scan

FORGE = Path(__file__).parent / "forge"
TOOLS = Path(__file__).parents[2]
Message = dict[str, Any]
"""What device.py sends: "data" in hex, and what it claims falsely about that."""


FLAVOR = os.environ.get("FARWATCH_TEST_FLAVOR", "plain")
"""Of all kernels with which these tests are done."""


def setting_of(revision: str, engine: str = "uml", flavor: str = FLAVOR) -> Setting:
    app = App.here()
    wish = Wish((), engine=engine, edited=False, flavor=flavor)
    return setting_for(app, wish, app.catalog.revision(revision))


def each_answered(forged: Sequence[Message], true: Callable[[bytes], Message]) -> Iterator[Message]:
    """Behind each a true event, so that nothing is dropped but what is forged; "last" behind all."""
    for number, entry in enumerate(forged):
        yield entry
        yield true(b"after-%d" % number)
    yield true(b"last")


@dataclass(frozen=True)
class Played:
    """What came of it."""

    events: list[str]
    """Lines of guest.py."""
    console: list[str]
    ended: str
    watches: list[str] = field(default_factory=list)
    """What the device was asked to watch."""
    asked: list[str] = field(default_factory=list)
    """All that the device, or the plain server, was asked and told of, in its words, and the events."""


@dataclass
class Stage:
    """Plays one plan in a fresh guest."""

    setting: Setting
    folder: Path

    def play(self, *, silence: float = 5.0, script: str = "", plain: bool = False, **plan: Any) -> Played:
        """Play a plan for device.py, with a script for script.py in the guest, else with guest.py.

        plain: for plain.py, which serves in the guest
        """
        (self.folder / "script").write_text(script)
        full = {"notify": True, "grant": True, "buf_size": 512, "queues": 1, "messages": [], **plan}
        (self.folder / "plan.json").write_text(json.dumps(full))
        device = self.folder / "device"
        module = "-s -P -m tests.integration.forge.device"
        device.write_text(f'#!/bin/sh\nPYTHONPATH="{TOOLS}" exec "{sys.executable}" {module} "$@"\n')
        device.chmod(0o755)
        options = (f"--forge={self.folder / 'plan.json'}",)
        changed = replace(self.setting, server=device, server_options=options)
        return run_guests(App.here().home, lambda run: self._guest(run, changed, self._words(silence, plain)))

    def _words(self, silence: float, plain: bool) -> list[str]:
        """The command in the guest."""
        python, script = os.path.realpath(sys.executable), self.folder / "script"
        if plain:
            module = ["-s", "-P", "-m", "tests.integration.forge.plain"]
            return [python, *module, f"/mnt/host{self.folder / 'plan.json'}", f"/mnt/host{script}"]
        if script.stat().st_size:
            return [python, "-I", f"/mnt/host{FORGE / 'script.py'}", f"/mnt/host{script}"]
        return [python, "-I", f"/mnt/host{FORGE / 'guest.py'}", str(silence)]

    async def _guest(self, run: Run, setting: Setting, words: Sequence[str]) -> Played:
        logs = self.folder / "logs"
        session = Session(run, setting, 1, logs, lambda _trace: None)
        trace = Trace("forged", 1, LogSet(self.folder / "trace", run.clock))
        try:
            await session.boot(60)
            await session.test(trace, words, {"PYTHONPATH": f"/mnt/host{TOOLS}"})
            await session.power_off()
        finally:
            await session.close()
        assert not trace.guest_died and not trace.hung, trace
        text = [path.read_text("utf-8", "replace") for path in sorted(self.folder.rglob("console.log"))]
        console = "".join(text).splitlines()
        assert scan(console) == []
        logs_ = [*sorted(self.folder.rglob("server.log")), *self.folder.rglob("output.log")]
        said = [path.read_text("utf-8", "replace") for path in logs_]
        asked = "".join(said).splitlines()
        watches = [line.partition("watch ")[2] for line in asked if "watch " in line]
        return Played([line.decode() for line in trace.output], console, trace.ended, watches, asked)
