# SPDX-License-Identifier: GPL-2.0-or-later
"""Who gets a patch: what a tree's own get_maintainer.pl says, asked and read in one way by lint and send."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.model import Base
from farwatch.review.scripts import remembered, run_script, tools_of
from farwatch.system import git
from farwatch.trees.trees import Source

if TYPE_CHECKING:
    from farwatch.app import App

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


def ask(
    app: App, base: Base, tip: Source, patches: Sequence[Path]
) -> Mapping[Path, tuple[Maintainer, ...]] | None:
    """Who gets each of these patches; None where the tree has no such script.

    The script and .mailmap are those of the base, MAINTAINERS is that after the series where a script can be
    told of another one.
    """
    tools = tools_of(app.home, app.trees, base)
    script = tools / SCRIPT
    if not script.exists():
        return None
    shown = git.run("cat-file", "blob", f"{tip.tree}:MAINTAINERS", cwd=app.trees.repository(base.component))
    options = script_options(script)
    with tempfile.TemporaryDirectory(prefix="farwatch-") as name:
        current = Path(name) / "MAINTAINERS"
        current.write_bytes(shown.stdout)

        other = [f"--mpath={current}"] if "mpath" in script.read_text(errors="replace") else []

        def one(patch: Path) -> tuple[Maintainer, ...]:
            words = ["perl", str(script), *options, *other, str(patch)]
            about: tuple[str | bytes, ...] = (tools.name, *options, shown.stdout, patch.read_bytes())
            what = f"get_maintainer on {patch.name}"
            said = remembered(app.home, about, lambda: run_script(words, tools, "", what, (0,)))
            return tuple(read_answer(said))

        with ThreadPoolExecutor() as pool:
            return dict(zip(patches, pool.map(one, patches), strict=True))


def instead(revision: str, component: str) -> str:
    """What is done with a series that no script knows a reader for."""
    return (
        f"{component} has no get_maintainer: a merge request "
        f"(farwatch send {revision} {component} --branch), or [send.{component}] to = [...] in revision.toml"
    )
