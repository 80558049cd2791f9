# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of cells: revision/base/engine/flavor[/share setting]/program:fixture.variant.test, written and read.

The default share setting has no name there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from farwatch.errors import FarwatchError, unknown
from farwatch.model import DEFAULT_SHARE, Column, TestCase


def column_name(column: Column) -> str:
    return "/".join(_parts(column))


def _parts(column: Column) -> tuple[str, ...]:
    named = (column.share_setting,) if column.share_setting != DEFAULT_SHARE.name else ()
    return (column.revision, column.base, column.engine, column.flavor, *named)


def cell_name(column: Column, test: str) -> str:
    return f"{column_name(column)}/{test}"


def case_of(test: str) -> TestCase:
    """The parts of program:fixture[.variant].test; parts that are not there are empty."""
    program, _, rest = test.partition(":") if ":" in test else ("", "", test)
    fixture, *middle, name = ["", *rest.split(".")] if "." not in rest else rest.split(".")
    return TestCase(program, fixture, ".".join(middle), name)


def parse_cell(text: str, known: Iterable[tuple[Column, str]]) -> tuple[Column, str]:
    """The one known cell that `text` names, in full or in a shorter form that fits only one.

    In full: revision/base/engine/flavor/program:fixture.variant.test, with a share setting behind the flavor
    if it is not the default one. Any part before the test may be left out; without a share setting the
    default one is meant, if that was run. The test may be its last parts ("remote.create"), or a pattern.
    FarwatchError: no cell fits (with near names), or several do (they are listed).
    """
    cells = list(dict.fromkeys(known))
    *parts, test = _split(text, cells)
    columns = _fitting_columns(parts, dict.fromkeys(column for column, _ in cells))
    if not columns:
        names = (column_name(column) for column in dict.fromkeys(column for column, _ in cells))
        raise unknown("column", "/".join(parts), names, "./farwatch table shows what was run")
    within = [(column, name) for column, name in cells if column in set(columns)]
    fitting = _fitting_tests(test, within)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise _ambiguous(text, fitting)
    raise unknown(
        "test", test, dict.fromkeys(name for _, name in within), "./farwatch table --all lists them"
    )


def _split(text: str, cells: Sequence[tuple[Column, str]]) -> list[str]:
    """Parts of a column, and a test, which may have slashes in it itself: those of suites do."""
    parts = text.split("/")
    tests = {test for _, test in cells}
    for place in range(len(parts) - 1):
        whole = "/".join(parts[place:])
        if whole in tests or any(test.endswith((f":{whole}", f"/{whole}")) for test in tests):
            return [*parts[:place], whole]
    return parts


def _fitting_columns(parts: Sequence[str], columns: Iterable[Column]) -> list[Column]:
    """The columns that the parts may mean: of those that differ in nothing else the one of the default."""
    fitting = [column for column in columns if _fits(parts, column)]
    usual = {column for column in fitting if column.share_setting == DEFAULT_SHARE.name}
    return [
        column
        for column in fitting
        if column in usual or replace(column, share_setting=DEFAULT_SHARE.name) not in usual
    ]


def _fits(parts: Sequence[str], column: Column) -> bool:
    """Whether the parts are some of the column's, in its order."""
    rest = iter(_parts(column))
    return all(part in rest for part in parts)


def _fitting_tests(test: str, cells: Sequence[tuple[Column, str]]) -> list[tuple[Column, str]]:
    """The cells that the closest way of reading `test` gives: as a name, as its end, as a pattern."""
    if not test:
        return []
    readings = (
        lambda name: name == test,
        lambda name: name.endswith((f":{test}", f".{test}", f"/{test}")),
        lambda name: fnmatchcase(name, test),
    )
    for reading in readings:
        if fitting := [cell for cell in cells if reading(cell[1])]:
            return fitting
    return []


def _ambiguous(text: str, cells: Sequence[tuple[Column, str]]) -> FarwatchError:
    names = [cell_name(column, test) for column, test in cells]
    more = [f"... and {len(names) - 8} more"] if len(names) > 8 else []
    return FarwatchError(
        f"'{text}' names {len(names)} cells",
        cause="\n".join([*names[:8], *more]),
        hint="name one of them, or leave fewer parts out",
    )
