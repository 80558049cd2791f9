# SPDX-License-Identifier: GPL-2.0-or-later
"""b4 in processes that need not load it first: the real one, for tests that call it often."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import threading
from collections.abc import Mapping
from multiprocessing.connection import wait
from pathlib import Path

_ALONE = threading.Lock()
"""start() looks after all children. Of two that ask at once for the status of one, the second gets 255."""


def run(args: list[str], cwd: Path, env: Mapping[str, str]) -> tuple[int, str]:
    """As farwatch.mail.scratch.run_b4."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "b4.command", "b4.ez", "b4.mbox", "tests.fakes.warm_b4"])
    with tempfile.NamedTemporaryFile() as output:
        process = context.Process(target=_b4, args=(args, str(cwd), dict(env), output.name))
        with _ALONE:
            process.start()
        assert wait([process.sentinel], 60), "b4 hangs"
        with _ALONE:
            process.join(60)
            status = process.exitcode
        assert status is not None
        return status, Path(output.name).read_text(errors="replace")


def _b4(args: list[str], cwd: str, env: dict[str, str], output: str) -> None:
    import b4.command

    handle = os.open(output, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(handle, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["b4", *args]
    b4.command.cmd()
