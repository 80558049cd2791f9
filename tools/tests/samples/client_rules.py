# SPDX-License-Identifier: GPL-2.0-or-later
"""What two runs of the same watcher have to have in common to count as the same.

A watcher says "KIND PATH [PATH]" in a line. Compared is

  what    the set of its lines: each kind of thing with each path
  last    of each path, the last line that names it: what whoever listens believes of it in the end

Not compared is how often a line comes, and the order of lines about different paths: who sends events, the
queue, and the watcher itself all join what is the same, as they find it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_PATH = re.compile(r"(?<!\S)w(?:/\S*)?(?!\S)")
"""A path of the watched folder, w."""


@dataclass(frozen=True)
class Seen:
    """What a watcher has seen."""

    what: frozenset[str]
    last: frozenset[tuple[str, str]]
    """(path, line)"""

    @property
    def nothing(self) -> bool:
        return not self.what


def seen(lines: Iterable[str]) -> Seen:
    kept = [line.rstrip() for line in lines]
    return Seen(
        frozenset(kept), frozenset({path: line for line in kept for path in _PATH.findall(line)}.items())
    )


def differences(wanted: Seen, came: Seen) -> list[str]:
    """In words, one a line; empty: the same."""
    words = [f"missing: {line}" for line in sorted(wanted.what - came.what)]
    words += [f"extra: {line}" for line in sorted(came.what - wanted.what)]
    if words:
        return words
    return [f"in the end, of {path}: {line}" for path, line in sorted(came.last - wanted.last)]
