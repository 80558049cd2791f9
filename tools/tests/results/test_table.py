# SPDX-License-Identifier: GPL-2.0-or-later
"""table.py: what counts as surprising, fixed and broken, and how the rows are ordered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwatch.model import CellResult, Column, Expectation, Revision, Verdict
from farwatch.reports.table_text import notes, render_text
from farwatch.results.table import Cell, Change, Table, build_table

REFERENCE, BASELINE, V1, V2 = (Column(name, "7.3") for name in ("reference", "baseline", "v1", "v2"))
TEST = "inotify:events.remote.create"


def revision(name: str, *expectations: Expectation) -> Revision:
    share = "tmpfs" if name == "reference" else "virtiofs"
    return Revision(name, f"Title of {name}", Path(name), share, {"linux": "7.3"}, expectations)  # type: ignore[arg-type]


def result(
    column: Column,
    verdict: Verdict,
    title: str = "",
    test: str = TEST,
    detail: str = "",
    cached: bool = False,
) -> CellResult:
    return CellResult(column, test, "hash", verdict, title, detail, cached=cached)


def one_row(
    *verdicts: tuple[Column, Verdict], revisions: tuple[Revision, ...] = ()
) -> tuple[Table, list[Cell]]:
    columns = [column for column, _ in verdicts]
    table = build_table([result(*pair) for pair in verdicts], revisions, columns)
    return table, list(table.rows[0].cells)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_without_an_expectation_only_a_pass_is_no_surprise(verdict: Verdict) -> None:
    table, (cell,) = one_row((V1, verdict), revisions=(revision("v1"),))
    assert cell.surprising == (verdict is not Verdict.PASS)
    assert table.exit_status() == int(cell.surprising)
    assert not cell.expected_failure


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("recorded", list(Verdict))
def test_with_an_expectation_only_its_verdict_is_no_surprise(verdict: Verdict, recorded: Verdict) -> None:
    expectation = Expectation(("inotify:*",), recorded, "by design")
    _, (cell,) = one_row((V1, verdict), revisions=(revision("v1", expectation),))
    assert cell.surprising == (verdict is not recorded)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_race_may_be_won_but_won_is_not_fixed(verdict: Verdict) -> None:
    expectation = Expectation(("inotify:*",), Verdict.FAIL, "by design", race=True)
    known = (revision("baseline"), revision("v1", expectation))
    _, (before, cell) = one_row((BASELINE, Verdict.PASS), (V1, verdict), revisions=known)
    assert cell.surprising == (verdict not in (Verdict.FAIL, Verdict.PASS))
    assert cell.won_race == (verdict is Verdict.PASS)
    assert before.change is None
    assert cell.change == (None if verdict is Verdict.ERROR else Change.BREAKS)


def test_engines_are_compared_with_their_own_kind_and_with_each_other() -> None:
    emulated = [replace(column, engine="vng") for column in (BASELINE, V1)]
    table, cells = one_row(
        (BASELINE, Verdict.FAIL),
        (emulated[0], Verdict.PASS),
        (V1, Verdict.PASS),
        (emulated[1], Verdict.HANG),
    )
    assert [cell.change for cell in cells] == [None, None, Change.FIXES, Change.BREAKS]
    assert [heading.compared_with for heading in table.headings] == ["", "", "baseline/uml", "baseline/vng"]
    assert [cell.differs for cell in cells] == [
        (("vng", Verdict.PASS),),
        (("uml", Verdict.FAIL),),
        (("vng", Verdict.HANG),),
        (("uml", Verdict.PASS),),
    ]
    assert cells[0].differs and not cells[1].surprising
    assert notes(table) == [
        f"engines differ: {TEST}: baseline/uml fail, baseline/vng pass",
        f"engines differ: {TEST}: v1/uml pass, v1/vng hang",
    ]
    assert "differs: from another engine" in render_text(table)


def test_engines_that_agree_do_not_differ() -> None:
    table, cells = one_row((V1, Verdict.PASS), (replace(V1, engine="vng"), Verdict.PASS))
    assert not any(cell.differs for cell in cells)
    assert notes(table) == []


def test_a_cell_that_was_not_run_differs_from_nothing() -> None:
    table = build_table([result(V1, Verdict.PASS)], [], [V1, replace(V1, engine="vng")])
    assert not any(cell.differs for cell in table.rows[0].cells)


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("title", ["came too late", "something else"])
def test_a_race_may_be_lost_but_lost_is_not_broken(verdict: Verdict, title: str) -> None:
    expectation = Expectation(("inotify:*",), Verdict.PASS, "by design", says="too late", race=True)
    known = (revision("baseline"), revision("v1", expectation))
    results = [result(BASELINE, Verdict.PASS), result(V1, verdict, title)]
    (row,) = build_table(results, list(known), [BASELINE, V1]).rows
    lost = verdict is Verdict.FAIL and title == "came too late"
    assert row.cells[1].surprising == (verdict is not Verdict.PASS and not lost)
    assert row.cells[1].expected_failure == lost
    if verdict is not Verdict.ERROR:
        assert row.cells[1].change == (None if lost or verdict is Verdict.PASS else Change.BREAKS)


def test_what_was_won_by_a_race_is_nothing_to_compare_with() -> None:
    expectation = Expectation(("inotify:*",), Verdict.FAIL, "by design", race=True)
    known = (revision("baseline", expectation), revision("v1"))
    _, (_, cell) = one_row((BASELINE, Verdict.PASS), (V1, Verdict.PASS), revisions=known)
    assert cell.change is Change.FIXES


@pytest.mark.parametrize(
    ("title", "detail", "surprising"),
    [("no event", "", False), ("other", "no event came", False), ("wrong mask", "mask 0x2", True)],
)
def test_the_right_verdict_for_another_reason_is_a_surprise(
    title: str, detail: str, surprising: bool
) -> None:
    known = revision("v1", Expectation(("*",), Verdict.FAIL, "no events yet", says="no event"))
    table = build_table([result(V1, Verdict.FAIL, title, detail=detail)], [known], [V1])
    (cell,) = table.rows[0].cells
    assert cell.surprising is surprising
    assert cell.expected == "expected fail that says 'no event': no events yet"


CHANGES = {
    (Verdict.FAIL, Verdict.PASS): Change.FIXES,
    (Verdict.SKIP, Verdict.PASS): Change.FIXES,
    (Verdict.CRASH, Verdict.PASS): Change.FIXES,
    (Verdict.PASS, Verdict.FAIL): Change.BREAKS,
    (Verdict.PASS, Verdict.SKIP): Change.BREAKS,
    (Verdict.PASS, Verdict.HANG): Change.BREAKS,
    (Verdict.FAIL, Verdict.CRASH): Change.STILL_FAILS,
    (Verdict.PASS, Verdict.PASS): None,
    (Verdict.FAIL, Verdict.SKIP): None,
    (Verdict.ERROR, Verdict.PASS): None,
    (Verdict.PASS, Verdict.ERROR): None,
}


@pytest.mark.parametrize(("before", "after"), CHANGES)
def test_a_change_is_against_the_column_to_the_left(before: Verdict, after: Verdict) -> None:
    _, cells = one_row((BASELINE, before), (V1, after))
    assert [cell.change for cell in cells] == [None, CHANGES[before, after]]


def test_the_reference_is_never_compared() -> None:
    table, cells = one_row(
        (REFERENCE, Verdict.PASS),
        (BASELINE, Verdict.FAIL),
        (V1, Verdict.PASS),
        revisions=(revision("reference"),),
    )
    assert [cell.change for cell in cells] == [None, None, Change.FIXES]
    assert [heading.compared_with for heading in table.headings] == ["", "", "baseline"]
    _, cells = one_row((BASELINE, Verdict.PASS), (REFERENCE, Verdict.FAIL), (V1, Verdict.PASS))
    assert [cell.change for cell in cells] == [None, None, None], "v1 is compared with baseline"


def test_a_cell_that_was_not_run_is_said_and_never_compared() -> None:
    table = build_table([result(V1, Verdict.PASS)], [], [BASELINE, V1, V2])
    cells = table.rows[0].cells
    assert [cell.word for cell in cells] == ["not run", "pass", "not run"]
    assert [cell.change for cell in cells] == [None, None, None]
    assert table.missing == 2
    assert table.exit_status() == 0
    assert table.exit_status(complete=True) == 1


def test_the_summary_of_a_column() -> None:
    given_ = [
        *(result(BASELINE, Verdict.FAIL, test=f"p:f.t{n}") for n in range(5)),
        result(BASELINE, Verdict.PASS, test="p:f.t5"),
        *(result(V1, Verdict.PASS, test=f"p:f.t{n}", cached=True) for n in range(3)),
        *(result(V1, Verdict.FAIL, test=f"p:f.t{n}") for n in range(3, 6)),
    ]
    expected = revision("baseline", Expectation(("p:f.t[0-4]",), Verdict.FAIL, "stock"))
    table = build_table(given_, [expected, revision("v1")], [BASELINE, V1], [f"p:f.t{n}" for n in range(7)])
    assert [heading.summary for heading in table.headings] == [
        "1 pass, 5 fail; all as expected; 1 not run",
        "fixes 3, breaks 1, 2 still fail; 3 surprises; 3 of 6 cached; 1 not run",
    ]


def test_rows_are_grouped_and_variants_stay_together() -> None:
    tests = [
        "inotify:events.local.create",
        "inotify:events.local.delete",
        "fanotify:marks.add",
        "inotify:events.remote.create",
        "inotify:limits.watches",
        "inotify:events.remote.delete",
    ]
    table = build_table([], [], [V1], tests)
    assert [group.name for group in table.groups] == ["inotify:events", "inotify:limits", "fanotify:marks"]
    labels = [row.label for row in table.groups[0].rows]
    assert labels == ["create (local)", "create (remote)", "delete (local)", "delete (remote)"]


def test_tests_without_a_place_follow_by_natural_name() -> None:
    given_ = [result(V1, Verdict.PASS, test=f"p:f.t{n}") for n in (10, 9, 1)]
    table = build_table(given_, [], [V1], ["p:f.t1"])
    assert [row.test for row in table.rows] == ["p:f.t1", "p:f.t9", "p:f.t10"]


def test_headings_say_only_what_differs() -> None:
    columns = [Column("v1", "6.12"), Column("v1", "7.3"), Column("v2", "7.3")]
    table = build_table([], [], columns)
    assert [heading.label for heading in table.headings] == ["v1/6.12", "v1/7.3", "v2/7.3"]
    assert table.setting == "uml, plain"
    assert build_table([], [], [V1, V2]).setting == "linux 7.3, uml, plain"


def test_an_expectation_that_covers_no_test_is_reported_for_the_whole_suite_only() -> None:
    known = revision(
        "v1", Expectation(("inotfy:*",), Verdict.FAIL, ""), Expectation(("inotify:*",), Verdict.FAIL, "")
    )
    assert build_table([], [known], [V1], [TEST]).idle_expectations == ("v1: inotfy:*",)
    assert build_table([], [known], [V1], [TEST], whole=False).idle_expectations == ()


def test_an_empty_table_is_a_table() -> None:
    table = build_table([], [], [])
    assert (table.rows, table.surprises, table.exit_status()) == ((), (), 0)


def test_a_later_result_replaces_an_earlier_one_and_foreign_columns_are_left_out() -> None:
    table = build_table(
        [result(V1, Verdict.FAIL), result(V1, Verdict.PASS), result(V2, Verdict.FAIL)], [], [V1]
    )
    assert [cell.word for row in table.rows for cell in row.cells] == ["pass"]


@given(st.lists(st.tuples(st.sampled_from(Verdict), st.sampled_from(Verdict)), max_size=20))
def test_each_compared_cell_is_counted_once(pairs: list[tuple[Verdict, Verdict]]) -> None:
    given_ = [
        result(column, pair[place], test=f"p:f.t{number}")
        for number, pair in enumerate(pairs)
        for place, column in enumerate((BASELINE, V1))
    ]
    _, heading = build_table(given_, [], [BASELINE, V1]).headings
    after = [pair[1] for pair in pairs]
    assert heading.total == len(pairs)
    assert heading.fixes <= after.count(Verdict.PASS)
    assert heading.breaks + heading.still_fail <= len(pairs) - after.count(Verdict.PASS)
    assert heading.surprises == len(pairs) - after.count(Verdict.PASS)


# -- share settings

BACK = {column: replace(column, share_setting="writeback") for column in (BASELINE, V1)}


def test_settings_are_compared_with_their_own_kind() -> None:
    table, cells = one_row(
        (BASELINE, Verdict.FAIL),
        (BACK[BASELINE], Verdict.PASS),
        (V1, Verdict.PASS),
        (BACK[V1], Verdict.FAIL),
    )
    assert [cell.change for cell in cells] == [None, None, Change.FIXES, Change.BREAKS]
    assert [heading.label for heading in table.headings] == [
        "baseline/default",
        "baseline/writeback",
        "v1/default",
        "v1/writeback",
    ]
    assert table.headings[3].compared_with == "baseline/writeback"
    assert table.setting == "linux 7.3, uml, plain"
    assert not any(cell.differs for cell in cells), "settings are not engines"


def test_a_setting_that_all_columns_share_is_in_the_headline() -> None:
    table, _ = one_row((BACK[V1], Verdict.PASS))
    assert table.setting == "linux 7.3, uml, plain, writeback" and table.headings[0].label == "v1"


def test_an_expectation_of_a_setting_is_for_its_columns_alone() -> None:
    known = revision("v1", Expectation(("inotify:*",), Verdict.FAIL, "by design", settings=("writeback",)))
    _, (usual, back) = one_row((V1, Verdict.FAIL), (BACK[V1], Verdict.FAIL), revisions=(known,))
    assert usual.surprising and not back.surprising
    _, (usual, back) = one_row((V1, Verdict.PASS), (BACK[V1], Verdict.PASS), revisions=(known,))
    assert not usual.surprising and back.surprising


def test_an_expectation_of_a_setting_that_nobody_asked_for_is_not_idle() -> None:
    known = revision("v1", Expectation(("gone:*",), Verdict.FAIL, "by design", settings=("writeback",)))
    results = [result(column, Verdict.PASS) for column in (V1, BACK[V1])]
    assert build_table(results, [known], [V1]).idle_expectations == ()
    assert build_table(results, [known], [V1, BACK[V1]]).idle_expectations == ("v1: gone:*",)


def test_a_column_that_the_machine_cannot_run_is_skipped_and_no_surprise() -> None:
    results = [result(BASELINE, Verdict.PASS), result(V1, Verdict.PASS)]
    columns = [BASELINE, BACK[BASELINE], V1, BACK[V1]]
    table = build_table(results, [], columns, lacking={BACK[BASELINE]: "needs root", BACK[V1]: "needs root"})
    assert [cell.word for cell in table.rows[0].cells] == ["pass", "skip", "pass", "skip"]
    assert table.exit_status(complete=True) == 0 and not table.surprises and not table.missing
    assert table.headings[3].summary == "skipped on this machine: needs root"
    assert "skipped on this machine: needs root" in render_text(table)


def test_what_was_found_of_a_skipped_column_counts_as_ever() -> None:
    results = [result(BACK[V1], Verdict.FAIL, cached=True), result(V1, Verdict.PASS, test="other:a.b")]
    table = build_table(results, [], [V1, BACK[V1]], lacking={BACK[V1]: "needs root"})
    assert table.exit_status() == 1
    assert [row.cells[1].word for row in table.rows] == ["fail", "skip"]
    assert table.headings[1].summary.endswith("skipped on this machine: needs root")


ROW = "kselftest:filesystems/fat/run.mount"
PROGRAM = "kselftest:filesystems/fat/run"


def suite_table(*found: CellResult, revisions: tuple[Revision, ...] = ()) -> Table:
    return build_table(
        found, revisions, [BASELINE, V1], suites=["kselftest"], base="baseline", remarks=("a remark",)
    )


def suite_cell(base: Verdict | None, own: Verdict) -> tuple[Table, Cell]:
    before = [result(BASELINE, base, test=ROW)] if base else []
    table = suite_table(*before, result(V1, own, "why", ROW))
    return table, table.rows[0].cells[1]


@pytest.mark.parametrize("verdict", list(Verdict))
def test_what_is_no_pass_on_the_base_either_is_not_the_series_fault(verdict: Verdict) -> None:
    table, cell = suite_cell(verdict, verdict)
    said_nothing = verdict is Verdict.ERROR
    assert cell.as_base == (verdict not in (Verdict.PASS, Verdict.ERROR))
    assert cell.surprising == said_nothing
    assert table.exit_status() == int(said_nothing)
    assert table.headings[1].as_base == int(cell.as_base)
    assert ("1 as base" in table.headings[1].summary) == cell.as_base
    assert ("as base" in render_text(table).split("fixed, broken")[0]) == cell.as_base


@pytest.mark.parametrize("base", [None, Verdict.PASS, Verdict.SKIP, Verdict.ERROR, Verdict.HANG])
def test_what_fails_otherwise_than_on_the_base_is_surprising(base: Verdict | None) -> None:
    table, cell = suite_cell(base, Verdict.FAIL)
    assert cell.surprising and not cell.as_base
    assert table.exit_status() == 1
    assert (cell.change is Change.BREAKS) == (base is Verdict.PASS)
    assert cell.expected == (f"{base} on the base" if base else "expected pass")


def test_what_the_base_says_of_itself_is_no_surprise_but_trouble_of_ours_is() -> None:
    for verdict in Verdict:
        table = suite_table(result(BASELINE, verdict, test=ROW))
        assert bool(table.surprises) == (verdict is Verdict.ERROR)
        said = table.rows[0].cells[0].expected
        assert said.startswith("what the base does" if verdict is not Verdict.ERROR else "expected pass")


def test_an_expectation_counts_before_the_base() -> None:
    known = (revision("v1", Expectation((ROW,), Verdict.FAIL, "by design")),)
    table = suite_table(
        result(BASELINE, Verdict.PASS, test=ROW), result(V1, Verdict.FAIL, test=ROW), revisions=known
    )
    assert not table.surprises
    assert table.rows[0].cells[1].expected_failure


def test_a_test_that_the_base_has_and_the_revision_not_is_gone_if_its_program_passed() -> None:
    base = [result(BASELINE, Verdict.PASS, test=name) for name in (PROGRAM, ROW)]
    table = suite_table(*base, result(V1, Verdict.PASS, test=PROGRAM))
    (cell,) = table.surprises
    assert (cell.test, cell.word) == (ROW, "gone")
    table = suite_table(*base, result(V1, Verdict.CRASH, test=PROGRAM))
    assert [cell.test for cell in table.surprises] == [PROGRAM]


def test_a_test_that_only_the_series_has_is_not_missing_on_the_base() -> None:
    table = suite_table(result(V1, Verdict.PASS, test=ROW))
    assert table.rows[0].cells[0].word == "-"
    assert table.exit_status(complete=True) == 0


def test_our_own_tests_know_no_base() -> None:
    table = suite_table(result(BASELINE, Verdict.FAIL), result(V1, Verdict.FAIL))
    assert [cell.surprising for cell in table.rows[0].cells] == [True, True]


def test_an_expectation_of_a_suites_rows_is_not_idle_in_a_table_of_our_own() -> None:
    known = (revision("v1", Expectation(("kselftest:*",), Verdict.FAIL, "by design")),)
    assert build_table([result(V1, Verdict.PASS)], known, [V1], suites=["kselftest"]).idle_expectations == ()
    assert build_table([result(V1, Verdict.PASS)], known, [V1]).idle_expectations == ("v1: kselftest:*",)


def test_what_is_to_be_said_of_a_suite_is_among_the_notes() -> None:
    assert "a remark" in notes(suite_table(result(V1, Verdict.PASS, test=ROW)))
