# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in a guest: has a watcher watch a folder while an actor works in it, and prints what the watcher said.

usage: stage.py SPEC NATIVE-ACTOR SIDE...

SIDE is "remote", the test's folder on the share, where the host's actor works; or "native", a folder on a
tmpfs of this guest, where an actor of the same kind works that is a child of this process.

The watcher is stopped (SIGSTOP, all its processes) before the actor begins, and goes on when the actor is
done and all that this caused is in the watcher's queue: so it meets the whole burst at once, on both sides.
SPEC, a JSON file, says:

  client   words of its command
  env      variables for it; SCRATCH in a value is a new folder on a tmpfs
  ready    text that it prints when it watches; empty: it does not say
  setup    steps (steps.h without SEQ, DEADLINE and actor) that make the tree
  bursts   lists of steps; while each is done the watcher is stopped, and after each it becomes quiet
  end      the last step, always done by this guest; what the watcher says of it shows that it listens
  last     text in the line in which it says so
  state    words of a command that shows what the watcher has made of it; run before and after
  fence    whether the host's changes are heard of here at all, and so can be waited for

For each side it prints an object in a line: "said", what the watcher has said since it watches; "gone" and
"new", lines of that command that are no more, and that were not there before. Paths are relative.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import tty
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CREATE = 0x100
DEADLINE_MS = 60000
LIMIT = 60.0
"""Seconds for anything that is waited for, on the slowest machine."""
TICK = 0.02
QUIET_TICKS = 30
"""So often in a row a watcher has to be found asleep: longer than any of them waits to merge what it saw.

Looks are counted, and not the time: when the whole guest stands still nothing is looked at, either.
"""


class Steps:
    """An actor at the other end of a line or a pair of pipes, as steps.h has it."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._seq = 0

    def do(self, step: Sequence[str]) -> None:
        self._seq += 1
        fields = [str(self._seq), str(DEADLINE_MS), "host", *map(escape, step)]
        os.write(self._writing, (" ".join(fields) + "\n").encode())
        answer = self._line().split(" ")
        # of a script: the errno of each line; of a program that was run: its exit status
        failed = answer[1] != "0" or any(word != "0" for word in " ".join(answer[2:3]).split(","))
        if (step[0] in ("run", "play") and failed) or answer[1] != "0":
            raise RuntimeError(f"{step}: {answer}")

    def _line(self) -> str:
        data = b""
        while not data.endswith(b"\n"):
            if not select.select([self._reading], [], [], LIMIT)[0]:
                raise TimeoutError(f"no answer; so far {data!r}")
            data += os.read(self._reading, 4096)
        return data.decode()[:-1]


def escape(field: str) -> str:
    plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/+:=@,-"
    return "".join(chr(byte) if byte in plain else f"%{byte:02X}" for byte in field.encode()) or "%"


class Fence:
    """A folder in which the actor makes something last; this process is told of that as the watcher is."""

    def __init__(self, actor: Steps) -> None:
        self._actor = actor
        self._libc = ctypes.CDLL(None, use_errno=True)
        Path("fence").mkdir()
        self._group = self._libc.inotify_init1(os.O_CLOEXEC)
        if self._libc.inotify_add_watch(self._group, b"fence", CREATE) < 0:
            raise OSError(ctypes.get_errno(), "fence")
        self._number = 0

    def wait(self) -> None:
        self._number += 1
        self._actor.do(["mkdir", f"fence/{self._number}", "755"])
        if not select.select([self._group], [], [], LIMIT)[0]:
            raise TimeoutError("the host's last change was not heard of")
        os.read(self._group, 65536)


class Watcher:
    """A client and all that it starts."""

    def __init__(self, words: Sequence[str], env: dict[str, str]) -> None:
        self.lines: list[str] = []
        self._rest = b""
        self._child = subprocess.Popen(
            words,
            env={**os.environ, **env},
            stdin=subprocess.PIPE,  # one that never says anything, and does not end
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._child.stdout is not None
        self._out = self._child.stdout.fileno()

    def read(self, seconds: float) -> bool:
        """Take what it says, waiting for it so long at most; whether there was something."""
        if not select.select([self._out], [], [], seconds)[0]:
            return False
        data = os.read(self._out, 65536)
        if not data:
            raise RuntimeError(f"the client has ended: {self.lines[-20:]}")
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.lines += [line.decode("utf-8", "replace") for line in lines]
        return True

    def until(self, text: str, start: int = 0) -> None:
        until = time.monotonic() + LIMIT
        while not any(text in line for line in self.lines[start:]):
            if time.monotonic() > until:
                raise TimeoutError(f"it never said '{text}', but: {self.lines[-20:]}")
            self.read(TICK)

    def quiet(self) -> None:
        """Until it sleeps, and goes on sleeping."""
        until = time.monotonic() + LIMIT
        asleep, used = 0, -1
        while asleep < QUIET_TICKS:
            if time.monotonic() > until:
                raise TimeoutError(f"it never becomes quiet: {self.lines[-20:]}")
            said = self.read(TICK)
            states, now = self._look()
            asleep = asleep + 1 if not said and now == used and states <= {"S"} else 0
            used = now

    def _look(self) -> tuple[set[str], int]:
        """States of all its threads, and the CPU time that they have used."""
        stats = [stat for pid in self._members() for stat in threads(pid)]
        return {stat[0] for stat in stats}, sum(int(stat[11]) + int(stat[12]) for stat in stats)

    def _members(self) -> Iterator[int]:
        for folder in Path("/proc").glob("[0-9]*"):
            stat = fields(folder / "stat")
            if stat and int(stat[3]) == self._child.pid:
                yield int(folder.name)

    def _signal(self, number: int) -> None:
        for pid in list(self._members()):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        """Until every thread stands still."""
        until = time.monotonic() + LIMIT
        while self._look()[0] != {"T"}:
            if time.monotonic() > until:
                raise TimeoutError(f"cannot stop it: {self._look()}")
            self._signal(signal.SIGSTOP)
            time.sleep(TICK / 10)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """All of them; a child of a child is reaped by the first process."""
        while list(self._members()):
            self._signal(signal.SIGKILL)
            self._child.poll()
            time.sleep(TICK / 10)


def fields(path: Path) -> list[str]:
    """Of a stat file behind the program's name: state, parent, group, session, ...; [] if there is none."""
    try:
        return path.read_text().rpartition(") ")[2].split(" ")
    except OSError:
        return []


