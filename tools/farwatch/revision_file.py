# SPDX-License-Identifier: GPL-2.0-or-later
"""Small changes to a revision.toml that leave everything else in it, comments too, as it is."""

from __future__ import annotations

import copy
import re
import tomllib
from pathlib import Path
from typing import Any

from farwatch.errors import FarwatchError
from farwatch.strict_toml import Document

_BASES = re.compile(r"^[ \t]*\[[ \t]*bases[ \t]*\][ \t]*(?:#.*)?$", re.MULTILINE)


def set_base(path: Path, component: str, name: str) -> None:
    """Record in `path` that the series of a component is for the base of that name."""
    document = Document.read(path)
    if document.data.get("bases", {}).get(component) == name:
        return
    wanted = copy.deepcopy(document.data)
    wanted.setdefault("bases", {})[component] = name
    line = document.line_of(("bases", component)) if component in document.data.get("bases", {}) else 0
    text = _with_line(document.text, line, component, f'{component} = "{name}"')
    _write(path, text, wanted)


def set_texts(path: Path, changes: dict[str, str | None]) -> None:
    """Set strings of the outermost table; None takes a key away."""
    document = Document.read(path)
    lines = document.text.split("\n")
    for key, value in changes.items():
        place = document.line_of((key,))
        if place:
            lines[place - 1] = None if value is None else f"{key} = {_quoted(value)}"  # type: ignore[call-overload]
        elif value is not None:
            lines.insert(_first_line(lines), f"{key} = {_quoted(value)}")
    wanted = {**document.data, **changes}
    text = "\n".join(line for line in lines if line is not None)
    _write(path, text, {key: value for key, value in wanted.items() if value is not None})


def _with_line(text: str, line: int, component: str, new: str) -> str:
    if line:
        lines = text.split("\n")
        old = re.compile(rf'^(\s*)"?{re.escape(component)}"?\s*=\s*("[^"]*"|\'[^\']*\')')
        lines[line - 1] = old.sub(lambda match: match[1] + new, lines[line - 1])
        return "\n".join(lines)
    header = _BASES.search(text)
    return f"{text[: header.end()]}\n{new}{text[header.end() :]}" if header else text


def _first_line(lines: list[str]) -> int:
    """Where the first key is: below the comments at the top."""
    return next((place for place, line in enumerate(lines) if line and not line.startswith("#")), len(lines))


def _quoted(value: str) -> str:
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
