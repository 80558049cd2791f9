# SPDX-License-Identifier: GPL-2.0-or-later
"""table_kcidb.py: what KCIDB takes, by its own schema, and no verdict becomes a better one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from kcidb_io.schema import LATEST

from farwatch.model import CellResult, Column, Expectation, Revision, Verdict
from farwatch.reports.table_kcidb import STATUS, path_of, render_kcidb
from farwatch.results.table import Table, build_table
from tests.samples.table import calm, nasty, sample

V1 = Column("v1", "7.3")


def document(table: Table) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(render_kcidb(table))
    return found


@pytest.mark.parametrize("table", [sample, calm, nasty, lambda: build_table([], [], [])])
def test_it_is_what_the_schema_wants(table: Callable[[], Table]) -> None:
    assert LATEST.validate(document(table()))


@pytest.mark.parametrize("table", [sample, nasty])
def test_each_names_what_it_is_of_and_nothing_twice(table: Callable[[], Table]) -> None:
    found = document(table())
    for kind, of, parent in (("builds", "checkout_id", "checkouts"), ("tests", "build_id", "builds")):
        ids = {one["id"] for one in found[parent]}
        assert len(ids) == len(found[parent]) and all(one[of] in ids for one in found[kind])
    assert len({one["id"] for one in found["tests"]}) == len(found["tests"])
    run = sum(cell.result is not None for row in table().rows for cell in row.cells)
    assert len(found["tests"]) == run


def test_only_a_pass_is_a_pass() -> None:
    assert set(STATUS) == set(Verdict)
    assert [verdict for verdict, status in STATUS.items() if status == "PASS"] == [Verdict.PASS]


def test_a_known_failure_is_one_and_says_why(tmp_path: Any) -> None:
    known = Expectation(("p:f.*",), Verdict.FAIL, "the design")
    revision = Revision("v1", "t", tmp_path, "tmpfs", {}, (known,))
    results = [
        CellResult(V1, "p:f.known", "a", Verdict.FAIL, "no event"),
        CellResult(V1, "p:g.new", "a", Verdict.FAIL, "no event"),
    ]
    tests = document(build_table(results, [revision], [V1]))["tests"]
    assert [(test["status"], test["comment"], test["misc"]["surprising"]) for test in tests] == [
        ("FAIL", "the design", False),
        ("FAIL", "no event", True),
    ]


def test_what_was_built_from_something_else_is_another_build() -> None:
    ids = set()
    for inputs in "ab":
        found = document(build_table([CellResult(V1, "p:f.t", inputs, Verdict.PASS)], [], [V1]))
        ids |= {found["builds"][0]["id"], found["checkouts"][0]["id"]}
    assert len(ids) == 4


@pytest.mark.parametrize(
    ("test", "path"),
    [
        ("inotify_test:directory.remote.create", "farwatch.inotify_test.directory.remote.create"),
        ("suite:a test/with (odd) name", "farwatch.suite.a_test_with__odd__name"),
        ("p::f..t", "farwatch.p.f.t"),
    ],
)
def test_paths(test: str, path: str) -> None:
    assert path_of(test) == path
