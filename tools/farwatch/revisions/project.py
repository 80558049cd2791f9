# SPDX-License-Identifier: GPL-2.0-or-later
"""Which project a command is about: a folder with patches/bases.toml.

That is the one that --project names, or the one that the current folder is in, or, in a checkout of farwatch
and from anywhere else, the checkout's own.
"""

from __future__ import annotations

import re
from pathlib import Path

from farwatch.errors import FarwatchError, nearest
from farwatch.model import hash_of
from farwatch.revisions.catalog import BASES_FILE
from farwatch.system.home import NOTE, Home, checkout_root, installed

PATCHES = "patches"


def project_folder(named: str | None, home: Home) -> Path:
    """The folder of the project. FarwatchError where there is none.

    named: of --project
    """
    if named is not None:
        return _named(Path(named))
    found = _around(_current()) or _of_checkout(_current(), home)
    if found is None and not installed():
        found = checkout_root()
    if found is None:
        raise FarwatchError(
            "there is no project here",
            cause=f"neither the current folder nor one that it is in has {PATCHES}/{BASES_FILE}",
            hint="cd into a project, name one with --project DIR, or make one: farwatch init DIR",
        )
    return found


def is_project(folder: Path) -> bool:
    return (folder / PATCHES / BASES_FILE).is_file()


def home_of(folder: Path, home: Home) -> Home:
    """The home as the project in `folder` has it: verdicts, logs, checkouts and mails are its own.

    By its path: a copy of a project is another one.
    """
    if folder.resolve() == checkout_root():
        return home
    name = re.sub(r"[^A-Za-z0-9_]+", "-", folder.name).strip("-")[:32] or "project"
    own = Home(home.root, f"{name}-{hash_of(str(folder.resolve()))[:8]}")
    note, text = own.own / NOTE, f"{folder.resolve()}\n"
    if not note.is_file() or note.read_text(encoding="utf-8") != text:
        note.write_text(text, encoding="utf-8")
    return own


def _current() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:  # it was removed
        return None


def _around(folder: Path | None) -> Path | None:
    """The innermost project that a folder is in."""
    return next((path for path in (folder, *folder.parents) if is_project(path)), None) if folder else None


def _of_checkout(folder: Path | None, home: Home) -> Path | None:
    """The project whose checkout (Home.work) a folder is in."""
    projects = home.root / "projects"
    if folder is None or not folder.is_relative_to(projects) or folder == projects:
        return None
    found = Home(home.root, folder.relative_to(projects).parts[0]).folder
    return found if found and is_project(found) else None


def _named(path: Path) -> Path:
    try:
        folder = path.expanduser().resolve()
    except RuntimeError as error:  # ~nobody
        raise FarwatchError(f"--project {path}: no such folder", cause=str(error)) from error
    if is_project(folder):
        return folder
    around = _around(folder)
    if around is not None and folder.exists():
        raise FarwatchError(f"--project {path} is inside a project", hint=f"--project {around}")
    raise FarwatchError(f"--project {path} is no project", cause=_lack(folder), hint=f"farwatch init {path}")


def _lack(folder: Path) -> str:
    if folder.is_dir():
        return f"it has no {PATCHES}/{BASES_FILE}"
    what = "it is a file" if folder.exists() else "there is no such folder"
    names = [entry.name for entry in folder.parent.iterdir()] if folder.parent.is_dir() else []
    near = nearest(folder.name, names)
    return f"{what}; did you mean '{folder.parent / near}'?" if near and not folder.exists() else what
