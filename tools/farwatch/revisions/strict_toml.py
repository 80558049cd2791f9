# SPDX-License-Identifier: GPL-2.0-or-later
"""TOML files read strictly: an unknown key or a wrong type is an error with file, line and expectation."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from farwatch.errors import FarwatchError

Keys = tuple[str | int, ...]
T = TypeVar("T")

_NAMES: dict[type, str] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}
_ASSIGNMENT = re.compile(r"""^\s*(?P<key>[A-Za-z0-9_-]+|"[^"]*"|'[^']*')\s*=""")
_HEADER = re.compile(r"^\s*(?P<array>\[)?\[(?P<name>[^\[\]]+)\]")


@dataclass(frozen=True)
class TomlDocument:
    """A TOML file, its text kept so that messages can point at a line."""

    path: Path
    text: str
    data: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> TomlDocument:
        """Read and parse `path`; FarwatchError when it is missing, not UTF-8 or not TOML."""
        try:
            text = path.read_text(encoding="utf-8")
            return cls(path, text, tomllib.loads(text))
        except OSError as error:
            raise FarwatchError(f"cannot read {path}", cause=str(error.strerror)) from error
        except UnicodeDecodeError as error:
            raise FarwatchError(f"{path}: not UTF-8 text", cause=str(error)) from error
        except tomllib.TOMLDecodeError as error:
            raise _broken(path, text, str(error)) from error

    def line_of(self, keys: Keys) -> int:
        """Line (from 1) where the table or key is, or that of the nearest enclosing one; 0 when unknown."""
        known = dict(_keys_by_line(self.text))
        for length in range(len(keys), 0, -1):
            if keys[:length] in known:
                return known[keys[:length]]
        return 0

    def table(self) -> TomlTable:
        """The whole file as its outermost table."""
        return TomlTable(self, (), self.data)

    def error(self, keys: Keys, what: str, *, cause: str = "", hint: str = "") -> FarwatchError:
        """The error about one key: "file:line: what"."""
        line = self.line_of(keys)
        place = f"{self.path}:{line}" if line else str(self.path)
        return FarwatchError(f"{place}: {what}", cause=cause, hint=hint or f"correct {place}")


@dataclass(frozen=True)
class TomlTable:
    """One table of a document. Every reader names a key, checks its type, and says where a wrong one is."""

    document: TomlDocument
    keys: Keys
    values: dict[str, Any]
    _missing: object = field(default=object(), repr=False)

    def names(self) -> list[str]:
        return list(self.values)

    def error(self, key: str, what: str, *, cause: str = "", hint: str = "") -> FarwatchError:
        return self.document.error((*self.keys, key), what, cause=cause, hint=hint)

    def only(self, known: Sequence[str]) -> None:
        """Refuse every key that is not in `known`."""
        for key in self.values:
            if key in known:
                continue
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            cause = f"did you mean '{near[0]}'?" if near else f"expected one of: {', '.join(known)}"
            raise self.error(key, f"unknown key '{key}'{self._inside()}", cause=cause)

    def text(self, key: str, default: str | None = None) -> str:
        """A non-empty string; an error when it is missing and there is no default."""
        value = self._typed(key, str, default)
        if key in self.values and not value.strip():
            raise self.error(key, f"'{key}' is empty", cause="expected a string that is not empty")
        return value

    def integer(self, key: str, default: int | None = None) -> int:
        return self._typed(key, int, default)

    def flag(self, key: str) -> bool:
        """true or false; false when it is missing."""
        return self._typed(key, bool, False)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of at least one string."""
        value = self._typed(key, list, None)
        if not value or not all(isinstance(item, str) and item for item in value):
            raise self.error(key, f"'{key}' is wrong", cause="expected a list of strings, at least one")
        return tuple(value)

    def table(self, key: str) -> TomlTable:
        """The table of that name."""
        return TomlTable(self.document, (*self.keys, key), self._typed(key, dict, None))

    def tables(self, key: str) -> list[TomlTable]:
        """The entries of an array of tables ([[key]]); none when it is missing."""
        value = self._typed(key, list, [])
        if not all(isinstance(item, dict) for item in value):
            raise self.error(key, f"'{key}' is wrong", cause=f"expected tables, each headed [[{key}]]")
        return [TomlTable(self.document, (*self.keys, key, place), item) for place, item in enumerate(value)]

    def choice(self, key: str, known: Sequence[str], default: str | None = None) -> str:
        """A string out of `known`."""
        value = self.text(key, default)
        if value not in known:
            near = difflib.get_close_matches(value, known, n=1, cutoff=0.5)
            cause = f"expected one of: {', '.join(known)}" + (f"; did you mean '{near[0]}'?" if near else "")
            raise self.error(key, f"{key} = '{value}' is unknown", cause=cause)
        return value

    def match(self, key: str, pattern: str, expected: str) -> str:
        """A string that fits `pattern` as a whole."""
        value = self.text(key)
        if re.fullmatch(pattern, value) is None:
            raise self.error(key, f"{key} = '{value}' is wrong", cause=f"expected {expected}")
        return value

    def _typed(self, key: str, kind: type[T], default: T | None) -> T:
        if key not in self.values:
            if default is not None:
                return default
            expected = f"expected {key} = {_NAMES[kind]}"
            raise self.error(key, f"'{key}' is missing{self._inside()}", cause=expected)
        value = self.values[key]
        # bool is an int for Python, but `order = true` is a mistake
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            found = _NAMES.get(type(value), type(value).__name__)
            cause = f"expected {_NAMES[kind]}, found {found}"
            raise self.error(key, f"'{key}' is of the wrong type", cause=cause)
        return value

    def _inside(self) -> str:
        return f" in [{'.'.join(str(key) for key in self.keys)}]" if self.keys else ""


def _broken(path: Path, text: str, message: str) -> FarwatchError:
    """The error for text that is no TOML; tomllib's message ends with "(at line L, column C)"."""
    place = re.search(r"\(at line (\d+), column \d+\)", message)
    line = int(place[1]) if place else len(text.splitlines())
    shown = text.splitlines()[line - 1].strip() if 0 < line <= len(text.splitlines()) else ""
    cause = message if not shown else f"{message}\nthe line is: {shown}"
    expected = 'expected lines such as: [table], key = "text", key = 7, key = ["text", "text"]'
    hint = f"correct {path}:{line}"
    return FarwatchError(f"{path}:{line}: not valid TOML", cause=f"{cause}\n{expected}", hint=hint)


def _keys_by_line(text: str) -> Iterator[tuple[Keys, int]]:
    """Where each table and key of a valid document starts. Keys inside inline tables are not found."""
    table: Keys = ()
    entries: dict[str, int] = {}
    inside_text = False
    for number, line in enumerate(text.splitlines(), start=1):
        starts_inside = inside_text
        inside_text ^= (line.count('"""') + line.count("'''")) % 2 == 1
        if starts_inside:
            continue
        if header := _HEADER.match(line):
            table = _header_keys(header, entries)
            yield table, number
        elif assignment := _ASSIGNMENT.match(line):
            yield (*table, assignment["key"].strip("\"'")), number


def _header_keys(header: re.Match[str], entries: dict[str, int]) -> Keys:
    names = tuple(part.strip("\"'") for part in re.findall(r'"[^"]*"|\'[^\']*\'|[^.\s]+', header["name"]))
    if not header["array"]:
        return names
    place = entries.get(header["name"], 0)
    entries[header["name"]] = place + 1
    return (*names, place)
