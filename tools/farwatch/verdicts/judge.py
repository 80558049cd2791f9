# SPDX-License-Identifier: GPL-2.0-or-later
"""From what was seen of one test's run to its verdict. A pure function.

The first rule that applies decides:

    what was seen                                                    verdict
 1  the server died, and nobody had asked for it                     ERROR
 2  the guest died, or its kernel complained (a splat)               CRASH
 3  infrastructure: a step channel broke, the set-up failed          ERROR
 4  the program never began                                          ERROR
 5  the program was stopped at its limit, or never ended             HANG
 6  the harness stopped the case at its own limit                    HANG
 7  a signal killed the program                                      CRASH
 8  a signal killed the case, says the harness                       CRASH
 9  "1..0 # SKIP reason", exit 0 or 4                                SKIP
10  broken protocol: no plan, no result, another test's name, ...    ERROR
11  the exit code contradicts the result                             ERROR
12  the result line: ok PASS, SKIP, XFAIL; not ok, ERROR FAIL;
    TIMEOUT HANG; XPASS (expected to fail, and did not) FAIL

Why this order: a dead server makes the guest's kernel complain, so it comes
before the splat; a dead kernel breaks every channel, so it comes before the
other infrastructure; a broken channel lets a test run into its limit. A splat
counts even if the test passed. Nothing but rule 12 can give a pass.
"""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from farwatch.model import Verdict
from farwatch.verdicts.ktap import KtapDocument, Outcome, Test, parse
from farwatch.verdicts.splat import Splat, scan

MAX_DETAIL = 200
"""Lines of detail that are kept; the logs have all of them."""


class EndKind(StrEnum):
    """How a test program came to its end."""

    EXIT = "exit"
    SIGNAL = "signal"
    TIMEOUT = "timeout"
    """Killed by the agent at its limit."""
    SETUP = "setup"
    """The agent could not start it: the mount failed, ..."""
    NEVER_ENDED = "never ended"
    """Began, and the guest never said how it ended."""
    NEVER_BEGAN = "never began"


@dataclass(frozen=True)
class End:
    """EndKind with its number: exit code, signal or errno; and a text for people."""

    kind: EndKind
    number: int = 0
    text: str = ""


@dataclass(frozen=True)
class Evidence:
    """All that is known of one run of one test: one harness case, alone in its process."""

    test: str
    """The name that the result line must have (TestCase.ktap_name)."""
    output: bytes
    """Standard output and error of the program."""
    end: End
    console: tuple[str, ...] = ()
    """Kernel messages between the begin and end marks, or to the end if the guest died."""
    guest_died: str = ""
    """How the guest went away during the test ("vanished", "panicked"); empty: it lives."""
    server_died: str = ""
    """How the server went away without being asked to ("signal 11"); empty: it lives."""
    infrastructure: tuple[str, ...] = ()
    """What broke on the host's side: a step that had no answer, a lost line, ..."""


class Judgement(NamedTuple):
    """The verdict, why in one line (empty for a pass), and the lines that show it."""

    verdict: Verdict
    title: str
    detail: str


def judge(evidence: Evidence) -> Judgement:
    """Apply the rules of this module's table."""
    document = parse(evidence.output)
    return (
        fate(evidence, document)
        or _skipped_all(evidence, document)
        or _protocol(evidence, document)
        or _result(evidence, document.tests[0])
    )


def fate(evidence: Evidence, document: KtapDocument) -> Judgement | None:
    """Rules 1 to 8: what became of guest and program; None: it came to its end, and says how it went."""
    splats = scan(evidence.console)
    return (
        _server(evidence, splats)
        or _kernel(evidence, splats)
        or _infrastructure(evidence, document)
        or _hang(evidence, document)
        or _killed(evidence, document)
    )


def title_of(test: Test) -> str:
    """Why a result is not a pass, in one line; empty for a pass."""
    return _title(test.outcome, test)


