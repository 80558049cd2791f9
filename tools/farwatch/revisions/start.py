# SPDX-License-Identifier: GPL-2.0-or-later
"""`farwatch init`: a new project in a folder, or a copy of an example."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from farwatch.errors import FarwatchError, unknown
from farwatch.revisions.catalog import BASES_FILE, FORMAT, NAME
from farwatch.revisions.components import KERNEL
from farwatch.revisions.edit import bases_of
from farwatch.revisions.project import PATCHES, is_project
from farwatch.revisions.strict_toml import TomlDocument
from farwatch.system import git
from farwatch.system.home import checkout_root

Files = dict[Path, bytes]
"""Path in the project -> content."""
EXAMPLES = "examples"
_TEMPLATE = "new-project"
"""Folder in examples/ with the text of a new project, which is no example."""


def examples() -> list[str]:
    """Names of the projects to be copied."""
    folders = (checkout_root() / EXAMPLES).iterdir()
    return sorted(path.name for path in folders if is_project(path))


def example_files(name: str) -> Files:
    """All of an example."""
    if name not in examples():
        raise unknown("example", name, examples())
    folder = checkout_root() / EXAMPLES / name
    return {path.relative_to(folder): path.read_bytes() for path in _files(folder)}


def new_files(linux: str | None) -> Files:
    """Of a project with a series for one kernel.

    linux: the kernel, as --linux names it: "7.3", a git repository or a tarball; None: the usual one
    """
    bases, base = _bases(linux)
    template = checkout_root() / EXAMPLES / _TEMPLATE
    texts = {path.relative_to(template): path.read_text("utf-8") for path in _files(template)}
    made = {path: Template(text).substitute(base=base).encode() for path, text in texts.items()}
    return {**made, Path(PATCHES, BASES_FILE): bases.encode()}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def write_project(folder: Path, files: Mapping[Path, bytes]) -> None:
    """Write it into a folder that may hold other things; FarwatchError, and nothing is made, if it cannot be.

    bases.toml comes last: that makes it a project.
    """
    _require_free(folder, files)
    last = Path(PATCHES, BASES_FILE)
    done: list[Path] = []
    try:
        for path in [*(path for path in files if path != last), last]:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            done.append(folder / path)
            done[-1].write_bytes(files[path])
    except BaseException as error:
        for path in done:
            path.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise FarwatchError(f"cannot make a project in {folder}", cause=str(error)) from error


def _require_free(folder: Path, files: Mapping[Path, bytes]) -> None:
    if folder.exists() and not folder.is_dir():
        raise FarwatchError(f"{folder} is a file", hint="name a folder; it need not exist")
    if is_project(folder):
        raise FarwatchError(f"{folder} is a project already", hint=f"cd {folder}; farwatch list")
    if taken := [str(path) for path in files if (folder / path).exists()]:
        cause = f"it has {', '.join(taken)}, which a project has, too"
        raise FarwatchError(f"cannot make a project in {folder}", cause=cause, hint="name another folder")


# Its kernel


def _bases(linux: str | None) -> tuple[str, str]:
    """The text of bases.toml, and the name of the base that is the default one."""
    document = TomlDocument.read(checkout_root() / PATCHES / BASES_FILE)
    known: dict[str, Any] = document.data[KERNEL]
    name, table = _known_name(linux, known), None
    if not name:
        name, table = _foreign(linux or "", known)
    head, mark, rest = bases_of(document.text, KERNEL, name, table).partition(f"[{KERNEL}]")
    return f"{head}format = {FORMAT}\n\n{mark}{rest}", name


def _known_name(linux: str | None, known: Mapping[str, Any]) -> str:
    """The base of that name; empty if there is none."""
    if linux is None:
        return str(known["default"])
    short = linux.removeprefix(f"{KERNEL}-")
    return short if isinstance(known.get(short), dict) else ""


def _foreign(linux: str, known: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Name and table of a base that is a path of this machine."""
    path = Path(linux).expanduser()
    if path.is_dir():
        return _repository(path.resolve())
    if path.is_file():
        return _tarball(path.resolve())
    names = [name for name in known if name != "default"]
    error = unknown("base or path", linux, names)
    error.hint = "--linux takes one of those, a git repository of the kernel, or a tarball"
    raise error


def _repository(path: Path) -> tuple[str, dict[str, str]]:
    done = git.run("rev-parse", "--verify", "HEAD^{commit}", cwd=path)
    if done.returncode:
        cause = done.stderr.decode("utf-8", "replace").strip().splitlines()
        hint = f"of sources without git: cd {path}; git init; git add -f .; git commit -m Linux"
        raise FarwatchError(f"{path} is no git repository", cause="\n".join(cause[:1]), hint=hint)
    commit = done.stdout.decode().strip()
    makefile = git.run("show", f"{commit}:Makefile", cwd=path).stdout.decode("utf-8", "replace")
    named = dict(re.findall(r"^(VERSION|PATCHLEVEL|EXTRAVERSION) *= *(\S*)$", makefile, re.MULTILINE))
    if not (named.get("VERSION") and named.get("PATCHLEVEL")):
        raise FarwatchError(
            f"{path} is not a kernel's", cause="the Makefile of its HEAD says no VERSION and PATCHLEVEL"
        )
    name = f"{named['VERSION']}.{named['PATCHLEVEL']}{named.get('EXTRAVERSION', '')}"
    return _own_name(name), {"kind": "git", "location": str(path), "commit": commit}


def _tarball(path: Path) -> tuple[str, dict[str, str]]:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FarwatchError(f"cannot read {path}", cause=str(error)) from error
    version = re.search(r"\d+(\.\d+)+(-rc\d+)?", path.name)
    table = {"kind": "tarball", "location": str(path), "sha256": digest}
    return _own_name(version[0] if version else ""), table


def _own_name(version: str) -> str:
    """Not the name of a base that farwatch knows: it is not the same content."""
    name = f"mine-{version}" if version else "mine"
    return name if NAME.fullmatch(name) else "mine"
