# SPDX-License-Identifier: GPL-2.0-or-later
"""A series onto another base: patch by patch, stopping where a person has to decide, once.

Nothing of the revision changes before the last patch has found its place. In between, what was done is
kept in the worktree where conflicts are resolved.
"""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

from farwatch.app import App
from farwatch.errors import FarwatchError
from farwatch.model import Base, Revision, hash_of
from farwatch.series.save import write_series
from farwatch.system import git
from farwatch.system.atomic import rewritten
from farwatch.system.locks import locked
from farwatch.terminal.escape import printable, printable_lines
from farwatch.trees import merge
from farwatch.trees.merge import PatchCommit
from farwatch.trees.mover import Moved, Mover, Stop, stale_line
from farwatch.trees.resolutions import Memory, Resolution, write
from farwatch.trees.worktree import REBASE_STATE, changed_names, git_dir, is_worktree, operation, shown

STATUS_STOPPED = 1
_EXCERPT = 40
"""Lines of a conflict that are shown."""


@dataclass
class State:
    """What is kept while a rebase waits."""

    revision: str
    component: str
    onto: str
    keep: bool
    """Leave the patch files on their base: only remember what it takes to hold on the other one too."""
    key: str
    """Of the patches and the resolutions when it began."""
    tips: list[str | None] = field(default_factory=list)
    """For each patch that is done: its commit, None when it was left out."""
    notes: dict[str, str] = field(default_factory=dict)
    """Patch id -> why it was resolved so."""
    previous: str = ""
    """Branch or commit that the worktree was on before; empty when there was none."""
    files: list[str] = field(default_factory=list)
    """Those in conflict."""


@dataclass(frozen=True)
class Rebase:
    """One rebase, with what it works on."""

    app: App
    state: State

    @cached_property
    def revision(self) -> Revision:
        return self.app.catalog.revision(self.state.revision)

    @property
    def component(self) -> str:
        return self.state.component

    @cached_property
    def onto(self) -> Base:
        return self.app.catalog.base(self.component, self.state.onto)

    @cached_property
    def own(self) -> Base:
        return self.app.trees.own_base(self.revision, self.component)

    @cached_property
    def mover(self) -> Mover:
        return self.app.trees.mover(self.revision, self.component, self.onto)

    @cached_property
    def patches(self) -> list[PatchCommit]:
        return self.app.trees.series(self.revision, self.component)

    @property
    def repository(self) -> Path:
        return self.app.trees.repository(self.component)

    @property
    def path(self) -> Path:
        """The worktree where conflicts are resolved."""
        return self.app.trees.work_path(self.revision, self.component, self.onto)

    @property
    def tip(self) -> str:
        start = self.app.trees.base_commit(self.onto)
        return next((commit for commit in reversed(self.state.tips) if commit), start)

    @property
    def current(self) -> PatchCommit:
        return self.patches[len(self.state.tips)]

    @property
    def title(self) -> str:
        return f"{self.revision.name} {self.component}"

    def key(self) -> str:
        contents = [path.read_bytes() for path in self.revision.patches(self.component)]
        return hash_of(self.own.name, *contents, *self.mover.memory.key())


def start(app: App, name: str, onto_name: str, *, keep: bool) -> int:
    """Begin, and go as far as it goes by itself; exit status: 1 when a person has to resolve something."""
    onto = app.catalog.base_named(onto_name)
    rebase = Rebase(app, State(name, onto.component, onto.name, keep, ""))
    if not rebase.revision.patches(onto.component):
        raise FarwatchError(f"{name} has no patches for {onto.component}", hint="farwatch list")
    if rebase.own == onto:
        print(f"{rebase.title} is on {onto.label} already")
        return 0
    with _locked(rebase):
        _require_idle(rebase)
        rebase.state.key = rebase.key()
        return _run(rebase)


def resume(app: App, name: str | None, note: str) -> int:
    """Go on after a person has resolved the conflict; `note` says why so."""
    rebase = _waiting(app, name)
    with _locked(rebase):
        _require_unchanged(rebase)
        tree = _resolved_tree(rebase)
        patch = rebase.current
        if tree == merge.tree_of(rebase.repository, rebase.tip):
            what = f"nothing is left of {patch.file} on {rebase.onto.label}"
            raise FarwatchError(what, hint="farwatch rebase --skip, to leave it out there")
        commit = merge.commit_like(rebase.repository, patch, tree, rebase.tip)
        return _done(rebase, commit, note)


def skip(app: App, name: str | None, note: str) -> int:
    """Leave out the patch that does not go."""
    rebase = _waiting(app, name)
    with _locked(rebase):
        _require_unchanged(rebase)
        print(f"{rebase.title}: left out {rebase.current.file}")
        return _done(rebase, None, note)


