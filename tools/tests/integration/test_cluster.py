# SPDX-License-Identifier: GPL-2.0-or-later
"""Real cells by worker processes that have homes of their own, here and behind ssh: as if run here."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from farwatch.cluster.libraries import ensure_libraries
from farwatch.system import procfs
from farwatch.system.home import Home
from tests.integration.commands import LONG_ENOUGH, command, environment, farwatch

pytestmark = pytest.mark.integration

FEW = "inotify_rename_test:moved"
MANY = "inotify_rename_test or inotify_watch_test"
SHARED = ("git", "trees", "objects", "builds", "ccache", "cargo", "downloads")
"""Of a home: what is built need not be built for each test."""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A home with verdicts and workers of its own."""
    ensure_libraries(Home.from_env())
    return new_home(tmp_path / "home")


def new_home(path: Path, shared: tuple[str, ...] = SHARED) -> Path:
    path.mkdir()
    real = Home.from_env().root
    for place in (*(real / name for name in shared), *real.glob("venv-*"), *real.glob("system-*")):
        (path / place.name).symlink_to(place)
    return path


def test_words(*more: str) -> tuple[str, ...]:
    return ("test", "v2", "--patches", *more)


test_words.__test__ = False  # type: ignore[attr-defined]


def cells(home: Path) -> dict[str, list[tuple[str, str]]]:
    """Test -> (verdict, inputs) of each time that it was stored."""
    with closing(sqlite3.connect(home / "results.db")) as db:
        found: dict[str, list[tuple[str, str]]] = {}
        for test, verdict, inputs in db.execute("SELECT test, verdict, inputs FROM cell"):
            found.setdefault(test, []).append((verdict, inputs))
        return found


def left_of(home: Path) -> list[str]:
    """Processes that belong to a home, or to one below it."""
    mark = f"FARWATCH_HOME={home}".encode()
    found = []
    for pid in (int(folder.name) for folder in Path("/proc").glob("[0-9]*")):
        variables, words = procfs.environment(pid) or [], procfs.command_line(pid)
        if any(each.startswith(mark) for each in variables) or any(str(home) in word for word in words):
            found.append(f"{pid} {' '.join(words)}")
    return found


def wait_until_nothing_is_left(home: Path) -> None:
    until = time.monotonic() + LONG_ENOUGH
    while left := left_of(home):
        assert time.monotonic() < until, left
        time.sleep(0.05)


def test_the_table_is_that_of_this_machine(own: Path, tmp_path: Path) -> None:
    here, there = tmp_path / "here.json", tmp_path / "there.json"
    plain = farwatch(*test_words("-k", FEW, "--json", str(here)), FARWATCH_HOME=str(own))
    assert plain.returncode == 0, plain.stderr
    words = test_words("-k", FEW, "--fresh", "--cluster", "local:2", "--json", str(there))
    done = farwatch(*words, FARWATCH_HOME=str(own))
    assert done.returncode == 0 and done.stdout == plain.stdout, done.stdout + done.stderr
    assert "local:2: 2 workers" in done.stderr
    assert_same(json.loads(here.read_text()), json.loads(there.read_text()))
    twice = cells(own)
    assert twice and all(len(found) == 2 and len(set(found)) == 1 for found in twice.values())
    wait_until_nothing_is_left(own)


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """The same tests with the same verdicts, for the same inputs."""

    def told(table: dict[str, Any]) -> list[Any]:
        return [
            (test["name"], [(cell["verdict"], cell["result"]["inputs"]) for cell in test["cells"]])
            for test in table["tests"]
        ]

    assert told(one) == told(other)


def test_a_cell_can_be_shown_with_all_its_logs(own: Path) -> None:
    name = "inotify_rename_test:moved.remote.file"
    done = farwatch(*test_words("-k", name, "--cluster", "local:1"), FARWATCH_HOME=str(own))
    assert done.returncode == 0, done.stdout + done.stderr
    shown = farwatch("show", f"v2/{name}", FARWATCH_HOME=str(own))
    assert shown.returncode == 0, shown.stderr
    assert "host rename" in shown.stdout and "answer" in shown.stdout and "farwatch: begin" in shown.stdout


