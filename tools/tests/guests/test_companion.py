# SPDX-License-Identifier: GPL-2.0-or-later
"""v2's server in other ways than the table's: with threads, without privileges, with lasting caches."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from farwatch.app import App
from farwatch.guests.agent import GUEST_HOST_ROOT
from farwatch.guests.logs import LogSet
from farwatch.guests.run import run_guests
from farwatch.guests.session import Session
from farwatch.guests.setting import Setting
from farwatch.guests.trace import Trace
from farwatch.system.children import Run
from farwatch.verdicts.splat import scan
from tests.integration.forged_stage import setting_of

pytestmark = pytest.mark.integration

WAYS = {
    "threads": 'exec "$SERVER" --thread-pool-size=4 "$@"',
    "no CAP_SYS_ADMIN": 'exec setpriv --bounding-set=-sys_admin "$SERVER" "$@"',
    "caches": """for word; do
    shift
    [ "$word" = --cache=never ] && word=--cache=always
    set -- "$@" "$word"
done
exec "$SERVER" "$@\"""",
}
PROGRAMS = ["fresh", "inotify", "inotify_watch", "inotify_rename", "inotify_lifetime"]
RACES = {"alternating_events_stay_apart", "order_of_one_name", "order_of_two_names"}
"""What patches/v2/revision.toml does not vouch for."""


async def totals(run: Run, folder: Path, setting: Setting, program: Path) -> dict[str, int]:
    session = Session(run, setting, 1, folder / "logs", lambda _trace: None)
    trace = Trace(program.name, 1, LogSet(folder / "trace", run.clock))
    try:
        await session.boot(60)
        await session.test(trace, [f"{GUEST_HOST_ROOT}{program}"], {})
        await session.power_off()
    finally:
        await session.close()
    said = b"\n".join(trace.output).decode("utf-8", "replace")
    failed = set(re.findall(r"^not ok \d+ \S+\.(\S+)", said, re.MULTILINE)) - RACES
    assert not trace.hung and not trace.guest_died and not failed, f"{failed}\n{said[-3000:]}"
    console = [line for path in folder.rglob("console.log") for line in path.read_text("utf-8").splitlines()]
    assert scan(console) == []
    [line] = re.findall(r"^# Totals: (.*)$", said, re.MULTILINE)
    return {kind: int(number) for kind, number in re.findall(r"(\w+):(\d+)", line)}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("way", WAYS)
def test_all_cases_pass(tmp_path: Path, way: str, program: str) -> None:
    if "setpriv" in WAYS[way] and (os.geteuid() or not shutil.which("setpriv")):
        pytest.skip("only root has privileges to give up")
    app, setting = App.here(), setting_of("v2")
    wrapper = tmp_path / "server"
    wrapper.write_text(f"#!/bin/sh\nSERVER='{setting.server}'\n{WAYS[way]}\n")
    wrapper.chmod(0o755)
    path = app.builder.tests(app.catalog.base("linux")).dir / f"{program}_test"
    changed = replace(setting, server=wrapper)
    counted = run_guests(app.home, lambda run: totals(run, tmp_path, changed, path))
    assert counted["pass"] > 10 and sum(counted.values()) <= counted["pass"] + len(RACES)


FILL = """
import ctypes, os
os.chdir(os.environ["FARWATCH_SHARE"])
libc = ctypes.CDLL(None, use_errno=True)
group = libc.inotify_init1(0)
for number in range(20):
    os.mkdir(f"d{number}")
    if libc.inotify_add_watch(group, b"d%d" % number, 0x100) < 0:
        print("refused", number, os.strerror(ctypes.get_errno()), flush=True)
        break
os.mkdir("go")
print("event", os.read(group, 4096)[16:].rstrip(b"\\0").decode(), flush=True)
libc.inotify_rm_watch(group, 1)
print("then", libc.inotify_add_watch(group, b"d19" if number == 19 else b"d%d" % number, 0x100) > 0)
"""
LIMIT = (
    'exec unshare --user --map-root-user sh -c \'echo 8 > /proc/sys/user/max_fanotify_marks; exec "$0" "$@"\''
)


def test_a_server_without_room_refuses_who_wants_to_watch(tmp_path: Path) -> None:
    """ENOSPC, as if the guest's own limit were reached; what is watched goes on."""
    setting = setting_of("v2")
    wrapper = tmp_path / "server"
    wrapper.write_text(f"#!/bin/sh\n{LIMIT} '{setting.server}' \"$@\"\n")
    wrapper.chmod(0o755)
    lines = run_guests(App.here().home, lambda run: filled(run, tmp_path, replace(setting, server=wrapper)))
    assert lines[0].startswith("refused ") and lines[0].endswith(" No space left on device")
    assert 3 <= int(lines[0].split()[1]) <= 8
    assert lines[1:] == ["event new", "then True"]


async def filled(run: Run, folder: Path, setting: Setting) -> list[str]:
    session = Session(run, setting, 1, folder / "logs", lambda _trace: None)
    trace = Trace("fill", 1, LogSet(folder / "trace", run.clock))
    python = f"{GUEST_HOST_ROOT}{os.path.realpath(sys.executable)}"
    try:
        await session.boot(60)
        task = asyncio.create_task(session.test(trace, [python, "-I", "-c", FILL], {}))
        while not (session.share / "c1" / "go").exists() and not task.done():
            await asyncio.sleep(0.005)
        if not task.done():
            (session.share / "c1" / "d0" / "new").touch()
        await task
        await session.power_off()
    finally:
        await session.close()
    return [line.decode("utf-8", "replace") for line in trace.output]
