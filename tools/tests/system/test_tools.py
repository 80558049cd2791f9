# SPDX-License-Identifier: GPL-2.0-or-later
"""Child tools: logged, limited, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.system import tools
from tests import TESTS
from tests.processes import interruptible


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not _alive(pid)


def _wait_for(path: Path) -> str:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().strip():
            return path.read_text()
        time.sleep(0.01)
    raise AssertionError(f"{path} did not appear")


def test_output_and_status(tmp_path: Path) -> None:
    lines: list[str] = []
    script = "echo out; echo err >&2; printf 'no newline'; exit 3"
    status = tools.run_logged(["sh", "-c", script], cwd=tmp_path, log=tmp_path / "log", on_line=lines.append)
    assert status == 3
    assert lines == ["out", "err", "no newline"]
    assert (tmp_path / "log").read_text() == f"$ sh -c {script}\nout\nerr\nno newline"


def test_environment_is_changed_and_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKEFLAGS", "-k")
    lines: list[str] = []
    env = {"MAKEFLAGS": None, "NEW": "x"}
    script = 'echo "${MAKEFLAGS-unset} $NEW $PWD"'
    tools.run_logged(["sh", "-c", script], cwd=tmp_path, log=tmp_path / "log", env=env, on_line=lines.append)
    assert lines == [f"unset x {tmp_path}"]


def test_death_by_signal_is_negative(tmp_path: Path) -> None:
    assert tools.run_logged(["sh", "-c", "kill -9 $$"], cwd=tmp_path, log=tmp_path / "log") == -signal.SIGKILL


def test_a_missing_tool_is_named(tmp_path: Path) -> None:
    with pytest.raises(FarwatchError, match="no-such-tool is not installed"):
        tools.run_logged(["no-such-tool"], cwd=tmp_path, log=tmp_path / "log")


def test_over_time_the_whole_group_is_ended(tmp_path: Path) -> None:
    script = "trap '' TERM; sleep 60 & echo $! > grandchild; sleep 60"
    started = time.monotonic()
    with pytest.raises(FarwatchError, match="did not come to an end within"):
        tools.run_logged(["sh", "-c", script], cwd=tmp_path, log=tmp_path / "log", timeout=0.5)
    assert time.monotonic() - started < 10
    assert _gone(int(_wait_for(tmp_path / "grandchild")))


def test_an_error_of_ours_ends_the_group(tmp_path: Path) -> None:
    def fail(line: str) -> None:
        raise RuntimeError(line)

    script = "sleep 60 & echo $!; wait"
    with pytest.raises(RuntimeError) as caught:
        tools.run_logged(["sh", "-c", script], cwd=tmp_path, log=tmp_path / "log", on_line=fail)
    assert _gone(int(str(caught.value)))


def test_a_background_process_that_holds_the_output_does_not_hold_us(tmp_path: Path) -> None:
    started = time.monotonic()
    assert tools.run_logged(["sh", "-c", "sleep 30 & echo done"], cwd=tmp_path, log=tmp_path / "log") == 0
    assert time.monotonic() - started < 10


_PARENT = """\
    import sys
    from pathlib import Path
    from farwatch.system import tools
    here = Path(sys.argv[1])
    try:
        tools.run_logged(["sh", "-c", "echo $$ > pid; exec sleep 60"], cwd=here, log=here / "log")
    except BaseException as error:
        (here / "caught").write_text(type(error).__name__)
"""


@pytest.mark.parametrize(
    ("number", "caught"),
    [(signal.SIGTERM, "Terminated"), (signal.SIGINT, "KeyboardInterrupt"), (signal.SIGKILL, "")],
)
def test_the_child_dies_with_us(tmp_path: Path, number: signal.Signals, caught: str) -> None:
    env = {**os.environ, "PYTHONPATH": str(TESTS.parent)}
    command = [sys.executable, "-c", textwrap.dedent(_PARENT), str(tmp_path)]
    with subprocess.Popen(command, env=env, preexec_fn=interruptible) as parent:
        child = int(_wait_for(tmp_path / "pid"))
        parent.send_signal(number)
        parent.wait(20)
    assert _gone(child)
    if caught:
        assert (tmp_path / "caught").read_text() == caught


def test_output_of_a_query() -> None:
    assert tools.output_of(["echo", "1.2"]) == "1.2\n"
    with pytest.raises(FarwatchError, match="failed"):
        tools.output_of(["sh", "-c", "echo why >&2; exit 1"])
    with pytest.raises(FarwatchError, match="not installed"):
        tools.output_of(["no-such-tool"])
