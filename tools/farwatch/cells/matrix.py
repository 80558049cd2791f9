# SPDX-License-Identifier: GPL-2.0-or-later
"""Columns as jobs of a CI service: what is too much for one machine, cut into pieces that several can do."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from farwatch.cells.plan import plan
from farwatch.cells.wish import Wish
from farwatch.errors import FarwatchError
from farwatch.model import DEFAULT_SHARE, Column
from farwatch.results.names import column_name

if TYPE_CHECKING:
    from farwatch.app import App
    from farwatch.results.store import Results


@dataclass(frozen=True)
class MatrixJob:
    """One column: what it is called, and how it is filled."""

    column: Column
    words: tuple[str, ...]
    """Of the command line, behind ./farwatch."""

    @property
    def name(self) -> str:
        return column_name(self.column)

    @property
    def arguments(self) -> str:
        """For a shell."""
        return shlex.join(self.words)


def jobs(app: App, wishes: Iterable[Wish], words: Sequence[str] = ()) -> list[MatrixJob]:
    """One for each column, each column once; nothing is built, installed or looked for.

    words: more for each command line
    """
    found: dict[Column, MatrixJob] = {}
    for wish in wishes:
        for revision in wish.revisions:
            shares = revision.share == "virtiofs"
            setting = wish.share_setting if shares else DEFAULT_SHARE
            base = app.catalog.base_of(revision, "linux", wish.base)
            column = Column(revision.name, base.shown, wish.engine, wish.flavor, setting.name)
            options = (("base", base.pin.name), ("engine", wish.engine), ("flavor", wish.flavor))
            named = [f"--{name}={value}" for name, value in (*options, ("share-settings", setting.name))]
            found.setdefault(column, MatrixJob(column, ("verify", revision.name, *named, *words)))
    return list(found.values())


def affected(app: App, wishes: Sequence[Wish], known: Results) -> tuple[set[Column], list[str]]:
    """The columns of which a store does not know everything, and why some of them could not be looked up.

    These are done, too: a job too many costs time, one too few hides a regression.
    """
    columns: set[Column] = set()
    said: list[str] = []
    for wish in wishes:
        try:
            columns |= {each.column for each in plan(app, [wish], known) if each.todo}
        except FarwatchError as error:
            columns |= {job.column for job in jobs(app, [wish])}
            said.append(f"engine {wish.engine}, flavor {wish.flavor}: {error.what}")
    return columns, said
