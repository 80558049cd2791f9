# SPDX-License-Identifier: GPL-2.0-or-later
"""-k expressions."""

from __future__ import annotations

import pytest

from farwatch.cells.selection import compile_expression
from farwatch.errors import FarwatchError

NAME = "inotify_test:directory.remote.create"


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        ("create", True),
        ("unlink", False),
        ("create and remote", True),
        ("create and local", False),
        ("unlink or remote", True),
        ("not local", True),
        ("not (local or remote)", False),
        ("unlink or create and local", False),
        ("inotify_test:*.create", True),
        ("dir*remote", True),
        ("dir*local", False),
        (NAME, True),
    ],
)
def test_expression(expression: str, matches: bool) -> None:
    assert compile_expression(expression)(NAME) is matches


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("", "missing at the end"),
        ("create and", "missing at the end"),
        ("or create", "missing before 'or'"),
        ("(create", "')' is missing"),
        ("create)", "one too many"),
        ("create remote", "one too many"),
    ],
)
def test_a_malformed_expression_is_explained(expression: str, says: str) -> None:
    with pytest.raises(FarwatchError) as caught:
        compile_expression(expression)
    assert says in caught.value.cause