@contextmanager
def started(home: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """farwatch, when it has its first verdict."""
    process = subprocess.Popen(
        command(*words),
        env=environment(FARWATCH_HOME=str(home)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        until = time.monotonic() + LONG_ENOUGH
        while not list(home.glob("logs/*/*/cell.json")):
            assert process.poll() is None and time.monotonic() < until, process.communicate()
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_who_asks_is_ended_and_asks_again(own: Path, number: signal.Signals) -> None:
    words = test_words("-k", MANY, "--cluster", "local:1", "--jobs", "1")
    with started(own, *words) as process:
        process.send_signal(number)
        said, _ = process.communicate(timeout=LONG_ENOUGH)
        ended = -signal.SIGKILL if number == signal.SIGKILL else 128 + signal.SIGINT
        assert process.returncode == ended and "Traceback" not in said, said
    wait_until_nothing_is_left(own)
    before = cells(own)
    done = farwatch(*words, FARWATCH_HOME=str(own))
    assert done.returncode == 0, done.stdout + done.stderr
    after = cells(own)
    assert before.keys() <= after.keys()
    assert all(len(found) == 1 for found in after.values())


# ssh, on loopback


class Host:
    """A machine that is reached by ssh: commands of its shell have a home of their own, in a folder."""

    def __init__(self, folder: Path) -> None:
        import asyncssh

        self._asyncssh = asyncssh
        self.folder = folder
        self.port = 0
        self._key = asyncssh.generate_private_key("ssh-ed25519")
        self._user = asyncssh.generate_private_key("ssh-ed25519")
        self._server: Any = None
        self._ready, self._loop = threading.Event(), asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._main, daemon=True)

    def person(self) -> Path:
        """The home folder of a person who may log in there."""
        ssh = self.folder / "person" / ".ssh"
        ssh.mkdir(parents=True, mode=0o700)
        self._user.write_private_key(str(ssh / "id_ed25519"))
        (ssh / "id_ed25519").chmod(0o600)
        known = self._key.export_public_key().decode().strip()
        (ssh / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {known}\n")
        return ssh.parent

    def __enter__(self) -> Host:
        self._thread.start()
        assert self._ready.wait(LONG_ENOUGH)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(LONG_ENOUGH)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LONG_ENOUGH)

    def _main(self) -> None:
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()

    async def _close(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for each in others:
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _listen(self) -> None:
        public = self._user.export_public_key().decode()
        self._server = await self._asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[self._key],
            authorized_client_keys=self._asyncssh.import_authorized_keys(public),
            process_factory=self._run,
            encoding=None,
        )
        self.port = self._server.get_port()

    async def _run(self, process: Any) -> None:
        child = await asyncio.create_subprocess_shell(
            process.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if name != "FARWATCH_HOME"},
        )
        await process.redirect(stdin=child.stdin, stdout=child.stdout)
        process.exit(await child.wait())


def test_a_host_behind_ssh(own: Path, tmp_path: Path) -> None:
    there = new_home(tmp_path / "there", shared=())
    with Host(tmp_path) as host:
        remote = f"env FARWATCH_HOME={there} {' '.join(command())}"
        more = {
            "HOME": str(host.person()),
            "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(Path.home() / ".rustup")),
            "FARWATCH_HOME": str(own),
            "FARWATCH_REMOTE": remote,
        }
        address = f"ssh:127.0.0.1:{host.port},127.0.0.1:1"
        done = farwatch(*test_words("-k", FEW, "--cluster", address), **more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "127.0.0.1:1 cannot be used" in done.stderr and f"{address}: 1 worker" in done.stderr
    assert list((there / "builds").glob("fetched-*")) and not (there / "results.db").exists()
    assert {verdict for found in cells(own).values() for verdict, _ in found} == {"pass"}
    wait_until_nothing_is_left(there)


def test_a_cluster_that_somebody_else_has_started(own: Path, tmp_path: Path) -> None:
    there = new_home(tmp_path / "there", shared=())
    with lent(there, "--scheduler", "--port", "0") as scheduler:
        line = next(line for line in scheduler if "scheduler at" in line)
        address = line.split("scheduler at ")[1].split(";")[0]
        with lent(there, address, "--name", "moon") as worker:
            assert next(iter(worker)).strip() == "farwatch worker is ready"
            done = farwatch(*test_words("-k", FEW, "--cluster", address), FARWATCH_HOME=str(own))
            assert done.returncode == 0 and f"{address}: 1 worker" in done.stderr, done.stdout + done.stderr
    wait_until_nothing_is_left(there)


@contextmanager
def lent(home: Path, *words: str) -> Iterator[Iterator[str]]:
    """A `farwatch worker`, by what it says."""
    process = subprocess.Popen(
        command("worker", *words),
        env=environment(FARWATCH_HOME=str(home)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield iter(process.stdout)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LONG_ENOUGH)
    assert process.returncode == 0
