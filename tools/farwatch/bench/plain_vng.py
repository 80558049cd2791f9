# SPDX-License-Identifier: GPL-2.0-or-later
"""virtme-ng without us: what a person would do who has it and nothing else. For comparison.

Its own default config, built in the source tree by `vng --build`, and a test
program run by `vng -- PROGRAM`. There is no share and no server, which it knows
nothing of, so the test is one that needs neither.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.system import tools, venv
from farwatch.terminal.progress import Pace

_BUILD_LIMIT = 2 * 3600.0
"""Seconds that `vng --build` may take."""
_RUN_LIMIT = 300.0
"""Seconds that a guest may take for one test."""
_SHARE = "/tmp"
"""Of the guest, where virtme-ng lets it write."""
_SOURCE = "root=/dev/root"
"""Without it Linux 7.3 refuses virtme-ng's root: "9p: Bad value for 'source'"."""


class PlainVng:
    """One source tree, and virtme-ng used in it.

    tree: a kernel's git worktree; objects come to lie in it
    home: virtme-ng looks there for a person's settings; none of ours or theirs take part
    kvm:  it works on this machine
    FarwatchError when virtme-ng, or the test, fails.
    """

    def __init__(self, tree: Path, home: Path, say: Callable[[str], None], *, kvm: bool) -> None:
        self.tree = tree
        self._home = home
        self._say = say
        self._run_options = ("--append", _SOURCE, *(() if kvm else ("--disable-kvm",)))

    @property
    def program(self) -> Path:
        return venv.prefix() / "bin" / "vng"

    @property
    def built(self) -> bool:
        return (self.tree / "arch/x86/boot/bzImage").exists()

    def drop(self) -> None:
        """Remove it all, for a build from nothing."""
        for folder in (self.tree, self._home):
            shutil.rmtree(folder, ignore_errors=True)

    def build(self) -> None:
        """Build what has changed since the last time."""
        started, pace = time.monotonic(), Pace()

        def waiting(_line: str) -> None:
            if pace.due():
                self._say(f"virtme-ng builds its default kernel: {time.monotonic() - started:.0f} s")

        self._vng(["--verbose", "--build"], _BUILD_LIMIT, waiting)
        if not self.built:
            raise FarwatchError("vng --build left no kernel", hint=f"see {self._log}")

    def test(self, program: Path, name: str) -> None:
        """Boot and run one test of a program."""
        said: list[str] = []
        variables = ("FARWATCH_STEPS=process", f"FARWATCH_SHARE={_SHARE}")
        words = ["--", "env", *variables, str(program), "-r", name]
        self._vng([*self._run_options, *words], _RUN_LIMIT, said.append)
        if not any(line.startswith("ok 1 ") for line in said):
            raise FarwatchError(f"{name} did not pass under plain virtme-ng", hint=f"see {self._log}")

    @property
    def _log(self) -> Path:
        return self._home / "log"

    def _vng(self, words: list[str], limit: float, on_line: Callable[[str], None]) -> None:
        path = f"{self.program.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        self._home.mkdir(parents=True, exist_ok=True)
        status = tools.run_logged(
            [self.program, *words],
            cwd=self.tree,
            log=self._log,
            env={"PATH": path, "HOME": str(self._home), "KBUILD_OUTPUT": None},
            on_line=on_line,
            timeout=limit,
        )
        if status != 0:
            raise FarwatchError(
                f"vng {' '.join(words)} failed", cause=f"status {status}", hint=f"see {self._log}"
            )
