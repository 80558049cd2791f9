# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a kernel takes from nothing: long, so it is measured once, and kept with the machine's name."""

from __future__ import annotations

import json
import platform
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.builds.kbuild import toolchain
from farwatch.builds.subject import Subject
from farwatch.engines.registry import engine_named
from farwatch.model import hash_of
from farwatch.system.atomic import write_whole
from farwatch.system.machine import cores
from farwatch.system.tools import version_line

if TYPE_CHECKING:
    from farwatch.app import App
    from farwatch.bench.plain_vng import PlainVng

WITHOUT_US = "plain virtme-ng, its default config"


@dataclass(frozen=True)
class Cold:
    """One build from nothing."""

    what: str
    of: str
    """Hash over what was built."""
    machine: str
    day: str
    seconds: float


class ColdBuilds:
    """Those that were measured, by this machine or others, in a JSON file; damaged, it counts as empty."""

    def __init__(self, file: Path, machine: str) -> None:
        self._file = file
        self._machine = machine

    def known(self, what: str, of: str) -> Cold | None:
        """What this machine took for it."""
        mine = (entry for entry in self._read() if entry.machine == self._machine)
        return next((entry for entry in mine if (entry.what, entry.of) == (what, of)), None)

    def take(self, what: str, of: str, build: Callable[[], float]) -> Cold:
        """What is known; else what `build` gives, in seconds, kept before anything else happens."""
        if entry := self.known(what, of):
            return entry
        entry = Cold(what, of, self._machine, date.today().isoformat(), round(build(), 1))
        others = [old for old in self._read() if (old.what, old.machine) != (what, self._machine)]
        content = json.dumps([asdict(each) for each in (*others, entry)], indent=1) + "\n"
        write_whole(self._file, content)
        return entry

    def _read(self) -> list[Cold]:
        with suppress(OSError, ValueError, TypeError):
            return [Cold(**entry) for entry in json.loads(self._file.read_text(encoding="utf-8"))]
        return []


class ColdKernels:
    """The baseline's kernel from nothing: no objects, an empty compiler cache; the sources are there."""

    def __init__(self, app: App, store: ColdBuilds) -> None:
        self._app = app
        self._store = store
        self._revision = app.catalog.revision("baseline")
        self.base = app.catalog.base_of(self._revision, "linux")

    def ours(self, engine: str) -> Cold:
        """As an engine wants it."""
        kernels = self._app.builder.kernels
        subject = Subject(self._revision, {"linux": self.base}, engine_named(engine))
        return self._store.take(
            f"engine {engine}", kernels.key(subject), lambda: kernels.build_from_nothing(subject).seconds
        )

    def plain(self, plain: PlainVng) -> Cold:
        """As virtme-ng makes it by itself. Its objects stay, for builds after an edit."""
        source = self._app.trees.tip(self._revision, "linux", self.base)
        of = hash_of(source.tree, version_line(str(plain.program)), toolchain())

        def build() -> float:
            plain.drop()
            self._app.trees.switch(source, plain.tree)
            started = time.monotonic()
            plain.build()
            return time.monotonic() - started

        entry = self._store.take(WITHOUT_US, of, build)
        if not plain.built:  # it was, and has been removed since
            build()
        return entry


def machine_name() -> str:
    """ "ash, 2 cores of Intel(R) Xeon(R) Processor @ 2.10GHz"."""
    name = f"{platform.node()}, {cores()} cores"
    with suppress(OSError):
        if model := re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
            return f"{name} of {model[1]}"
    return name
