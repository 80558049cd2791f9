# SPDX-License-Identifier: GPL-2.0-or-later
"""What has to be compiled to see all that a series may break: targets of make.

* a source file: its object
* a header, Makefile or Kconfig in a folder of the tree: that folder with all below it; of a folder at the top
  (fs/, kernel/), which may hold thousands of files, those sources beside it that include the header
* a header below include/: all sources that include it by name; where another header does, outside of
  include/, that one's folder. Headers of include/ that include it are not followed: they lead everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.review.compile_rules import is_tool

if TYPE_CHECKING:
    from farwatch.review.findings import ReviewedPatch
    from farwatch.trees.trees import Source, Trees

_INCLUDE = ("include/uapi/", "include/")


def targets_of(trees: Trees, patches: Sequence[ReviewedPatch]) -> tuple[str, ...]:
    """The targets of a series, the same for each of its steps; what is not there yet is left out there."""
    touched = {name for patch in patches for name in patch.files if not is_tool(name)}
    found = {target for name in touched for target in _targets(name)}
    users = _users(trees, patches[0].before, patches[-1].source, touched)
    found |= {target for name in users for target in _targets(name)}
    folders = {target for target in found if target.endswith("/")}
    return tuple(sorted(target for target in found if not _covered(target, folders)))


def _targets(name: str) -> Iterator[str]:
    path = Path(name)
    if path.suffix == ".c":
        yield str(path.with_suffix(".o"))
    elif not _is_public(name) and len(path.parts) > 2 and (path.suffix == ".h" or _is_recipe(path.name)):
        yield f"{path.parent}/"


def _users(trees: Trees, base: Source, tip: Source, touched: Iterable[str]) -> Iterator[str]:
    """The files that include a header that is touched, where it is not its folder that is compiled."""
    named = {name: _included_as(name) for name in touched if name.endswith(".h") and not list(_targets(name))}
    words = sorted({word for words in named.values() for word in words})
    if not words:
        return
    pattern = rf"^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]({'|'.join(map(re.escape, words))})[>\"]"
    lines = [
        *trees.matching_anywhere(base, pattern, "*.c", "*.h"),
        *trees.matching(tip, pattern, [name for name in touched if name.endswith((".c", ".h"))]),
    ]
    for user, included in {(line.partition(":")[0], _word(line)) for line in lines}:
        if not is_tool(user) and any(_may_mean(user, included, name, named[name]) for name in named):
            yield user


def _included_as(header: str) -> tuple[str, ...]:
    """What stands behind #include for it."""
    if _is_public(header):
        return tuple(header.removeprefix(start) for start in _INCLUDE if header.startswith(start))
    return (Path(header).name,)


def _word(line: str) -> str:
    return re.split(r'[<">]', line.partition(":")[2])[1]


def _may_mean(user: str, included: str, header: str, words: Sequence[str]) -> bool:
    """A header at the top of a folder is meant only beside it: each folder may have an "internal.h"."""
    return included in words and (_is_public(header) or Path(user).parent == Path(header).parent)


def _is_public(name: str) -> bool:
    return name.startswith("include/")


def _is_recipe(name: str) -> bool:
    return name in ("Makefile", "Kbuild") or name.startswith("Kconfig")


def _covered(target: str, folders: Iterable[str]) -> bool:
    """Whether a folder brings it anyhow."""
    return any(target != folder and target.startswith(folder) for folder in folders)
