# SPDX-License-Identifier: GPL-2.0-or-later
"""virtme-ng: an x86 kernel in QEMU, with KVM where that works, emulated elsewhere.

virtme-run of virtme-ng writes QEMU's command line: machine, processor, the
host's root by 9p. What it does not know is added: our agent in the place of
its init, the lines of the agent as virtio consoles, and the shares as
vhost-user devices, for which the guest's memory has to be shared memory. QEMU
is then our own child, not virtme-run's, and virtme-run is asked once for any
number of guests.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path

from farwatch.engines.engine import (
    DEBUGGER,
    LINES,
    NETWORK,
    SMP,
    Engine,
    Guest,
    GuestSpec,
    Listeners,
    command_word,
)
from farwatch.errors import FarwatchError
from farwatch.system import venv
from farwatch.system.channel import Channel, attach, pair
from farwatch.system.children import Child, Run
from farwatch.system.tools import version_line

QEMU = "qemu-system-x86_64"
MINIMUM = (7, 2)
"""Of QEMU. Nobody has tried older ones."""
VIRTME_LIMIT = 60.0
"""Seconds that virtme-run has to write a command line."""
CONNECT_LIMIT = 30.0
"""Seconds until QEMU has opened the lines: before it starts the guest."""
CONNECT_TICK = 0.2
"""How often it is looked whether QEMU has ended instead."""
_EMULATED = "Nehalem"
"""All that programs of today insist on, and none of the wide registers, which are slow when emulated."""
_CACHE = "cache=loose"
"""The host's root does not change under a guest, so what was read of it once is kept."""


class VngEngine(Engine):
    name = "vng"
    arch = "x86_64"
    recipe = "vng-1"
    runs_vmm = True
    packages = "system-packages.vng.txt"
    offers = frozenset({NETWORK, DEBUGGER, SMP})
    least_memory = 128
    devices = ("/dev/hvc0", "/dev/hvc1", "/dev/hvc2", "/dev/hvc3")

    def __init__(self, *, kvm: bool = False) -> None:
        """kvm: use it. That it is there does not mean that it works: see guests/kvm.py."""
        self.kvm = kvm

    def with_kvm(self) -> Engine | None:
        return None if self.kvm else type(self)(kvm=True)

    @property
    def boot_weight(self) -> float:
        return 2.0 if self.kvm else 20.0

    def guests(self, cores: int) -> int:
        """An emulated guest keeps a core busy; one is left for servers, actors and us."""
        return 2 * cores if self.kvm else max(1, cores - 1)

    async def start(self, run: Run, spec: GuestSpec, listeners: Listeners) -> Guest:
        command = await asyncio.to_thread(self.command, spec)
        waiting = {name: _listen(spec.folder / f"{name}.sock") for name in LINES}
        ours, theirs = pair()
        try:
            child = await run.start(
                f"guest {spec.folder.name}", command, stdout=theirs.fileno(), stderr=theirs.fileno()
            )
            console = await attach(Channel(listeners.console, listeners.end), ours)
            lines = [
                await attach(Channel(getattr(listeners, name)), await _accept(waiting[name], child))
                for name in LINES
            ]
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            for sock in waiting.values():
                sock.close()
        return Guest(child, console, *lines)

    def command(self, spec: GuestSpec) -> list[str]:
        """The command line. Of several settings of the same thing the last one counts, for QEMU and Linux."""
        words = list(_virtme(spec.image, spec.memory, self._qemu(spec), self.kvm, spec.network))
        append = words.index("-append") + 1
        words[append] = " ".join((words[append].partition(" init=")[0], *self._kernel_options(spec)))
        return words + self._qemu_options(spec)

    def _qemu(self, spec: GuestSpec) -> Path:
        found = spec.vmm or shutil.which(QEMU)
        if found is None:
            raise FarwatchError(f"{QEMU} is not installed", hint="farwatch doctor")
        return Path(found)

    def _kernel_options(self, spec: GuestSpec) -> list[str]:
        return [
            "root=/dev/root",
            f"rootflags=version=9p2000.L,trans=virtio,access=any,msize=524288,{_CACHE}",
            *("console=ttyS0", "loglevel=7", "panic=-1"),
            *self.line_options(),
            *(("ip=dhcp",) if spec.network else ()),
            f"init={command_word(spec.agent)}",
        ]

    def _qemu_options(self, spec: GuestSpec) -> list[str]:
        options = [] if self.kvm else ["-cpu", _EMULATED]
        options += ["-smp", str(spec.cpus), "-no-reboot", "-device", "virtio-serial-pci,id=farwatch"]
        for name in LINES:
            options += ["-chardev", f"socket,id={name},path={_value(spec.folder / f'{name}.sock')}"]
            options += ["-device", f"virtconsole,bus=farwatch.0,chardev={name}"]
        if spec.shares:
            options += ["-object", f"memory-backend-memfd,id=memory,size={spec.memory}M,share=on"]
            options += ["-machine", "memory-backend=memory"]
        queue = ",notification=on" if spec.vmm else ""
        for tag, path in spec.shares.items():
            options += ["-chardev", f"socket,id=share-{tag},path={_value(path)}"]
            options += ["-device", f"vhost-user-fs-pci,chardev=share-{tag},tag={tag}{queue}"]
        if spec.network:
            # nobody boots from it, so nobody needs the firmware that would
            options += ["-global", "virtio-net-pci.romfile="]
        if spec.debugger:
            options += ["-chardev", f"socket,id=gdb,path={_value(spec.debugger)},server=on,wait=off"]
            options += ["-gdb", "chardev:gdb"]
        return options

    def examine(self) -> str:
        if shutil.which(QEMU) is None:
            return f"{QEMU} is not installed"
        said = self.version()
        found = tuple(map(int, re.findall(r"version (\d+)\.(\d+)", said)[0])) if "version" in said else ()
        if found < MINIMUM:
            return f"{QEMU} is too old: {said}; {'.'.join(map(str, MINIMUM))} is the oldest that was tried"
        return ""

    def version(self) -> str:
        return version_line(QEMU)

    def memory_room(self) -> int:
        """A guest's memory is its own: nothing but the machine's memory limits it."""
        return sys.maxsize

    def panicked(self, console: bytes) -> bool:
        return b"Kernel panic - not syncing" in console


