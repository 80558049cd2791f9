# SPDX-License-Identifier: GPL-2.0-or-later
"""A series as a branch to push, for a project that takes merge requests; the cover letter describes it.

A base that is a package has no history, so what is to be merged needs a clone of the project: there the
series is put on the commit that the package was made from. Nothing is pushed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.errors import FarwatchError
from farwatch.model import Base, Revision
from farwatch.system import git
from farwatch.trees.apply import Target, apply_series

if TYPE_CHECKING:
    from farwatch.app import App

_VCS_FILE = ".cargo_vcs_info.json"
"""What cargo writes into a crate: the commit that it was packed from."""


@dataclass(frozen=True)
class Branch:
    """What was made."""

    name: str
    place: Path
    base: str
    """What it is on, for people."""
    count: int


def make_branch(
    app: App, revision: Revision, component: str, description: str, place: Path, clone: Path | None
) -> Branch:
    """The series as branch REV: in a clone of the project's, on its own commit, or in a new repository.

    FarwatchError when the clone has another branch of that name, lacks the commit, or the patches do not
    apply there.
    """
    base = app.catalog.base_of(revision, component)
    if clone is not None:
        made = _in_clone(app, revision, base, clone)
    else:
        tip = app.trees.tip(revision, component, base).commit
        _new_repository(place, app.trees.repository(component))
        push = ("push", "--quiet", "--force", str(place.absolute()), f"{tip}:refs/heads/{revision.name}")
        git.git(*push, cwd=app.trees.repository(component))
        if not any(place.glob("[!.]*")):
            git.git("checkout", "--quiet", "--force", revision.name, cwd=place)
        made = Branch(revision.name, place, base.label, len(revision.patches(component)))
    git.git("config", f"branch.{made.name}.description", description, cwd=made.place)
    return made


def _new_repository(place: Path, like: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    if not (place / ".git").exists():
        git.git("init", "--quiet", "--template=", "--initial-branch=none", ".", cwd=place)
    attributes = place / ".git" / "info" / "attributes"
    attributes.parent.mkdir(exist_ok=True)
    attributes.write_bytes((like / "info" / "attributes").read_bytes())  # no byte changes on its way
    git.git("config", "receive.denyCurrentBranch", "updateInstead", cwd=place)


def _in_clone(app: App, revision: Revision, base: Base, clone: Path) -> Branch:
    if not clone.is_dir() or git.run("rev-parse", "--git-dir", cwd=clone).returncode != 0:
        raise FarwatchError(f"{clone} is no git repository", hint=f"name a clone of {base.component}'s")
    start, label = _start(app, base, clone)
    hint = f"rebase the series: farwatch rebase {revision.name} --onto BASE, for a base that pins {label}"
    target = Target(clone, start, f"{revision.name} {base.component}", f"{clone} {label}", hint)
    commits = apply_series(target, revision.patches(base.component))
    ref = f"refs/heads/{revision.name}"
    known = git.run("rev-parse", "--verify", "--quiet", ref, cwd=clone).stdout.decode().strip()
    if known and known != commits[-1]:
        hint = f"look at it, then remove or rename it: git -C {clone} branch -m {revision.name} OTHER"
        raise FarwatchError(f"{clone} has another branch {revision.name}", cause=known, hint=hint)
    git.git("update-ref", ref, commits[-1], cwd=clone)
    return Branch(revision.name, clone, label, len(commits))


def _start(app: App, base: Base, clone: Path) -> tuple[str, str]:
    """(the commit in a clone that a base was made from, what it is called)"""
    version = base.version.partition("+")[0] or base.name
    packed = _packed_from(app, base)
    tags = (f"v{version}", version, f"{base.component}-v{version}", f"{base.component}-{version}")
    for name in filter(None, (base.commit, packed, *(f"refs/tags/{tag}" for tag in tags))):
        found = git.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", cwd=clone)
        if found.returncode == 0:
            return found.stdout.decode().strip(), name.removeprefix("refs/tags/")
    raise FarwatchError(
        f"{clone} has no commit that {base.label} was made from",
        cause=f"looked for {', '.join(filter(None, (base.commit, packed, *tags)))}",
        hint=f"git -C {clone} fetch --tags",
    )


def _packed_from(app: App, base: Base) -> str:
    commit = app.trees.base_commit(base)
    shown = git.run("cat-file", "blob", f"{commit}:{_VCS_FILE}", cwd=app.trees.repository(base.component))
    try:
        return str(json.loads(shown.stdout)["git"]["sha1"]) if shown.returncode == 0 else ""
    except (ValueError, KeyError, TypeError):
        return ""
