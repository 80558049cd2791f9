# SPDX-License-Identifier: GPL-2.0-or-later
"""Other messages and authors for the patches of a revision; what they change stays."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.errors import FarwatchError
from farwatch.model import Revision
from farwatch.revisions.identity import Identity
from farwatch.series.save import write_series
from farwatch.system import commits, git
from farwatch.system.atomic import rewritten
from farwatch.trees.worktree import is_worktree

if TYPE_CHECKING:
    from farwatch.app import App


@dataclass(frozen=True)
class Words:
    """What a patch says, as opposed to what it does."""

    author: Identity
    message: bytes
    """With the notes below its line "---"."""

    @property
    def subject(self) -> str:
        return self.message.partition(b"\n")[0].decode("utf-8", "replace")


def words(app: App, revision: Revision, component: str) -> list[Words]:
    """What the patches of a component say, in order."""
    base = app.catalog.base_of(revision, component)
    repository = app.trees.repository(component)
    found = []
    for commit in app.trees.commits(revision, component, base):
        shown = git.git("log", "-1", "--format=%an%x00%ae%x00%B", commit, cwd=repository)
        name, email, message = shown.split(b"\0", 2)
        found.append(Words(Identity(os.fsdecode(name), os.fsdecode(email)), message.strip(b"\n") + b"\n"))
    return found


def require_saved(app: App, revision: Revision, components: Sequence[str]) -> None:
    """FarwatchError if a checkout holds work that would be lost sight of: it is not in the patches."""
    for component in components:
        edited = app.trees.working(revision, component, app.catalog.base_of(revision, component))
        if edited is not None:
            raise FarwatchError(
                f"{edited.path} holds work that is not in the patches",
                hint=f"farwatch save {revision.name}, or take it back",
            )


def reword(
    app: App,
    revision: Revision,
    wanted: Mapping[str, Sequence[Words]],
    more: Callable[[Path], None] = lambda _: None,
) -> None:
    """Make the patches of these components say this. All is changed at once, or nothing.

    more: changes something else in the revision's folder, of which it gets a copy
    Checkouts follow; FarwatchError when one holds work that is not saved.
    """
    trees = app.trees
    require_saved(app, revision, list(wanted))
    made = {}
    with rewritten(revision.folder) as new:
        for component, said in wanted.items():
            base = app.catalog.base_of(revision, component)
            commits = _recommitted(app, revision, component, said)
            made[component] = write_series(trees, revision, component, base, commits, new.path)
        more(new.path)
    for component, commits in made.items():
        base = app.catalog.base_of(revision, component)
        trees.remember(base, revision.patches(component), commits)
        if is_worktree(trees.work_path(revision, component, base)):
            trees.checkout(revision, component, base)


def _recommitted(app: App, revision: Revision, component: str, wanted: Sequence[Words]) -> list[str]:
    """The commits of a series, with other words."""
    base = app.catalog.base_of(revision, component)
    repository, parent = app.trees.repository(component), app.trees.base_commit(base)
    made = []
    for name, said in zip(app.trees.commits(revision, component, base), wanted, strict=True):
        old = commits.read(name, repository)
        who = commits.Signature(said.author.name, said.author.email, old.author.date)
        parent = commits.write(commits.Commit(old.tree, (parent,), who, who, said.message), repository)
        made.append(parent)
    return made
