# SPDX-License-Identifier: GPL-2.0-or-later
"""watchman: each file that it says has changed. git asks it, too, in this repository (githooks(5)).

WATCHMAN_SOCK: where it listens
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

top = Path(sys.argv[1]).resolve()
address = Path(os.environ["WATCHMAN_SOCK"])
address.parent.mkdir(mode=0o700)
server = subprocess.Popen(
    [
        "watchman",
        "--foreground",
        f"--sockname={address}",
        f"--logfile={address.parent / 'log'}",
        f"--pidfile={address.parent / 'pid'}",
        "--no-save-state",
    ],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)


def git(*words: str) -> None:
    subprocess.run(["git", "-C", str(top), *words], check=True, stdout=subprocess.DEVNULL)


def connected() -> socket.socket:
    """As soon as it listens: the client that it has waits for that."""
    subprocess.run(["watchman", "--no-spawn", "get-sockname"], check=False, stdout=subprocess.DEVNULL)
    connection = socket.socket(socket.AF_UNIX)
    while server.poll() is None:
        try:
            connection.connect(str(address))
        except OSError:
            os.sched_yield()
        else:
            return connection
    raise SystemExit(f"watchman ended: {(address.parent / 'log').read_text()}")


def said(connection: socket.socket, lines: list[bytes]) -> object:
    """Its next answer, or what it says by itself."""
    while b"\n" not in lines[0]:
        lines[0] += connection.recv(65536)
    line, _, lines[0] = lines[0].partition(b"\n")
    return json.loads(line)


line, rest = connected(), [b""]
subscription = {
    "fields": ["name", "exists", "type"],
    # what its own queries do there
    "expression": ["not", ["anyof", ["name", ".git"], ["dirname", ".git"]]],
    "empty_on_fresh_instance": True,
}
for request in (["watch", str(top)], ["subscribe", str(top), "all", subscription]):
    line.sendall(json.dumps(request).encode() + b"\n")
    answer = said(line, rest)
    assert isinstance(answer, dict) and "error" not in answer, answer
hooks = top / ".git" / "hooks"
shutil.copy(hooks / "fsmonitor-watchman.sample", hooks / "query-watchman")
(hooks / "query-watchman").chmod(0o755)
git("config", "core.fsmonitor", ".git/hooks/query-watchman")
git("config", "core.fsmonitorHookVersion", "2")
git("update-index", "--untracked-cache", "--fsmonitor")
git("status")
print("ready", flush=True)
while True:
    answer = said(line, rest)
    assert isinstance(answer, dict)
    for file in answer.get("files", ()):
        print(
            "there" if file["exists"] else "gone",
            file.get("type"),
            f"{sys.argv[1]}/{file['name']}",
            flush=True,
        )
