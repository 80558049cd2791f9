# SPDX-License-Identifier: GPL-2.0-or-later
"""Every rule of the table in verdicts/judge.py, and their order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farwatch.model import Verdict
from farwatch.verdicts.judge import MAX_DETAIL, End, EndKind, Evidence, judge
from tests import SAMPLES

DATA = SAMPLES
NAME = "watch.local.create"
HEAD = "TAP version 13\n1..1\n"
SPLAT = ("BUG: scheduling while atomic: cat/7/0x2", " trace")


def log(name: str) -> bytes:
    return (DATA / "ktap" / f"{name}.log").read_bytes()


def ended(code: int = 0) -> End:
    return End(EndKind.EXIT, code)


def seen(output: bytes | str, code: int = 0, test: str = NAME) -> Evidence:
    data = output.encode() if isinstance(output, str) else output
    return Evidence(test, data, ended(code))


PASS = seen(log("harness-pass"))


def test_a_pass() -> None:
    assert judge(PASS) == (Verdict.PASS, "", "")


NO_EVENT = 'no event: waited 1000 ms for IN_CREATE "f"'
FAILED = seen(log("harness-no-event"), 1, "watch.remote.no_event")
SKIPPED = seen(log("harness-skip"), 0, "watch.local.skip")
DIES = seen(log("harness-dies"), 0, "global.parent_dies")
OK = f"ok 1 {NAME}\n"

TABLE = {
    # rule 1: the server, before the splat that it causes
    "server": (replace(PASS, server_died="signal 11"), "error", "the server died by itself: signal 11"),
    "server first": (
        replace(FAILED, server_died="exit 1", console=SPLAT, infrastructure=("step 3: no answer",)),
        "error",
        "the server died by itself: exit 1",
    ),
    # rule 2: the kernel, even if the test passed
    "splat": (replace(PASS, console=SPLAT), "crash", "BUG: scheduling while atomic"),
    "splat in a failure": (replace(FAILED, console=SPLAT), "crash", "BUG: scheduling while atomic"),
    "splat in a skip": (replace(SKIPPED, console=SPLAT), "crash", "BUG: scheduling while atomic"),
    "guest": (replace(PASS, guest_died="vanished"), "crash", "the guest died: vanished"),
    "guest and splat": (
        replace(PASS, guest_died="panicked", console=SPLAT, end=End(EndKind.NEVER_ENDED)),
        "crash",
        "BUG: scheduling while atomic",
    ),
    "splat breaks the channel": (
        replace(FAILED, console=SPLAT, infrastructure=("step line closed",)),
        "crash",
        "BUG: scheduling while atomic",
    ),
    "splat in the set-up": (
        replace(PASS, console=SPLAT, end=End(EndKind.SETUP, 5)),
        "crash",
        "BUG: scheduling while atomic",
    ),
    # rule 3
    "steps on the host": (
        replace(FAILED, infrastructure=("step 3: no answer",)),
        "error",
        "step 3: no answer",
    ),
    "steps in the guest": (
        seen(log("harness-infrastructure"), 1, "watch.local.broken_steps"),
        "error",
        "step line closed",
    ),
    "steps, and a pass": (
        seen(f"{HEAD}# farwatch: infrastructure: step line closed\n{OK}"),
        "error",
        "step line closed",
    ),
    "set-up": (
        replace(PASS, output=b"", end=End(EndKind.SETUP, 19, "mount myfs: No such device")),
        "error",
        "set-up failed: mount myfs: No such device",
    ),
    "set-up without words": (replace(PASS, end=End(EndKind.SETUP, 19)), "error", "set-up failed: errno 19"),
    "steps before the limit": (
        replace(DIES, infrastructure=("no answer",), end=End(EndKind.TIMEOUT)),
        "error",
        "no answer",
    ),
    # rule 4
    "never began": (
        replace(PASS, output=b"", end=End(EndKind.NEVER_BEGAN)),
        "error",
        "the test program never began",
    ),
    # rule 5
    "limit": (
        replace(DIES, end=End(EndKind.TIMEOUT)),
        "hang",
        "stopped at its limit, last output: #  RUN           global.parent_dies ...",
    ),
    "limit, after a pass": (
        replace(PASS, end=End(EndKind.TIMEOUT)),
        "hang",
        "stopped at its limit, last output: # Totals: pass:1 fail:0 xfail:0 xpass:0 skip:0 error:0",
    ),
    "never ended": (
        replace(PASS, output=b"", end=End(EndKind.NEVER_ENDED)),
        "hang",
        "no end, last output: nothing",
    ),
    # rule 6
    "harness's limit": (
        seen(log("harness-timeout"), 1, "watch.local.slow"),
        "hang",
        "the harness stopped it at its limit",
    ),
    # rules 7 and 8
    "signal": (
        replace(DIES, end=End(EndKind.SIGNAL, 11)),
        "crash",
        "the test program was killed by signal 11 (SIGSEGV)",
    ),
    "signal after a pass": (
        replace(PASS, end=End(EndKind.SIGNAL, 9)),
        "crash",
        "the test program was killed by signal 9 (SIGKILL)",
    ),
    "strange signal": (
        replace(PASS, end=End(EndKind.SIGNAL, 99)),
        "crash",
        "the test program was killed by signal 99",
    ),
    "signal of the case": (
        seen(log("harness-signal"), 1, "watch.local.segv"),
        "crash",
        "killed by signal 11 (SIGSEGV)",
    ),
    # rule 9
    "skip all": (seen(log("kselftest-skipall"), 4), "skip", "needs virtiofs"),
    "skip all, exit 0": (seen(log("kselftest-skipall"), 0), "skip", "needs virtiofs"),
    "skip all, no reason": (seen("TAP version 13\n1..0 # SKIP\n", 4), "skip", "no reason given"),
    "skip all, exit 1": (
        seen(log("kselftest-skipall"), 1),
        "error",
        "exit code 1 contradicts the result 'SKIP'",
    ),
    "skip all, and a result": (
        seen(f"TAP version 13\n1..0 # SKIP x\n{OK}"),
        "error",
        "broken test output: 0 tests planned, 1 results",
    ),
    "skip all, no version": (seen("1..0 # SKIP x\n"), "error", "broken test output: no version line"),
    # rule 10
    "nothing": (seen("", 127), "error", "the test program printed nothing (exit code 127)"),
    "no plan": (seen(log("kselftest-noplan")), "error", "the test program printed no plan (exit code 0)"),
    "no result": (
        seen(log("kselftest-early")),
        "error",
        "broken test output: 1 tests planned, 0 results",
    ),
    "started only": (
        DIES,
        "error",
        "the test program printed no result for global.parent_dies (exit code 0)",
    ),
    "more than planned": (
        seen(log("kselftest-more")),
        "error",
        "broken test output: 1 tests planned, 2 results",
    ),
    "bail out": (
        seen(log("kselftest-bail"), 1),
        "error",
        "broken test output: bailed out: cannot mount: 5",
    ),
    "nothing to run": (seen(log("harness-nothing")), "error", "broken test output: no test was run"),
    "another name": (replace(PASS, test="watch.remote.create"), "error", f"another test was run: {NAME}"),
    "two tests": (
        seen(f"TAP version 13\n1..2\n{OK}ok 2 b\n"),
        "error",
        "2 tests were run instead of 1",
    ),
    # rule 12
    "ok, exit 1": (replace(PASS, end=ended(1)), "error", "exit code 1 contradicts the result 'pass'"),
    "ok, exit 4": (replace(PASS, end=ended(4)), "error", "exit code 4 contradicts the result 'pass'"),
    "not ok, exit 0": (replace(FAILED, end=ended(0)), "error", "exit code 0 contradicts the result 'fail'"),
    "skip, exit 1": (replace(SKIPPED, end=ended(1)), "error", "exit code 1 contradicts the result 'skip'"),
    "xfail, exit 1": (
        seen(log("harness-xfail"), 1, "watch.remote.expected"),
        "error",
        "exit code 1 contradicts the result 'xfail'",
    ),
    # rule 13
    "fail": (FAILED, "fail", NO_EVENT),
    "assertion": (
        seen(log("harness-expect"), 1, "watch.local.expect"),
        "fail",
        "Expected 1 (1) == self->fd (3)",
    ),
    "silent": (
        seen(log("harness-silent-fail"), 1, "watch.local.quiet_fail"),
        "fail",
        "failed without a reason",
    ),
    "reason": (seen(f"{HEAD}not {OK[:-1]} # exit=3\n", 1), "fail", "exit=3"),
    "log first": (
        seen(f"{HEAD}# w.c:1:create:starts\n# w.c:2:create:Expected 1 (1) == x (2)\nnot {OK}", 1),
        "fail",
        "Expected 1 (1) == x (2)",
    ),
    "log only": (seen(f"{HEAD}# other\n# w.c:1:create:bad mask\nnot {OK}", 1), "fail", "bad mask"),
    "plain text": (seen(f"{HEAD}# cannot open f\nnot {OK}", 1), "fail", "cannot open f"),
    "skip": (SKIPPED, "skip", "no step line: set FARWATCH_STEPS"),
    "skip, exit 4": (replace(SKIPPED, end=ended(4)), "skip", "no step line: set FARWATCH_STEPS"),
    "xfail": (
        seen(log("harness-xfail"), 0, "watch.remote.expected"),
        "xfail",
        "Expected 1 (1) == 2 (2)",
    ),
    "xpass": (
        seen(log("harness-xpass"), 0, "watch.remote.unexpected"),
        "fail",
        "passed, although it is marked as expected to fail",
    ),
    "directive TIMEOUT": (
        seen(f"{HEAD}not {OK[:-1]} # TIMEOUT 45 seconds\n", 1),
        "hang",
        "timeout: 45 seconds",
    ),
    "directive ERROR": (seen(f"{HEAD}not {OK[:-1]} # ERROR no memory\n", 1), "fail", "no memory"),
}


@pytest.mark.parametrize("case", TABLE)
def test_table(case: str) -> None:
    evidence, verdict, title = TABLE[case]
    assert judge(evidence)[:2] == (Verdict(verdict), title)


def test_detail_of_a_failure_is_what_the_program_said() -> None:
    detail = judge(FAILED).detail.split("\n")
    assert f"# h2.c:14:no_event:{NO_EVENT}" in detail
    assert "# h2.c:15:no_event:Expected 1 (1) == variant->remote + 2 (3)" in detail


def test_detail_of_a_crash_is_the_report() -> None:
    twice = (*SPLAT, "farwatch: x", "BUG: another")
    assert judge(replace(PASS, console=twice)).detail == "\n".join((*SPLAT, "also: BUG: another"))
    assert "then: BUG: scheduling while atomic" in judge(replace(PASS, server_died="x", console=SPLAT)).detail


def test_detail_has_a_limit() -> None:
    lines = judge(seen(HEAD + "# x\n" * 5000 + f"not {OK}", 1)).detail.split("\n")
    assert len(lines) == MAX_DETAIL + 1
    assert "... 4800 more lines ..." in lines


def test_a_real_panic() -> None:
    console = tuple((DATA / "console" / "uml-init-exits.log").read_text().splitlines())
    verdict, title, _ = judge(replace(PASS, console=console, guest_died="panicked"))
    assert (verdict, title) == (
        Verdict.CRASH,
        "kernel panic: Attempted to kill init!",
    )


def test_another_tests_words_are_not_this_tests() -> None:
    said = f"{HEAD}# other: Test terminated by timeout\n{OK}"
    assert judge(seen(said)).verdict is Verdict.PASS


ends = st.builds(End, st.sampled_from(EndKind), st.integers(0, 255))


@settings(deadline=None)
@given(st.binary() | st.just(PASS.output), ends, st.sampled_from(["", "gone"]))
def test_only_one_way_leads_to_a_pass(output: bytes, end: End, died: str) -> None:
    evidence = Evidence(NAME, output, end, (), died, "", ())
    fine = replace(evidence, output=PASS.output, end=ended()) == evidence == PASS
    assert (judge(evidence).verdict is Verdict.PASS) == fine


@settings(deadline=None)
@given(st.integers(0, len(PASS.output)))
def test_cut_output_is_no_pass(cut: int) -> None:
    stated = PASS.output.index(OK.encode()) + len(OK)
    verdict = judge(replace(PASS, output=PASS.output[:cut])).verdict
    assert verdict is (Verdict.PASS if cut >= stated else Verdict.ERROR)