@cache
def _virtme(image: Path, memory: int, qemu: Path, kvm: bool, network: bool) -> tuple[str, ...]:
    """What virtme-run would start. Its stderr is a socket: it adds a console for one that it can open."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        done = subprocess.run(
            [
                str(venv.prefix() / "bin" / "virtme-run"),
                *("--dry-run", "--show-command", "--kimg", str(image), "--mods", "none"),
                *("--memory", f"{memory}M", "--qemu-bin", str(qemu)),
                *("--force-9p", "--disable-monitor", "--disable-microvm"),
                *(() if kvm else ("--disable-kvm",)),
                *(("--net", "user", "--no-dhcp") if network else ()),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=theirs.fileno(),
            text=True,
            timeout=VIRTME_LIMIT,
            check=False,
        )
        theirs.close()
        if done.returncode != 0 or "-append" not in done.stdout:
            said = ours.recv(1 << 16).decode(errors="replace").strip().splitlines()
            raise FarwatchError(
                "virtme-run gave no command line", cause=said[-1] if said else done.stdout.strip()
            )
    return tuple(shlex.split(done.stdout))


class StockVngEngine(VngEngine):
    """What a user has who takes a patched kernel and server, and the distribution's QEMU."""

    name = "vng-stock"
    runs_vmm = False
    without_vmm = "it passes no notification queue through, so the guest hears of nothing that others do"


def _value(path: Path) -> str:
    """A path as the value of one of QEMU's options."""
    return str(path).replace(",", ",,")


def _listen(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    sock.bind(str(path))
    sock.listen(1)
    return sock


async def _accept(waiting: socket.socket, child: Child) -> socket.socket:
    """QEMU's end of a line. If it ends before it opens the line, then one on which nothing comes."""
    loop = asyncio.get_running_loop()
    accepting = asyncio.ensure_future(loop.sock_accept(waiting))
    until = loop.time() + CONNECT_LIMIT
    try:
        while child.alive and loop.time() < until:
            if (await asyncio.wait({accepting}, timeout=CONNECT_TICK))[0]:
                return accepting.result()[0]
    finally:
        accepting.cancel()
    ours, theirs = pair()
    theirs.close()
    return ours
