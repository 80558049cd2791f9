# SPDX-License-Identifier: GPL-2.0-or-later
"""Projects of somebody else: the examples as their READMEs tell, a wheel, two at once, one read-only."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from farwatch.revisions.start import examples
from farwatch.system.home import Home, checkout_root
from tests.integration.commands import LONG_ENOUGH, command, environment

pytestmark = pytest.mark.integration

ONE = ("test", "v1", "-k", "anonymous and size")
FIXED = re.compile(r"fixes ([1-9]\d*), breaks 0, 0 still fail; all as expected")


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """What the test's projects have in the home goes with them; what was built for them stays."""
    yield
    for own in Home.from_env().each()[1:]:
        if own.folder is not None and own.folder.is_relative_to(tmp_path):
            shutil.rmtree(own.own)


def call(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """farwatch, where a person is in a folder."""
    return subprocess.run(
        command(*words),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=LONG_ENOUGH,
        stdin=subprocess.DEVNULL,
    )


def copy_of(example: str, folder: Path) -> Path:
    done = call(folder.parent, "init", folder.name, "--example", example)
    assert done.returncode == 0, done.stderr
    return folder


def told(readme: Path) -> list[list[str]]:
    """The commands in the first block of a README."""
    block = readme.read_text(encoding="utf-8").split("```")[1]
    lines = (shlex.split(line, comments=True) for line in block.splitlines())
    return [words[1:] for words in lines if words and words[0] == "farwatch"]


@pytest.mark.parametrize("name", examples())
def test_an_example_does_what_it_tells(name: str, tmp_path: Path) -> None:
    """Each command of its README ends well; the table says what the series fixes, and nothing surprises."""
    folder = copy_of(name, tmp_path / "mine")
    commands = told(folder / "README.md")
    assert ["verify"] in commands
    for words in commands:
        done = call(folder, *words)
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
        assert words[0] != "verify" or FIXED.search(done.stdout), done.stdout


def test_a_new_project_has_a_table(tmp_path: Path) -> None:
    assert call(tmp_path, "init", "a project").returncode == 0
    done = call(tmp_path / "a project" / "kernel-tests", "verify")
    assert done.returncode == 0, done.stderr
    assert "pipe_carries_a_byte" in done.stdout
    assert re.search(r"v1: +fixes 0, breaks 0, 0 still fail; all as expected", done.stdout), done.stdout


def test_two_at_once_in_one_home(tmp_path: Path) -> None:
    """Their revisions and tests have the same names; each gets the verdict of its own."""
    good, bad = (copy_of("pipe-fdinfo", tmp_path / name) for name in ("good", "bad"))
    program = bad / "kernel-tests" / "pipe_test.c"
    program.write_text(program.read_text().replace("4 * getpagesize()", "4 * getpagesize() + 1"))
    calls = [
        subprocess.Popen(
            command(*ONE),
            cwd=folder,
            env=environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for folder in (good, bad)
    ]
    said = [running.communicate(timeout=LONG_ENOUGH)[0] for running in calls]
    assert [running.returncode for running in calls] == [0, 1], said
    for folder, word in ((good, "pass"), (bad, "fail")):
        table = call(folder, "table", "v1").stdout
        assert re.search(rf"size.* {word}\b", table), table


READ_ONLY = """\
mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && cd "$1" && shift && exec "$@"
"""


def test_one_that_is_read_only(tmp_path: Path) -> None:
    """Building, testing and the table write nothing in it; what would says that it cannot."""
    folder = copy_of("pipe-fdinfo", tmp_path / "mine")
    private = ("unshare", "--mount", "sh", "-c", READ_ONLY, "sh", str(folder))
    if subprocess.run([*private, "true"], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")

    def inside(*words: str) -> subprocess.CompletedProcess[str]:
        called = [*private, *command(*words)]
        return subprocess.run(
            called, env=environment(), capture_output=True, text=True, check=False, timeout=LONG_ENOUGH
        )

    done = inside(*ONE)
    assert done.returncode == 0, done.stderr
    assert inside("table", "v1").returncode == 0
    done = inside("new", "v2", "--from", "v1")
    assert done.returncode == 2
    assert "cannot write in" in done.stderr and "Traceback" not in done.stderr


def test_a_wheel(tmp_path: Path) -> None:
    """What `pipx install` does of a checkout: the command with all that it takes, and no project."""

    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def ended(*words: str | Path, cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, cwd=cwd, env=kept, capture_output=True, text=True, check=False, timeout=LONG_ENOUGH
        )

    def run(*words: str | Path, cwd: Path = tmp_path) -> str:
        done = ended(*words, cwd=cwd)
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
        return done.stdout

    pip = (sys.executable, "-m", "pip", "--quiet")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path / "wheels", checkout_root())
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    [wheel] = (tmp_path / "wheels").glob("farwatch-*.whl")
    run(tmp_path / "venv" / "bin" / "pip", "--quiet", "install", "--no-index", wheel)
    farwatch = tmp_path / "venv" / "bin" / "farwatch"
    assert re.fullmatch(r"farwatch \d+\.\d+\.\d+\n", run(farwatch, "--version"))
    alone = ended(farwatch, "list")
    assert alone.returncode == 2 and "there is no project here" in alone.stderr
    run(farwatch, "init", "mine", "--example", "pipe-fdinfo")
    assert "fdinfo of pipes and FIFOs" in run(farwatch, "list", cwd=tmp_path / "mine")
    assert "1 pass" in run(farwatch, *ONE, cwd=tmp_path / "mine")
    assert "Could not open" not in run(farwatch, "completion")
