# SPDX-License-Identifier: GPL-2.0-or-later
"""The KTAP parser against real logs, against known traps, and against damage of every kind.

data/ktap/harness-*.log and kselftest-*.log were printed by programs built with
kselftest_harness.h and kselftest.h of 7.3; runner-*.log by run_kselftest.sh.
"""

from __future__ import annotations

from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farwatch.verdicts.ktap import MAX_DEPTH, MAX_LINES, KtapDocument, Outcome, Test, parse
from tests import SAMPLES

DATA = SAMPLES / "ktap"
HEAD = "TAP version 13\n"


def log(name: str) -> KtapDocument:
    return parse((DATA / f"{name}.log").read_bytes())


def well(document: KtapDocument) -> bool:
    """Complete, without contradiction, and nothing in it went wrong; a skip is fine."""
    fine = (Outcome.PASS, Outcome.SKIP, Outcome.XFAIL)
    return not document.problems and bool(document.tests) and all(t.outcome in fine for t in document.walk())


def all_passed(document: KtapDocument) -> bool:
    """Well, and every test at every level passed: none was skipped or expected to fail."""
    return well(document) and all(test.outcome is Outcome.PASS for test in document.walk())


def texts(document: KtapDocument) -> str:
    return "\n".join(problem.text for problem in document.problems)


# Real logs


@pytest.mark.parametrize(
    ("name", "outcome", "reason"),
    [
        ("harness-pass", Outcome.PASS, ""),
        ("harness-no-event", Outcome.FAIL, ""),
        ("harness-expect", Outcome.FAIL, ""),
        ("harness-skip", Outcome.SKIP, "no step line: set FARWATCH_STEPS"),
        ("harness-signal", Outcome.FAIL, ""),
        ("harness-timeout", Outcome.FAIL, ""),
        ("harness-xfail", Outcome.XFAIL, "unknown"),
        ("harness-xpass", Outcome.XPASS, "unknown"),
    ],
)
def test_one_harness_case(name: str, outcome: Outcome, reason: str) -> None:
    document = log(name)
    assert document.problems == ()
    assert (document.version, document.plan, len(document.tests)) == ("TAP 13", 1, 1)
    assert document.tests[0].outcome is outcome
    assert document.tests[0].reason == reason
    assert all_passed(document) == (outcome is Outcome.PASS)


def test_diagnostics_and_lines_belong_to_the_test() -> None:
    test = log("harness-no-event").tests[0]
    assert test.name == "watch.remote.no_event"
    assert '# h2.c:14:no_event:no event: waited 1000 ms for IN_CREATE "f"' in test.diagnostics
    assert (test.first_line, test.last_line) == (3, 9)


def test_a_whole_harness_program() -> None:
    document = log("harness-all")
    assert document.problems == ()
    assert [test.outcome for test in document.tests].count(Outcome.FAIL) == 17
    assert not well(document)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("kselftest-noplan", "no version line\nno plan"),
        ("kselftest-early", "1 tests planned, 0 results"),
        ("kselftest-fewer", "3 tests planned, 1 results"),
        ("kselftest-more", "1 tests planned, 2 results"),
        ("kselftest-bail", "bailed out: cannot mount: 5"),
        ("harness-nothing", "no test was run"),
        ("harness-dies", "started, but has no result: global.parent_dies"),
        ("harness-usage", "no plan"),
    ],
)
def test_broken_protocol_is_never_ok(name: str, says: str) -> None:
    document = log(name)
    assert says in texts(document)
    assert not well(document)


def test_a_started_test_without_result() -> None:
    assert log("harness-dies").tests == (Test(0, "global.parent_dies", "", first_line=4, last_line=4),)
    assert log("harness-dies").tests[0].outcome is Outcome.NO_RESULT


def test_kselftest_directives_without_a_name() -> None:
    document = log("kselftest-mix")
    assert [test.outcome.value for test in document.tests] == [
        "pass", "xfail", "xpass", "skip", "error", "fail",
    ]  # fmt: skip
    assert document.tests[1].name == "two"
    assert document.problems == ()


def test_skip_all() -> None:
    document = log("kselftest-skipall")
    assert (document.plan, document.skip_all, document.problems) == (0, "needs virtiofs", ())
    assert not well(document)


