# SPDX-License-Identifier: GPL-2.0-or-later
"""First start on a machine: install the system packages and the Python libraries that farwatch needs.

Standard library only. The launcher calls prepare() when one of its two stamps is
missing, so nothing here costs time once all is in place.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.system.home import Home
from farwatch.system.locks import locked
from farwatch.system.needs import Found, Need, load_needs, missing, version_in
from farwatch.system.venv import let_see, prefix

_APT = ("apt-get", "-o", "DPkg::Lock::Timeout=300")
_CANDIDATE = re.compile(r"^(\S+):\n(?:  .*\n)*?  Candidate: (?!\(none\))(\S+)", re.MULTILINE)
"""A package's paragraph of what `apt-cache policy` says."""
_LOG_LINES_SHOWN = 25
_NO_NETWORK = re.compile(
    r"Could not resolve|Temporary failure|Failed to fetch|Could not connect|Network is unreachable"
    r"|NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|CERTIFICATE_VERIFY"
    r"|No matching distribution"
)


def prepare(tools: str, home: str, stamp: str, venv: str) -> int:
    """Bring everything in place. 0, or the exit status after saying what is wrong.

    tools: folder of the lists: system-packages.txt, requirements.lock
    home:  $FARWATCH_HOME
    stamp: file that says the system packages were seen
    venv:  the virtual environment to make; usable once it holds a file `ready`
    """
    try:
        _prepare(Path(tools), _make_home(Path(home)), Path(stamp), Path(venv))
    except FarwatchError as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        say("interrupted; the same command carries on from here")
        return 130
    return 0


def say(text: str) -> None:
    print(f"farwatch: {text}", file=sys.stderr, flush=True)


def _make_home(path: Path) -> Home:
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / "bootstrap.lock").touch()
    except OSError as error:
        raise FarwatchError(
            f"cannot use {path} as FARWATCH_HOME",
            cause=str(error),
            hint="set FARWATCH_HOME to a folder that you may write",
        ) from error
    return Home(path)


def _prepare(tools: Path, home: Home, stamp: Path, venv: Path) -> None:
    with _alone(home):
        if not stamp.exists():
            ensure_system(load_needs(tools / "system-packages.txt"), home.root / "bootstrap.log")
            stamp.touch()
        if not ((venv / "ready").exists() and (venv / "bin" / "python").exists()):
            make_venv(venv, tools / "requirements.lock", home.root / "bootstrap.log")


def _alone(home: Home) -> AbstractContextManager[None]:
    """No other farwatch sets this machine up meanwhile."""
    return locked(home.root / "bootstrap.lock", lambda who: say(f"waiting for {who} to finish its setup"))


# System packages


def ensure_extra(packages: Path, home: Home) -> None:
    """Install what only an engine or a benchmark needs: a list, which is looked through once a machine."""
    content = packages.read_bytes() + os.uname().nodename.encode()
    stamp = home.root / f"system-{hashlib.sha256(content).hexdigest()[:16]}"
    if stamp.exists():
        return
    with _alone(home):
        ensure_system(load_needs(packages), home.root / "bootstrap.log")
        stamp.touch()


def ensure_system(needs: list[Need], log: Path) -> None:
    """Install what is missing, or raise FarwatchError with the command that does it."""
    lacking = missing(needs)
    if not lacking:
        return
    if shutil.which("apt-get") is None:
        raise _cannot_install("this system lacks things that farwatch needs, and has no apt", lacking)
    prefix = _root_prefix()
    if prefix is None:
        raise _cannot_install("system packages are missing", lacking)
    _install(lacking, prefix, log)
    still = missing(needs)
    if still:
        raise FarwatchError(
            "the packages are installed, but something is still missing",
            cause=_describe(still),
            hint="see that the PATH finds the right programs (an old one in front hides a newer one)",
        )


