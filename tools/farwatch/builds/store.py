# SPDX-License-Identifier: GPL-2.0-or-later
"""Home.builds: finished builds by the hash of their inputs, each whole or not there at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from farwatch.system.home import Home

RECORD = "done.json"
LOG = "build.log"


@dataclass(frozen=True)
class KeptBuild:
    """A finished build: its folder and what was recorded with it."""

    key: str
    """Hash of its inputs."""
    folder: Path
    record: Mapping[str, object]

    @property
    def seconds(self) -> float:
        """That its making took, whenever that was, if it was recorded."""
        return float(str(self.record["seconds"]))

    @property
    def steps(self) -> int:
        """What was compiled for it; 0 if nobody has counted."""
        return int(str(self.record.get("steps", 0)))

    @property
    def expected(self) -> float:
        """Seconds that were expected before it began; 0 if nothing was."""
        return float(str(self.record.get("expected", 0)))

    @property
    def label(self) -> str:
        """What was built, for messages."""
        return str(self.record.get("label", self.folder.name))

    @property
    def log(self) -> Path:
        """What the tools said that made it."""
        return self.folder / LOG


class Product(KeptBuild):
    """A build that others run or boot. Each kind says what is in its folder."""

    KIND: ClassVar[str]


P = TypeVar("P", bound=Product)


def folder_of(home: Home, kind: str, key: str) -> Path:
    """builds/<kind>-<key>"""
    return home.builds / f"{kind}-{key}"


def find(home: Home, kind: str, key: str) -> KeptBuild | None:
    """The build of that key, if there is one; its record's time of change says when it was last used."""
    folder = folder_of(home, kind, key)
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    with suppress(OSError):
        os.utime(path)
    return KeptBuild(key, folder, record)


def find_product(home: Home, kind: type[P], key: str) -> P | None:
    """The same, as what it is."""
    kept = find(home, kind.KIND, key)
    return kind(kept.key, kept.folder, kept.record) if kept else None


@contextmanager
def fresh(home: Home, kind: str, key: str, record: Mapping[str, object]) -> Iterator[Path]:
    """A folder to fill; it becomes the build of that key when the block ends well, else it goes away."""
    temporary = Path(tempfile.mkdtemp(prefix=f".{kind}-", dir=home.builds))
    try:
        temporary.chmod(0o755)
        yield temporary
        (temporary / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        _move_into_place(temporary, folder_of(home, kind, key))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def made_since(home: Home, kinds: Iterable[type[Product]], began: float) -> list[Product]:
    """The products that were put in place since `began`, a Unix time; a folder does not change afterwards."""
    wanted = {kind.KIND: kind for kind in kinds}
    found = []
    for folder in home.builds.iterdir():
        name, _, key = folder.name.rpartition("-")
        if name in wanted and folder.stat().st_mtime >= began:
            found.append(find_product(home, wanted[name], key))
    return list(filter(None, found))


def kept(home: Home, kind: type[P]) -> list[P]:
    """All products of a kind, oldest first; to look at them is no use of them."""
    found = []
    for folder in home.builds.glob(f"{kind.KIND}-*"):
        with suppress(OSError, ValueError):
            record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            name, _, key = folder.name.rpartition("-")
            if name == kind.KIND:  # the pattern fits those of kind kernel-tools, too
                found.append((folder.stat().st_mtime, kind(key, folder, record)))
    return [product for _made, product in sorted(found, key=lambda entry: entry[0])]


def keep_product(
    home: Home, kind: type[P], key: str, record: Mapping[str, object], files: Mapping[str, Path]
) -> P:
    """Copy what was built. files: name in the build's folder -> where it is now."""
    with fresh(home, kind.KIND, key, record) as folder:
        for name, path in files.items():
            shutil.copy2(path, folder / name)
    done = find_product(home, kind, key)
    assert done is not None
    return done


def _move_into_place(temporary: Path, final: Path) -> None:
    """Another run may have put the same build there meanwhile: then theirs stays."""
    if final.exists() and not (final / RECORD).exists():
        shutil.rmtree(final)
    try:
        temporary.rename(final)
    except OSError:
        if not (final / RECORD).exists():
            raise
