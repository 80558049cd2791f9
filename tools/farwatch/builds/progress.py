# SPDX-License-Identifier: GPL-2.0-or-later
"""How far a build is, told by the lines of the tool that does it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from farwatch.terminal.progress import Pace


class BuildProgress:
    """Says now and then how far it is.

    pattern: what a line that counts matches
    words:   of such a match, the lines that counted so far, and the seconds since the start, what to say
    """

    def __init__(
        self,
        label: str,
        say: Callable[[str], None],
        pattern: re.Pattern[str],
        words: Callable[[re.Match[str], int, float], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.count = 0
        """Lines that counted."""
        self._label = label
        self._say = say
        self._pattern = pattern
        self._words = words
        self._clock = clock
        self._started = clock()
        self._pace = Pace(clock)

    def line(self, text: str) -> None:
        """Take in one line of the tool's output."""
        match = self._pattern.match(text)
        if match is None:
            return
        self.count += 1
        if self._pace.due():
            self._say(f"{self._label}: {self._words(match, self.count, self._clock() - self._started)}")
