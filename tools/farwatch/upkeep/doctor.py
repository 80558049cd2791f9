# SPDX-License-Identifier: GPL-2.0-or-later
"""What this machine can run, and what to install: every check says what it saw and what to do next.

Checks look; they change nothing. What can be tried in a moment is tried
(mapping a page to run code from, opening a fanotify group) and not guessed.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import mmap
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from farwatch.builds.architectures import ARCHITECTURES
from farwatch.engines.capacity import GUEST_MEMORY, guests_at_once
from farwatch.engines.engine import Engine
from farwatch.engines.registry import ENGINES
from farwatch.engines.uml import memory_folder, on_tmpfs
from farwatch.engines.vng import VngEngine
from farwatch.guests import kvm
from farwatch.system import bootstrap
from farwatch.system.home import Home, checkout_root
from farwatch.system.machine import available_memory, cores
from farwatch.system.needs import Found, load_needs, missing, probe

State = Literal["ok", "warn", "missing"]
Lacking = Mapping[str, list[Found]]
"""List of an engine's packages -> what of it is missing."""

GIB = 1 << 30
DISK_NEEDED = 3 * GIB
DISK_WANTED = 15 * GIB
"""Of a first verify: source archives, git objects, trees, one build of each base."""
INOTIFY_WATCHES_WANTED = 8192
NETWORK_SECONDS = 60

_FAN_CLOEXEC, _FAN_REPORT_FID = 0x1, 0x200
_TRACE_ME = "import ctypes, sys; sys.exit(ctypes.CDLL(None).ptrace(0, 0, 0, 0) != 0)"


@dataclass(frozen=True)
class Condition:
    """One thing looked at. missing: farwatch cannot do its work without; warn: it can, with a drawback."""

    name: str
    state: State
    detail: str
    next: str = ""


def examine(home: Home, network: bool = False) -> list[Condition]:
    """Look at everything. network: also ask the registries (takes seconds)."""
    tools = checkout_root() / "tools"
    offers = {name: engine() for name, engine in ENGINES.items()}
    # one look for each list: engines share theirs
    lists = {engine.packages: tools / engine.packages for engine in offers.values() if engine.packages}
    lacking = {name: missing(load_needs(path)) for name, path in lists.items()}
    checks: list[Callable[[], list[Condition]]] = [
        lambda: [_python(), _libraries(tools / "requirements.lock")],
        lambda: _needs(tools / "system-packages.txt"),
        lambda: [_disk(home.root), _runs_programs(home.root), _guests()],
        lambda: [_apt()],
        _kernel,
        lambda: [_kvm(home, lacking)],
        lambda: [finding for engine in offers.values() for finding in _engine(engine, lacking)],
        lambda: [_compiles(packages, tools / packages) for packages in _packages_of_architectures()],
        lambda: _network() if network else [],
    ]
    with ThreadPoolExecutor(len(checks)) as pool:  # they wait for programs most of the time
        answers = [pool.submit(check) for check in checks]
        return [finding for answer in answers for finding in answer.result()]


def status(findings: list[Condition]) -> int:
    """Exit status: 2 if something needed is missing."""
    return 2 if any(finding.state == "missing" for finding in findings) else 0


def report(findings: list[Condition]) -> str:
    """The findings as text, each with its next step below it, and a last line that sums up."""
    lines = []
    for finding in findings:
        lines.append(f"{finding.state:<8} {finding.name:<24} {finding.detail}".rstrip())
        if finding.next:
            lines.append(f"{'':<8} {'':<24} next: {finding.next}")
    return "\n".join([*lines, "", _summary(findings)])


def _summary(findings: list[Condition]) -> str:
    missing = [finding.name for finding in findings if finding.state == "missing"]
    warned = [finding.name for finding in findings if finding.state == "warn"]
    if missing:
        return f"this machine lacks: {', '.join(missing)}"
    return f"this machine can run farwatch{'; see: ' + ', '.join(warned) if warned else ''}"