def _root_prefix() -> list[str] | None:
    """What to put in front of a command for root to run it; None if that cannot be done unasked."""
    if os.environ.get("FARWATCH_INSTALL") == "no":
        return None
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    asked = subprocess.run(["sudo", "-n", "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return ["sudo", "-n"] if asked.returncode == 0 else None


def _install(lacking: list[Found], prefix: list[str], log: Path) -> None:
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", *_APT]
    say(f"missing on this system: {', '.join(found.need.label for found in lacking)}")
    say("reading the package lists (apt-get update)")
    _run([*apt, "update"], log, "cannot read the package lists")
    packages = choose_packages(lacking)
    say(f"installing {' '.join(packages)} (log: {log})")
    _run([*apt, "install", "-y", "--no-install-recommends", *packages], log, "cannot install system packages")


def choose_packages(lacking: list[Found], versions: Mapping[str, str] | None = None) -> list[str]:
    """The packages to install, of each need the first set that the system offers, new enough.

    versions: what candidates() said of them, for who chooses more than once
    Where the package lists say nothing (never read) the first set stands.
    """
    known = candidates(lacking) if versions is None else versions
    chosen: list[str] = []
    for found in lacking:
        offered = [choice for choice in found.need.choices if _offered(choice, found.need, known)]
        chosen += (offered or found.need.choices)[0]
    return list(dict.fromkeys(chosen))


def _offered(packages: Sequence[str], need: Need, versions: Mapping[str, str]) -> bool:
    found = [versions.get(package, "") for package in packages]
    return all(version and version_in(version) >= need.minimum for version in found)


def candidates(lacking: Iterable[Found]) -> dict[str, str]:
    """Package -> the version that apt would install, of those among which there is a choice.

    All are asked for at once: apt takes up to a second to read its lists, and none for what it says.
    """
    choices = [found.need.choices for found in lacking if len(found.need.choices) > 1]
    packages = sorted({package for sets in choices for packages in sets for package in packages})
    if not packages:
        return {}
    try:
        done = subprocess.run(
            ["apt-cache", "policy", *packages],
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return {}
    return dict(_CANDIDATE.findall(done.stdout))


def _describe(lacking: list[Found]) -> str:
    return "\n".join(_describe_one(found) for found in lacking)


def _describe_one(found: Found) -> str:
    there = f", {found.where} is {found.version}" if found.where and found.version else ""
    return f"{found.need.label}: {found.need.why}{there}"


def install_hint(lacking: list[Found], versions: Mapping[str, str] | None = None) -> str:
    """The command that installs what is missing, or what to do where there is no apt.

    versions: as for choose_packages()
    """
    if shutil.which("apt-get") is None:
        names = " ".join(found.need.choices[0][0] for found in lacking)
        return f"install them with the system's own means (Debian calls the packages: {names})"
    packages = shlex.join(choose_packages(lacking, versions))
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get update && {sudo}apt-get install -y --no-install-recommends {packages}"


def _cannot_install(what: str, lacking: list[Found]) -> FarwatchError:
    return FarwatchError(what, cause=_describe(lacking), hint=install_hint(lacking))


# Python libraries


def development_venv(tools: Path, home: Home) -> Path:
    """The environment for checks, made if it is not there: requirements.dev.lock, and through it our own."""
    return _second_venv("dev", tools, home)


def cluster_venv(tools: Path, home: Home) -> Path:
    """The same for requirements.cluster.lock: what a cluster takes."""
    return _second_venv("cluster", tools, home)


def _second_venv(kind: str, tools: Path, home: Home) -> Path:
    lock = tools / f"requirements.{kind}.lock"
    name = hashlib.sha256(lock.read_bytes() + str(prefix()).encode()).hexdigest()[:16]
    venv = home.root / f"venv-{kind}-{name}"
    if not (venv / "ready").exists():
        with _alone(home):
            if not (venv / "ready").exists():
                make_venv(venv, lock, home.root / "bootstrap.log", seen=prefix())
    return venv


def make_venv(venv: Path, lock: Path, log: Path, python: str = "", seen: Path | None = None) -> None:
    """Make the virtual environment `venv` from the lock file.

    It holds absolute paths, so it is made where it stays; the file `ready`, written
    last, tells a whole one from one that was interrupted, which is made anew.
    python: whose environment it is (default: the Python that runs this)
    seen:   another environment, whose libraries are found behind its own
    """
    say(f"installing the Python libraries of {lock.name}, once (log: {log})")
    _remove(venv)
    _run([python or sys.executable, "-I", "-m", "venv", str(venv)], log, "cannot make a virtual environment")
    pip = [str(venv / "bin" / "python"), "-I", "-m", "pip", "install", "--no-input", "--no-compile"]
    pip += ["--require-hashes", "--no-deps"]
    wheels, sources = split_lock(lock.read_text(encoding="utf-8"))
    (venv / "wheels.lock").write_text(wheels, encoding="utf-8")
    _run([*pip, "-r", str(venv / "wheels.lock")], log, "cannot install the Python libraries")
    if sources:
        # what builds them is in the environment by now, of the locked version: pip must fetch nothing else
        (venv / "sources.lock").write_text(sources, encoding="utf-8")
        built = [*pip, "--no-build-isolation", "-r", str(venv / "sources.lock")]
        _run(built, log, "cannot build a Python library")
    if seen is not None:
        let_see(venv, seen)
    (venv / "ready").touch()


def split_lock(lock: str) -> tuple[str, str]:
    """The lock file's libraries that come as wheels, and those that it says have none: two lock files."""
    named = set(re.findall(r"^--no-binary (\S+)$", lock, re.MULTILINE))
    entries = re.findall(r"^[A-Za-z][\w.-]*==(?:.*\n)(?:[ \t].*\n)*", lock, re.MULTILINE)
    wheels = [entry for entry in entries if entry.partition("==")[0] not in named]
    sources = [entry for entry in entries if entry.partition("==")[0] in named]
    return "--only-binary :all:\n" + "".join(wheels), "".join(sources)


def _remove(venv: Path) -> None:
    (venv / "ready").unlink(missing_ok=True)
    if venv.exists():
        shutil.rmtree(venv)


def _run(command: list[str], log: Path, failure: str) -> None:
    """Run a command with its output in the log; FarwatchError with the end of that output if it fails."""
    with log.open("ab") as file:
        file.write(f"$ {shlex.join(command)}\n".encode())
        file.flush()
        start = file.tell()
        # A caller's pip settings must not send the files elsewhere; where from is the caller's choice.
        settings = {k: v for k, v in os.environ.items() if k not in {"PIP_TARGET", "PIP_PREFIX", "PIP_USER"}}
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=settings,
            check=False,
        )
    if done.returncode:
        raise FarwatchError(failure, cause=_reason(log, start), hint=_next(log, start))


def _tail(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")


def _reason(log: Path, start: int) -> str:
    """The first line about the network and those that say error, else the last ones."""
    lines = [line.rstrip() for line in _tail(log, start).splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(ERROR|E|Err|error)\b", line.strip())]
    network = [line for line in lines if line not in errors and _NO_NETWORK.search(line)]
    return "\n".join([*network[:1], *errors[-8:]] or lines[-_LOG_LINES_SHOWN:])


def _next(log: Path, start: int) -> str:
    again = "then run the same command again"
    if _NO_NETWORK.search(_tail(log, start)):
        return (
            f"see that this machine reaches its package registries (network, proxy, mirror settings), {again}"
        )
    return f"the whole output is in {log}; put right what it complains of, {again}"