def abort(app: App, name: str | None) -> int:
    """Put everything back to where it was."""
    rebase = _waiting(app, name)
    with _locked(rebase):
        if rebase.state.previous:
            git.git("checkout", "--quiet", "--force", rebase.state.previous, cwd=rebase.path)
            (git_dir(rebase.path) / REBASE_STATE).unlink()
        else:
            git.git("worktree", "remove", "--force", str(rebase.path), cwd=rebase.repository)
    print(f"{rebase.title} stays on {rebase.own.label}")
    return 0


def _locked(rebase: Rebase) -> AbstractContextManager[None]:
    say = rebase.app.trees.say
    lock = rebase.path.parent / f".{rebase.component}.lock"
    return locked(lock, lambda who: say(f"waiting for {who}, which works on {rebase.path}"))


def _require_idle(rebase: Rebase) -> None:
    """FarwatchError when there is anything that the rebase would leave behind or step on."""
    trees, revision = rebase.app.trees, rebase.revision
    if is_worktree(rebase.path) and operation(rebase.path) == "farwatch rebase":
        hint = "farwatch rebase --continue, --skip or --abort"
        raise FarwatchError(f"a rebase of {rebase.title} onto {rebase.onto.label} is going on", hint=hint)
    for base in (rebase.own, rebase.onto):
        unsaved = trees.unsaved(revision, rebase.component, base)
        if unsaved:
            hint = f"farwatch save {revision.name} {rebase.component} --base {base.name}"
            path = trees.work_path(revision, rebase.component, base)
            raise FarwatchError(f"{path} holds work that is not saved", cause=unsaved, hint=hint)


def _waiting(app: App, name: str | None) -> Rebase:
    """The rebase that waits for a person."""
    found = []
    for folder in sorted(app.home.work.glob("*/*")):
        if is_worktree(folder) and (git_dir(folder) / REBASE_STATE).is_file():
            state = State(**json.loads((git_dir(folder) / REBASE_STATE).read_text()))
            if name in (None, state.revision):
                found.append(Rebase(app, state))
    if not found:
        of = f" of {name}" if name else ""
        raise FarwatchError(f"no rebase{of} is going on", hint="farwatch rebase REV --onto BASE")
    if len(found) > 1:
        names = ", ".join(f"{rebase.title} onto {rebase.onto.label}" for rebase in found)
        raise FarwatchError("more than one rebase is going on", cause=names, hint="name the revision")
    return found[0]


def _require_unchanged(rebase: Rebase) -> None:
    if rebase.key() != rebase.state.key:
        cause = "what was done so far was done for the patches as they were"
        hint = "farwatch rebase --abort, then begin again, or take the change back"
        raise FarwatchError(f"the patches of {rebase.title} have changed", cause=cause, hint=hint)


def _done(rebase: Rebase, commit: str | None, note: str) -> int:
    if note:
        rebase.state.notes[rebase.current.id] = note
    rebase.state.tips.append(commit)
    return _run(rebase)


def _run(rebase: Rebase) -> int:
    """From the next patch to the end, or to the first that needs a person."""
    while len(rebase.state.tips) < len(rebase.patches):
        outcome = rebase.mover.move(rebase.current, rebase.tip)
        if isinstance(outcome, Stop):
            return _stop(rebase, outcome)
        _report(rebase, outcome)
        left_out = outcome.how in ("skipped", "there already")
        rebase.state.tips.append(None if left_out else outcome.commit)
    _finish(rebase)
    return 0


def _report(rebase: Rebase, step: Moved) -> None:
    if step.used is not None:
        print(f"{step.patch.file}: {step.how} as remembered in {step.used.path}")
    elif step.how != "merged":
        print(f"{step.patch.file}: {step.how} in {rebase.onto.label}")
    for entry in step.ignored:
        print(f"{step.patch.file}: {stale_line(entry)}")


# -- where it stops --------------------------------------------------------------------------


def _stop(rebase: Rebase, stop: Stop) -> int:
    """Lay the conflict out in the worktree, as git does, and say what to do."""
    state = rebase.state
    first = not is_worktree(rebase.path) or operation(rebase.path) != "farwatch rebase"
    if first and is_worktree(rebase.path):
        state.previous = _where(rebase.path)
    rebase.app.trees.place(rebase.revision, rebase.component, rebase.onto, rebase.tip)
    git.git("read-tree", "--reset", "-u", stop.merge.tree, cwd=rebase.path)
    entries = [b"0 %s\t%s\0" % (b"0" * len(stop.merge.tree), path) for path in stop.merge.files]
    entries += [
        f"{stage.mode} {stage.blob} {stage.number}\t".encode() + stage.path + b"\0"
        for stage in stop.merge.stages
    ]
    git.git("update-index", "-z", "--index-info", cwd=rebase.path, stdin=b"".join(entries))
    state.files = [os.fsdecode(path) for path in stop.merge.files]
    _write_state(rebase)
    print("\n".join(_explained(rebase, stop)))
    return STATUS_STOPPED


