# SPDX-License-Identifier: GPL-2.0-or-later
"""rows.py and junit.py: what a program of somebody else's suite comes to, whatever it prints."""

from __future__ import annotations

import pytest

from farwatch.model import SuiteFormat, Verdict
from farwatch.verdicts.judge import End, EndKind, Evidence
from farwatch.verdicts.rows import SKIP_MARK, SuiteRow, kunit_output, rows_of, stable_name

TAP = "TAP version 13\n1..2\nok 1 opens a file\nok 2 closes it\n"
RUN = """\
TAP version 13
1..1
# timeout set to 45
# selftests: filesystems/openat2: resolve_test
# TAP version 13
# 1..2
# ok 1 resolve.one
# {second}
{end}
"""
JUNIT = '<testsuite name="s" tests="{tests}"><testcase classname="c" name="a"/>{more}</testsuite>'


def rows(
    output: str,
    form: SuiteFormat = "tap",
    *,
    status: int = 0,
    end: End | None = None,
    console: tuple[str, ...] = (),
    same: tuple[str, ...] = (),
) -> list[SuiteRow]:
    evidence = Evidence("", output.encode(), end or End(EndKind.EXIT, status), console)
    return rows_of(evidence, form, same)


def verdicts(found: list[SuiteRow]) -> dict[str, Verdict]:
    return {row.name: row.verdict for row in found}


def test_a_program_and_each_of_its_tests_is_a_row() -> None:
    expected = {"": Verdict.PASS, "opens a file": Verdict.PASS, "closes it": Verdict.PASS}
    assert verdicts(rows(TAP)) == expected


def test_of_a_run_by_run_kselftest_the_program_is_the_one_that_it_ran() -> None:
    good = RUN.format(second="ok 2 resolve.two", end="ok 1 selftests: filesystems/openat2: resolve_test")
    assert verdicts(rows(good)) == {
        "": Verdict.PASS,
        "resolve.one": Verdict.PASS,
        "resolve.two": Verdict.PASS,
    }
    bad = RUN.format(
        second="not ok 2 resolve.two", end="not ok 1 selftests: filesystems/openat2: resolve_test # exit=1"
    )
    found = rows(bad, status=1)
    assert verdicts(found) == {"": Verdict.FAIL, "resolve.one": Verdict.PASS, "resolve.two": Verdict.FAIL}
    assert found[0].title.startswith("1 of 2 fail: resolve.two")


def test_a_selftest_that_prints_no_tap_is_known_by_its_status_and_last_words() -> None:
    text = "TAP version 13\n1..1\n# timeout set to 45\n# selftests: t: p\n# cannot mount\n"
    (failed,) = rows(f"{text}not ok 1 selftests: t: p # exit=1\n", status=1)
    assert (failed.verdict, failed.title) == (Verdict.FAIL, "cannot mount")
    (skipped,) = rows(f"{text}ok 1 selftests: t: p # SKIP\n")
    assert (skipped.verdict, skipped.title) == (Verdict.SKIP, "cannot mount")


def test_what_had_ended_before_a_program_hangs_is_kept() -> None:
    cut = RUN.format(second="#  RUN  resolve.two ...", end="").rstrip("\n") + "\n"
    found = rows(cut, end=End(EndKind.TIMEOUT))
    assert verdicts(found) == {"": Verdict.HANG, "resolve.one": Verdict.PASS, "resolve.two": Verdict.HANG}


def test_a_test_that_ran_when_its_program_hung_hangs() -> None:
    found = rows("TAP version 13\n1..2\nok 1 a\n#  RUN           b ...\n", end=End(EndKind.TIMEOUT))
    assert verdicts(found) == {"": Verdict.HANG, "a": Verdict.PASS, "b": Verdict.HANG}


def test_a_kernel_that_complains_spoils_the_program_and_not_its_tests() -> None:
    splat = ("BUG: sleeping function called from invalid context at made/up.c:1",)
    found = rows(TAP, console=splat)
    assert verdicts(found) == {"": Verdict.CRASH, "opens a file": Verdict.PASS, "closes it": Verdict.PASS}


