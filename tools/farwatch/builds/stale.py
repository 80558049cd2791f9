# SPDX-License-Identifier: GPL-2.0-or-later
"""Which objects make would compile anew, by what each was made from as kbuild has noted it (.NAME.o.cmd)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_ENDS = (b"", b")")
"""A name may be the last thing in the brackets of one of make's functions."""


class Made:
    """The objects of a folder, and which files each was made from.

    sources: what make calls the source folder
    """

    def __init__(self, objects: Path, sources: str) -> None:
        self._objects = objects
        self._sources = sources
        self._records = tuple(_records(objects))

    def __len__(self) -> int:
        return len(self._records)

    def made_from(self, changed: Iterable[str]) -> frozenset[str]:
        """The objects that were made from one of these files, below their folder: "fs/fuse/dir.o"."""
        words = [os.fsencode(f"{self._sources}/{name}") for name in changed]
        wanted = frozenset(word + end for word in words for end in _ENDS)
        return frozenset(self._object(record) for record in self._records if _has(record, wanted))

    def _object(self, record: Path) -> str:
        name = record.name.removeprefix(".").removesuffix(".cmd")
        return str(record.with_name(name).relative_to(self._objects))


def _records(objects: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(objects):
        folders[:] = [name for name in folders if not Path(folder, name).is_symlink()]
        yield from (Path(folder, name) for name in names if name.startswith(".") and name.endswith(".o.cmd"))


def _has(record: Path, words: frozenset[bytes]) -> bool:
    with suppress(OSError):
        return not words.isdisjoint(record.read_bytes().split())
    return False
