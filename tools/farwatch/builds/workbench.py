# SPDX-License-Identifier: GPL-2.0-or-later
"""Where things are built: once for the same inputs, by one at a time, from sources that hold still."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from farwatch.builds import store
from farwatch.builds.outlook import Outlook
from farwatch.builds.store import Product
from farwatch.builds.subject import Subject
from farwatch.errors import FarwatchError
from farwatch.model import Revision
from farwatch.system.home import Home
from farwatch.system.locks import locked

if TYPE_CHECKING:
    from farwatch.trees.trees import Source, Trees

P = TypeVar("P", bound=Product)


@dataclass(frozen=True)
class Checked:
    """What a checker printed about some content."""

    log: str
    complete: bool
    """It could look at all of it."""


class Workbench:
    """What all builders share."""

    def __init__(self, home: Home, trees: Trees, say: Callable[[str], None], jobs: int | None = None) -> None:
        self.home = home
        self.trees = trees
        self.say = say
        self.jobs = jobs or len(os.sched_getaffinity(0))
        self.outlook = Outlook(home, trees)

    def say_progress(self, text: str) -> None:
        """Of what is being built, with what waits behind it."""
        self.say(f"{text}{self.outlook.behind()}")

    def source(self, subject: Subject, component: str) -> Source:
        """What a component of the subject is built from."""
        source = subject.sources.get(component)
        return source or self.trees.tip(subject.revision, component, subject.bases[component])

    def once(
        self,
        kind: type[P],
        key: str,
        source: Source,
        objects: str,
        label: str,
        make: Callable[[Path], P],
    ) -> P:
        """The product of that key; else what `make` makes of the source folder, unless another run did."""
        self.outlook.begun(key)
        if done := store.find_product(self.home, kind, key):
            return done
        with self.held(source, objects, label) as tree:
            if done := store.find_product(self.home, kind, key):
                return done
            built = make(tree)
        expected = f", {built.expected:.0f} s expected" if built.expected else ""
        self.say(f"{label}: built in {built.seconds:.0f} s{expected}")
        return built

    def checked(
        self, key: str, source: Source, objects: str, label: str, check: Callable[[Path, Path], bool]
    ) -> Checked:
        """What is known under that key; else what `check` says of the source folder, into a log."""
        if done := self._kept_check(key):
            return done
        record: dict[str, object] = {"label": label}
        with (
            self.held(source, objects, label) as tree,
            store.fresh(self.home, "check", key, record) as folder,
        ):
            (folder / store.LOG).touch()
            record["complete"] = check(tree, folder / store.LOG)
        done = self._kept_check(key)
        assert done is not None
        return done

    def _kept_check(self, key: str) -> Checked | None:
        kept = store.find(self.home, "check", key)
        if kept is None:
            return None
        return Checked(kept.log.read_text(encoding="utf-8", errors="replace"), bool(kept.record["complete"]))

    @contextmanager
    def held(self, source: Source, objects: str, label: str) -> Iterator[Path]:
        """The source folder and the object folder, for us alone."""

        def busy(who: str) -> None:
            self.say(f"{label}: waiting for {who}, which builds in the same folder")

        with self.trees.managed(source) as tree, locked(self.home.objects / f"{objects}.lock", busy):
            yield tree

    def unchanged(self, revision: Revision, source: Source) -> None:
        """FarwatchError when a checkout was edited while it was built: the result is of no known state."""
        if source.path is None:
            return
        now = self.trees.working(revision, source.component, source.base)
        if now is None or now.tree != source.tree:
            raise FarwatchError(
                f"{source.path} changed while it was being built",
                cause="what came out belongs to neither state and was not kept",
                hint="run the same command again",
            )
