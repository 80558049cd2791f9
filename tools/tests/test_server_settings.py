# SPDX-License-Identifier: GPL-2.0-or-later
"""v2's server in other ways than the table's: with threads, without privileges, with lasting caches."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from forged_stage import setting_of

from farwatch.app import App, run_guests
from farwatch.children import Run
from farwatch.session import GUEST_HOST_ROOT, Session, Setting
from farwatch.splat import scan
from farwatch.trace import LogSet, Trace

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