_INFRASTRUCTURE = re.compile(r"#\s*farwatch: infrastructure: (.*)")
_TIMED_OUT = "Test terminated by timeout"
_SIGNALLED = re.compile(r"Test terminated unexpectedly by signal ([0-9]+)")
_LOCATION = re.compile(r"[^\s:]+\.[ch]:[0-9]+:[^\s:]+:")
_HARNESS = re.compile(
    r"#\s+(?:RUN\s.*\.\.\.|(?:OK|FAIL)  \S+|SKIP      .*|\S+: Test .*)|# (?:Starting [0-9]+ tests .*|)\s*"
)

# Exit codes of kselftest.h that go with an outcome. The harness exits with 0
# after a skip or an expected failure, a program without it with 4, 2 or 3.
_EXIT_CODES = {
    Outcome.PASS: (0,),
    Outcome.SKIP: (0, 4),
    Outcome.XFAIL: (0, 2),
    Outcome.XPASS: (0, 3),
}
_SKIP_CODES = (0, 4)
VERDICTS = {
    Outcome.PASS: Verdict.PASS,
    Outcome.FAIL: Verdict.FAIL,
    Outcome.SKIP: Verdict.SKIP,
    Outcome.XFAIL: Verdict.XFAIL,
    Outcome.XPASS: Verdict.FAIL,
    Outcome.TIMEOUT: Verdict.HANG,
    Outcome.ERROR: Verdict.FAIL,
}


# The rules, in order. Each gives None when it does not apply.


def _server(evidence: Evidence, splats: list[Splat]) -> Judgement | None:
    if not evidence.server_died:
        return None
    shown = [*(f"then: {splat.title}" for splat in splats), *_tail(evidence.output)]
    return _judgement(Verdict.ERROR, f"the server died by itself: {evidence.server_died}", shown)


def _kernel(evidence: Evidence, splats: list[Splat]) -> Judgement | None:
    if splats:
        also = [f"also: {splat.title}" for splat in splats[1:]]
        return _judgement(Verdict.CRASH, splats[0].title, [*splats[0].text.split("\n"), *also])
    if evidence.guest_died:
        return _judgement(Verdict.CRASH, f"the guest died: {evidence.guest_died}", list(evidence.console))
    return None


def _infrastructure(evidence: Evidence, document: KtapDocument) -> Judgement | None:
    told = [match[1] for line in _lines(document) if (match := _INFRASTRUCTURE.fullmatch(line))]
    said = [*evidence.infrastructure, *told]
    if evidence.end.kind is EndKind.SETUP:
        said.insert(0, f"set-up failed: {evidence.end.text or f'errno {evidence.end.number}'}")
    elif evidence.end.kind is EndKind.NEVER_BEGAN:
        said.append("the test program never began")
    return _judgement(Verdict.ERROR, said[0], [*said[1:], *_tail(evidence.output)]) if said else None


def _hang(evidence: Evidence, document: KtapDocument) -> Judgement | None:
    last = next((line for line in reversed(_tail(evidence.output)) if line.strip()), "nothing")
    if evidence.end.kind is EndKind.NEVER_ENDED:
        return _judgement(Verdict.HANG, f"no end, last output: {last}", _tail(evidence.output))
    if evidence.end.kind is EndKind.TIMEOUT:
        return _judgement(Verdict.HANG, f"stopped at its limit, last output: {last}", _tail(evidence.output))
    if any(text.startswith(_TIMED_OUT) for text in _harness_says(evidence, document)):
        return _judgement(Verdict.HANG, "the harness stopped it at its limit", _lines(document))
    return None


def _killed(evidence: Evidence, document: KtapDocument) -> Judgement | None:
    if evidence.end.kind is EndKind.SIGNAL:
        name = _signal_name(evidence.end.number)
        return _judgement(Verdict.CRASH, f"the test program was killed by {name}", _tail(evidence.output))
    for text in _harness_says(evidence, document):
        if match := _SIGNALLED.fullmatch(text):
            return _judgement(Verdict.CRASH, f"killed by {_signal_name(int(match[1]))}", _lines(document))
    return None


def _skipped_all(evidence: Evidence, document: KtapDocument) -> Judgement | None:
    if document.skip_all is None or document.problems or document.tests:
        return None
    if evidence.end.number not in _SKIP_CODES:
        return _contradiction(evidence, "SKIP")
    return _judgement(Verdict.SKIP, document.skip_all or "no reason given", [])


