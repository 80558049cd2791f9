# SPDX-License-Identifier: GPL-2.0-or-later
"""What is still to be built, and how long that will take on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from farwatch.builds import freshness
from farwatch.builds.history import MANY, History, about
from farwatch.builds.stale import Made
from farwatch.builds.store import Product
from farwatch.system.home import Home

if TYPE_CHECKING:
    from farwatch.trees.trees import Source, Trees


@dataclass(frozen=True)
class Awaited:
    """A product that something needs, whether it is there or not.

    source:  what it is made from
    objects: name of the folder of objects
    steps:   of a build from nothing; 0: nobody counts them
    calls:   what make calls the source folder
    """

    kind: type[Product]
    key: str
    label: str
    source: Source
    objects: str
    steps: int = 0
    calls: str = ""


class Outlook:
    """The products that are waited for, in the order in which they will be built."""

    def __init__(self, home: Home, trees: Trees) -> None:
        self._home = home
        self._trees = trees
        self._waiting: list[Awaited] = []
        self._leaves: dict[str, str] = {}
        """Folder of objects -> tree of what is, or was, built there."""

    def expect(self, wanted: Iterable[Awaited]) -> str:
        """These will be built, each once; what to say of it: nothing of one alone."""
        self._waiting = list({one.key: one for one in wanted}.values())
        if len(self._waiting) < 2:
            return ""
        labels = ", ".join(one.label for one in self._waiting)
        return f"to build: {labels}{self._time(': ')}"

    def begun(self, key: str) -> None:
        """That one is being built, or has been by somebody else."""
        self._leaves |= {one.objects: one.source.tree for one in self._waiting if one.key == key}
        self._waiting = [one for one in self._waiting if one.key != key]

    def behind(self) -> str:
        """What to add to a line about what is being built: "; then 2 more, about 3 min"."""
        if not self._waiting:
            return ""
        return f"; then {len(self._waiting)} more{self._time(', ')}"

    def _time(self, before: str) -> str:
        seconds = self.estimates()
        known = [each for each in seconds if each is not None]
        return f"{before}{about(sum(known))}" if known and len(known) == len(seconds) else ""

    def estimates(self) -> list[float | None]:
        """Seconds that each of those that wait will take; None: nothing like it was built here yet."""
        histories = {one.kind: History.of(self._home, one.kind) for one in self._waiting}
        steps = self._steps(self._waiting)
        return [
            histories[one.kind].seconds(one.label, count)
            for one, count in zip(self._waiting, steps, strict=True)
        ]

    def _steps(self, wanted: Sequence[Awaited]) -> list[int]:
        """Each folder of objects is left by one build as the next one finds it."""
        found, before = [], dict[str, str | None](self._leaves)
        for one in wanted:
            if one.objects not in before:
                before[one.objects] = freshness.last(self._home.objects / one.objects)
            found.append(self._steps_after(before[one.objects], one))
            before[one.objects] = one.source.tree
        return found

    def _steps_after(self, tree: str | None, one: Awaited) -> int:
        """Objects that are made anew where those of another tree are."""
        if tree is None or not one.steps:
            return one.steps
        changed = self._trees.changed(replace(one.source, tree=tree), one.source)
        made = Made(self._home.objects / one.objects, one.calls)
        if len(made) >= MANY:  # perhaps not all of them yet
            return round(max(one.steps, len(made)) * len(made.made_from(changed)) / len(made))
        # what changes a header changes most of them
        return one.steps if any(name.endswith(".h") for name in changed) else len(changed)