# What is installed


def _python() -> Condition:
    return Condition("python", "ok", f"{platform.python_version()} ({sys.executable})")


def _libraries(lock: Path) -> Condition:
    """Whether the environment holds what the lock says (a person may have meddled with it)."""
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE))
    wrong = [name for name, version in pinned.items() if _installed(name) != version]
    if not wrong:
        return Condition("python libraries", "ok", f"{len(pinned)}, as locked, in {sys.prefix}")
    detail = f"not as locked: {', '.join(wrong)}"
    return Condition("python libraries", "missing", detail, f"rm -r {sys.prefix}; ./farwatch makes it anew")


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _needs(path: Path) -> list[Condition]:
    seen = [probe(need, ask_version=True) for need in load_needs(path)]
    versions = bootstrap.candidates(found for found in seen if not found.met)
    return [_need(found, versions) for found in seen]


def _need(found: Found, versions: Mapping[str, str]) -> Condition:
    need = found.need
    seen = " ".join(part for part in (found.version, found.where and f"({found.where})") if part)
    if found.met:
        return Condition(need.label, "ok", seen)
    detail = f"{need.why}; there is {seen}" if seen else need.why
    return Condition(need.label, "missing", detail, bootstrap.install_hint([found], versions))


# What the machine offers


def _disk(root: Path) -> Condition:
    free = os.statvfs(root)
    space = free.f_bavail * free.f_frsize
    detail = f"{space / GIB:.1f} GB free in {root}"
    if space < DISK_NEEDED:
        hint = "./farwatch prune, or set FARWATCH_HOME to a folder on a larger disk"
        return Condition("disk", "missing", f"{detail}; a build needs {DISK_NEEDED // GIB}", hint)
    if space < DISK_WANTED:
        hint = "enough for what is built already; ./farwatch prune shows what takes space"
        return Condition("disk", "warn", f"{detail}; a first verify needs up to {DISK_WANTED // GIB}", hint)
    return Condition("disk", "ok", detail)


def _runs_programs(root: Path) -> Condition:
    """Kernels and servers are run from the home folder: it must not be mounted noexec."""
    if os.statvfs(root).f_flag & os.ST_NOEXEC:
        return Condition(
            "home", "missing", f"{root} is mounted noexec", "set FARWATCH_HOME to another folder"
        )
    return Condition("home", "ok", str(root))


def _guests() -> Condition:
    at_once = max((guests_at_once(engine()) for engine in ENGINES.values()), default=0)
    detail = f"{cores()} cores, {available_memory() / GIB:.1f} GB of memory free: {at_once} guests at once"
    if at_once:
        return Condition("guests", "ok", detail)
    return Condition("guests", "missing", detail, f"free {GUEST_MEMORY >> 20} MB of memory for each guest")


def _apt() -> Condition:
    """Kernel sources of kind deb come from the archive that apt is set up for."""
    archives = _archives()
    if archives:
        hosts = ", ".join(sorted({release for _, release in archives}))
        return Condition("apt archive", "ok", f"set up for {hosts}")
    hint = "add a base of kind git or tarball to patches/bases.toml, or set up apt"
    return Condition("apt archive", "warn", "no Debian archive: bases of kind deb cannot be fetched", hint)


