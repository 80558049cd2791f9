# SPDX-License-Identifier: GPL-2.0-or-later
"""patches/suites.toml, and [suites] of a revision.toml: tests that others have written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast, get_args

from farwatch.model import Suite, SuiteFormat, SuiteKind, SuitePlace
from farwatch.revisions.strict_toml import TomlDocument, TomlTable

SUITES_FILE = "suites.toml"
_NAME = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
_LINE = r'CONFIG_\w+=(y|m|n|"[^"]*"|-?\d+|0[xX][0-9a-fA-F]+)'
_COMMON = ("about", "kind", "limit", "config", "engines", "same", "memory")
_KEYS: dict[str, tuple[str, ...]] = {
    "kselftest": ("targets", "tree"),
    "kunit": ("targets",),
    "program": ("run", "format", "on", "needs", "package"),
}
"""Kind -> the keys that it has beside the common ones."""


def read_suites(patches: Path, engines: Sequence[str] = ()) -> dict[str, Suite]:
    """By name, in the order of the file; there need be none."""
    path = patches / SUITES_FILE
    if not path.exists():
        return {}
    return {suite.name: suite for suite in suites_in(TomlDocument.read(path).table(), patches, engines)}


def suites_in(table: TomlTable, folder: Path, engines: Sequence[str] = ()) -> Iterator[Suite]:
    """Those of a table of suites. folder: what relative paths of programs are counted from."""
    for name in table.names():
        if re.fullmatch(_NAME, name) is None:
            cause = "expected lower case words and digits, joined by -"
            raise table.error(name, f"suite '{name}' has a wrong name", cause=cause)
        yield _suite(table.table(name), name, folder, engines)


def _suite(table: TomlTable, name: str, folder: Path, engines: Sequence[str]) -> Suite:
    kind = cast(SuiteKind, table.choice("kind", get_args(SuiteKind)))
    table.only((*_COMMON, *_KEYS[kind]))
    made: dict[str, Any] = {
        "config": _texts(table, "config", _LINE, "a line of a .config: CONFIG_NAME=y"),
        "engines": _engines(table, engines),
        "same": _patterns(table),
    }
    made.update({key: _number(table, key) for key in ("limit", "memory") if key in table.names()})
    made.update(_READERS[kind](table, folder))
    return Suite(name, " ".join(table.text("about").split()), kind, **made)


def _kselftest(table: TomlTable, folder: Path) -> dict[str, Any]:
    del folder
    tree = table.choice("tree", ("base", "series"), "base")
    return {"targets": table.texts("targets"), "own_tree": tree == "series", "output": "tap"}


def _kunit(table: TomlTable, folder: Path) -> dict[str, Any]:
    del folder
    if not {"targets", "config"} & set(table.names()):
        cause = "expected targets = [folders with a .kunitconfig], or config = [options]"
        raise table.error("kind", "a suite of kind kunit without tests", cause=cause)
    return {"targets": table.texts("targets") if "targets" in table.names() else (), "output": "tap"}


def _program(table: TomlTable, folder: Path) -> dict[str, Any]:
    programs = table.table("run")
    for name in programs.names():
        if re.fullmatch(r"[A-Za-z0-9_+=@,-]+", name) is None:
            cause = "expected letters, digits and _ + = @ , -"
            raise programs.error(name, f"'{name}' cannot be the name of a row", cause=cause)
    if not programs.names():
        raise table.error("run", "'run' is empty", cause='expected NAME = ["PROGRAM", "ARGUMENT", ...]')
    made: dict[str, Any] = {
        "programs": tuple((name, _command(programs.texts(name), folder)) for name in programs.names()),
        "output": table.choice("format", get_args(SuiteFormat), "exit"),
        "needs": _texts(table, "needs", r"network|/\S+|[\w.+-]+", "a program, a /dev/..., or network"),
        "package": table.text("package", ""),
    }
    if "on" in table.names():
        places = get_args(SuitePlace)
        made["places"] = _texts(table, "on", "|".join(places), " or ".join(places))
    return made


_READERS = {"kselftest": _kselftest, "kunit": _kunit, "program": _program}


def _command(words: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """A program named by a relative path is one of the folder's."""
    first = Path(words[0]).expanduser()
    if "/" not in words[0]:
        return words
    return (str(first if first.is_absolute() else (folder / first).resolve()), *words[1:])


def _texts(table: TomlTable, key: str, pattern: str, expected: str) -> tuple[str, ...]:
    texts = table.texts(key) if key in table.names() else ()
    for text in texts:
        if re.fullmatch(pattern, text) is None:
            raise table.error(key, f"{key}: '{text}' is wrong", cause=f"expected {expected}")
    return texts


def _engines(table: TomlTable, known: Sequence[str]) -> tuple[str, ...]:
    return _texts(table, "engines", "|".join(known) or ".+", f"one of: {', '.join(known)}")


def _patterns(table: TomlTable) -> tuple[str, ...]:
    patterns = table.texts("same") if "same" in table.names() else ()
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            cause = f"expected a regular expression: {error}"
            raise table.error("same", f"same: '{pattern}' is wrong", cause=cause) from error
    return patterns


def _number(table: TomlTable, key: str) -> int:
    value = table.integer(key)
    if value < 1:
        raise table.error(key, f"{key} = {value} is wrong", cause="expected 1 or more")
    return value
