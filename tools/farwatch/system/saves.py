# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person saves: the files below some folders that change, from now on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from watchfiles import Change, DefaultFilter
from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

from farwatch.errors import FarwatchError

_TOGETHER_MS = 300
"""How long changes that follow each other are taken for one: an editor writes, and then renames."""
_PAUSE_MS = 20


class Saves:
    """Watches folders from its making on: what changes while nobody waits is told by the next wait.

    Files that editors and git make for themselves do not count. FarwatchError where it cannot be watched.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._counts = DefaultFilter()
        if missing := [str(path) for path in folders if not path.exists()]:  # what is below would not tell
            raise FarwatchError(f"cannot watch {', '.join(missing)}", cause="it is not there")
        try:
            self._notify = RustNotify([str(path) for path in folders], False, False, 0, True, True)
        except (OSError, WatchfilesRustInternalError) as error:
            raise FarwatchError(
                f"cannot watch {', '.join(map(str, folders))}",
                cause=str(error),
                hint="a larger fs.inotify.max_user_watches, if that is the limit",
            ) from error

    def wait(self) -> list[Path]:
        """Block until something has changed; KeyboardInterrupt as ever."""
        while True:
            told = self._notify.watch(_TOGETHER_MS, _PAUSE_MS, 0, None)
            if told == "signal":
                raise KeyboardInterrupt
            assert not isinstance(told, str)
            paths = {Path(name) for change, name in told if self._counts(Change(change), name)}
            if paths:
                return sorted(paths)

    def __enter__(self) -> Saves:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._notify.close()
