# SPDX-License-Identifier: GPL-2.0-or-later
"""What the home folder holds, and how to make it smaller.

Three things are never removed: the stored verdicts, unless they are of a project that is gone, a
person's checkouts (work/) with the repositories that their commits are in, and a managed tree that
somebody has edited.
While something is running, whatever it may use stays as well.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.filesize import decimal

from farwatch.builds.store import RECORD
from farwatch.errors import FarwatchError
from farwatch.results.old_logs import last_change, old_logs
from farwatch.system import git
from farwatch.system.children import sweep
from farwatch.system.home import SPARE_PREFIX, Home
from farwatch.system.locks import is_held
from farwatch.system.venv import belongs_to

DAYS = 14.0
"""Age after which builds, build folders and logs of superseded cells go by default."""
LEFTOVER_SECONDS = 24 * 3600.0
"""No download, import or test takes that long: what is older has no owner any more."""

_KINDS = {
    "results": "stored verdicts: always kept",
    "work": "your checkouts: always kept",
    "projects": "verdicts, checkouts and logs of other projects: all but logs always kept",
    "git": "repositories that the trees come from",
    "trees": "managed source trees",
    "objects": "build folders",
    "builds": "finished builds",
    "ccache": "compiler cache",
    "cargo": "crates",
    "downloads": "source archives, package lists",
    "logs": "logs of cells",
    "runs": "live runs",
    "workers": "homes of a cluster's workers on this machine",
    "venv": "Python libraries",
    "old venvs": "Python libraries of other versions",
    "other": "locks, stamps, setup log",
}
_WHOLE = ("git", "trees", "objects", "builds", "ccache", "cargo", "downloads", "logs", "runs", "workers")
_TEMPORARY = {"git": ".import-*", "builds": ".*", "objects": ".cold-*", "downloads": "partial-*"}


@dataclass(frozen=True)
class Item:
    """What one kind takes."""

    kind: str
    about: str
    size: int
    """Bytes on disk."""
    count: int
    """Entries directly below its folder."""


@dataclass(frozen=True)
class Removal:
    """Something that is removed, or would be."""

    path: Path
    size: int
    """Bytes on disk."""
    why: str


@dataclass(frozen=True)
class Spared:
    """Something that was to go and stays."""

    path: Path
    why: str


@dataclass(frozen=True)
class PruneOutcome:
    removed: tuple[Removal, ...]
    kept: tuple[Spared, ...]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(removal.size for removal in self.removed)


# What there is


def usage(home: Home) -> list[Item]:
    """What each kind takes, kinds that take nothing left out."""
    paths: dict[str, list[Path]] = {kind: [] for kind in _KINDS}
    for path in sorted(home.root.iterdir()):
        paths[_kind_of(path)].append(path)
    items = [_item(kind, found) for kind, found in paths.items()]
    return [item for item in items if item.count]


def _kind_of(path: Path) -> str:
    if path.name in (*_WHOLE, "work", "projects"):
        return path.name
    if path.name.startswith("results.db"):
        return "results"
    if path.name.startswith("venv-"):
        return "venv" if belongs_to(path) else "old venvs"
    return "other"


def _item(kind: str, paths: list[Path]) -> Item:
    folder = paths[0] if len(paths) == 1 and paths[0].name == kind else None
    count = sum(1 for _ in folder.iterdir()) if folder else len(paths)
    return Item(kind, _KINDS[kind], sum(map(size_of, paths)), count)


def size_of(path: Path) -> int:
    """Bytes on disk of a file or a folder; a file with several names counts once."""
    seen: dict[tuple[int, int], int] = {}
    for status in _statuses(path):
        seen[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(seen.values())


def _statuses(path: Path) -> Iterator[os.stat_result]:
    """lstat of all that is there, a million files perhaps; what vanishes meanwhile is left out."""
    try:
        yield path.lstat()
    except OSError:
        return
    folders = [os.fspath(path)] if path.is_dir() and not path.is_symlink() else []
    while folders:
        try:
            entries = list(os.scandir(folders.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                yield entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
            except OSError:
                continue


# What goes


def prune(
    home: Home, *, days: float = DAYS, everything: bool = False, dry: bool = False, now: float | None = None
) -> PruneOutcome:
    """Remove what nothing refers to, or, with `everything`, all but verdicts and a person's work.

    days: builds and build folders not used for so long go, and logs of superseded cells older than that
    dry:  only say what would go
    now:  Unix time (default: the clock's)
    FarwatchError: `everything` while something is running.
    """
    busy = live(home)
    if everything and busy:
        raise FarwatchError(
            "cannot remove everything: something is running",
            cause="\n".join(map(str, busy)),
            hint="wait for it or end it, then run the command again",
        )
    when = time.time() if now is None else now
    plan = _Plan([], [])
    if everything:
        _plan_everything(home, plan)
    else:
        _plan_unused(home, plan, when, days * 24 * 3600, bool(busy))
    if not dry:
        _carry_out(home, plan)
    return PruneOutcome(tuple(plan.removed), tuple(plan.kept))


def _carry_out(home: Home, plan: _Plan) -> None:
    sweep(home)
    for removal in list(plan.removed):
        if not _remove(removal.path):
            plan.removed.remove(removal)
            plan.keep(removal.path, "some of it could not be removed: not your files?")
    _forget_trees(home)


@dataclass
class _Plan:
    removed: list[Removal]
    kept: list[Spared]

    def remove(self, paths: Iterable[Path], why: str) -> None:
        self.removed += [Removal(path, size_of(path), why) for path in sorted(paths)]

    def keep(self, path: Path, why: str) -> None:
        self.kept.append(Spared(path, why))


def live(home: Home) -> list[Path]:
    """Locks in the home folder that somebody holds: runs, builds, downloads, imports."""
    own = ("*.lock", "*/*.lock", "runs/*/lock")
    patterns = (
        *own,
        "projects/*/*.lock",
        "projects/*/*/*.lock",
        *(f"workers/*/{pattern}" for pattern in own),
    )
    locks = [path for pattern in patterns for path in home.root.glob(pattern)]
    return sorted(path for path in locks if is_held(path))


def _plan_unused(home: Home, plan: _Plan, now: float, age: float, busy: bool) -> None:
    """What nothing refers to. While something runs, only what cannot be its own."""
    plan.remove(_stale_runs(home), "left by a run that was killed")
    for kind, pattern in _TEMPORARY.items():
        left = [path for path in (home.root / kind).glob(pattern) if now - last_used(path) > LEFTOVER_SECONDS]
        plan.remove(left, "left by something that was killed")
    if busy:
        plan.keep(home.root, "something is running: builds, logs and old Python libraries were left alone")
        return
    plan.remove(_old_venvs(home), "Python libraries of another version")
    plan.remove(_spares(home), "laid out for the next checkout")
    plan.remove(_unused(home.builds, now, age), "build not used for long")
    plan.remove(_unused(home.objects, now, age), "build folder not used for long")
    plan.remove(_unused(home.workers, now, age), "home of a worker not used for long")
    plan.remove(_gone_projects(home, now, age), "of a project whose folder is gone")
    for each in home.each():
        plan.remove(old_logs(each, now, age, LEFTOVER_SECONDS), "logs that no newest verdict names")


def _stale_runs(home: Home) -> list[Path]:
    return [
        folder
        for folder in home.runs.iterdir()
        if (folder / "lock").exists() and not is_held(folder / "lock")
    ]


def _gone_projects(home: Home, now: float, age: float) -> list[Path]:
    """What projects had here that are no more and were not used for long; not if there is a checkout."""
    gone = [each for each in home.each()[1:] if each.folder is not None and not each.folder.exists()]
    return [each.own for each in gone if not _entries(each.work) and now - last_change(each.own) > age]


def _old_venvs(home: Home) -> list[Path]:
    return [path for path in home.root.glob("venv-*") if not belongs_to(path)]


def _spares(home: Home) -> list[Path]:
    return [path for path in home.trees.glob(f"{SPARE_PREFIX}*") if path.suffix != ".lock"]


def _unused(folder: Path, now: float, age: float) -> list[Path]:
    return [path for path in folder.glob("[!.]*") if path.suffix != ".lock" and now - last_used(path) > age]


def last_used(path: Path) -> float:
    """Unix time: of a finished build, when it was last asked for; else the newest change at its top."""
    if (path / RECORD).exists():
        return (path / RECORD).stat().st_mtime
    return last_change(path)


def _entries(path: Path) -> list[Path]:
    try:
        return list(path.iterdir())
    except OSError:
        return []


def _plan_everything(home: Home, plan: _Plan) -> None:
    needed = _repositories_of_work(home)
    for kind in _WHOLE:
        for path in _entries(home.root / kind):
            if path.suffix == ".lock":
                continue
            if kind == "git" and (needed is None or path.resolve() in needed):
                plan.keep(path, "your checkouts in work/ keep their commits in it")
            elif kind == "trees" and _is_edited(path):
                plan.keep(path, "it has changes that are in no commit")
            else:
                plan.remove([path], _KINDS[kind])
    for each in home.each()[1:]:
        plan.remove(_entries(each.logs), _KINDS["logs"])
    plan.remove(_old_venvs(home), _KINDS["old venvs"])
    plan.remove(home.root.glob("system-*"), _KINDS["other"])
    # Last, because this very process runs from it.
    plan.remove([path for path in home.root.glob("venv-*") if belongs_to(path)], _KINDS["venv"])


def _repositories_of_work(home: Home) -> set[Path] | None:
    """Repositories that checkouts in work/ are worktrees of; None if that cannot be told (then: all)."""
    found: set[Path] = set()
    folders = [folder for each in home.each() for folder in _entries(each.work)]
    for checkout in (entry for folder in folders for entry in _entries(folder)):
        common = _git(checkout, "rev-parse", "--path-format=absolute", "--git-common-dir")
        if common is None:
            return None
        found.add(Path(common).resolve())
    return found


def _is_edited(tree: Path) -> bool:
    """Whether a tree has changes, or commits and files that git does not know; in doubt, yes."""
    if not (tree / ".git").exists():
        return False
    return _git(tree, "status", "--porcelain") != ""


def _git(folder: Path, *words: str) -> str | None:
    """Standard output of git, None if it fails."""
    try:
        done = git.run(*words, cwd=folder)
    except FarwatchError:
        return None
    return os.fsdecode(done.stdout).strip() if done.returncode == 0 else None


def _forget_trees(home: Home) -> None:
    """Tell the repositories that stay that their managed trees are gone."""
    for repository in home.git.glob("*.git"):
        _git(repository, "worktree", "prune")


def _remove(path: Path) -> bool:
    """Gone for others before it is half gone: a venv without `ready`, a build without its record, is none."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return True
    for mark in ("ready", RECORD):
        (path / mark).unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)
    return not path.exists()


# In words


def report_usage(items: list[Item]) -> str:
    """A line for each kind, and the sum."""
    total = Item("together", "", sum(item.size for item in items), 0)
    return "\n".join(
        f"{decimal(item.size):>9}  {item.kind:<10} {item.about}".rstrip() for item in [*items, total]
    )


def report(outcome: PruneOutcome, root: Path, dry: bool, say: Callable[[str], None] = print) -> None:
    """What went and what stayed, largest last."""
    for removal in sorted(outcome.removed, key=lambda removal: removal.size):
        say(f"{decimal(removal.size):>9}  {removal.path.relative_to(root)}: {removal.why}")
    for kept in outcome.kept:
        say(f"{'kept':>9}  {kept.path.relative_to(root)}: {kept.why}")
    say(f"{decimal(outcome.size)} {'would be free' if dry else 'freed'}")