def test_runner_nests_with_hashes_twice() -> None:
    document = log("runner-skip")
    assert document.problems == ()
    assert well(document)
    assert not all_passed(document)
    assert [test.outcome for test in document.tests[0].subtests] == [Outcome.PASS, Outcome.SKIP]
    assert [test.name for test in document.walk()][-3:] == ["selftests: watch: nested", "outer", "inner"]


def test_runner_with_failures() -> None:
    document = log("runner-mixed")
    assert [test.outcome.value for test in document.tests] == ["pass", "pass", "skip", "fail", "timeout"]
    assert document.tests[4].reason == "6 seconds"
    assert len(document.tests[3].subtests) == 28
    assert texts(document) == "1 tests planned, 0 results"


def test_kunit_on_a_console_with_timestamps() -> None:
    document = log("kunit-console")
    assert document.problems == ()
    assert [test.outcome.value for test in document.walk()] == [
        "pass", "pass", "pass", "pass", "pass", "skip", "fail", "fail",
    ]  # fmt: skip
    assert "Expected 1 == 2, but" in document.tests[1].subtests[0].diagnostics[-1]


def test_parameters_that_kunit_could_not_announce() -> None:
    document = log("kunit-parameters")
    assert document.problems == ()
    assert all_passed(document)
    assert [test.name for test in document.walk()] == ["suite", "refuses", "no event", "unmount", "stands"]


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("    # refuses: pass:2 fail:0 skip:0 total:2\n", ""),
        ("    # refuses: pass:2 fail:0 skip:0 total:2\n", "    # accepts: pass:2 fail:0 skip:0 total:2\n"),
        ("        ok 2 unmount\n", ""),
        ("        ok 2 unmount\n", "        ok 2 unmount # SKIP\n"),
        ("# suite: pass:2 fail:0 skip:0 total:2\n", "# suite: pass:1 fail:1 skip:0 total:2\n"),
    ],
)
def test_the_sum_of_kunit_stands_for_a_plan_and_must_fit(line: str, instead: str) -> None:
    whole = (DATA / "kunit-parameters.log").read_text()
    assert whole.count(line) == 1
    document = parse(whole.replace(line, instead))
    assert document.problems
    assert not well(document)


@pytest.mark.parametrize("name", ["ktap-nested", "tap14-subtests"])
def test_indented_documents_pass(name: str) -> None:
    document = log(name)
    assert document.problems == ()
    assert all_passed(document)
    assert document.tests[0].subtests


# Traps


@pytest.mark.parametrize(
    ("line", "outcome", "reason"),
    [
        ("ok 1 a # SKIP why", Outcome.SKIP, "why"),
        ("ok 1 a # skipped: why", Outcome.SKIP, "why"),
        ("not ok 1 a # Skip", Outcome.SKIP, ""),
        ("ok 1 - a # rcode=0", Outcome.PASS, "rcode=0"),
        ("ok 1 a # exit=0 # SKIP why", Outcome.SKIP, "why"),
        ("ok 1 a#SKIP", Outcome.SKIP, ""),
        ("not ok 1 a # TODO later", Outcome.XFAIL, "later"),
        ("ok 1 a # TODO later", Outcome.XPASS, "later"),
        ("not ok 1 a # xfail why", Outcome.XFAIL, "why"),
        ("not ok 1 a # TIMEOUT 45 seconds", Outcome.TIMEOUT, "45 seconds"),
        ("not ok 1 a # error why", Outcome.ERROR, "why"),
        ("ok 1 a # SKIPPER", Outcome.SKIP, ""),
        ("ok 1 a \\# SKIP b", Outcome.PASS, ""),
        ("ok 1 a \\# b # SKIP c \\# d", Outcome.SKIP, "c # d"),
        ("ok 1 a # exit\\#0", Outcome.PASS, "exit#0"),
    ],
)
def test_directives(line: str, outcome: Outcome, reason: str) -> None:
    document = parse(f"{HEAD}1..1\n{line}\n")
    assert document.problems == ()
    assert (document.tests[0].outcome, document.tests[0].reason) == (outcome, reason)


def test_an_escaped_hash_is_part_of_the_name() -> None:
    document = parse(f"{HEAD}1..2\nok 1 - a \\# b # c\nnot ok 2 \\\\#\\x00 # XFAIL\n")
    assert document.problems == ()
    assert [test.name for test in document.tests] == ["a # b", "\\#\\x00"]


