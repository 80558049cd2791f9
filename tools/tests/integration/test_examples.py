# SPDX-License-Identifier: GPL-2.0-or-later
"""kernel-tests/examples/tablefs.py, for authors of servers: files that change by themselves are seen."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from farwatch.system.home import checkout_root
from tests.integration.commands import farwatch

pytestmark = pytest.mark.integration

EXAMPLE = checkout_root() / "kernel-tests" / "examples" / "tablefs.py"
WATCHER = Path(__file__).parent / "programs" / "table.py"


def played(*options: str, sysctl: int = 1) -> list[str]:
    """What inotify says of the table, and what is read of it when it says so."""
    python = f"/mnt/host{os.path.realpath(sys.executable)}"
    script = (
        f"echo {sysctl} > /proc/sys/fs/inotify/remote; mkdir -p /tmp/table; cd /tmp;"
        f"exec {python} -I /mnt/host{WATCHER} {python} /mnt/host{EXAMPLE} /tmp/table {' '.join(options)}"
    )
    done = farwatch("boot", "v3", "--patches", "--", "sh", "-c", script)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


SEEN = [
    "CREATE a: one",
    "MODIFY a: another",
    "MOVED_FROM a: gone",
    "MOVED_TO b: another",
    "DELETE b: gone",
    "unmounted",
]


@pytest.mark.skipif(shutil.which("sh") is None, reason="no shell")
@pytest.mark.parametrize("options", [(), ("--fetch",)], ids=["notify", "fetch"])
def test_inotify_sees_a_table_that_changes_by_itself(options: tuple[str, ...]) -> None:
    """Each change is fresh when it is told of, with a server that lets everything be cached for an hour."""
    assert played(*options) == SEEN


def test_who_has_not_asked_is_not_told() -> None:
    assert played(sysctl=0) == ["silence", "unmounted"]
