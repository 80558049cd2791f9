# SPDX-License-Identifier: GPL-2.0-or-later
"""Which objects make would compile anew, by what each was made from as kbuild has noted it (.NAME.o.cmd)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path


class Made:
    """The objects of a folder, and the sources of each.

    sources: what make calls the source folder
    """

    def __init__(self, objects: Path, sources: str) -> None:
        prefix = f"{sources}/".encode()
        self._from = [_sources(record, prefix) for record in _records(objects)]

    def __len__(self) -> int:
        return len(self._from)

    def stale(self, changed: Iterable[str]) -> int:
        """How many were made from one of these files."""
        names = {os.fsencode(name) for name in changed}
        return sum(not names.isdisjoint(sources) for sources in self._from)


def _records(objects: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(objects):
        folders[:] = [name for name in folders if not Path(folder, name).is_symlink()]
        yield from (Path(folder, name) for name in names if name.startswith(".") and name.endswith(".o.cmd"))


def _sources(record: Path, prefix: bytes) -> frozenset[bytes]:
    """Words that begin with the prefix; those of make's functions have a bracket at their end."""
    with suppress(OSError):
        words = record.read_bytes().split()
        return frozenset(word[len(prefix) :].rstrip(b")") for word in words if word.startswith(prefix))
    return frozenset()