BAD = {
    "empty": "",
    "only newlines": "\n\n\n",
    "no version": "1..1\nok 1 a\n",
    "unknown version": "TAP version 15\n1..1\nok 1 a\n",
    "two versions": f"{HEAD}{HEAD}1..1\nok 1 a\n",
    "late version": f"1..1\n{HEAD}ok 1 a\n",
    "no plan": f"{HEAD}ok 1 a\n",
    "two plans": f"{HEAD}1..1\n1..1\nok 1 a\n",
    "plan in the middle": f"{HEAD}ok 1 a\n1..2\nok 2 b\n",
    "huge plan": f"{HEAD}1..{'9' * 5000}\nok 1 a\n",
    "huge number": f"{HEAD}1..1\nok {'9' * 5000} a\n",
    "plan of none": f"{HEAD}1..0\n",
    "duplicate number": f"{HEAD}1..2\nok 1 a\nok 1 b\n",
    "out of order": f"{HEAD}1..2\nok 2 b\nok 1 a\n",
    "gap": f"{HEAD}1..2\nok 1 a\nok 3 b\n",
    "no number": f"{HEAD}1..1\nok - a\n",
    "failing line without number": f"{HEAD}1..1\nok 1 a\nnot ok b\n",
    "subtests that were only announced": f"{HEAD}1..1\n    # Subtest: s\nok 1 s\n",
    "bail out": f"{HEAD}1..1\nok 1 a\nBail out! disk\n",
    "ok and TIMEOUT": f"{HEAD}1..1\nok 1 a # TIMEOUT\n",
    "ok and ERROR": f"{HEAD}1..1\nok 1 a # ERROR x\n",
    "NUL in a result": f"{HEAD}1..1\nok 1 a\0b\n",
    "cursor movement in a result": f"{HEAD}1..1\n\x1b[2Kok 1 a\n",
    "CR in a result": f"{HEAD}1..1\nnot \rok 1 a\n",
    "harness says FAIL": f"{HEAD}1..1\n#          FAIL  a\nok 1 a\n",
    "harness says FAILED": f"{HEAD}1..1\nok 1 a\n# FAILED: 0 / 1 tests passed.\n",
    "totals differ": f"{HEAD}1..1\nok 1 a\n# Totals: pass:0 fail:1 xfail:0 xpass:0 skip:0 error:0\n",
    "run without result": f"{HEAD}1..1\n#  RUN           b ...\nok 1 a\n",
    "subtest failed": "KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n  not ok 1 b\nok 1 a\n",
    "subtests ran nothing": "KTAP version 1\n1..1\n  KTAP version 1\n  1..0 # SKIP x\nok 1 a\n",
    "subtests without parent": "KTAP version 1\n1..1\nok 1 a\n  KTAP version 1\n  1..1\n  ok 1 b\n",
    "subtests without version": "KTAP version 1\n1..1\n  1..1\n  ok 1 b\nok 1 a\n",
    "cut before the newline": f"{HEAD}1..1\nok 1 a",
    "nested without result, two levels down": "KTAP version 1\n1..1\n  KTAP version 1\n  1..0 # SKIP x\n"
    "    KTAP version 1\n    1..1\n    ok 1 c\nnot ok 1 a # SKIP\n",
    "bare ok": f"{HEAD}1..1\nok 1 a\nok\n",
    "plan that skips": f"{HEAD}1..1 # SKIP x\nok 1 a\n",
    "cut in other text": f"{HEAD}1..1\nok 1 a\nhal",
    "torn at the end": f"{HEAD}1..1\nok 1 a\nnot ok[    1.234567] fuse: init\n",
    "half a not": f"{HEAD}1..1\nnotrandom: crng init done\nnot \nok 1 a\n",
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_doubt_is_a_problem(name: str) -> None:
    document = parse(BAD[name])
    assert document.problems
    assert not well(document)


@pytest.mark.parametrize(
    "stream",
    [
        f"{HEAD}1..1\r\nok 1 a\r\n".encode(),
        f"{HEAD}ok 1 a\n1..1\n".encode(),
        f"{HEAD}1..1\n\x1b[32mok 1 a\x1b[0m\n".encode(),
        HEAD.encode() + b"1..1\n# bytes \xff\0\x1b[2J\nok 1 a\n",
        f"{HEAD}1..1\nok 1 a\n# half a comme".encode(),
        f"{HEAD}1..1\nok 1 a\n[    1.234567] half a mess".encode(),
        f"{HEAD}1..1\nfarwatch: a line of somebody else\nok 1 a\n\n".encode(),
        f"{HEAD}1..1\n[    1.234567] random: ok 1 x\nok 1 a\n".encode(),
        f"{HEAD}1..1\n[    1.234567][  T12] not ok 1 kunit\nok 1 a\n".encode(),
        f"{HEAD}1..1\n# quoted: [    1.234567] fuse: x\n# more\nok 1 a\n".encode(),
    ],
)
def test_harmless_things_stay_harmless(stream: bytes) -> None:
    document = parse(stream)
    assert document.problems == ()
    assert all_passed(document)
    assert document.tests[0].name == "a"


NOISE = "[    1.234567] fuse: init\n"


@pytest.mark.parametrize("cut", range(len("not ok 1 watch.create") + 1))
def test_kernel_message_inside_a_result(cut: int) -> None:
    for line in ("ok 1 watch.create", "not ok 1 watch.create"):
        torn = f"{line[:cut]}{NOISE}{NOISE}{line[cut:]}\n"
        document = parse(f"{HEAD}1..1\n{torn}")
        good = line.startswith("ok")
        assert [test.name for test in document.tests] == ["watch.create"]
        assert document.tests[0].outcome is (Outcome.PASS if good else Outcome.FAIL)
        assert all_passed(document) == good, (cut, document.problems)


def test_kernel_message_that_may_hide_a_directive() -> None:
    assert not well(parse(f"{HEAD}1..2\nok 1 a{NOISE}ok 2 b\n"))
    assert not all_passed(parse(f"{HEAD}1..1\nok 1 a{NOISE}# SKIP b\n"))
    assert not well(parse(f"{HEAD}1..1\nok 1 a{NOISE}# more\n"))
    assert not well(parse(f"{HEAD}1..1\n# this is {NOISE}ok 1 a\n"))


def test_invalid_bytes_stay_visible() -> None:
    document = parse(HEAD.encode() + b"1..1\nok 1 a\xff\n")
    assert document.tests[0].name == "a\\xff"
    assert not well(document)


def test_deep_nesting_has_a_limit() -> None:
    stream = "".join(f"{' ' * level}KTAP version 1\n" for level in range(300))
    assert f"more than {MAX_DEPTH} levels of nesting" in texts(parse(stream))


def test_a_flood_is_no_pass() -> None:
    lines = [*HEAD.splitlines(), "1..1", "ok 1 a"]
    fits = lines + ["# x"] * (MAX_LINES - len(lines))
    assert all_passed(parse(fits))
    flood = parse([*fits, "# x"])
    assert (well(flood), flood.truncated, flood.problems[0].line) == (False, True, MAX_LINES + 1)


def test_lines_may_come_without_newlines() -> None:
    assert all_passed(parse(["TAP version 13", "1..1", "ok 1 a"]))
    assert not all_passed(parse(["TAP version 13\n", "1..1\n", "ok 1 a"]))


# Properties

PIECES = [
    "ok",
    "not ok",
    " ",
    "1",
    "2",
    "..",
    "#",
    "# ",
    "  ",
    "\n",
    "\r",
    "\0",
    "\x1b[1m",
    "SKIP",
    "1..1",
    "a",
]
PIECES += ["TAP version 13", "KTAP version 1", "Bail out!", "[    1.000000] x", "\udcff", "RUN", "Totals:"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES)).map("".join) | st.text() | st.binary() | st.lists(st.text()))
def test_never_raises(stream: str | bytes | list[str]) -> None:
    document = parse(stream)
    assert not (all_passed(document) and not document.tests)


