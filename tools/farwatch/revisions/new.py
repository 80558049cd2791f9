# SPDX-License-Identifier: GPL-2.0-or-later
"""A new revision, as a copy of one that there is."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.model import Revision
from farwatch.revisions.catalog import DEFAULT_ORDER, NAME, REVISION_FILE, Catalog
from farwatch.revisions.edit import set_title, without
from farwatch.system.atomic import rewritten

# What says something about the old revision only: its mails, who took it over, what it changed.
_STAYS = re.compile(r"(?:sent|adopt)(?:ed|ion)?(?:[._-].*)?|changelog\.txt|\..*|.*(?:~|\.orig|\.rej)")


def new_revision(catalog: Catalog, name: str, origin: Revision, title: str = "") -> Path:
    """A revision with what `origin` holds: patches, resolutions, cover letter, expectations. Its folder.

    FarwatchError when the name is taken or cannot be one. An interruption leaves nothing.
    """
    folder = catalog.patches / name
    if not NAME.fullmatch(name):
        cause = "expected letters, digits and . _ + -, such as v2"
        raise FarwatchError(f"'{name}' cannot be the name of a revision", cause=cause, hint="choose another")
    with rewritten(folder) as new:
        if folder.exists():
            raise FarwatchError(f"{folder} is there already", hint=f"farwatch checkout {name}")
        _copy(origin.folder, new.path)
        without(new.path / REVISION_FILE, "adopted")
        if origin.order < DEFAULT_ORDER:  # those that stand left of all series
            without(new.path / REVISION_FILE, "order")
        if title:
            set_title(new.path / REVISION_FILE, title)
    return folder


def _copy(origin: Path, folder: Path) -> None:
    for path in sorted(origin.iterdir()):
        if not _STAYS.fullmatch(path.name):
            (shutil.copytree if path.is_dir() else shutil.copy)(path, folder / path.name)
