# SPDX-License-Identifier: GPL-2.0-or-later
"""Folders of patches/ changed all at once: a reader, or a crash, sees the old files or the new ones."""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.system.locks import Busy, locked_folder

_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


@dataclass
class Rewrite:
    """A folder that is being changed."""

    path: Path
    """The copy to change."""
    changed: bool = False
    """Known at the end: whether there was anything to put in place."""


@contextmanager
def rewritten(folder: Path, busy: Busy | None = None) -> Iterator[Rewrite]:
    """A copy of `folder` that takes its place at the end of the with block; an exception leaves the old one.

    One at a time for all folders of the same parent, whoever asks; `busy` is called once if it has to wait.
    If only one entry of the folder differs, only that is replaced.
    """
    with locked_folder(folder.parent, busy):
        prefix = f".{folder.name}-new-"
        for left in folder.parent.glob(f"{prefix}*"):  # of one that was killed: we hold the lock
            shutil.rmtree(left, ignore_errors=True)
        with _beside(folder, prefix) as name:
            rewrite = Rewrite(Path(name) / folder.name)
            if folder.is_dir():
                shutil.copytree(folder, rewrite.path, symlinks=True)
            else:
                rewrite.path.mkdir()
            yield rewrite
            rewrite.changed = _put(rewrite.path, folder)


def _beside(folder: Path, prefix: str) -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(dir=folder.parent, prefix=prefix, ignore_cleanup_errors=True)
    except OSError as error:
        raise FarwatchError(
            f"cannot write in {folder.parent}",
            cause=str(error),
            hint="what only reads the project works; for this, copy it to where you may write",
        ) from error


def _put(new: Path, old: Path) -> bool:
    """Let `new` take the place of `old`; False when they are the same."""
    if not old.exists():
        new.rename(old)
        return True
    names = sorted({path.name for folder in (new, old) for path in folder.iterdir()})
    different = [name for name in names if not _same(new / name, old / name)]
    if not different:
        return False
    if len(different) > 1:
        exchange(new, old)
        return True
    one, other = new / different[0], old / different[0]
    if one.is_dir() and other.is_dir():
        exchange(one, other)
    elif one.is_dir() or other.is_dir() or not one.exists():
        exchange(new, old)
    else:
        one.replace(other)
    return True


def _same(one: Path, other: Path) -> bool:
    """Whether two files, or two folders with all that is in them, hold the same."""
    if one.is_symlink() or other.is_symlink():
        return one.is_symlink() and other.is_symlink() and one.readlink() == other.readlink()
    if one.is_dir() and other.is_dir():
        names = {path.name for path in one.iterdir()}
        return names == {path.name for path in other.iterdir()} and all(
            _same(one / name, other / name) for name in names
        )
    return one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes()


def exchange(one: Path, other: Path) -> None:
    """Swap two folders in one step; in two where the file system cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    names = (os.fsencode(one), os.fsencode(other))
    if libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return
    aside = one.with_name(f"{one.name}.old")
    other.rename(aside)
    one.rename(other)


def write_whole(file: Path, text: str) -> None:
    """Whole or not at all; a device or a pipe (--json /dev/stdout) is written to as it is."""
    plain = file.is_file() or not file.exists()
    target = file.with_name(f".{file.name}.{os.getpid()}") if plain else file
    try:
        target.write_text(text, encoding="utf-8")
        if plain:
            target.replace(file)
    except OSError as error:
        if plain:
            target.unlink(missing_ok=True)
        raise FarwatchError(
            f"cannot write {file}",
            cause=error.strerror or str(error),
            hint="name a file in a folder that exists",
        ) from error