names = st.text("abcdefgh_.", min_size=1, max_size=6)
Tree: TypeAlias = "list[tuple[str, Tree]]"
trees: st.SearchStrategy[Tree] = st.recursive(
    st.lists(st.tuples(names, st.just([])), min_size=1, max_size=3),
    lambda inner: st.lists(st.tuples(names, inner), min_size=1, max_size=3),
    max_leaves=5,
)


def printed(tree: Tree, step: str, prefix: str = "") -> list[str]:
    """A passing document as its lines; step is what one level of nesting adds."""
    lines = [f"{prefix}KTAP version 1", f"{prefix}1..{len(tree)}"]
    for number, (name, inner) in enumerate(tree, 1):
        lines += printed(inner, step, prefix + step) if inner else [f"{prefix}# about {name}"]
        lines.append(f"{prefix}ok {number} {name}")
    return lines


def shape(tests: tuple[Test, ...]) -> Tree:
    return [(test.name, shape(test.subtests)) for test in tests]


@settings(deadline=None)
@given(trees, st.sampled_from(["  ", "    ", "# "]))
def test_round_trip(tree: Tree, step: str) -> None:
    document = parse("\n".join(printed(tree, step)) + "\n")
    assert document.problems == ()
    assert all_passed(document)
    assert shape(document.tests) == tree


