# SPDX-License-Identifier: GPL-2.0-or-later
"""What a share lies on, where a share setting wants a file system of its own or mounts within the share.

Everything is mounted in a mount namespace that belongs to one guest: a shell makes it, and keeps it; the
server and the host's actor enter it. With the last of them it ends, and all mounts and loop devices with it,
whoever ended them and how. A user other than root gets a user namespace, too, in which some file systems can
be mounted.

What a machine cannot give is found out by trying it (`lacking`).
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.model import ShareSetting
from farwatch.system.channel import Channel, attach, pair
from farwatch.system.children import Child, Run
from farwatch.system.needs import package_of

_SIZE = "1G"
"""Of an image, which is as large on disk as what is written to it; xfs wants more than 300 MB."""
_IMAGE = f'truncate -s {_SIZE} "$work/image"'
_LOOP = 'mount -o loop "$work/image" "$share"; rm "$work/image"'
_TMPFS = "mount -t tmpfs -o mode=755 tmpfs"
_FILE_SYSTEMS = {
    "tmpfs": f'{_TMPFS} "$share"',
    "ext4": f'{_IMAGE}; mkfs.ext4 -q -F -i 4096 "$work/image"; {_LOOP}',
    "xfs": f'{_IMAGE}; mkfs.xfs -q "$work/image"; {_LOOP}',
    "btrfs": f'{_IMAGE}; mkfs.btrfs -q "$work/image"; {_LOOP}',
    # On a tmpfs: what the run's folder is on may be an overlay itself, and takes no other.
    "overlay": f'{_TMPFS} "$work"; mkdir "$work/lower" "$work/upper" "$work/work"; '
    "mount -t overlay -o "
    '"lowerdir=$work/lower,upperdir=$work/upper,workdir=$work/work,userxattr" overlay "$share"',
}
_FOLDERS = {
    "mount": 'mkdir "$share/$name"; mount -t tmpfs -o mode=777 tmpfs "$share/$name"',
    "subvolume": 'btrfs subvolume create "$share/$name" >&2; chmod 777 "$share/$name"',
}
_USERS_OWN = ("tmpfs", "overlay", None)
"""File systems that a user namespace may mount."""
_READY = b"ready"
_LIMIT = 60.0
"""Seconds for one of the shell's answers."""
_TRY_LIMIT = 20.0
_AS_ROOT = "run farwatch as root"
_ATTRIBUTE = "user.farwatch"


def recipe(share_setting: ShareSetting) -> tuple[str, ...]:
    """What of a setting could change a verdict, beside the options of the server."""
    parts = {
        "mount": ",".join(share_setting.mount_options),
        "file system": _FILE_SYSTEMS[share_setting.file_system] if share_setting.file_system else "",
        "folder": _FOLDERS[share_setting.folder] if share_setting.folder else "",
    }
    return tuple(f"{name}: {part}" for name, part in parts.items() if part)


