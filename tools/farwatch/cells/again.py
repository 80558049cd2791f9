# SPDX-License-Identifier: GPL-2.0-or-later
"""test --watch: the same call again, whenever something is saved that its cells are made from.

Each call is a process of its own, so that nothing that the last one had looked up is taken for true.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.cells.setting import subject_of
from farwatch.errors import STATUS_SURPRISE
from farwatch.revisions.catalog import TESTS
from farwatch.system.home import checkout_root
from farwatch.system.saves import Saves

if TYPE_CHECKING:
    from farwatch.app import App
    from farwatch.cells.wish import Wish

END_LIMIT = 60.0
"""Seconds in which an interrupted call has put everything away."""
_SHOWN = 3
_WORDS = {0: "as expected", STATUS_SURPRISE: "a surprise"}


def made_from(app: App, wishes: Sequence[Wish]) -> list[Path]:
    """The folders whose files decide: the tests, the patches, and what a person edits of the components."""
    folders = [checkout_root() / TESTS, app.catalog.tests, app.catalog.patches]
    for wish in wishes if wishes[0].edited else ():
        for revision in wish.revisions:
            bases = subject_of(app, wish, revision).bases
            folders += [app.trees.work_path(revision, component, base) for component, base in bases.items()]
    return [path for path in dict.fromkeys(folders) if path == app.catalog.patches or path.is_dir()]


def decides(app: App, revision: str, path: Path) -> bool:
    """Whether a file that was saved may change a verdict: other revisions' patches do not."""
    patches = app.catalog.patches
    if not path.is_relative_to(patches):
        return True
    return path.parent == patches or path.is_relative_to(patches / revision)


def run_again(
    folders: Sequence[Path],
    decides: Callable[[Path], bool],
    command: Sequence[str],
    say: Callable[[str], None],
) -> int:
    """Run the command, and again for each change, until somebody interrupts; the last exit status."""
    with Saves(folders) as saves:
        hint = f"waiting for a change in {', '.join(map(str, folders))}; Ctrl-C ends"
        while True:
            started = time.monotonic()
            status = _called(command)
            try:
                word = _WORDS.get(status, "no verdict")
                say(f"{time.strftime('%H:%M:%S')}: {word}, {time.monotonic() - started:.1f} s")
                if hint:
                    say(hint)
                hint = ""
                say(_names(_next(saves, decides), folders))
            except KeyboardInterrupt:
                return status


def _next(saves: Saves, decides: Callable[[Path], bool]) -> list[Path]:
    """The next files that were saved and may change a verdict."""
    while not (changed := [path for path in saves.wait() if decides(path)]):
        pass
    return changed


def _called(command: Sequence[str]) -> int:
    """Exit status of one call. It is in a group of its own, so that it is interrupted once, and from here."""
    with subprocess.Popen(command, process_group=0) as call:
        try:
            return call.wait()
        except KeyboardInterrupt:
            # Not SIGINT, which a caller may have had ignored
            call.send_signal(signal.SIGTERM)
            _ended(call)
            raise


def _ended(call: subprocess.Popen[bytes]) -> None:
    try:
        call.wait(END_LIMIT)
    except subprocess.TimeoutExpired:
        call.kill()
        call.wait()


def _names(changed: Sequence[Path], folders: Sequence[Path]) -> str:
    """The first of the files, each as its folder has it."""
    names = [
        str(next((path.relative_to(folder) for folder in folders if path.is_relative_to(folder)), path))
        for path in changed[:_SHOWN]
    ]
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return f"changed: {', '.join(names)}{more}"