@pytest.mark.parametrize(
    ("output", "form", "says"),
    [
        ("", "tap", "printed nothing"),
        ("", "junit", "printed nothing"),
        ("all fine\n", "tap", "prints no TAP"),
        (JUNIT.format(tests=1, more=""), "tap", "prints JUnit's XML where TAP was to come"),
        (TAP, "junit", "prints TAP where JUnit's XML was to come"),
        ("TAP version 13\n1..3\nok 1 a\nok 2 b\n", "tap", "3 tests planned, 2 results"),
        ("TAP version 13\nok 1 a\n", "tap", "no plan"),
        (JUNIT.format(tests=2, more=""), "junit", "2 tests announced, 1 cases"),
        (JUNIT.format(tests=1, more="")[:-9], "junit", "the XML is damaged"),
        ('<testsuite tests="0"></testsuite>', "junit", "no case was run"),
    ],
)
def test_what_cannot_be_taken_at_its_word_is_no_pass(output: str, form: SuiteFormat, says: str) -> None:
    whole = rows(output, form)[0]
    assert whole.verdict is Verdict.FAIL
    assert says in whole.title


@pytest.mark.parametrize("form", ["tap", "junit", "exit"])
def test_a_status_is_no_pass_whatever_was_printed(form: SuiteFormat) -> None:
    output = JUNIT.format(tests=1, more="") if form == "junit" else TAP
    whole = rows(output, form, status=3)[0]
    assert whole.verdict is Verdict.FAIL
    assert "exit status 3" in whole.title


def test_only_an_exit_status_is_enough_where_that_is_the_format() -> None:
    assert verdicts(rows("", "exit")) == {"": Verdict.PASS}
    assert verdicts(rows("no such device\n", "exit", status=4)) == {"": Verdict.SKIP}


def test_junit_cases() -> None:
    more = (
        '<testcase classname="c" name="b"><failure message="no &lt;way&gt;">at line 3</failure></testcase>'
        '<testcase classname="c" name="d"><skipped/></testcase>'
    )
    text = JUNIT.format(tests=3, more=more)
    found = rows(f'noise\n<?xml version="1.0"?>\n<testsuites>{text}</testsuites>\n', "junit", status=1)
    assert verdicts(found) == {
        "": Verdict.FAIL, "c.a": Verdict.PASS, "c.b": Verdict.FAIL, "c.d": Verdict.SKIP
    }  # fmt: skip
    assert found[2][2:] == ("no <way>", "at line 3")


def test_xml_can_define_no_entities() -> None:
    case = '<testsuite tests="1"><testcase name="&a;"/></testsuite>'
    assert rows(case.replace("&a;", "a"), "junit")[0].verdict is Verdict.PASS
    whole = rows(f"<!DOCTYPE testsuite [<!ENTITY a 'b'>]>{case}", "junit")[0]
    assert whole.verdict is Verdict.FAIL and "undefined entity" in whole.title


def test_what_the_guest_does_not_have_is_a_skip_that_names_it() -> None:
    (whole,) = rows(f"{SKIP_MARK}needs /dev/none, which the guest does not have\n", "exit", status=4)
    assert (whole.verdict, whole.title) == (Verdict.SKIP, "needs /dev/none, which the guest does not have")


def test_names_are_stable_and_fit_for_a_cell() -> None:
    assert stable_name("  a\tb  .\n") == "a b"
    assert stable_name("0..9") == "0…9"
    assert stable_name("pid 4711 is seen", ("pid [0-9]+",)) == "* is seen"
    twice = "TAP version 13\n1..3\nok 1 a\nok 2 a\nok 3\n"
    assert list(verdicts(rows(twice))) == ["", "a", "a#2", "test 3"]


def test_kunit_is_found_among_what_a_kernel_says() -> None:
    console = [
        "[    0.100000] Linux version",
        "[    0.200000] KTAP version 1",
        "[    0.200000] 1..1",
        "[    0.200000]     KTAP version 1",
        "[    0.200000]     # Subtest: list-kunit-test",
        "[    0.200000]     1..2",
        "[    0.210000] random: crng init done",
        "[    0.220000]     ok 1 list_test_list_init",
        "[    0.230000]     not ok 2 list_test_list_add",
        "[    0.230000] # list-kunit-test: pass:1 fail:1 skip:0 total:2",
        "[    0.230000] not ok 1 list-kunit-test",
        "[    0.300000] Run /init as init process",
    ]
    found = rows(kunit_output(console).decode())
    assert verdicts(found) == {
        "": Verdict.FAIL,
        "list-kunit-test": Verdict.FAIL,
        "list-kunit-test.list_test_list_init": Verdict.PASS,
        "list-kunit-test.list_test_list_add": Verdict.FAIL,
    }
    assert kunit_output(console[:1]) == b""