def _protocol(evidence: Evidence, document: KtapDocument) -> Judgement | None:
    text = ""
    if not evidence.output.strip():
        text = f"the test program printed nothing (exit code {evidence.end.number})"
    elif document.plan is None:
        text = f"the test program printed no plan (exit code {evidence.end.number})"
    elif lost := [test.name for test in document.walk() if test.outcome is Outcome.NO_RESULT]:
        text = f"the test program printed no result for {lost[0]} (exit code {evidence.end.number})"
    elif document.problems:
        text = f"broken test output: {document.problems[0].text}"
    elif len(document.tests) != 1:
        text = f"{len(document.tests)} tests were run instead of 1"
    elif document.tests[0].name != evidence.test:
        text = f"another test was run: {document.tests[0].name}"
    else:
        return None
    problems = [f"line {problem.line}: {problem.text}" for problem in document.problems]
    return _judgement(Verdict.ERROR, text, [*problems, *_tail(evidence.output)])


def _result(evidence: Evidence, test: Test) -> Judgement:
    outcome = test.outcome
    allowed = _EXIT_CODES.get(outcome)
    code = evidence.end.number
    if code not in allowed if allowed else code == 0:
        return _contradiction(evidence, outcome.value)
    verdict = VERDICTS[outcome]
    shown = [] if verdict in (Verdict.PASS, Verdict.SKIP) else list(test.diagnostics)
    return _judgement(verdict, _title(outcome, test), shown)


def _contradiction(evidence: Evidence, result: str) -> Judgement:
    text = f"exit code {evidence.end.number} contradicts the result '{result}'"
    return _judgement(Verdict.ERROR, text, _tail(evidence.output))


# Words


def _title(outcome: Outcome, test: Test) -> str:
    if outcome is Outcome.PASS:
        return ""
    if outcome is Outcome.SKIP:
        return test.reason or "no reason given"
    if outcome is Outcome.XPASS:
        return "passed, although it is marked as expected to fail"
    if outcome is Outcome.TIMEOUT:
        return f"timeout: {test.reason}".rstrip(": ")
    return _why(test) or (test.reason if test.reason != "unknown" else "") or "failed without a reason"


def _why(test: Test) -> str:
    """The line that says what went wrong: a missing event, else the failed assertion."""
    lines = [line for line in test.diagnostics if not _HARNESS.fullmatch(line)]
    texts = [_LOCATION.sub("", line.removeprefix("#").strip(), count=1).strip() for line in lines]
    located = [text for text, line in zip(texts, lines, strict=True) if _LOCATION.search(line)]
    ranked = [
        *(text for text in texts if "no event" in text),
        *(text for text in located if text.startswith("Expected ")),
        *located,
        *texts,
    ]
    return next((text for text in ranked if text), "")


def _harness_says(evidence: Evidence, document: KtapDocument) -> list[str]:
    """What the harness itself says of the test: "# <last part of its name>: Test ..."."""
    start = f"# {evidence.test.rpartition('.')[2]}: "
    return [line.removeprefix(start).strip() for line in _lines(document) if line.startswith(start)]


def _lines(document: KtapDocument) -> list[str]:
    """All diagnostics, wherever the parser put them."""
    return [line for test in document.walk() for line in test.diagnostics] + list(document.diagnostics)


def _tail(output: bytes) -> list[str]:
    text = output[-64 * MAX_DETAIL :].decode("utf-8", "backslashreplace")
    return text.replace("\r", "").split("\n")[-MAX_DETAIL:]


def _signal_name(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"


def _judgement(verdict: Verdict, title: str, shown: list[str]) -> Judgement:
    lines = shown
    if len(shown) > MAX_DETAIL:
        left = len(shown) - MAX_DETAIL
        lines = [*shown[: MAX_DETAIL // 2], f"... {left} more lines ...", *shown[-MAX_DETAIL // 2 :]]
    return Judgement(verdict, title, "\n".join(lines).strip("\n"))
