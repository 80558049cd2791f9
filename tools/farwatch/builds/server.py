# SPDX-License-Identifier: GPL-2.0-or-later
"""The companion server: cargo, with the crates that its lock file names and no others."""

from __future__ import annotations

import re
import shutil
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.builds import store
from farwatch.builds.progress import BuildProgress
from farwatch.builds.store import Product
from farwatch.builds.subject import Subject
from farwatch.errors import FarwatchError
from farwatch.model import hash_of
from farwatch.system import cargo, tools
from farwatch.system.home import Home

if TYPE_CHECKING:
    from farwatch.trees.trees import Source

_RECIPE_VERSION = "1"
"""Raise it when something here changes what is built from the same inputs."""
_LIMIT = 1800.0
"""Seconds that one cargo call may take."""
_PACKAGES = "install cargo-web and rustc-web (Debian 12), or a toolchain from rustup"
_BUILD_ENVIRON: dict[str, str | None] = {
    "CARGO_BUILD_TARGET": None,
    "CARGO_ENCODED_RUSTFLAGS": None,
    "RUSTFLAGS": None,
    "CARGO_INCREMENTAL": "1",
    # Whole-program optimisation costs a minute after every edit, and the tests measure no throughput.
    "CARGO_PROFILE_RELEASE_LTO": "off",
}
_CRATE = re.compile(r"^\s+Compiling (\S+)")
_EDITION_NEEDS = {"2018": (1, 31), "2021": (1, 56), "2024": (1, 85)}
_LOCK_NEEDS = {3: (1, 53), 4: (1, 78)}


class ServerBuild(Product):
    """A finished server, in Home.builds."""

    KIND = "server"

    @property
    def binary(self) -> Path:
        return self.folder / str(self.record["binary"])


def key(source: Source, *more: str) -> str:
    """Hash over everything that could change the binary; Cargo.lock is part of the tree."""
    return hash_of("server", _RECIPE_VERSION, source.tree, _version_text("rustc"), *more)


def objects_name(component: str) -> str:
    """Cargo's target folder, one for all revisions and checkouts."""
    return f"{component}-target"


