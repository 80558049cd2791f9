# SPDX-License-Identifier: GPL-2.0-or-later
"""names.py: a name in full or in short finds its cell, or says why not."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwatch.errors import FarwatchError
from farwatch.model import Column, TestCase
from farwatch.results.names import case_of, cell_name, parse_cell

UML = Column("v1", "7.3")
VNG = Column("v1", "7.3", "vng")
OLD = Column("v1", "6.12")
V2 = Column("v2", "7.3")
CREATE = "inotify:events.remote.create"
LOCAL = "inotify:events.local.create"
MARK = "fanotify:marks.create_mark"
KNOWN = [(column, test) for column in (UML, VNG, OLD, V2) for test in (CREATE, LOCAL, MARK)]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        (f"v1/7.3/uml/plain/{CREATE}", (UML, CREATE)),
        (f"v1/6.12/{CREATE}", (OLD, CREATE)),
        (f"vng/{LOCAL}", (VNG, LOCAL)),
        (f"v2/{CREATE}", (V2, CREATE)),
        ("v2/remote.create", (V2, CREATE)),
        ("v2/create_mark", (V2, MARK)),
        ("v2/events.local.create", (V2, LOCAL)),
        ("v2/*local*", (V2, LOCAL)),
    ],
)
def test_a_name_in_full_or_in_short(text: str, cell: tuple[Column, str]) -> None:
    assert parse_cell(text, KNOWN) == cell


@pytest.mark.parametrize(
    ("text", "listed"),
    [("v2/create", 2), (CREATE, 4), (f"v1/{CREATE}", 3), ("v1/7.3/create_mark", 2), ("*", 8)],
)
def test_a_name_that_fits_several_lists_them(text: str, listed: int) -> None:
    with pytest.raises(FarwatchError) as caught:
        parse_cell(text, KNOWN)
    assert "cells" in caught.value.what
    assert caught.value.cause.count("/plain/") == listed


@pytest.mark.parametrize(
    ("text", "near"),
    [
        (f"v3/{CREATE}", "v3"),
        ("v2/remote.creat", "creat"),
        ("v2/reate_mark", "reate_mark"),
        ("v2/", ""),
        ("", ""),
        ("7.3/v1/remote.create", ""),
    ],
)
def test_a_name_that_fits_nothing_is_an_error(text: str, near: str) -> None:
    with pytest.raises(FarwatchError, match="unknown") as caught:
        parse_cell(text, KNOWN)
    assert near in caught.value.what


@pytest.mark.parametrize("cell", KNOWN)
def test_every_full_name_is_its_own_inverse(cell: tuple[Column, str]) -> None:
    assert parse_cell(cell_name(*cell), KNOWN) == cell


@given(st.text())
def test_any_text_gives_a_cell_or_an_error(text: str) -> None:
    with contextlib.suppress(FarwatchError):
        assert parse_cell(text, KNOWN) in KNOWN


@given(st.builds(TestCase, *[st.from_regex(r"[a-z_]{1,6}", fullmatch=True)] * 4))
def test_the_parts_of_a_name(case: TestCase) -> None:
    assert case_of(case.name) == case


def test_the_parts_of_an_incomplete_name() -> None:
    assert case_of("p:f.t") == TestCase("p", "f", "", "t")
    assert case_of("alone") == TestCase("", "", "", "alone")
    assert case_of("p:alone") == TestCase("p", "", "", "alone")


BACK = Column("v2", "7.3", share_setting="writeback")
ALWAYS = Column("v3", "7.3", share_setting="cache-always")
SET = [*KNOWN, (BACK, CREATE), (BACK, "inotify:more"), (ALWAYS, CREATE)]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        (f"v2/7.3/uml/plain/{CREATE}", (V2, CREATE)),
        (f"v2/{CREATE}", (V2, CREATE)),
        (f"v2/7.3/uml/plain/writeback/{CREATE}", (BACK, CREATE)),
        ("writeback/remote.create", (BACK, CREATE)),
        ("v3/remote.create", (ALWAYS, CREATE)),
    ],
)
def test_a_share_setting_has_a_name_unless_it_is_the_default(text: str, cell: tuple[Column, str]) -> None:
    assert parse_cell(text, SET) == cell
    assert parse_cell(cell_name(*cell), SET) == cell


def test_a_setting_that_was_not_run_is_named_in_the_error() -> None:
    with pytest.raises(FarwatchError, match="unknown column 'v2/default'"):
        parse_cell(f"v2/default/{CREATE}", SET)


SELFTEST = "kselftest:filesystems/openat2/resolve_test"
SUITES = [(UML, SELFTEST), (V2, SELFTEST), (UML, f"{SELFTEST}.a: b/c"), *KNOWN]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        (f"v1/7.3/uml/plain/{SELFTEST}", (UML, SELFTEST)),
        (f"v2/{SELFTEST}", (V2, SELFTEST)),
        ("v2/openat2/resolve_test", (V2, SELFTEST)),
        ("v2/resolve_test", (V2, SELFTEST)),
        (f"v1/{SELFTEST}.a: b/c", (UML, f"{SELFTEST}.a: b/c")),
        (f"v2/{CREATE}", (V2, CREATE)),
    ],
)
def test_a_test_of_a_suite_has_slashes_and_colons(text: str, cell: tuple[Column, str]) -> None:
    assert parse_cell(text, SUITES) == cell


def test_the_program_of_a_test_is_what_stands_before_the_first_colon() -> None:
    case = case_of(f"{SELFTEST}.group.a: b")
    assert (case.program, case.fixture, case.variant, case.test) == (
        "kselftest",
        "filesystems/openat2/resolve_test",
        "group",
        "a: b",
    )
    assert case.name == f"{SELFTEST}.group.a: b"
