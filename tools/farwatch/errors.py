# SPDX-License-Identifier: GPL-2.0-or-later
"""The one error that a user sees: what went wrong, why, and what to do next.

Everything that is the user's or the machine's mistake is raised as a
FarwatchError and printed by main() without a traceback, with exit status 2.
Any other exception is a defect of farwatch itself.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

STATUS_SURPRISE = 1
STATUS_USAGE = 2
"""Exit statuses; 0 is as expected."""


class FarwatchError(Exception):
    """A mistake of the user, the machine or the input.

    what:  the thing and what is wrong with it, one line
    cause: why, as far as known (may have several lines)
    hint:  what to do next, as a command where there is one
    """

    def __init__(self, what: str, *, cause: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.cause = cause
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.what]
        if self.cause:
            lines += [f"  {line}" for line in self.cause.splitlines()]
        if self.hint:
            lines.append(f"  next: {self.hint}")
        return "\n".join(lines)


class BuildFailure(FarwatchError):
    """The sources do not build: a mistake in what is built, not in what it is built with."""


MOST_NAMED = 8
"""As many names are all named; of more, a few."""
FEW_NAMED = 4


def unknown(
    kind: str, name: str, known: Iterable[str], hint: str = "", *, also: Iterable[str] = ()
) -> FarwatchError:
    """The error for a name that does not exist, with the nearest one that does, or else a few of them.

    hint: how to see all of them
    also: what may be meant instead of a whole name
    """
    names = list(known)
    near = nearest(name, names) or nearest(name, also)
    cause = f"did you mean '{near}'?" if near else f"known: {_some(names) or 'none'}"
    return FarwatchError(f"unknown {kind} '{name}'", cause=cause, hint=hint)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like this one; None if none is."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return near[0] if near else None


def _some(names: list[str]) -> str:
    if len(names) <= MOST_NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:FEW_NAMED])} and {len(names) - FEW_NAMED} more"