@settings(deadline=None)
@given(trees, st.sampled_from(["  ", "# "]), st.data())
def test_no_line_can_be_lost(tree: Tree, step: str, data: st.DataObject) -> None:
    lines = printed(tree, step)
    lost = data.draw(st.integers(0, len(lines) - 1))
    rest = lines[:lost] + lines[lost + 1 :]
    comment = lines[lost].lstrip("# ").startswith("about")
    assert all_passed(parse("\n".join(rest) + "\n")) == comment


@settings(deadline=None)
@given(
    trees,
    st.sampled_from(["  ", "# "]),
    st.sampled_from(["", "# Totals: half", "# two\n# lines\n"]),
    st.data(),
)
def test_no_end_can_be_lost(tree: Tree, step: str, tail: str, data: st.DataObject) -> None:
    stated = "\n".join(printed(tree, step)) + "\n"
    whole = (stated + tail).encode()
    cut = data.draw(st.integers(0, len(whole)))
    assert all_passed(parse(whole[:cut])) == (cut >= len(stated)), whole[:cut]


@pytest.mark.parametrize("name", ["harness-pass", "ktap-nested", "tap14-subtests"])
def test_real_logs_cut_anywhere(name: str) -> None:
    whole = (DATA / f"{name}.log").read_bytes()
    lines = whole.splitlines(keepends=True)
    last = max(i for i, line in enumerate(lines) if line.startswith(b"ok"))
    stated = sum(len(line) for line in lines[: last + 1])
    for cut in range(stated):
        assert not all_passed(parse(whole[:cut]))
    for i, line in enumerate(lines):
        if not line.lstrip().startswith(b"#"):
            assert not all_passed(parse(b"".join(lines[:i] + lines[i + 1 :]))), line


NESTED_WITHOUT_HEADER = HEAD + "1..1\n# selftests: x: test_x\n# ok 1 a\n{line}\n{result}\n"


@pytest.mark.parametrize(
    "line", ["# not ok 2 b", "# # not ok 2 b", "  # not ok 2", "# not ok", "# not ok b # TIMEOUT"]
)
@pytest.mark.parametrize("result", ["ok 1 x", "ok 1 x # SKIP y"])
def test_a_failure_in_a_nested_run_without_a_header_is_no_comment(line: str, result: str) -> None:
    assert "although a nested result is not" in texts(
        parse(NESTED_WITHOUT_HEADER.format(line=line, result=result))
    )


def test_a_nested_failure_that_is_meant_or_told_is_none() -> None:
    for line in ("# not ok 2 b # SKIP why", "# not ok 2 b # XFAIL why", "# not okay", "# it is not ok 2"):
        assert all_passed(parse(NESTED_WITHOUT_HEADER.format(line=line, result="ok 1 x")))
    assert parse(NESTED_WITHOUT_HEADER.format(line="# not ok 2 b", result="not ok 1 x")).problems == ()


def test_a_nested_failure_behind_the_last_result() -> None:
    assert "belongs to no test" in texts(parse(HEAD + "1..1\nok 1 x\n# not ok 1 y\n"))


@pytest.mark.parametrize("indent", ["    ", "  ", "\t"])
def test_tap_14_names_a_nested_document_inside_it(indent: str) -> None:
    """As TAP 14 shows it, and as KUnit printed it up to 5.19."""
    lines = ["# Subtest: s", "1..2", "ok 1 a", "ok 2 b"]
    nested = "".join(f"{indent}{line}\n" for line in lines)
    document = parse(f"TAP version 14\n1..1\n{nested}ok 1 s\n")
    assert all_passed(document)
    assert [test.name for test in document.walk()] == ["s", "a", "b"]
    bad = parse(f"TAP version 14\n1..1\n{nested.replace('ok 2', 'not ok 2')}ok 1 s\n")
    assert "although a subtest is not" in texts(bad)
    assert "result of s expected" in texts(parse(f"TAP version 14\n1..1\n{nested}ok 1 other\n"))
