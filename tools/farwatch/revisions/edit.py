# SPDX-License-Identifier: GPL-2.0-or-later
"""Small changes to a revision.toml that leave everything else in it, comments too, as it is."""

from __future__ import annotations

import copy
import re
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from farwatch.errors import FarwatchError
from farwatch.model import Adoption
from farwatch.revisions.strict_toml import TomlDocument

_BASES = re.compile(r"^[ \t]*\[[ \t]*bases[ \t]*\][ \t]*(?:#.*)?$", re.MULTILINE)


def set_base(path: Path, component: str, name: str) -> None:
    """Record in `path` that the series of a component is for the base of that name."""
    document = TomlDocument.read(path)
    if document.data.get("bases", {}).get(component) == name:
        return
    wanted = copy.deepcopy(document.data)
    wanted.setdefault("bases", {})[component] = name
    line = document.line_of(("bases", component)) if component in document.data.get("bases", {}) else 0
    text = _with_line(document.text, line, component, f'{component} = "{name}"')
    _write(path, text, wanted)


def set_title(path: Path, title: str) -> None:
    """Replace the title."""
    document = TomlDocument.read(path)
    lines = document.text.split("\n")
    lines[document.line_of(("title",)) - 1] = f"title = {quoted(title)}"
    _write(path, "\n".join(lines), {**document.data, "title": title})


def set_adopted(path: Path, adoption: Adoption) -> None:
    """Record who took the series over; there must be no such record yet."""
    document = TomlDocument.read(path)
    entry = asdict(adoption)
    lines = [f"{key} = {quoted(value)}" for key, value in entry.items()]
    text = document.text.rstrip("\n") + "\n\n" + "\n".join(["[adopted]", *lines]) + "\n"
    _write(path, text, {**document.data, "adopted": entry})


def without(path: Path, key: str) -> None:
    """Take a key, or a table with all that is in it, away from the outermost table."""
    document = TomlDocument.read(path)
    if key not in document.data:
        return
    lines = document.text.split("\n")
    first = document.line_of((key,)) - 1
    last = first + 1
    if lines[first].lstrip().startswith("["):
        while last < len(lines) and not lines[last].lstrip().startswith("["):
            last += 1
    wanted = {name: value for name, value in document.data.items() if name != key}
    _write(path, "\n".join(lines[:first] + lines[last:]), wanted)


def _with_line(text: str, line: int, component: str, new: str) -> str:
    if line:
        lines = text.split("\n")
        old = re.compile(rf'^(\s*)"?{re.escape(component)}"?\s*=\s*("[^"]*"|\'[^\']*\')')
        lines[line - 1] = old.sub(lambda match: match[1] + new, lines[line - 1])
        return "\n".join(lines)
    header = _BASES.search(text)
    return f"{text[: header.end()]}\n{new}{text[header.end() :]}" if header else text


def quoted(value: str) -> str:
    """A one-line string as TOML writes it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _write(path: Path, text: str, wanted: dict[str, Any]) -> None:
    """Write, but only what says exactly what it should."""
    try:
        made = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        made = {}
    if made != wanted:
        difference = {key: value for key, value in wanted.items() if made.get(key) != value}
        raise FarwatchError(
            f"cannot change {path} by itself",
            cause=f"it is written in an unusual way; it should come to say {difference}",
            hint=f'edit {path} by hand: one key a line, [bases] as a table of its own, such as linux = "7.3"',
        )
    path.write_text(text, encoding="utf-8")
