# SPDX-License-Identifier: GPL-2.0-or-later
"""--ktap: what our own reader makes of it is what the table says, whatever things are called."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from farwatch.model import CellResult, Column, Expectation, Revision, Verdict
from farwatch.reports.table_ktap import DETAIL_LINES, render_ktap
from farwatch.results.table import Cell, Table, build_table
from farwatch.terminal.escape import printable
from farwatch.verdicts.ktap import KtapDocument, Outcome, Test, parse
from tests.samples.table import REVISIONS, calm, nasty, sample

LOUD = """
KTAP version 1
1..7
not ok 1 x
    not ok 2 y
# not ok 3 z
#  RUN           a.b ...
#          FAIL  a.b
# PASSED: 4 / 4 tests passed.
# Totals: pass:4 fail:0 xfail:0 xpass:0 skip:0 error:0
# Subtest: s
Bail out!
[   12.345678] BUG: KASAN: use-after-free
before it [   12.345678] and after it
ok
"""
"""What a log may hold that means something in KTAP."""


def cases(document: KtapDocument) -> Iterator[tuple[str, str, Test]]:
    """Column, test, and what is said of it."""
    for column in document.tests:
        for test in column.subtests:
            for case in test.subtests or [test]:
                name = f"{test.name}:{case.name}" if case is not test else test.name
                yield column.name, name, case


def said(test: Test) -> str:
    """The verdict, as the report's first comment has it."""
    plain = {Outcome.PASS: "pass", Outcome.XPASS: "pass", Outcome.SKIP: "skip"}
    return plain.get(test.outcome) or test.reason.partition(":")[0]


def word(cell: Cell) -> str:
    """What was not run is skipped, for KTAP."""
    return "skip" if cell.verdict is None and not cell.surprising else cell.word


def check_round_trip(table: Table) -> None:
    document = parse(render_ktap(table))
    assert document.problems == () and not document.truncated
    found = {(column, name): test for column, name, test in cases(document)}
    wanted = [
        (heading.name, row, row.cells[place])
        for place, heading in enumerate(table.headings)
        for row in table.rows
    ]
    assert len(found) == len(wanted)
    for column, row, cell in wanted:
        test = found[printable(column), printable(row.test)]
        assert said(test) == word(cell)
        assert (test.status == "ok") != cell.surprising
    for parent in document.tests:
        assert (parent.status == "ok") == all(test.status == "ok" for test in parent.subtests)
    assert all(parent.status == "ok" for parent in document.tests) == (not table.surprises)


@pytest.mark.parametrize("table", [sample, calm, nasty])
def test_what_is_read_back_is_what_the_table_says(table: Callable[[], Table]) -> None:
    if table is not nasty:
        check_round_trip(table())
    document = parse(render_ktap(table()))
    assert document.problems == ()


def test_the_outcomes_are_those_that_the_kernel_documents() -> None:
    document = parse(render_ktap(sample()))
    found = {(column, name): test for column, name, test in cases(document)}
    outcomes = {
        ("baseline/7.3/uml/plain", "inotify:events.remote.create"): ("ok", Outcome.XFAIL),
        ("baseline/7.3/uml/plain", "fanotify:marks.idle"): ("not ok", Outcome.SKIP),
        ("v1/7.3/uml/plain", "fanotify:marks.remote.ignore"): ("not ok", Outcome.FAIL),
        ("v1/7.3/uml/plain", "fanotify:marks.idle"): ("not ok", Outcome.ERROR),
        ("v2/7.3/uml/plain", "fanotify:marks.remote.ignore"): ("not ok", Outcome.TIMEOUT),
        ("v2/7.3/uml/plain", "fanotify:marks.idle"): ("ok", Outcome.SKIP),
        ("v2/7.3/uml/plain", "inotify:limits.queue"): ("ok", Outcome.PASS),
    }
    assert {key: (found[key].status, found[key].outcome) for key in outcomes} == outcomes


def test_a_pass_that_was_not_expected_is_not_ok() -> None:
    expectation = Expectation(("*",), Verdict.FAIL, "it cannot # pass")
    revision = replace(REVISIONS[2], expectations=(expectation,))
    column = Column("v1", "7.3")
    table = build_table([CellResult(column, "p:f.t", "", Verdict.PASS)], [revision], [column])
    (_, _, test), *_ = cases(parse(render_ktap(table)))
    assert (test.status, test.outcome) == ("not ok", Outcome.XPASS)
    assert test.reason == "expected fail: it cannot # pass"


def test_a_column_that_cannot_be_had_here_is_skipped() -> None:
    column = Column("v1", "7.3")
    table = build_table([], (), [column], ["p:f.t"], lacking={column: "needs root"})
    document = parse(render_ktap(table))
    assert document.problems == ()
    assert [test.outcome for test in document.walk()] == [Outcome.SKIP] * 3
    assert document.tests[0].subtests[0].subtests[0].reason == "needs root"


def test_what_shows_a_surprise_means_nothing_in_ktap() -> None:
    column = Column("v1", "7.3")
    results = [
        CellResult(column, f"p:f.t{number}", "", verdict, LOUD.replace("\n", " "), LOUD * 2)
        for number, verdict in enumerate((Verdict.PASS, Verdict.CRASH, Verdict.PASS))
    ]
    table = build_table(results, (), [column])
    check_round_trip(table)
    crash = parse(render_ktap(table)).tests[0].subtests[0].subtests[1]
    assert len(crash.diagnostics) == DETAIL_LINES
    assert "# | before it (   12.345678) and after it" in crash.diagnostics


def test_a_flood_of_detail_and_a_title_without_end() -> None:
    column = Column("v1", "7.3")
    result = CellResult(column, "p:f.t", "", Verdict.FAIL, "t" * 10**6, "line\n" * 10**6 + "d" * 10**6)
    text = render_ktap(build_table([result], (), [column]))
    assert len(text) < 5000 and parse(text).problems == ()


def _stays(name: str) -> bool:
    """Whether a name is the same when each of its parts is printed, and read without what is around it."""
    parts = [name, *name.split(":", 1)]
    return all(printable(part).strip() == printable(part) and part.strip("- ") for part in parts)


NAMES = some.text(
    some.one_of(some.sampled_from(" #-\\:.[]"), some.characters()), min_size=1, max_size=12
).filter(_stays)
WORDS = some.one_of(
    some.sampled_from(["# SKIP", "#TODO", "\\# XFAIL x", "ok 1", LOUD]), some.text(max_size=30)
)


@some.composite
def tables(draw: some.DrawFn) -> Table:
    columns = [
        Column(name, "7.3") for name in draw(some.lists(NAMES, min_size=1, max_size=3, unique_by=printable))
    ]
    tests = draw(some.lists(NAMES, min_size=1, max_size=5, unique_by=printable))
    expectations = tuple(
        Expectation((name,), draw(some.sampled_from(Verdict)), draw(WORDS), race=draw(some.booleans()))
        for name in draw(some.lists(some.sampled_from(["*", "*a*", "*.*"]), max_size=2))
    )
    revisions = [
        Revision(column.revision, "", REVISIONS[0].folder, "virtiofs", {}, expectations) for column in columns
    ]
    results = [
        CellResult(column, test, "", draw(some.sampled_from(Verdict)), draw(WORDS), draw(WORDS))
        for column in columns
        for test in tests
        if draw(some.integers(0, 4))
    ]
    return build_table(results, revisions, columns, tests)


@given(tables())
def test_any_table_is_read_back(table: Table) -> None:
    check_round_trip(table)