def _archives() -> list[tuple[str, str]]:
    """(address, release) of what apt is set up for; empty without apt."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"]
    lines = _output(command).splitlines()
    return list(dict.fromkeys((uri, release) for uri, _, release in (line.partition(" ") for line in lines)))


# The kernel of this machine


def _kernel() -> list[Condition]:
    return [
        Condition("kernel", "ok", f"{platform.release()} {platform.machine()}"),
        _inotify(),
        _fanotify(),
    ]


def _inotify() -> Condition:
    limits = {name: _limit(f"inotify/max_user_{name}") for name in ("watches", "instances")}
    detail = ", ".join(f"{value} {name}" for name, value in limits.items())
    if 0 < limits["watches"] < INOTIFY_WATCHES_WANTED:
        hint = f"sysctl fs.inotify.max_user_watches={INOTIFY_WATCHES_WANTED}"
        return Condition(
            "inotify", "warn", f"{detail} a user: servers that watch with inotify may run out", hint
        )
    return Condition("inotify", "ok", f"{detail} a user")


def _fanotify() -> Condition:
    """Servers that tell their own client's events from others' need fanotify (unprivileged since 5.13)."""
    group = ctypes.CDLL(None, use_errno=True).fanotify_init(_FAN_CLOEXEC | _FAN_REPORT_FID, os.O_RDONLY)
    if group < 0:
        detail = f"cannot be used here: {os.strerror(ctypes.get_errno())}"
        return Condition(
            "fanotify", "warn", detail, "servers that watch with fanotify need a kernel from 5.13 on"
        )
    os.close(group)
    return Condition("fanotify", "ok", f"{_limit('fanotify/max_user_marks')} marks a user")


def _limit(name: str) -> int:
    """A number below /proc/sys/fs, 0 if it is not there."""
    try:
        return int(Path("/proc/sys/fs", name).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def _kvm(home: Home, lacking: Lacking) -> Condition:
    """Only engine vng uses it, and a device that opens may still be useless: see guests/kvm.py."""
    engine = VngEngine()
    if reason := kvm.not_offered():
        return Condition("kvm", "ok", f"{reason}: engine vng emulates, engine uml does not need it")
    if lacking.get(engine.packages):
        return Condition("kvm", "ok", f"{kvm.DEVICE} opens; engine vng will try whether it works")
    trouble = kvm.remembered(home, engine)
    if trouble is None:
        return Condition(
            "kvm", "ok", f"{kvm.DEVICE} opens; the first guest of engine vng tries whether it works"
        )
    if trouble:
        return Condition("kvm", "ok", f"{kvm.DEVICE} opens but does not work, engine vng emulates: {trouble}")
    return Condition("kvm", "ok", "works: a kernel has booted with it; engine vng uses it")


# Engines


def _engine(engine: Engine, lacking: Lacking) -> list[Condition]:
    """An engine with a list of packages of its own is an offer: farwatch works without it."""
    if engine.packages:
        return [_offered(engine, lacking[engine.packages])]
    trouble = engine.examine()
    checks = [check() for check in _ENGINE_CHECKS.get(engine.name, [])]
    if trouble:
        return [*checks, Condition(f"engine {engine.name}", "missing", trouble)]
    bad = [check.name for check in checks if check.state == "missing"]
    if bad:
        return [*checks, Condition(f"engine {engine.name}", "missing", f"cannot run: see {', '.join(bad)}")]
    return [*checks, Condition(f"engine {engine.name}", "ok", "can run here")]


def _offered(engine: Engine, lacking: list[Found]) -> Condition:
    name = f"engine {engine.name}"
    if lacking:
        detail = f"lacks {', '.join(found.need.label for found in lacking)}"
        hint = f"any command with --engine {engine.name} installs it: {bootstrap.install_hint(lacking)}"
        return Condition(name, "warn", detail, hint)
    trouble = engine.examine()
    if trouble:
        return Condition(name, "warn", trouble, f"put a newer one in front on the PATH, or do without {name}")
    return Condition(name, "ok", "can run here")


def _packages_of_architectures() -> list[str]:
    return list(dict.fromkeys(name for one in ARCHITECTURES.values() for name in one.packages))


def _compiles(packages: str, path: Path) -> Condition:
    """What compiles patches for an architecture (bisectable --arch) is an offer, too."""
    name = f"--arch {','.join(one.name for one in ARCHITECTURES.values() if packages in one.packages)}"
    lacking = missing(load_needs(path))
    if not lacking:
        return Condition(name, "ok", "bisectable can compile patches for it")
    detail = f"bisectable lacks {', '.join(found.need.label for found in lacking)}"
    return Condition(name, "warn", detail, f"it installs them: {bootstrap.install_hint(lacking)}")


def _uml_machine() -> Condition:
    """arch/um knows x86 hosts only (7.3)."""
    if platform.machine() in ("x86_64", "i686"):
        return Condition("uml: processor", "ok", platform.machine())
    detail = f"{platform.machine()}: User Mode Linux runs on x86 only"
    return Condition("uml: processor", "missing", detail, "use an x86_64 machine")


def _uml_ptrace() -> Condition:
    done = subprocess.run([sys.executable, "-IS", "-c", _TRACE_ME], check=False, capture_output=True)
    if done.returncode == 0:
        return Condition("uml: ptrace", "ok", "processes can be traced")
    hint = "allow ptrace: sysctl kernel.yama.ptrace_scope=1; containers: --cap-add SYS_PTRACE"
    return Condition("uml: ptrace", "missing", "a process cannot be traced by its parent", hint)


def _uml_memory() -> Condition:
    """UML keeps a guest's memory in a file that it also runs code from (arch/um/os-Linux/mem.c)."""
    folder = memory_folder(os.environ)
    try:
        _map_executable(folder)
    except OSError as error:
        hint = "mount it without noexec (containers: --tmpfs /dev/shm:exec), or set TMPDIR to such a tmpfs"
        detail = f"cannot run code from {folder}: {error.strerror}"
        return Condition("uml: guest memory", "missing", detail, hint)
    free = os.statvfs(folder)
    space = free.f_bavail * free.f_frsize
    detail = f"{folder}, {space / GIB:.1f} GB: {space // GUEST_MEMORY} guests at once"
    if space < GUEST_MEMORY:
        hint = "make it larger (containers: --shm-size 2g), or set TMPDIR to a larger tmpfs"
        return Condition("uml: guest memory", "missing", detail, hint)
    if not on_tmpfs(folder):
        hint = "set TMPDIR to a folder on tmpfs"
        return Condition("uml: guest memory", "warn", f"{detail}; not on tmpfs: guests are slow", hint)
    return Condition("uml: guest memory", "ok", detail)


