# SPDX-License-Identifier: GPL-2.0-or-later
"""What a share lies on: seen by who enters it and by nobody else, and gone with its guest."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from farwatch.errors import FarwatchError
from farwatch.guests import ground
from farwatch.guests.ground import Ground, lacking
from farwatch.guests.run import run_guests
from farwatch.model import ShareSetting
from farwatch.system.children import Run
from farwatch.system.home import Home
from tests.processes import children_of_this_process, script

T = TypeVar("T")

MOUNTS = ShareSetting("mounts", folder="mount")
KINDS = [
    MOUNTS,
    ShareSetting("on-tmpfs", file_system="tmpfs"),
    ShareSetting("on-overlay", file_system="overlay"),
    ShareSetting("on-ext4", file_system="ext4"),
]


def mounts() -> str:
    return Path("/proc/self/mountinfo").read_text(encoding="utf-8")


def loops() -> set[str]:
    """Files behind loop devices."""
    return {path.read_text() for path in Path("/sys/block").glob("loop*/loop/backing_file")}


@pytest.fixture(autouse=True)
def _leaves_nothing(home: Home) -> object:
    before = (children_of_this_process(), mounts(), loops())
    yield
    assert (children_of_this_process(), mounts()) == before[:2]
    assert not any(str(home.root) in path for path in loops() - before[2])
    assert list(home.runs.iterdir()) == []


def trouble(home: Home, setting: ShareSetting) -> str:
    return run_guests(home, lambda run: lacking(run, setting))


def on_ground(home: Home, setting: ShareSetting, use: Callable[[Ground, Path], Awaitable[T]]) -> T:
    async def work(run: Run) -> T:
        share, ours = run.folder / "a share", run.folder / "work"
        share.mkdir()
        ours.mkdir()
        return await use(await Ground.start(run, setting, share, ours), share)

    if why := trouble(home, setting):
        pytest.skip(f"not on this machine: {why}")
    return run_guests(home, work)


@pytest.mark.parametrize("setting", KINDS, ids=lambda setting: setting.name)
def test_what_is_mounted_is_seen_by_who_enters(home: Home, setting: ShareSetting) -> None:
    async def use(made: Ground, share: Path) -> None:
        await made.make_folder("c1")
        folder = share / "c1" if setting.folder else share
        done = subprocess.run(
            [*made.enter, "stat", "-fc%T", folder], capture_output=True, text=True, check=True
        )
        assert done.stdout.split()[0] in ("tmpfs", "overlayfs", "ext2/ext3")
        subprocess.run([*made.enter, "touch", folder / "file"], check=True)
        assert (made.seen(folder) / "file").exists()
        assert list(share.iterdir()) == ([folder] if setting.folder else [])
        assert str(share) not in mounts()

    on_ground(home, setting, use)


def test_what_is_killed_leaves_no_mount(home: Home) -> None:
    """What the run's end does not stop goes with the namespace."""

    async def use(made: Ground, share: Path) -> None:
        os.kill(made._child.pid, 9)
        await made._child.process.wait()
        with pytest.raises(FarwatchError, match="cannot mount what share setting mounts wants"):
            await made.make_folder("c2")

    on_ground(home, MOUNTS, use)


def test_two_guests_do_not_see_each_others(home: Home) -> None:
    setting = KINDS[1]

    async def use(made: Ground, share: Path) -> None:
        (share.parent / "more").mkdir()
        other = await Ground.start(made._run, setting, share, share.parent / "more")
        (made.seen(share) / "file").touch()
        assert not list(other.seen(share).iterdir())

    on_ground(home, setting, use)


@pytest.fixture
def poor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs, before all others on the PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


@pytest.mark.parametrize("setting", KINDS, ids=lambda setting: setting.name)
def test_a_machine_that_refuses_says_so(
    home: Home, poor: Path, monkeypatch: pytest.MonkeyPatch, setting: ShareSetting
) -> None:
    script(poor / "unshare", "echo 'unshare: unshare failed: Operation not permitted' >&2; exit 1")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert trouble(home, setting) == "unshare: unshare failed: Operation not permitted; run farwatch as root"


@pytest.mark.parametrize("name", ["mkfs.xfs", "mkfs.btrfs"])
def test_a_program_that_is_not_there_is_named_with_its_package(home: Home, poor: Path, name: str) -> None:
    kind = name.partition(".")[2]
    script(poor / name, f"echo 'sh: 1: {name}: not found' >&2; exit 127")
    why = trouble(home, ShareSetting("made-up", file_system=kind))  # type: ignore[arg-type]
    if "not permitted" not in why:
        package = {"xfs": "xfsprogs", "btrfs": "btrfs-progs"}[kind]
        assert why == f"sh: 1: {name}: not found; install {package}"


def test_no_attributes_no_share(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    if why := trouble(home, MOUNTS):
        pytest.skip(f"not on this machine: {why}")
    monkeypatch.setattr(os, "setxattr", refuse)
    assert "no user attributes" in trouble(home, MOUNTS)


OPTIONS = [
    ("--sandbox=namespace", "unshare"),
    ("--sandbox=chroot", "chroot"),
]


@pytest.mark.parametrize(("option", "program"), OPTIONS)
def test_an_option_that_takes_a_privilege(home: Home, poor: Path, option: str, program: str) -> None:
    setting = ShareSetting("x", server_options=("--cache=auto", option))
    script(poor / program, "exit 0")
    assert trouble(home, setting) == ""
    script(poor / program, "echo no way >&2; exit 1")
    assert trouble(home, setting).startswith(f"{option}: no way; ")
    assert trouble(home, ShareSetting("x", server_options=("--cache=auto",))) == ""


def test_file_handles_are_tried(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    setting = ShareSetting("x", server_options=("--inode-file-handles=mandatory",))
    why = trouble(home, setting)
    assert (
        why == "" or "by its handle: Operation not permitted; run farwatch as root" in why or "no file" in why
    )
    monkeypatch.setitem(ground._OPTION_TRIALS, "--inode-file-handles=mandatory", str)
    assert trouble(home, setting).startswith(f"--inode-file-handles=mandatory: {home.runs}/")