def _write_state(rebase: Rebase) -> None:
    path = git_dir(rebase.path) / REBASE_STATE
    new = path.with_suffix(".new")
    new.write_text(json.dumps(asdict(rebase.state), indent=1))
    new.replace(path)


def _where(path: Path) -> str:
    """The branch that a worktree is on, or its commit when it is on none."""
    found = git.run("symbolic-ref", "--quiet", "--short", "HEAD", cwd=path)
    return found.stdout.decode().strip() or git.line("rev-parse", "HEAD", cwd=path)


def _explained(rebase: Rebase, stop: Stop) -> list[str]:
    """Which patch, which files, what the conflict looks like, what to do."""
    place, total = len(rebase.state.tips) + 1, len(rebase.patches)
    lines = [f"{rebase.title}: patch {place} of {total} does not go onto {rebase.onto.label} by itself"]
    lines += [f"  {stop.patch.file}: {printable(stop.patch.subject)}"]
    lines += [f"  {printable(line)}" for line in stop.reasons]
    for path in stop.merge.files:
        lines += _shown_conflict(rebase.path, path)
    for entry in (*stop.stale, *stop.unfit):
        lines.append(f"to try what is remembered: git -C {rebase.path} apply {entry.path}")
    lines.append(f"edit in {rebase.path}, git add what is resolved, then one of:")
    lines.append("  farwatch rebase --continue [--note WHY]")
    lines.append("  farwatch rebase --skip, to leave the patch out on this base")
    lines.append("  farwatch rebase --abort")
    return lines


def _shown_conflict(worktree: Path, path: bytes) -> list[str]:
    """Where in a file the conflicts are, and the first lines of them."""
    file = worktree / os.fsdecode(path)
    if not file.is_file() or file.is_symlink():
        return []
    content = file.read_bytes()
    marked = merge.markers(content)
    text = printable_lines(content.decode("utf-8", "replace").replace("\r\n", "\n")).split("\n")
    lines = []
    for first, last in zip(marked[::2], marked[1::2], strict=False):
        lines.append(f"{printable(str(file))}:{first}:")
        lines += [f"    {line}" for line in text[first - 1 : last]]
    if len(lines) > _EXCERPT:
        lines = [*lines[:_EXCERPT], f"    ... and {len(lines) - _EXCERPT} lines more"]
    return lines


def _resolved_tree(rebase: Rebase) -> str:
    """The tree of what the person made of the conflict; FarwatchError when it is not all resolved."""
    path, tip = rebase.path, rebase.tip
    head = git.line("rev-parse", "HEAD", cwd=path)
    if head != tip:
        return _committed_tree(path, head, tip)
    _add_resolved(rebase)
    _require_resolved(rebase)
    git.git("add", "--update", cwd=path)
    untracked = git.git("ls-files", "--others", "--exclude-standard", "-z", cwd=path)
    if untracked:
        names = shown(untracked.rstrip(b"\0").split(b"\0"))
        rebase.app.trees.say(f"not part of the patch, as git add was not told of it: {names}")
    return git.line("write-tree", cwd=path)


def _committed_tree(path: Path, head: str, tip: str) -> str:
    """The tree of a resolution that the person has committed."""
    parents = git.line("log", "-1", "--format=%P", head, cwd=path).split()
    if parents != [tip] or changed_names(path):
        cause = f"HEAD is {head[:12]}; it should be {tip[:12]}, or one commit on top of that"
        raise FarwatchError(
            f"{path} is not where the rebase left it", cause=cause, hint=f"git log, in {path}"
        )
    return merge.tree_of(path, head)


def _unmerged(path: Path) -> list[bytes]:
    entries = git.git("ls-files", "--unmerged", "-z", cwd=path).split(b"\0")
    return list(dict.fromkeys(entry.partition(b"\t")[2] for entry in entries if entry))


