# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person has committed in a checkout, read by GitPython, as values; nothing else here uses that.

Reading a history is where its objects serve best. Everything that writes, and all that a command must be
quick for, goes through git itself (system/git.py): GitPython takes a tenth of a second to import.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.system import git

if TYPE_CHECKING:
    from git.objects import Commit


@dataclass(frozen=True)
class Recorded:
    """One commit."""

    id: str
    summary: str
    """The first line of its message."""
    has_message: bool
    is_merge: bool
    changes: bool
    """Its content differs from that of its parent."""

    @property
    def label(self) -> str:
        return f"commit {self.id[:12]} ({self.summary[:60]})"


def above(base: str, checkout: Path) -> list[Recorded]:
    """The commits of a checkout that are on top of `base`, oldest first."""
    from git import Repo

    with Repo(checkout) as repo:
        repo.git.update_environment(**_environment(checkout))
        return list(map(_recorded, repo.iter_commits(f"{base}..HEAD", reverse=True, topo_order=True)))


def _environment(checkout: Path) -> dict[str, str]:
    """GitPython hands on what the shell has: a GIT_OBJECT_DIRECTORY (in a hook, say) misled it."""
    own, common = (
        git.line("rev-parse", "--path-format=absolute", which, cwd=checkout)
        for which in ("--git-dir", "--git-common-dir")
    )
    places = {"GIT_DIR": own, "GIT_COMMON_DIR": common, "GIT_OBJECT_DIRECTORY": f"{common}/objects"}
    return git.environment(places)


def _recorded(commit: Commit) -> Recorded:
    return Recorded(
        commit.hexsha,
        str(commit.summary),
        bool(str(commit.message).strip()),
        len(commit.parents) != 1,
        not commit.parents or commit.tree.hexsha != commit.parents[0].tree.hexsha,
    )