def _map_executable(folder: Path) -> None:
    """OSError if a page of a file there cannot be run."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.truncate(mmap.PAGESIZE)
        access = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        mmap.mmap(file.fileno(), mmap.PAGESIZE, mmap.MAP_PRIVATE, access).close()


_ENGINE_CHECKS: dict[str, list[Callable[[], Condition]]] = {"uml": [_uml_machine, _uml_ptrace, _uml_memory]}


# Registries


def _network() -> list[Condition]:
    with tempfile.TemporaryDirectory() as scratch:
        return [
            *(_reached(f"reach {release}", _ask_apt(uri, release, scratch)) for uri, release in _archives()),
            _reached("reach crates", ["cargo", "info", "--quiet", "virtiofsd"]),
            _reached("reach Python packages", _ask_pip(scratch)),
        ]


def _ask_apt(uri: str, release: str, scratch: str) -> list[str]:
    """apt's own downloader, for apt's own proxy and certificates."""
    address = f"{uri.rstrip('/')}/dists/{release}/InRelease"
    return ["/usr/lib/apt/apt-helper", "download-file", address, f"{scratch}/{release}"]


def _ask_pip(scratch: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--no-cache-dir",
        "-d",
        scratch,
        "mdurl",
    ]


def _reached(name: str, command: list[str]) -> Condition:
    """Run a registry's ordinary client for something small."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=NETWORK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Condition(name, "missing", str(error), "see network, proxy and mirror settings")
    if done.returncode == 0:
        return Condition(name, "ok", "answers")
    last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
    return Condition(name, "missing", "".join(last), "see network, proxy and mirror settings")


def _output(command: list[str]) -> str:
    """Standard output of a command; empty if it cannot be run or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
