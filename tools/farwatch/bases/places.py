# SPDX-License-Identifier: GPL-2.0-or-later
"""Other places of a base's content, as bases.toml names them: paths and URLs. None of them is trusted.

A place holds the very file that the base's sha256 is of; for a base of kind deb it may also be the package
with that file in it.
"""

from __future__ import annotations

import http.client
import shutil
from pathlib import Path

from farwatch.bases.archive import disk_full
from farwatch.bases.debian import tarball_inside
from farwatch.errors import FarwatchError
from farwatch.model import Base

_CHUNK = 1 << 20
_PACKAGE = b"!<arch>\n"
"""How a .deb starts: an ar archive."""


def bring(base: Base, place: str, folder: Path) -> Path:
    """The tarball that a place has, copied into `folder`. Not verified against the pin yet."""
    target = folder / "copy"
    if "://" in place:
        download(place, target, what="it cannot be downloaded")
    else:
        _copy(Path(place), target)
    with target.open("rb") as handle:
        packed = base.kind == "deb" and handle.read(len(_PACKAGE)) == _PACKAGE
    return tarball_inside(target, folder) if packed else target


def download(url: str, target: Path, *, what: str, hint: str = "") -> None:
    """Copy what is at a URL; FarwatchError(what) with the reason as its cause."""
    import urllib.request  # takes longer to import than most commands run

    try:
        with urllib.request.urlopen(url, timeout=60) as answer, target.open("wb") as sink:
            shutil.copyfileobj(answer, sink, _CHUNK)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, OSError) and disk_full(error):
            raise
        raise FarwatchError(what, cause=str(error), hint=hint) from error


def _copy(source: Path, target: Path) -> None:
    if not source.is_file():
        raise FarwatchError("there is no such file")
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        if disk_full(error):
            raise
        raise FarwatchError("it cannot be read", cause=error.strerror or str(error)) from error