class ServerBuilder:
    """Builds one server from a source folder that nobody else touches meanwhile."""

    def __init__(
        self,
        home: Home,
        subject: Subject,
        component: str,
        tree: Path,
        say: Callable[[str], None],
        jobs: int,
        program: str | None = None,
    ) -> None:
        """program: what comes out of it, if not one of the component's name"""
        self._home = home
        self._tree = tree
        self._say = say
        self._jobs = jobs
        self._name = program or component
        self._label = subject.label(component)
        self._target = home.objects / objects_name(component)
        self._log = self._target / "farwatch.log"

    def build(self, key: str, verify_source: Callable[[], None]) -> ServerBuild:
        """Fetch what is missing, compile, and keep the binary with its log.

        verify_source: raises when the sources are no longer what they were
        """
        started = time.monotonic()
        self._target.mkdir(exist_ok=True)
        self._log.unlink(missing_ok=True)
        check_toolchain(self._tree, cargo_version())
        self._fetch()
        self._forget_own_crates()
        progress = BuildProgress(self._label, self._say, _CRATE, _crates)
        self._cargo("build", "--release", "--offline", f"--jobs={self._jobs}", on_line=progress.line)
        verify_source()
        return self._keep(key, time.monotonic() - started)

    def clippy(self, log: Path) -> bool:
        """Have clippy look at the tree's own crates, tests included; whether it found no error."""
        self._target.mkdir(exist_ok=True)
        self._log = log
        check_toolchain(self._tree, cargo_version())
        self._fetch()
        self._forget_own_crates()
        options = ("--offline", "--all-targets", "--message-format=short", f"--jobs={self._jobs}")
        return self._cargo_status("clippy", *options) == 0

    def _fetch(self) -> None:
        """Bring the crates of the lock file, once a lock file; the only step that uses the network."""
        lock = self._tree / "Cargo.lock"
        try:
            content = lock.read_bytes()
        except OSError as error:
            raise FarwatchError(f"{self._label} has no Cargo.lock", cause=str(error)) from error
        stamp = self._home.cargo / "fetched" / hash_of(content)
        if stamp.exists():
            return
        self._say(f"{self._label}: fetching its crates")
        self._cargo("fetch")
        stamp.parent.mkdir(exist_ok=True)
        stamp.touch()

    def _forget_own_crates(self) -> None:
        """Have cargo compile the tree's own crates, whatever it thinks.

        It tells by times whether they changed, and takes one folder's result for another's when both have
        the same place in their workspace: the target folder is shared by all revisions and checkouts.
        """
        lock = tomllib.loads((self._tree / "Cargo.lock").read_text(encoding="utf-8"))
        own = [str(package["name"]) for package in lock.get("package", []) if "source" not in package]
        for name in own:
            for path in self._target.glob(f"*/.fingerprint/{name}-*"):
                shutil.rmtree(path)

    def _cargo(self, command: str, *options: str, on_line: Callable[[str], None] | None = None) -> None:
        if self._cargo_status(command, *options, on_line=on_line) != 0:
            from farwatch.builds.diagnose import failure  # no need of a build that works

            raise failure(self._label, self._log)

    def _cargo_status(self, command: str, *options: str, on_line: Callable[[str], None] | None = None) -> int:
        environ = {**cargo.environment(self._home), "CARGO_TARGET_DIR": str(self._target)}
        return tools.run_logged(
            ["cargo", *cargo.settings(self._home), command, "--locked", *options],
            cwd=self._tree,
            log=self._log,
            env={**_BUILD_ENVIRON, **environ},
            on_line=on_line,
            timeout=_LIMIT,
            append=True,
        )

    def _keep(self, key: str, seconds: float) -> ServerBuild:
        binary = self._target / "release" / self._name
        record = {"binary": binary.name, "seconds": round(seconds, 1), "label": self._label}
        files = {binary.name: binary, store.LOG: self._log}
        return store.keep_product(self._home, ServerBuild, key, record, files)


def _crates(match: re.Match[str], count: int, _seconds: float) -> str:
    return f"{count} crates, now {match[1]}"


def _version_text(tool: str) -> str:
    try:
        return tools.version_line(tool)
    except FarwatchError as error:
        raise FarwatchError(f"{tool} cannot be used", cause=str(error), hint=_PACKAGES) from error


def cargo_version() -> tuple[int, ...]:
    """(1, 96, 0)"""
    match = re.match(r"^cargo (\d+(?:\.\d+)*)", _version_text("cargo"))
    return tuple(int(part) for part in match[1].split(".")) if match else (0,)


def check_toolchain(tree: Path, cargo: tuple[int, ...]) -> None:
    """FarwatchError when cargo is older than what the crate in `tree` says, or uses, needs."""
    needed, why = _needed(tree)
    if cargo[: len(needed)] < needed:
        have, want = (".".join(map(str, version)) for version in (cargo, needed))
        raise FarwatchError(f"cargo {have} is too old: {why} needs {want}", hint=_PACKAGES)


def _needed(tree: Path) -> tuple[tuple[int, ...], str]:
    try:
        package = tomllib.loads((tree / "Cargo.toml").read_text(encoding="utf-8")).get("package", {})
        lock = tomllib.loads((tree / "Cargo.lock").read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise FarwatchError(f"{tree} is no crate with a lock file", cause=str(error)) from error
    said = tuple(int(part) for part in re.findall(r"\d+", str(package.get("rust-version", "0"))))
    edition = str(package.get("edition", "2015"))
    version = int(lock.get("version", 1))
    wishes = [
        (said, f"Cargo.toml's rust-version {package.get('rust-version')}"),
        (_EDITION_NEEDS.get(edition, (0,)), f"Rust edition {edition}"),
        (_LOCK_NEEDS.get(version, (0,)), f"Cargo.lock of version {version}"),
    ]
    return max(wishes, key=lambda wish: wish[0])
