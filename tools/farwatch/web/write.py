# SPDX-License-Identifier: GPL-2.0-or-later
"""A site as a folder: written beside the old one, and put in its place when it is whole.

Its size is bounded: pages of cells are written as long as there is room for them, what matters most first,
and the first page says how many were left out.
"""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.system.atomic import exchange
from farwatch.system.locks import locked_folder
from farwatch.web.site import Site

MARK = ".farwatch-site"
"""File in a folder that is ours to replace."""
ROOM = 64 << 20
"""Bytes for the pages of cells."""


def require_place(folder: Path) -> None:
    """FarwatchError unless a site may be put there: nothing is there, or an empty folder, or a site."""
    place = folder.absolute()
    if not place.parent.is_dir():
        raise FarwatchError(
            f"cannot write {folder}", cause=f"there is no {place.parent}", hint=f"mkdir -p {place.parent}"
        )
    if place.is_dir() and ((place / MARK).is_file() or not any(place.iterdir())):
        return
    if place.exists() or place.is_symlink():
        kind = "holds something else than a site of farwatch" if place.is_dir() else "is no folder"
        raise FarwatchError(
            f"{folder} {kind}",
            cause="it would be replaced as a whole",
            hint="name a folder that does not exist yet",
        )


def write_site(site: Site, folder: Path, room: int = ROOM) -> int:
    """Put the site in place; how many pages it has. FarwatchError: the old one is still there, as it was."""
    require_place(folder)
    place = folder.resolve()  # of a link it is the folder that is replaced
    with _explained(folder), locked_folder(place.parent):
        prefix = f".{place.name}-new-"
        for left in place.parent.glob(f"{glob.escape(prefix)}*"):  # of one that was killed: we hold the lock
            shutil.rmtree(left, ignore_errors=True)
        new = Path(tempfile.mkdtemp(dir=place.parent, prefix=prefix))
        try:
            pages = _fill(site, new, room)
            new.chmod(0o777 & ~_umask())
            _put(new, place)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return pages


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FarwatchError(
            f"cannot write {folder}",
            cause=f"{error.strerror or error}; what was there before is as it was",
            hint="name a folder where you may write, on a disk that has room",
        ) from error


def _fill(site: Site, new: Path, room: int) -> int:
    """The first page is made last: it says what there was room for."""
    (new / MARK).write_text("farwatch replaces this folder as a whole\n", encoding="utf-8")
    left, names = room, site.cell_names
    for number, name in enumerate(names):
        left -= _write(site, new, name)
        if left < 0 and number + 1 < len(names):
            site.without(names[number + 1 :])
            site.remarks.append(
                f"{len(names) - number - 1} more cells have no page here, for want of room: see farwatch show"
            )
            break
    for name in site.other_names:
        _write(site, new, name)
    return len(site.cell_names) + len(site.other_names)


def _write(site: Site, new: Path, name: str) -> int:
    page = site.render(name)
    assert page is not None
    data = page.encode("utf-8", "backslashreplace")
    file = new / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(data)
    return len(data)


def _put(new: Path, place: Path) -> None:
    """An old site ends up where the new one was made, to be removed with that."""
    if place.exists():
        exchange(new, place)
        shutil.rmtree(place.with_name(f"{new.name}.old"), ignore_errors=True)
    else:
        new.rename(place)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
