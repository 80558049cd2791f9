# SPDX-License-Identifier: GPL-2.0-or-later
"""What every command starts from: the project, the home folder, the catalog, the reporter."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.revisions.catalog import Catalog
from farwatch.system.home import Home, checkout_root

if TYPE_CHECKING:
    from farwatch.builds.builder import Builder
    from farwatch.model import Base
    from farwatch.terminal.progress import Reporter
    from farwatch.trees.trees import Trees


@dataclass(frozen=True)
class App:
    """One invocation. Everything in it is made when it is first needed."""

    root: Path
    """Folder of the project."""
    home: Home
    stand_ins: tuple[Base, ...] = ()
    """Bases to be used in place of those that they stand for."""

    @classmethod
    def here(cls, project: str | None = None) -> App:
        """For the project that --project names, or that we are in."""
        from farwatch.revisions.project import home_of, project_folder

        home = Home.from_env()
        folder = project_folder(project, home)
        return cls(folder, home_of(folder, home))

    @classmethod
    def of_home(cls) -> App:
        """For what is about farwatch and its home, whatever the project."""
        return cls(checkout_root(), Home.from_env())

    @cached_property
    def catalog(self) -> Catalog:
        from farwatch.engines.registry import ENGINES

        return Catalog.load(self.root, ENGINES).with_stand_ins(self.stand_ins)

    @cached_property
    def reporter(self) -> Reporter:
        """What it says can be read by others, too, as long as the process runs (`farwatch serve`)."""
        from farwatch.system.under_way import Doing, Note, forget_dead
        from farwatch.terminal.progress import Reporter, Task, ToldDisplay, display_for

        forget_dead(self.home.live)
        note = Note(self.home.live, sys.argv)

        def tell(said: Sequence[str], tasks: Sequence[Task]) -> None:
            note.write(
                said, [Doing(task.title, task.done, task.total, task.unit, task.note) for task in tasks]
            )

        return Reporter(ToldDisplay(display_for(sys.stderr), tell, note.remove))

    def close(self) -> None:
        """Nothing more is done."""
        if "reporter" in self.__dict__:
            self.reporter.close()

    @cached_property
    def trees(self) -> Trees:
        from farwatch.trees.trees import Trees

        return Trees(self.home, self.catalog, self.reporter.say)

    @cached_property
    def builder(self) -> Builder:
        from farwatch.builds.builder import Builder

        return Builder(self.home, self.trees, self.reporter.say)
