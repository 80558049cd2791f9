# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that wait for files, as people have them: how each is started, and what its output says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from farwatch.guests.agent import GUEST_HOST_ROOT
from farwatch.system import venv
from tests.integration.client_builds import SOURCES

TOP = "w"
"""The folder that is watched."""
LAST = f"{TOP}/last"
"""A folder in it, of its own: a client that is told of something may look what else is new beside that."""
END = f"{LAST}/end"
"""A file that is there all the time, empty, and is written to at last."""
END_TEXT = "end"

Saying = Callable[[list[str]], list[str]]
"""Lines of its output -> lines as samples/client_rules.py has them."""


def there(path: Path) -> str:
    """As a guest reaches it."""
    return f"{GUEST_HOST_ROOT}{path}"


def _as_it_is(lines: list[str]) -> list[str]:
    return lines


def _of_watchdog(lines: list[str]) -> list[str]:
    """Without its warning that it watches a folder already, and the line of code that this shows."""
    return [line for line in lines if not re.search(r"RuntimeWarning|add_callback\(", line)]


def _of_entr(lines: list[str]) -> list[str]:
    """Each run of its command with what that found, up to the one for END; entr's own words are left out."""
    runs = " ".join(line for line in lines if not line.startswith("entr:")).split("run ")
    return ["run " + re.sub(rf"\d+ 0 {END} ", "", found) for found in runs if f" 0 {END} " in found]


def _of_lsyncd(lines: list[str]) -> list[str]:
    """The paths that it hands to rsync."""
    return [f"sync {TOP}{line}" for line in lines if line.startswith("/") and line != "/"]


def _of_gio(lines: list[str]) -> list[str]:
    """`FOLDER: PATH: KIND`, where KIND may be "renamed to PATH"."""
    return [line.partition(": ")[2].replace(": ", " ", 1) for line in lines]


@dataclass(frozen=True)
class Client:
    """One of them."""

    name: str
    words: tuple[str, ...]
    """Its command; what starts with @ is in the folder of what was built of `language`."""
    language: str = ""
    """What of clients/ it needs built."""
    ready: str = "ready"
    env: Mapping[str, str] = field(default_factory=dict)
    state: tuple[str, ...] = ()
    """A command that shows what it has made of what it saw."""
    last: str = END
    """In the line that it says of END."""
    saying: Saying = _as_it_is


def _python(name: str) -> tuple[str, ...]:
    return (there(venv.python()), "-I", there(SOURCES / "python" / name), TOP)


_IN_GIT = f"{TOP} -name .git -prune -o"
_FOLDERS = f"find {_IN_GIT} -type d -print"
_FILES = f"find {_IN_GIT} -type f -print"
_LIST = "find . -type d | sort; find . -type f | sort | xargs cksum"

CLIENTS = (
    Client(
        "watchman, git's fsmonitor",
        _python("use_watchman.py"),
        env={"WATCHMAN_SOCK": "SCRATCH/watchman/sock"},
        state=("git", "-C", TOP, "status", "--porcelain"),
    ),
    Client("chokidar", ("node", "@use_chokidar.mjs", TOP), "node"),
    Client("@parcel/watcher", ("node", "@use_parcel.mjs", TOP), "node"),
    Client("notify (Rust)", ("@target/release/use-notify", TOP), "rust"),
    Client("fsnotify (Go)", ("@use-fsnotify", TOP), "go"),
    Client("watchdog", _python("use_watchdog.py"), saying=_of_watchdog),
    Client("watchfiles", _python("use_watchfiles.py")),
    Client(
        "entr",
        (
            "sh",
            "-c",
            f"while :; do {_FILES} | entr -dn sh -c 'echo run; {_FILES} | sort | xargs cksum'; done",
        ),
        ready="run",
        last=f" {len(END_TEXT)} {END}",
        saying=_of_entr,
    ),
    Client(
        "lsyncd",
        ("sh", "-c", f"mkdir $MIRROR; exec lsyncd -nodaemon {there(SOURCES / 'lsyncd.lua')}"),
        ready="finished",
        env={"MIRROR": "SCRATCH/mirror"},
        state=("sh", "-c", f"cd $MIRROR && {{ {_LIST}; }}"),
        last="/end",
        saying=_of_lsyncd,
    ),
    Client(
        "GLib, gio monitor",
        ("sh", "-c", f"exec gio monitor -d $({_FOLDERS})"),
        ready="",
        last=f"{END}: changed",
        saying=_of_gio,
    ),
    Client("Qt, QFileSystemWatcher", ("@use-qt", TOP), "qt"),
    Client(
        "Emacs, filenotify",
        ("emacs", "--batch", "-Q", "-l", there(SOURCES / "filenotify.el"), TOP),
    ),
)
