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
    """All that the device was asked and told of, in its words."""


@dataclass
class Stage:
    """Plays one plan in a fresh guest."""

    setting: Setting
    folder: Path

    def play(self, *, silence: float = 5.0, script: str = "", **plan: Any) -> Played:
        """Play a plan for device.py, with a script for script.py in the guest, else with guest.py."""
        (self.folder / "script").write_text(script)
        full = {"notify": True, "grant": True, "buf_size": 512, "queues": 1, "messages": [], **plan}
        (self.folder / "plan.json").write_text(json.dumps(full))
        device = self.folder / "device"
        device.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I "{FORGE / "device.py"}" "$@"\n')
        device.chmod(0o755)
        options = (f"--forge={self.folder / 'plan.json'}",)
        changed = replace(self.setting, server=device, server_options=options)
        return run_guests(App.here().home, lambda run: self._guest(run, changed, silence))

    async def _guest(self, run: Run, setting: Setting, silence: float) -> Played:
        logs = self.folder / "logs"
        session = Session(run, setting, 1, logs, lambda _trace: None)
        trace = Trace("forged", 1, LogSet(self.folder / "trace", run.clock))
        try:
            await session.boot(60)
            python = os.path.realpath(sys.executable)
            script = self.folder / "script"
            words = (
                ["script.py", f"/mnt/host{script}"] if script.stat().st_size else ["guest.py", str(silence)]
            )
            words[0] = f"/mnt/host{FORGE / words[0]}"
            await session.test(trace, [python, "-I", *words], {})
            await session.power_off()
        finally:
            await session.close()
        assert not trace.guest_died and not trace.hung, trace
        text = [path.read_text("utf-8", "replace") for path in sorted(self.folder.rglob("console.log"))]
        console = "".join(text).splitlines()
        assert scan(console) == []
        said = [path.read_text("utf-8", "replace") for path in sorted(self.folder.rglob("server.log"))]
        asked = "".join(said).splitlines()
        watches = [line.partition("watch ")[2] for line in asked if "watch " in line]
        return Played([line.decode() for line in trace.output], console, trace.ended, watches, asked)