def _add_resolved(rebase: Rebase) -> None:
    """git add for files whose conflict markers a person has taken out."""
    for name in _unmerged(rebase.path):
        stages = git.git("ls-files", "--unmerged", "-z", "--", os.fsdecode(name), cwd=rebase.path)
        file = rebase.path / os.fsdecode(name)
        both = all(b" %d\t" % number in stages for number in (2, 3))
        if both and file.is_file() and not _binary(file) and not merge.markers(file.read_bytes()):
            git.git("add", "--", os.fsdecode(name), cwd=rebase.path)


def _binary(file: Path) -> bool:
    return b"\0" in file.read_bytes()


def _require_resolved(rebase: Rebase) -> None:
    wrong = []
    for name in rebase.state.files:
        file = rebase.path / name
        if file.is_file() and not file.is_symlink() and (lines := merge.markers(file.read_bytes())):
            wrong.append(f"{printable(str(file))}:{lines[0]}: conflict markers")
    known = set(map(os.fsencode, rebase.state.files))
    marked = {line.split(":")[0] for line in wrong}
    for left in [*_unmerged(rebase.path)]:
        shown_name = printable(str(rebase.path / os.fsdecode(left)))
        if left in known and shown_name not in marked:
            wrong.append(f"{shown_name}: git add or git rm says which")
    if wrong:
        what = f"{rebase.current.file} is not resolved yet"
        raise FarwatchError(what, cause="\n".join(wrong), hint="edit, git add, farwatch rebase --continue")


# -- the end ---------------------------------------------------------------------------------


def _finish(rebase: Rebase) -> None:
    """Write what came out into the revision's folder, at once, and tidy up."""
    trees, component, state = rebase.app.trees, rebase.component, rebase.state
    commits = [commit for commit in state.tips if commit]
    if not commits:
        what = f"nothing of {rebase.title} is left on {rebase.onto.label}"
        raise FarwatchError(what, cause="it holds every patch already", hint="farwatch rebase --abort")
    start = trees.base_commit(rebase.onto)
    forth = rebase.mover.remember_all(rebase.patches, start, state.tips, state.notes)
    made: list[str] = []
    with rewritten(rebase.revision.folder) as new:
        if not state.keep:
            made = write_series(trees, rebase.revision, component, rebase.onto, commits, new.path)
            back = _way_back(rebase, made, new.path / component)
            write(new.path / component, rebase.onto.name, rebase.own.name, back)
        write(new.path / component, rebase.own.name, rebase.onto.name, forth)
    if made:
        trees.remember(rebase.onto, rebase.revision.patches(component), made)
    _leave_worktree(rebase)
    _conclude(rebase, len(commits), len(forth))


def _way_back(rebase: Rebase, made: list[str], folder: Path) -> list[Resolution]:
    """What takes the moved patches back to where they were, as far as none of them was left out."""
    whole = _kept_from_first(rebase.state.tips)
    files = [path.name for path in sorted(folder.glob("[0-9]*.patch"))]
    start = rebase.app.trees.base_commit(rebase.onto)
    moved = merge.patches_of(rebase.repository, start, made, files)[:whole]
    notes = {
        new.id: rebase.state.notes.get(old.id, "")
        for new, old in zip(moved, rebase.patches, strict=False)
        if new.id != old.id or old.id in rebase.state.notes
    }
    known = Memory.load(rebase.revision.folder / rebase.component)
    mover = Mover(rebase.repository, known, rebase.onto.name, rebase.own.name)
    before = [patch.commit for patch in rebase.patches[:whole]]
    return mover.remember_all(moved, rebase.app.trees.base_commit(rebase.own), before, notes)


def _kept_from_first(tips: list[str | None]) -> int:
    """How many patches, from the first, were all kept."""
    return next((place for place, commit in enumerate(tips) if commit is None), len(tips))


def _leave_worktree(rebase: Rebase) -> None:
    """A worktree that was needed stays, on its branch; the next command finds nothing unsaved in it."""
    if not is_worktree(rebase.path):
        return
    trees = rebase.app.trees
    revision = rebase.app.catalog.revision(rebase.revision.name)
    tip = trees.tip(revision, rebase.component, rebase.onto)
    branch = rebase.app.trees.branch(revision, rebase.onto)
    git.git("checkout", "--quiet", "--force", "-B", branch, tip.commit, cwd=rebase.path)
    trees.set_placed(tip, tip.commit)
    with suppress(FileNotFoundError):
        (git_dir(rebase.path) / REBASE_STATE).unlink()


def _conclude(rebase: Rebase, patches: int, resolutions: int) -> None:
    done = "also holds on" if rebase.state.keep else "is now on"
    kept = f", {resolutions} of them by remembered resolutions" if resolutions else ""
    print(f"{rebase.title} {done} {rebase.onto.label}: {patches} patches{kept}")
