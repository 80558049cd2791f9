# SPDX-License-Identifier: GPL-2.0-or-later
"""User Mode Linux: the guest is a process; no VMM, no KVM, no root.

Its root is the host's own root, read-only, through hostfs. UML itself is the
vhost-user front end, so whatever queues and features a series adds reach the
server without any VMM (virtio_uml.device=SOCKET:26; 26 is VIRTIO_ID_FS).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from farwatch.engines.engine import LINES, Engine, Guest, GuestSpec, Listeners, command_word
from farwatch.system.channel import Channel, attach, pair
from farwatch.system.children import Run

VIRTIO_ID_FS = 26
GUESTS_A_CORE = 4
"""A test spends most of its time waiting: for its guest to boot, or for an event that does not come."""


class UmlEngine(Engine):
    name = "uml"
    arch = "um"
    recipe = "uml-2"
    devices = ("/dev/ttyS0", "/dev/ttyS1", "/dev/ttyS2", "/dev/ttyS3")

    async def start(self, run: Run, spec: GuestSpec, listeners: Listeners) -> Guest:
        ours, theirs = zip(*(pair() for _ in ("console", *LINES)), strict=True)
        command = self.command(spec, [sock.fileno() for sock in theirs[1:]])
        try:
            child = await run.start(
                f"guest {spec.folder.name}",
                command,
                stdout=theirs[0].fileno(),
                stderr=theirs[0].fileno(),
                pass_fds=[sock.fileno() for sock in theirs[1:]],
                env=self._environment(spec),
            )
        except BaseException:
            _close(ours)
            raise
        finally:
            _close(theirs)
        heard = [getattr(listeners, name) for name in ("console", *LINES)]
        channels = [
            await attach(Channel(on_line, listeners.end if sock is ours[0] else _nobody), sock)
            for sock, on_line in zip(ours, heard, strict=True)
        ]
        return Guest(child, *channels)

    def guests(self, cores: int) -> int:
        return GUESTS_A_CORE * cores

    def command(self, spec: GuestSpec, lines: list[int]) -> list[str]:
        """The command line; lines: file descriptors of the serial lines, in the order of LINES.

        A guest that resets itself must be gone. Without noreboot UML would execute
        itself anew, in the same process, and boot without the server that it had.
        """
        return [
            str(spec.image),
            f"mem={spec.memory}M",
            *((f"ncpus={spec.cpus}", "seccomp=on") if spec.cpus > 1 else ()),
            "rootfstype=hostfs",
            "rootflags=/",
            "ro",
            "noreboot",
            f"init={command_word(spec.agent)}",
            "con=null",
            "con0=null,fd:1",
            "ssl=null",
            *(f"ssl{index}=fd:{fd},fd:{fd}" for index, fd in enumerate(lines)),
            *self.line_options(),
            *(f"virtio_uml.device={command_word(path)}:{VIRTIO_ID_FS}" for path in spec.shares.values()),
            f"uml_dir={command_word(spec.folder)}/",
            "umid=uml",
        ]

    def _environment(self, spec: GuestSpec) -> dict[str, str]:
        """UML looks for its memory file's folder and for a home in the environment."""
        return {**os.environ, "HOME": str(spec.folder)}

    def examine(self) -> str:
        ptrace = Path("/proc/sys/kernel/yama/ptrace_scope")
        if ptrace.exists() and ptrace.read_text().strip() == "3":
            return "kernel.yama.ptrace_scope is 3: no process may trace another; set it to 1"
        folder = memory_folder(os.environ)
        if not os.access(folder, os.W_OK):
            return f"{folder} is not writable: the guest's memory lives there"
        return ""

    def memory_room(self) -> int:
        space = os.statvfs(memory_folder(os.environ))
        return space.f_bavail * space.f_frsize

    def panicked(self, console: bytes) -> bool:
        return b"Kernel panic - not syncing" in console


def memory_folder(environment: Mapping[str, str]) -> Path:
    """Where UML puts a guest's memory: choose_tempdir() of arch/um/os-Linux/mem.c."""
    named = next((environment[name] for name in ("TMPDIR", "TMP", "TEMP") if environment.get(name)), None)
    if named:
        return Path(named)
    return Path("/dev/shm") if on_tmpfs(Path("/dev/shm")) else Path("/tmp")


def on_tmpfs(folder: Path) -> bool:
    """Whether a mount point is a tmpfs, by /proc/self/mounts."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return False
    return any(fields[1] == str(folder) and fields[2] == "tmpfs" for fields in mounts)


def _close(sockets: tuple[socket.socket, ...]) -> None:
    for sock in sockets:
        sock.close()


def _nobody() -> None:
    pass