class Ground:
    """The file system of one guest's share, mounted."""

    def __init__(self, run: Run, share_setting: ShareSetting, child: Child, enter: tuple[str, ...]) -> None:
        self._run = run
        self._share_setting = share_setting
        self._child = child
        self._answers: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._channel = Channel(self._answers.put_nowait, lambda: self._answers.put_nowait(None))
        self.enter = enter
        """What to put in front of a command that is to see what is mounted."""

    @classmethod
    async def start(cls, run: Run, share_setting: ShareSetting, share: Path, work: Path) -> Ground:
        """Mount what the setting wants at `share`; work: an empty folder for it.

        FarwatchError: the machine does not let us, and why.
        """
        ways: list[tuple[str, ...]] = [()]
        if share_setting.file_system in _USERS_OWN and os.geteuid() != 0:
            ways.append(("--user", "--map-root-user"))
        failure = FarwatchError("no way was tried")
        for user in ways:
            try:
                return await cls._start(run, share_setting, share, work, user)
            except FarwatchError as error:
                failure = error
        raise failure

    @classmethod
    async def _start(
        cls, run: Run, share_setting: ShareSetting, share: Path, work: Path, user: tuple[str, ...]
    ) -> Ground:
        ours, theirs = pair()
        shell = ("sh", "-e", "-c", _script(share_setting), "sh", share, work)
        argv: list[str | Path] = ["unshare", *user, "--mount", "--propagation=private", *shell]
        try:
            child = await run.start(
                "shell of the share's mounts",
                argv,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=theirs.fileno(),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        inside = (f"--target={child.pid}", "--mount", *(("--user", "--preserve-credentials") if user else ()))
        ground = cls(run, share_setting, child, ("nsenter", *inside))
        await attach(ground._channel, ours)
        try:
            await ground._await_ready()
        except BaseException:
            await ground.stop()
            raise
        return ground

    async def _await_ready(self) -> None:
        said: list[bytes] = []
        try:
            async with asyncio.timeout(_LIMIT):
                while (line := await self._answers.get()) != _READY:
                    if line is None:
                        raise _cannot_mount(self._share_setting, said)
                    said.append(line)
        except TimeoutError:
            raise _cannot_mount(self._share_setting, [*said, b"it takes too long"]) from None

    def seen(self, path: Path) -> Path:
        """A path in the share as this process can reach it."""
        return Path(f"/proc/{self._child.pid}/root{path}")

    async def make_folder(self, name: str) -> None:
        """The folder of a test, as the setting wants it; FarwatchError if it cannot be made."""
        self._channel.write(name.encode() + b"\n")
        await self._await_ready()

    async def stop(self) -> None:
        """Unmount everything, once nobody uses it any more."""
        self._channel.close()
        await self._run.stop(self._child)


def _script(share_setting: ShareSetting) -> str:
    """For sh: mount, say so, and make a folder for each name that comes, until there is nobody to ask."""
    mount = _FILE_SYSTEMS[share_setting.file_system] if share_setting.file_system else ":"
    folder = _FOLDERS[share_setting.folder] if share_setting.folder else ":"
    ready = f"echo {_READY.decode()}"
    return f"share=$1; work=$2; {mount}; {ready}; while read -r name; do {folder}; {ready}; done"


def _cannot_mount(share_setting: ShareSetting, said: list[bytes]) -> FarwatchError:
    cause = (
        " ".join(b" ".join(said).decode("utf-8", "replace").split()) or "the shell that mounts it has ended"
    )
    return FarwatchError(
        f"cannot mount what share setting {share_setting.name} wants", cause=cause, hint=_help_for(cause)
    )


def _help_for(cause: str) -> str:
    if missing := re.search(r"(\S+): not found", cause):
        return f"install {package_of(missing[1])}"
    denied = any(word in cause for word in ("not permitted", "denied", "superuser"))
    return _hint() if denied else ""


# What a machine has


async def lacking(run: Run, share_setting: ShareSetting) -> str:
    """Why this machine cannot have a share setting, and what would help; empty: it can."""
    for option, trouble in _OPTION_TRIALS.items():
        if option in share_setting.server_options and (why := trouble(run.folder)):
            return f"{option}: {why}"
    if not share_setting.has_ground:
        return ""
    share, work = (Path(tempfile.mkdtemp(dir=run.folder)) for _ in range(2))
    try:
        ground = await Ground.start(run, share_setting, share, work)
    except FarwatchError as error:
        return "; ".join(filter(None, (error.cause, error.hint)))
    try:
        return await _unfit(ground, share_setting, share)
    finally:
        await ground.stop()


async def _unfit(ground: Ground, share_setting: ShareSetting, share: Path) -> str:
    """What is mounted, but will not do."""
    folder = ground.seen(share)
    try:
        if share_setting.folder:
            await ground.make_folder("trial")
            folder /= "trial"
        os.setxattr(folder, _ATTRIBUTE, b"trial")
    except FarwatchError as error:
        return "; ".join(filter(None, (error.cause, error.hint)))
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            return f"{folder}: {error.strerror}"
        return "its files have no user attributes; tmpfs has them in kernels from 6.6 on"
    return ""


def _no_namespaces(_folder: Path) -> str:
    user = ["--user", "--map-root-user"] if os.geteuid() != 0 else []
    return _refused(["unshare", *user, "--mount", "--pid", "--net", "--fork", "true"])


def _no_chroot(_folder: Path) -> str:
    return _refused(["chroot", "/", "true"])


def _refused(argv: list[str]) -> str:
    """What a program says that fails; empty: it does not."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=_TRY_LIMIT
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = " ".join(done.stderr.split()) or f"{argv[0]}: exit status {done.returncode}"
    return "" if done.returncode == 0 else "; ".join(filter(None, (said, _hint())))


def _hint() -> str:
    return _AS_ROOT if os.geteuid() != 0 else "run farwatch where root has its capabilities"


class _FileHandle(ctypes.Structure):
    """struct file_handle, open_by_handle_at(2)."""

    _fields_ = (
        ("bytes", ctypes.c_uint),
        ("type", ctypes.c_int),
        ("handle", ctypes.c_ubyte * 128),
    )


def _no_file_handles(folder: Path) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    handle, mount = _FileHandle(bytes=128), ctypes.c_int()
    wanted = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        made = libc.name_to_handle_at(
            wanted,
            b"",
            ctypes.byref(handle),
            ctypes.byref(mount),
            0x1000,  # AT_EMPTY_PATH
        )
        if made != 0:
            return f"{folder} has no file handles: {os.strerror(ctypes.get_errno())}"
        opened = libc.open_by_handle_at(wanted, ctypes.byref(handle), os.O_RDONLY)
        if opened < 0:
            return f"a file cannot be opened by its handle: {os.strerror(ctypes.get_errno())}; {_hint()}"
        os.close(opened)
    finally:
        os.close(wanted)
    return ""


_OPTION_TRIALS: dict[str, Callable[[Path], str]] = {
    "--sandbox=namespace": _no_namespaces,
    "--sandbox=chroot": _no_chroot,
    "--inode-file-handles=mandatory": _no_file_handles,
}
"""Option of the server -> whether this machine lets it; what it lacks, given the folder of a run."""
