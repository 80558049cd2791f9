# SPDX-License-Identifier: GPL-2.0-or-later
"""Who gets a patch: what a tree's own get_maintainer.pl says, asked and read in one way by lint and send."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SCRIPT = "scripts/get_maintainer.pl"
_ALWAYS = ("--no-git", "--no-git-fallback", "--rolestats")
_WHERE_KNOWN = ("--no-git-chief-penguins",)
"""Not in every tree's script: QEMU's ends with an error."""
_LINE = re.compile(r"(?P<who>.*<[^<>]*>|\S+@\S+)(?: \((?P<role>.*)\))?")
_LIST = re.compile(r"[^:]*\blist\b")


@dataclass(frozen=True)
class Maintainer:
    """A line of the answer."""

    who: str
    """ "a@example.org" or "A <a@example.org>", as the script writes it."""
    is_list: bool


def script_options(script: Path) -> list[str]:
    """What to call this script with: only those who are responsible, not whoever touched the file last."""
    text = script.read_text(encoding="utf-8", errors="replace")
    return [*_ALWAYS, *(option for option in _WHERE_KNOWN if option.removeprefix("--no-") in text)]


def read_answer(said: str) -> list[Maintainer]:
    """The answer, each address once.

    The role stands in the last bracket: a name may have one, too (`"A B (Oracle)" <...> (maintainer:X)`), and
    so may a role.
    """
    matches = (_LINE.fullmatch(line.strip()) for line in said.splitlines())
    found = [Maintainer(match["who"], bool(_LIST.match(match["role"] or ""))) for match in matches if match]
    return list(dict.fromkeys(found))
