# SPDX-License-Identifier: GPL-2.0-or-later
"""What the host is to do, in the words of kernel-tests/steps.h, and what has to be there before."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from farwatch.errors import FarwatchError, unknown
from farwatch.guests.agent import escape
from farwatch.tracing.words import EVENTS, Key, below

VERBS = {
    "create": (2, 2),
    "write": (3, 3),
    "append": (2, 2),
    "truncate": (2, 2),
    "mkdir": (2, 2),
    "rmdir": (1, 1),
    "unlink": (1, 1),
    "rename": (2, 3),
    "link": (2, 2),
    "symlink": (2, 2),
    "chmod": (2, 2),
    "utimes": (3, 3),
    "setxattr": (3, 3),
    "removexattr": (2, 2),
    "open": (3, 3),
    "read": (2, 2),
    "pwrite": (3, 3),
    "close": (1, 1),
    "stat": (1, 1),
    "fill": (3, 3),
    "clear": (3, 3),
    "tmpfile": (2, 2),
    "flink": (2, 2),
    "fsync": (1, 1),
    "drop": (0, 0),
}
"""Verb -> fewest and most arguments: of kernel-tests/verbs.c what makes events, or helps to."""
SEPARATOR = ","
EXAMPLE = f"farwatch trace REV -- create d/f 644 {SEPARATOR} rename d/f d/g"
_MAKES_FILE, _MAKES_FOLDER = ("create", "symlink"), ("mkdir",)
_NEEDS_FOLDER = ("rmdir", "fill", "tmpfile")
_NEEDS_NOTHING = ("read", "pwrite", "close", "fsync", "drop", "flink", *_MAKES_FILE, *_MAKES_FOLDER)


@dataclass(frozen=True)
class Step:
    """One thing that the host does."""

    verb: str
    args: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """As a line of a script, steps.h."""
        return " ".join([self.verb, *map(escape, self.args)])

    def __str__(self) -> str:
        return shlex.join([self.verb, *self.args])


def steps_from(words: Sequence[str]) -> tuple[Step, ...]:
    """Steps with "," between them, or each one a word of its own; FarwatchError for what is none."""
    if not words:
        raise FarwatchError("the host is to do nothing", hint=EXAMPLE)
    if any(any(character.isspace() for character in word) for word in words):
        found = [shlex.split(word) for word in words if word != SEPARATOR]
    else:
        found = [[]]
        for word in words:
            if word == SEPARATOR:
                found.append([])
            else:
                found[-1].append(word)
    return tuple(_step(fields) for fields in found)


def _step(fields: Sequence[str]) -> Step:
    if not fields:
        raise FarwatchError("a step is empty", hint=EXAMPLE)
    verb, *args = fields
    if verb not in VERBS:
        raise unknown("step", verb, VERBS, hint="kernel-tests/steps.h says what each does")
    fewest, most = VERBS[verb]
    if not fewest <= len(args) <= most:
        wanted = str(fewest) if fewest == most else f"{fewest} or {most}"
        raise FarwatchError(
            f"the step '{shlex.join(fields)}' has {len(args)} arguments",
            cause=f"{verb} takes {wanted}",
            hint="kernel-tests/steps.h says what each means",
        )
    return Step(verb, tuple(args))


# -- what has to be there


@dataclass
class _Tree:
    """The names that there are, as steps make, move and remove them."""

    there: dict[str, str | None] = field(default_factory=lambda: {".": "."})
    """Each with the one that it has to begin with; None if it was not there then."""
    made: dict[str, Step] = field(default_factory=dict)
    """By that name."""

    def need_folder(self, path: str) -> None:
        self.need(path, "mkdir", "777")

    def need(self, path: str, verb: str, mode: str) -> None:
        """Have something there that no step before has made."""
        if path in self.there:
            return
        self.need_folder(_folder_of(path))
        around = self.there[_folder_of(path)]
        origin = None if around is None else below(around, PurePosixPath(path).name)
        # What a step has taken away, or could only be in what a step has made, is not there.
        if origin is not None and origin not in self.made:
            self.made[origin] = Step(verb, (origin, mode))
            self.there[path] = origin

    def remove(self, path: str) -> None:
        self.there.pop(path, None)

    def rename(self, old: str, new: str) -> None:
        moved = [path for path in self.there if path == old or path.startswith(f"{old}/")]
        self.there |= {new + path.removeprefix(old): self.there.pop(path) for path in moved}


def _folder_of(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _folders(steps: Sequence[Step]) -> set[str]:
    """Paths that have something in them, so they are folders."""
    paths = [path for step in steps for path in _paths(step)]
    return {str(folder) for path in paths for folder in PurePosixPath(path).parents}


def _paths(step: Step) -> tuple[str, ...]:
    """What a step names."""
    if step.verb in ("rename", "link"):
        return step.args[:2]
    if step.verb in ("symlink", "flink"):
        return step.args[1:2]
    if step.verb in ("fill", "clear"):
        return tuple(_filled(step))
    return step.args[:1] if step.verb not in ("read", "pwrite", "close", "fsync", "drop") else ()


def _filled(step: Step) -> Iterator[str]:
    folder, prefix, count = step.args
    return (f"{folder}/{prefix}{number}" for number in range(int(count) if count.isdigit() else 0))


def setup_for(steps: Sequence[Step]) -> tuple[Step, ...]:
    """What has to be there before, so that each step finds what it works on."""
    tree, folders = _Tree(), _folders(steps)
    for step in steps:
        _prepare(tree, folders, step)
        _apply(tree, step)
    return tuple(tree.made.values())


def _prepare(tree: _Tree, folders: set[str], step: Step) -> None:
    for path in _paths(step):
        tree.need_folder(_folder_of(path))
    if step.verb in _NEEDS_FOLDER:
        tree.need_folder(step.args[0])
    elif step.verb == "clear":
        for path in _filled(step):
            tree.need(path, "create", "666")
    elif step.verb not in _NEEDS_NOTHING:
        is_folder = bool(folders & set(_paths(step))) or (step.verb == "open" and step.args[1] == "d")
        tree.need(step.args[0], *(("mkdir", "777") if is_folder else ("create", "666")))


def _apply(tree: _Tree, step: Step) -> None:
    paths = _paths(step)
    if step.verb == "rename":
        tree.rename(*paths)
        return
    for path in paths:
        if step.verb in ("unlink", "rmdir", "clear"):
            tree.remove(path)
        else:
            tree.there.setdefault(path, None)


# -- what follows

_FILE = ("open", "modify", "close_write")
_ON_PATH: dict[str, tuple[str, ...]] = {
    "create": ("create", "open", "close_write"),
    "write": _FILE,
    "append": _FILE,
    "truncate": _FILE,
    "mkdir": ("create",),
    "symlink": ("create",),
    "fill": ("create", "open", "close_write"),
    "clear": ("attrib", "delete", "delete_self"),
    "rmdir": ("delete", "delete_self"),
    "unlink": ("attrib", "delete", "delete_self"),
    "chmod": ("attrib",),
    "utimes": ("attrib",),
    "setxattr": ("attrib",),
    "removexattr": ("attrib",),
    "open": ("open",),
    "tmpfile": ("open",),
    "flink": ("create", "attrib"),
}
_ON_HANDLE = {
    "read": ("access",),
    "pwrite": ("modify",),
    "close": ("close_write", "close_nowrite"),
    "drop": ("close_write", "close_nowrite", "delete_self"),
}


def causes(step: Step, key: Key) -> bool:
    """Whether an event may come of a step: by inotify(7), of a handle whichever file it is."""
    of_handle = bool(key.bit & _mask(_ON_HANDLE.get(step.verb, ())))
    return of_handle or any(path == key.path and key.bit & mask for path, mask in _effects(step))


def _effects(step: Step) -> Iterator[tuple[str, int]]:
    paths = _paths(step)
    if step.verb == "rename":
        yield paths[0], _mask(("moved_from", "move_self", "moved_to"))
        yield paths[1], _mask(("moved_to", "moved_from", "attrib", "delete_self", "move_self"))
    elif step.verb == "link":
        yield paths[0], _mask(("attrib",))
        yield paths[1], _mask(("create",))
    else:
        for path in paths:
            yield path, _mask(_ON_PATH.get(step.verb, ()))


def _mask(names: Sequence[str]) -> int:
    return sum(EVENTS[name] for name in names)
