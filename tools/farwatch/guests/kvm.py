# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether KVM works here, which only a boot tells.

In a nested guest /dev/kvm may open, create a virtual machine and run it without ever getting anywhere. So
a kernel that has been built is booted with it, under a limit, and what came of it is remembered until the
host's kernel or QEMU is another one.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.engines.engine import Engine
from farwatch.model import hash_of
from farwatch.system.home import Home
from farwatch.system.locks import locked

if TYPE_CHECKING:
    from farwatch.guests.setting import Setting
    from farwatch.system.children import Run

DEVICE = Path("/dev/kvm")
BOOT_LIMIT = 20.0
"""Seconds that a boot may take which with a KVM that works takes one, and emulated six on a slow machine."""
WORKS = ""


def accelerated(home: Home, setting: Setting, say: Callable[[str], None]) -> Engine:
    """The engine of the setting, with KVM if the setting's kernel boots with it."""
    engine = setting.engine
    faster = engine.with_kvm()
    if faster is None or not_offered():
        return engine
    with locked(home.root / "kvm.lock", lambda who: say(f"waiting for {who}, which tries KVM")):
        trouble = remembered(home, engine)
        if trouble is None:
            say("trying whether KVM works")
            trouble = _boot(home, replace(setting, engine=faster, share="tmpfs", server=None, vmm=None))
            _remember(home, engine, trouble)
            say(f"KVM does not work, guests are emulated: {trouble}" if trouble else "KVM works")
    return engine if trouble else faster


def not_offered() -> str:
    """Why KVM is out of the question before anything is booted; "" if it is not."""
    if not DEVICE.exists():
        return f"there is no {DEVICE}"
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return f"{DEVICE} may not be opened by this user"
    return ""


def remembered(home: Home, engine: Engine) -> str | None:
    """What the last boot with KVM came to: WORKS, or why it does not. None: nobody has tried."""
    try:
        known = json.loads(_file(home).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    trouble = known.get("trouble") if isinstance(known, dict) and known.get("of") == _host(engine) else None
    return trouble if isinstance(trouble, str) else None


def _remember(home: Home, engine: Engine, trouble: str) -> None:
    # half of an answer counts as none
    answer = {"of": _host(engine), "trouble": trouble}
    _file(home).write_text(json.dumps(answer) + "\n", encoding="utf-8")


def _file(home: Home) -> Path:
    return home.root / "kvm.json"


def _host(engine: Engine) -> str:
    """What the answer depends on."""
    return hash_of(platform.node(), platform.release(), platform.version(), engine.version())


def _boot(home: Home, setting: Setting) -> str:
    from farwatch.guests.run import run_guests
    from farwatch.guests.session import BootFailure, booted

    logs = Path(tempfile.mkdtemp(prefix="kvm-", dir=home.logs))

    async def work(run: Run) -> str:
        try:
            async with booted(run, setting, logs, BOOT_LIMIT):
                return WORKS
        except BootFailure as failure:
            return f"{failure.title} (see {logs})"

    return run_guests(home, work)
