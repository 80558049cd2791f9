# SPDX-License-Identifier: GPL-2.0-or-later
"""The live lines of terminal/progress.py, drawn with rich."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

Line = Callable[[], str]


class RichLines:
    """Lines at the bottom of the terminal that are drawn again four times a second, by a thread of rich."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False)
        self._lines: list[Line] = []
        # What others print to stdout meanwhile (a table into a file, say) is not ours to redirect.
        self._live = Live(
            self, console=self._console, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        # A process that ends without close() would leave the cursor hidden.
        atexit.register(self.close)
        self._live.start()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Called by the thread: the clock in each line moves on even when nothing is reported."""
        for line in list(self._lines):
            yield Text(line(), no_wrap=True, overflow="ellipsis")

    def say(self, text: str) -> None:
        """A permanent line above the live ones."""
        self._console.print(Text(text), soft_wrap=True)

    def show(self, lines: list[Line]) -> None:
        """Draw these from now on."""
        self._lines = lines

    def close(self) -> None:
        """Take the lines away and give the cursor back."""
        atexit.unregister(self.close)
        self._live.stop()
