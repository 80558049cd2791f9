# SPDX-License-Identifier: GPL-2.0-or-later
"""A share that is served in the guest, by kernel-tests/plainfs/: it is a file system to work in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from farwatch.app import App
from farwatch.cells.setting import setting_for
from farwatch.cells.wish import Wish
from farwatch.guests.logs import LogSet
from farwatch.guests.run import run_guests
from farwatch.guests.session import Session
from farwatch.guests.setting import Setting
from farwatch.guests.trace import Trace
from farwatch.system.children import Run
from tests.integration.commands import farwatch

pytestmark = pytest.mark.integration

WORK = Path(__file__).with_name("plain_work.sh")
TELL = (
    "cd {0} && {{ find . -mindepth 1 -printf '%p %y %m %U %G %n %s %l\\n'; "
    "find . -mindepth 1 ! -newer /tmp/begin -printf '%p %T@\\n'; "
    "find . -type f -exec sha256sum {{}} +; }} | sort"
)
"""What is in a folder: names, kinds, modes, owners, links, sizes, contents, and times that are older."""


def guest(script: str) -> subprocess.CompletedProcess[str]:
    return farwatch(
        *("boot", "baseline", "--patches", "--memory", "400", "--share-settings", "fuse"),
        *("--", "sh", "-ec", script),
    )


def test_ordinary_work_leaves_what_it_leaves_on_a_tmpfs() -> None:
    root = App.here().root
    folders = ("/tmp/native", "$FARWATCH_SHARE/served", "/mnt/source/served")
    does = f"touch /tmp/begin; mkdir {folders[0]} {folders[1]}\n"
    does += "".join(f"sh /mnt/host{WORK} {folder} /mnt/host{root}\n" for folder in folders[:2])
    tells = "\n".join(f"echo ==; {TELL.format(folder)}" for folder in folders)
    done = guest(does + tells)
    assert done.returncode == 0, done.stderr
    native, served, behind = (part.splitlines() for part in done.stdout.split("==\n")[1:])
    assert len(native) > 500, native
    assert served == native
    assert behind == served


def test_a_request_that_waits_for_events_keeps_nobody_waiting() -> None:
    """One background request is allowed at a time, and a FETCH waits: readahead of four goes on beside it."""
    script = """
echo 1 > /proc/sys/fs/inotify/remote
mount -t fusectl none /sys/fs/fuse/connections
C=$(ls -d /sys/fs/fuse/connections/*)
echo 1 > $C/max_background; echo 1 > $C/congestion_threshold; cat $C/max_background
dd if=/dev/urandom of=/mnt/source/big bs=1M count=16 2>/dev/null
inotifywait -q -e create . > /tmp/event & W=$!
until grep -q 'watches 1' $C/fsnotify; do :; done
for i in 1 2 3 4; do cat big | sha256sum & D="$D $!"; done
wait $D; sha256sum < /mnt/source/big
touch /mnt/source/new; wait $W; cat /tmp/event; grep refused $C/fsnotify
cd /
"""
    settings = ("--memory", "400", "--share-settings", "fuse-fetch")
    done = farwatch("boot", "v3", "--patches", *settings, "--", "timeout", "60", "sh", "-ec", script)
    assert done.returncode == 0, done.stderr
    number, *sums, event, refused = done.stdout.splitlines()
    assert (number, event, refused) == ("1", "./ CREATE new", "refused 0")
    assert len(sums) == 5 and len(set(sums)) == 1


def test_somebody_else_is_seen_and_the_server_is_another_process() -> None:
    done = guest(
        "cd $FARWATCH_SHARE; echo there > /mnt/source/f; cat f; echo here > g; cat /mnt/source/g; "
        "rm /mnt/source/f; ls; cat /proc/$(cat $FARWATCH_SERVER_PID)/comm; umount -l $FARWATCH_MOUNT; cd /; "
        "while kill -0 $(cat $FARWATCH_SERVER_PID) 2>/dev/null; do :; done; echo ended"
    )
    assert (done.returncode, done.stdout.split()) == (0, ["there", "here", "g", "plainfs", "ended"]), done


@pytest.fixture(scope="module")
def setting() -> Setting:
    app = App.here()
    revision = app.catalog.revision("baseline")
    [_, share] = app.catalog.share_settings("default,fuse")
    return setting_for(app, Wish((revision,), share_setting=share), revision)


def play(setting: Setting, folder: Path, script: str) -> list[str]:
    """What a shell script prints that runs as a test does."""
    trace = Trace("plain", 1, LogSet(folder / "trace", lambda: 0.0))

    async def test(run: Run) -> None:
        session = Session(run, setting, 1, folder / "logs", lambda _trace: None)
        try:
            await session.boot(60)
            await session.test(trace, ["/bin/sh", "-c", script], {})
            await session.power_off()
        finally:
            await session.close()

    run_guests(App.here().home, test)
    return [line.decode() for line in trace.output]


@pytest.mark.parametrize(("name", "said"), [("KILL", ""), ("SEGV", "signal 11"), ("TERM", "signal 15")])
def test_a_server_that_ends_by_itself_is_not_the_kernels_fault(
    setting: Setting, tmp_path: Path, name: str, said: str
) -> None:
    script = (
        f"kill -{name} $(cat $FARWATCH_SERVER_PID); "
        "while kill -0 $(cat $FARWATCH_SERVER_PID) 2>/dev/null; do :; done; ls $FARWATCH_SHARE || echo gone"
    )
    output = play(setting, tmp_path, script)
    assert output[-1] == "gone"
    told = [line for line in output if line.startswith("# farwatch: infrastructure: ")]
    assert [line.rpartition(": ")[2] for line in told] == ([said] if said else [])
