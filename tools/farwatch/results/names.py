# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of cells: revision/base/engine/flavor/program:fixture.variant.test, written and read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from farwatch.errors import FarwatchError, unknown
from farwatch.model import Column, TestCase


def column_name(column: Column) -> str:
    return f"{column.revision}/{column.base}/{column.engine}/{column.flavor}"


def cell_name(column: Column, test: str) -> str:
    return f"{column_name(column)}/{test}"


def case_of(test: str) -> TestCase:
    """The parts of program:fixture[.variant].test; parts that are not there are empty."""
    program, _, rest = test.rpartition(":")
    fixture, *middle, name = ["", *rest.split(".")] if "." not in rest else rest.split(".")
    return TestCase(program, fixture, ".".join(middle), name)


def parse_cell(text: str, known: Iterable[tuple[Column, str]]) -> tuple[Column, str]:
    """The one known cell that `text` names, in full or in a shorter form that fits only one.

    In full: revision/base/engine/flavor/program:fixture.variant.test. Of the first four any may be left out;
    the test may be its last parts ("remote.create"), or a shell pattern.
    FarwatchError: no cell fits (with near names), or several do (they are listed).
    """
    cells = list(dict.fromkeys(known))
    *parts, test = text.split("/")
    columns = [column for column in dict.fromkeys(column for column, _ in cells) if _fits(parts, column)]
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


def _fits(parts: Sequence[str], column: Column) -> bool:
    """Whether the parts are some of the column's, in its order."""
    rest = iter((column.revision, column.base, column.engine, column.flavor))
    return all(part in rest for part in parts)


def _fitting_tests(test: str, cells: Sequence[tuple[Column, str]]) -> list[tuple[Column, str]]:
    """The cells that the closest way of reading `test` gives: as a name, as its end, as a pattern."""
    if not test:
        return []
    readings = (
        lambda name: name == test,
        lambda name: name.endswith((f":{test}", f".{test}")),
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
