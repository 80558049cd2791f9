# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU with a revision's patches: the x86_64 machine and the devices a guest has here, nothing else.

Only revisions that bring patches for qemu get one; all others, and baseline, run in the installed QEMU.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from farwatch.builds import store
from farwatch.builds.kbuild import ccache_environ, compiler
from farwatch.builds.progress import BuildProgress
from farwatch.builds.store import Product
from farwatch.engines.vng import QEMU as PROGRAM
from farwatch.model import hash_of
from farwatch.system import tools
from farwatch.system.home import Home

_RECIPE_VERSION = "1"
"""Raise it when something here changes what is built from the same inputs."""
_LIMIT = 3600.0
"""Seconds that configure, or ninja, may take."""
_OPTIONS = (
    "--target-list=x86_64-softmmu",
    "--without-default-features",
    "--enable-system",
    *("--enable-tcg", "--enable-kvm"),
    *("--enable-virtfs", "--enable-attr", "--enable-cap-ng"),
    *("--enable-vhost-user", "--enable-vhost-kernel"),
    "--enable-slirp",
    "--disable-install-blobs",
    "--disable-werror",
    "--firmwarepath=/usr/share/qemu:/usr/share/seabios",
)
_MESON = """#!/bin/sh
# Without bzip2 meson does not look for firmware images that Debian's tarball leaves out.
[ "$1" = setup ] || exec {meson} "$@"
shift
exec {meson} setup --native-file {native} "$@"
"""
_NATIVE = "[binaries]\nbzip2 = 'no-bzip2'\n"
_NINJA = re.compile(r"^\[(\d+)/(\d+)\]")
_SHELL = ("CFLAGS", "CPPFLAGS", "LDFLAGS", "CC", "NINJA", "MESON", "NINJAFLAGS", "CCACHE_DISABLE")


class QemuBuild(Product):
    """A finished QEMU, in Home.builds."""

    KIND = "qemu"

    @property
    def binary(self) -> Path:
        return self.folder / PROGRAM


def key(tree: str) -> str:
    """Hash over everything that could change the program. tree: id of the sources."""
    return hash_of("qemu", _RECIPE_VERSION, tree, tools.version_line("gcc"), *_OPTIONS)


class QemuBuilder:
    """Builds one QEMU from a source folder that nobody else touches meanwhile."""

    def __init__(self, home: Home, label: str, objects: str, tree: Path, say: Callable[[str], None]) -> None:
        """objects: name of the folder of objects, for this source folder alone"""
        self._home = home
        self._label = label
        self._tree = tree
        self._say = say
        self._objects = home.objects / objects
        self._log = self._objects / "farwatch.log"

    def build(self, key: str, jobs: int, verify_source: Callable[[], None]) -> QemuBuild:
        """Configure unless that was done, compile, and keep the program with its log.

        verify_source: raises when the sources are no longer what they were
        """
        started = time.monotonic()
        self._objects.mkdir(exist_ok=True)
        self._log.unlink(missing_ok=True)
        if not self._configured():
            self._configure()
        progress = BuildProgress(self._label, self._say, _NINJA, _steps)
        self._run(["ninja", f"-j{jobs}", PROGRAM], progress.line)
        verify_source()
        return self._keep(key, time.monotonic() - started)

    @property
    def _stamp(self) -> Path:
        return self._objects / "farwatch.configured"

    def _wanted_stamp(self) -> str:
        return hash_of(_RECIPE_VERSION, str(self._tree), tools.version_line("gcc"), *_OPTIONS)

    def _configured(self) -> bool:
        return self._stamp.exists() and self._stamp.read_text() == self._wanted_stamp()

    def _configure(self) -> None:
        self._say(f"{self._label}: configuring")
        self._stamp.unlink(missing_ok=True)
        meson = shutil.which("meson") or "meson"
        native = self._objects / "farwatch.native"
        native.write_text(_NATIVE)
        wrapper = self._objects / "farwatch-meson"
        wrapper.write_text(_MESON.format(meson=meson, native=native))
        wrapper.chmod(0o755)
        options = [f"--meson={wrapper}", f"--cc={compiler()}", f"--host-cc={compiler()}", *_OPTIONS]
        self._run([str(self._tree / "configure"), *options])
        self._stamp.write_text(self._wanted_stamp())

    def _run(self, argv: list[str], on_line: Callable[[str], None] | None = None) -> None:
        status = tools.run_logged(
            argv,
            cwd=self._objects,
            log=self._log,
            env={**dict.fromkeys(_SHELL), "LC_ALL": "C", **ccache_environ(self._home, self._objects)},
            on_line=on_line,
            timeout=_LIMIT,
            append=True,
        )
        if status != 0:
            from farwatch.builds.diagnose import failure  # no need of a build that works

            raise failure(self._label, self._log)

    def _keep(self, key: str, seconds: float) -> QemuBuild:
        record = {"seconds": round(seconds, 1), "label": self._label}
        files = {PROGRAM: self._objects / PROGRAM, store.LOG: self._log}
        return store.keep_product(self._home, QemuBuild, key, record, files)


def _steps(match: re.Match[str], _count: int, _seconds: float) -> str:
    return f"{match[1]} of {match[2]} steps"