def threads(pid: int) -> list[list[str]]:
    """Of those that live."""
    try:
        folders = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:  # it has ended meanwhile
        return []
    found = (fields(folder / "stat") for folder in folders)
    return [stat for stat in found if stat and stat[0] not in "ZX"]


@dataclass(frozen=True)
class Side:
    """Who acts in the present folder."""

    actor: Steps
    here: Steps
    """An actor in this guest."""
    fence: Fence | None

    def act(self, steps: Sequence[Sequence[str]]) -> None:
        for step in steps:
            self.actor.do(step)
        if self.fence:
            self.fence.wait()


def play(spec: dict[str, Any], side: Side) -> dict[str, list[str]]:
    scratch = tempfile.mkdtemp(prefix="scratch-")
    env = {name: value.replace("SCRATCH", scratch) for name, value in spec["env"].items()}
    side.act(spec["setup"])
    watcher = Watcher(spec["client"], env)
    try:
        if spec["ready"]:
            watcher.until(spec["ready"])
        watcher.quiet()
        start, before = len(watcher.lines), output(spec["state"], env)
        for burst in spec["bursts"]:
            watcher.stop()
            side.act(burst)
            watcher.resume()
            watcher.quiet()
        side.here.do(spec["end"])
        watcher.until(spec["last"], start)
        watcher.quiet()
        return told(watcher.lines[start:], before, output(spec["state"], env))
    finally:
        watcher.kill()


def told(said: list[str], before: list[str], after: list[str]) -> dict[str, list[str]]:
    lines = {
        "said": said,
        "gone": [line for line in before if line not in after],
        "new": [line for line in after if line not in before],
    }
    return {name: [line.replace(f"{Path.cwd()}/", "") for line in found] for name, found in lines.items()}


def output(words: Sequence[str], env: dict[str, str]) -> list[str]:
    if not words:
        return []
    done = subprocess.run(
        words,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LIMIT,
        check=False,
    )
    return [line.decode("utf-8", "replace") for line in done.stdout.splitlines()]


def own_actor(program: str) -> Steps:
    child = subprocess.Popen([program, "."], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None and child.stdout is not None
    return Steps(child.stdout.fileno(), child.stdin.fileno())


def line_to_host() -> Steps:
    line = os.open(os.environ["FARWATCH_STEPS"], os.O_RDWR | os.O_NOCTTY)
    tty.setraw(line)
    return Steps(line, line)


def main() -> int:
    spec = json.loads(Path(sys.argv[1]).read_text())
    share = Path(os.environ["FARWATCH_SHARE"])
    for name in sys.argv[3:]:
        os.chdir(share if name == "remote" else tempfile.mkdtemp(prefix="native-"))
        here = own_actor(sys.argv[2])
        actor = line_to_host() if name == "remote" else here
        fence = Fence(actor) if name == "native" or spec["fence"] else None
        print(json.dumps({"side": name, **play(spec, Side(actor, here, fence))}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
