# SPDX-License-Identifier: GPL-2.0-or-later
"""Engine vng for real: what User Mode Linux says, an x86 kernel in QEMU says, too."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.commands import LONG_ENOUGH, command, environment, farwatch, need_engine

pytestmark = pytest.mark.integration

BOTH_SIDES = "inotify_test and directory"
REMOTE = "dnotify_test or program_test"
"""What needs events of others, and is quickly done."""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The JSON table of two revisions on both engines."""
    need_engine("vng")
    target = tmp_path_factory.mktemp("vng") / "table.json"
    done = farwatch("verify", "baseline", "v3", "--engine", "uml,vng", "--json", target)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    loaded: dict[str, Any] = json.loads(target.read_text())
    return loaded


def test_a_guest_of_the_second_engine_sees_the_share() -> None:
    """The short proof; the whole suites are for check --all."""
    need_engine("vng")
    done = farwatch("test", "baseline", "--engine", "vng", "-k", f"{BOTH_SIDES} and attrib")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass" in done.stdout and "fail known" in done.stdout


def test_a_command_in_a_guest_of_the_second_engine() -> None:
    """Its lines are QEMU's, which drops what nobody reads."""
    need_engine("vng")
    data = os.urandom(100_000)
    script = "cat; echo complaint >&2; test -t 1 || exit 3"
    done = subprocess.run(
        command("boot", "baseline", "--engine", "vng", "--", "sh", "-c", script),
        input=data,
        capture_output=True,
        check=False,
        timeout=LONG_ENOUGH,
        env=environment(),
    )
    assert (done.returncode, done.stdout == data) == (3, True), done.stderr
    assert done.stderr.endswith(b"complaint\n")


@pytest.mark.nightly
def test_columns_of_a_revision_are_side_by_side(table: dict[str, Any]) -> None:
    labels = [column["label"] for column in table["columns"]]
    assert labels == ["baseline/uml", "baseline/vng", "v3/uml", "v3/vng"]
    assert [column["compared_with"] for column in table["columns"]] == ["", "", *labels[:2]]


@pytest.mark.nightly
def test_engines_agree_but_on_races(table: dict[str, Any]) -> None:
    cells = [cell for test in table["tests"] for cell in test["cells"]]
    assert len(cells) == 4 * len(table["tests"]) > 1000
    assert not [cell["name"] for cell in cells if cell["result"] is None]
    differing = [cell for cell in cells if cell["differs"]]
    assert not [cell["name"] for cell in differing if not (cell["expectation"] or {}).get("race")]
    assert table["columns"][3]["fixes"] > 100 and table["columns"][3]["breaks"] == 0


@pytest.mark.nightly
def test_in_everybodys_qemu_v2_does_as_baseline_does(table: dict[str, Any], tmp_path: Path) -> None:
    """No hang, no crash, no other verdict; and farwatch and the server say what is missing."""
    target = tmp_path / "table.json"
    done = farwatch("test", "v2", "--engine", "vng-stock", "-k", REMOTE, "--fresh", "--json", target)
    assert done.returncode == 1, done.stdout[-5000:] + done.stderr[-5000:]
    assert "v2 without its patches for qemu: it passes no notification queue through" in done.stderr
    baseline = {test["name"]: test["cells"][1]["verdict"] for test in table["tests"]}
    degraded = {test["name"]: test["cells"][0] for test in json.loads(target.read_text())["tests"]}
    verdicts = {name: cell["verdict"] for name, cell in degraded.items()}
    assert verdicts == {name: baseline[name] for name in degraded}
    assert set(verdicts.values()) == {"pass", "fail"}
    shown = farwatch("show", next(iter(degraded.values()))["name"])
    assert "Cannot enable fsnotify" in shown.stdout


def test_a_debugger_stops_the_kernel_and_lets_it_go_on(tmp_path: Path) -> None:
    """Asked by gdb's protocol: what a gdb would be told that was started with the line that is printed."""
    words = ("boot", "baseline", "--engine", "vng", "--gdb", "--share", tmp_path)
    script = "echo up > up; while ! cat go; do sleep 0.2; done"
    process = subprocess.Popen(
        command(*words, "--", "sh", "-c", script),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    with process:
        try:
            assert process.stderr is not None
            line = next(line for line in process.stderr if line.startswith("to attach: "))
            image, target = shlex.split(line.partition("gdb ")[2])[::2]
            assert Path(image).read_bytes().startswith(b"\x7fELF")
            with _stub(Path(target.removeprefix("target remote ")), process) as stub:
                assert re.match("T0[25]", _asked(stub, "?"))
                assert re.fullmatch("[0-9a-f]{300,}", _asked(stub, "g"))
                assert _asked(stub, "D") == "OK"
            (tmp_path / "go").write_text("gone on\n")
            stdout, stderr = process.communicate(timeout=LONG_ENOUGH)
        finally:
            process.terminate()
    assert process.returncode == 0, stderr
    assert "gone on" in stdout


def _stub(address: Path, process: subprocess.Popen[str]) -> socket.socket:
    """QEMU listens there a moment after the line was printed."""
    while process.poll() is None:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(60)
            connection.connect(str(address))
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
        else:
            return connection
    raise AssertionError("it ended before QEMU listened")


def _asked(stub: socket.socket, request: str) -> str:
    """The answer to a request of gdb's remote protocol: $data#checksum, each confirmed by a +.

    That the kernel has stopped (T...) may be told once more, whatever is asked meanwhile.
    """
    stub.sendall(f"+${request}#{sum(request.encode()) % 256:02x}".encode())
    received = b""
    while True:
        for answer in re.findall(rb"\$([^#]*)#..", received):
            if request == "?" or not answer.startswith(b"T"):
                stub.sendall(b"+")
                return str(answer.decode())
        more = stub.recv(4096)
        assert more, received
        received += more
