# SPDX-License-Identifier: GPL-2.0-or-later
"""Parser for KTAP 1 and TAP 13/14, as kselftest and KUnit print them.

The format is Documentation/dev-tools/ktap.rst of the kernel; the comment lines
that carry meaning (" RUN ", "OK"/"FAIL", "PASSED"/"FAILED", "Totals:") are
those of kselftest_harness.h and kselftest.h. Documents nest by indentation
(KTAP) and by a "# " before each line (a kselftest run by runner.sh).

The rule that decides every open question: a wrong pass is the worst bug.
Whatever is doubtful becomes a Problem, and a document with a problem is not ok.
For that reason the parser is stricter than the format: it demands a version
line, a plan and numbers without gaps, and compares the program's own sums.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from farwatch.verdicts.lines import PROTOCOL, StreamLine, body_of, read

MAX_DEPTH = 16
MAX_PROBLEMS = 100
MAX_LINES = 200_000
"""A longer stream is a flood: it is read up to here, and that is a problem."""


class Outcome(StrEnum):
    """What a result line says, its directive included."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"
    XFAIL = "xfail"
    XPASS = "xpass"
    TIMEOUT = "timeout"
    ERROR = "error"
    NO_RESULT = "no result"
    """The test was started (RUN line), and nothing said how it ended."""


@dataclass(frozen=True)
class Problem:
    """Why the document cannot be taken at its word."""

    line: int
    """Line number in the stream, from 1; 0 when it is about the whole stream."""
    text: str


@dataclass(frozen=True)
class Test:
    """One result line with what belongs to it."""

    __test__ = False  # not a pytest class

    number: int
    name: str
    status: Literal["ok", "not ok", ""]
    """As printed; empty when there is no result line."""
    directive: str = ""
    """SKIP, TODO, XFAIL, XPASS, TIMEOUT, ERROR or empty."""
    reason: str = ""
    """The text after the directive or, without one, after the "#"."""
    diagnostics: tuple[str, ...] = ()
    """Comments and foreign lines since the last result, without their nesting prefix."""
    subtests: tuple[Test, ...] = ()
    first_line: int = 0
    last_line: int = 0

    @property
    def outcome(self) -> Outcome:
        if not self.status:
            return Outcome.NO_RESULT
        if self.directive == "TODO":
            return Outcome.XPASS if self.status == "ok" else Outcome.XFAIL
        if self.directive:
            return Outcome(self.directive.lower())
        return Outcome.PASS if self.status == "ok" else Outcome.FAIL

    def walk(self) -> Iterator[Test]:
        """This test and all below it."""
        yield self
        for test in self.subtests:
            yield from test.walk()


@dataclass(frozen=True)
class KtapDocument:
    """The whole stream."""

    version: str | None
    """"TAP 13", "TAP 14", "KTAP 1", or None when there was no version line."""
    plan: int | None
    tests: tuple[Test, ...]
    problems: tuple[Problem, ...]
    truncated: bool
    """The last line has no newline: the stream was cut there. Or it was too long to read."""
    skip_all: str | None = None
    """The reason of "1..0 # SKIP reason"."""
    bail_out: str | None = None
    diagnostics: tuple[str, ...] = ()
    """Comments after the last result."""
    loose: tuple[Test, ...] = ()
    """Nested results whose own test has none: the stream ended while it ran."""

    def walk(self) -> Iterator[Test]:
        """All tests at all levels."""
        for test in self.tests:
            yield from test.walk()


def parse(stream: str | bytes | Iterable[str]) -> KtapDocument:
    """Read one run's output. Never raises; what it cannot read is in `problems`."""
    parser = _KtapParser()
    for line in read(stream):
        if line.number > MAX_LINES:
            parser.flooded(line.number)
            break
        parser.feed(line)
    return parser.finish()


_VERSION = re.compile(r"(K?TAP) version ([0-9]{1,4})\s*")
_PLAN = re.compile(r"1\.\.([0-9]{1,9})\s*(?:#\s*(.*))?")
_RESULT = re.compile(r"(ok|not ok)\s+([0-9]{1,9})(?:\s+(.*))?")
_DIRECTIVE = re.compile(r"(?<!\\)#\s*(skip\w*|todo|xfail|xpass|timeout|error)\b[:\s]*(.*)", re.IGNORECASE)
_HASH = re.compile(r"(?<!\\)#")
_BROKEN = re.compile(r"(?:n|no|not|not .*|(?:not )?ok|1\.\..*|K?TAP version.*|[Bb]ail out.*)\s*")
_RUN = re.compile(r"#\s+RUN\s+(\S+) \.\.\.\s*")
_CLAIM = re.compile(r"# {10,12}(OK|FAIL)  (\S+)\s*")
_SUM = re.compile(r"# (PASSED|FAILED): ([0-9]{1,9}) / ([0-9]{1,9}) tests passed\.\s*")
_TOTALS = re.compile(
    r"# Totals: pass:([0-9]{1,9}) fail:([0-9]{1,9}) xfail:([0-9]{1,9})"
    r" xpass:([0-9]{1,9}) skip:([0-9]{1,9}) error:([0-9]{1,9})\s*"
)
_KUNIT_SUM = re.compile(
    r"# (\S+): pass:([0-9]{1,9}) fail:([0-9]{1,9}) skip:([0-9]{1,9}) total:([0-9]{1,9})\s*"
)
_SUBTEST = re.compile(r"[ \t]*# Subtest\b:?(.*)")
_QUOTED = re.compile(r"[ \t]*#[# \t]*(not ok)(?:[ \t]+(?:[0-9]{1,9}\b)?(.*))?")
"""A failure that is nested with hashes, whatever opened that level, or did not."""
_KNOWN_VERSIONS = ("TAP 13", "TAP 14", "KTAP 1")
_FAILING = ("", "TIMEOUT", "ERROR")
"""What may stand behind "not ok" (nothing, or a directive), and it is a failure."""
_BAD = (Outcome.FAIL, Outcome.TIMEOUT, Outcome.ERROR, Outcome.NO_RESULT)


@dataclass
class _Group:
    """One level: a document that is being read."""

    prefix: str
    first_line: int
    version: str | None = None
    announced: bool = False
    """TAP 14 opens a nested document with a "# Subtest" comment instead of a version line."""
    title: str = ""
    """The name in that comment, which the result line must have, too."""
    plan: int | None = None
    plan_after: int = 0
    """How many results came before the plan."""
    skip_all: str | None = None
    tests: list[Test] = field(default_factory=list)
    pending: list[_Group] = field(default_factory=list)
    """Nested documents that wait for the result line they belong to."""
    diagnostics: list[str] = field(default_factory=list)
    since: int = 0
    running: dict[str, int] = field(default_factory=dict)
    claims: dict[str, str] = field(default_factory=dict)
    quoted: list[tuple[int, str]] = field(default_factory=list)
    """Failures in comments since the last result: of a nested run that printed no header."""
    sums: tuple[str, int, int] | None = None
    totals: tuple[int, ...] | None = None
    kunit_sums: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """What KUnit counted in nested documents since the last result, by their names."""

    def take_diagnostics(self) -> tuple[str, ...]:
        taken, self.diagnostics, self.since = tuple(self.diagnostics), [], 0
        return taken

    def note(self, line: int, text: str) -> None:
        self.since = self.since or line
        self.diagnostics.append(text)


class _KtapParser:
    def __init__(self) -> None:
        self.root = _Group("", 0)
        self.stack = [self.root]
        self.problems: list[Problem] = []
        self.bail_out: str | None = None
        self.truncated = False
        self.subtest_line = False
        self.subtest_title = ""
        self.subtest_prefix = ""
        """What stands before that line, where nothing nested has followed yet."""

    def feed(self, line: StreamLine) -> None:
        self.truncated = not line.complete
        prefix, body = body_of(line.text)
        if not line.foreign and PROTOCOL.fullmatch(body):
            group = self._group_for(prefix, body, line)
            if group is not None:
                self._statement(group, body, line)
                return
        self._other(line)

    def flooded(self, line: int) -> None:
        self.truncated = True
        self.problems.insert(0, Problem(line, f"more than {MAX_LINES} lines: the rest was not read"))

    def finish(self) -> KtapDocument:
        while len(self.stack) > 1:
            self._pop()
        for group in self.root.pending:
            self._problem(group.first_line, "nested results without a result line of their own")
        self._close(self.root)
        return KtapDocument(
            version=self.root.version,
            plan=self.root.plan,
            tests=tuple(self.root.tests),
            problems=tuple(self.problems),
            truncated=self.truncated,
            skip_all=self.root.skip_all,
            bail_out=self.bail_out,
            diagnostics=self.root.take_diagnostics(),
            loose=tuple(test for group in self.root.pending for test in group.tests),
        )

    def _problem(self, line: int, text: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(line, text))

    # Which level a line belongs to

    def _group_for(self, prefix: str, body: str, line: StreamLine) -> _Group | None:
        """The open level of this prefix, or a new one; None when the line states nothing."""
        depth = max(i for i, group in enumerate(self.stack) if prefix.startswith(group.prefix))
        if self.stack[depth].prefix != prefix and not self._may_open(depth, prefix, body, line):
            return None
        while len(self.stack) > depth + 1:
            self._pop()
        if self.stack[-1].prefix != prefix:
            announced = self.subtest_line and (self.root.version or "").startswith("TAP")
            title = self.subtest_title if self.subtest_line else ""
            self.stack.append(_Group(prefix, line.number, announced=announced, title=title))
        return self.stack[-1]

    def _may_open(self, depth: int, prefix: str, body: str, line: StreamLine) -> bool:
        """Whether a statement at a new prefix starts a nested document, or is only quoted text."""
        if depth + 1 >= MAX_DEPTH:
            self._problem(line.number, f"more than {MAX_DEPTH} levels of nesting")
            return False
        extra = prefix[len(self.stack[depth].prefix) :]
        if _VERSION.fullmatch(body) or "#" not in extra:
            return True
        return _PLAN.fullmatch(body) is not None and extra.replace("# ", "") == ""

    def _pop(self) -> None:
        group = self.stack.pop()
        for inner in group.pending:
            self._problem(inner.first_line, "nested results without a result line of their own")
        above = self.stack[-1]
        self._close(group, above.kunit_sums.pop(group.title, None))
        above.pending.append(group)

    # Statements

    def _statement(self, group: _Group, body: str, line: StreamLine) -> None:
        if line.doubt:
            self._problem(line.number, f"line {line.doubt}: {body}")
        if not line.complete:
            self._problem(line.number, f"the stream is cut in the line: {body}")
        if version := _VERSION.fullmatch(body):
            self._version(group, f"{version[1]} {int(version[2])}", line)
        elif plan := _PLAN.fullmatch(body):
            self._plan(group, int(plan[1]), plan[2] or "", line)
        elif result := _RESULT.fullmatch(body):
            self._result(group, result, line)
        elif body.startswith("Bail out!"):
            self.bail_out = self.bail_out or body.removeprefix("Bail out!").strip()
            self._problem(line.number, f"bailed out: {self.bail_out}")
        else:
            self._problem(line.number, f"result without a number: {body}")
        self.subtest_line = False

    def _version(self, group: _Group, version: str, line: StreamLine) -> None:
        if version not in _KNOWN_VERSIONS:
            self._problem(line.number, f"unknown version: {version}")
        if group.version is not None:
            self._problem(line.number, "second version line at the same level")
        elif group.tests or group.plan is not None:
            self._problem(line.number, "version line after the start of the results")
        group.version = group.version or version

    def _plan(self, group: _Group, plan: int, comment: str, line: StreamLine) -> None:
        if group.plan is not None:
            self._problem(line.number, "second plan at the same level")
            return
        group.plan, group.plan_after = plan, len(group.tests)
        skip = _DIRECTIVE.fullmatch(f"#{comment}")
        if skip is not None and skip[1].upper().startswith("SKIP"):
            group.skip_all = skip[2].strip()
            if plan:
                self._problem(line.number, f"plan of {plan} tests that also says SKIP")

    def _result(self, group: _Group, match: re.Match[str], line: StreamLine) -> None:
        number, expected = int(match[2]), len(group.tests) + 1
        if number != expected:
            self._problem(line.number, f"result number {number} where {expected} is due")
        name, directive, reason = _described(match[3] or "")
        pending, group.pending = group.pending, []
        group.kunit_sums.clear()
        first = min([group.since or line.number, *(inner.first_line for inner in pending)])
        test = Test(
            number=number,
            name=name,
            status="ok" if match[1] == "ok" else "not ok",
            directive=directive,
            reason=reason,
            diagnostics=group.take_diagnostics(),
            subtests=tuple(test for inner in pending for test in inner.tests),
            first_line=first,
            last_line=line.number,
        )
        group.tests.append(test)
        self._check_result(group, test, pending)

    def _check_result(self, group: _Group, test: Test, pending: list[_Group]) -> None:
        """A result must not contradict itself, its subtests or the harness's own comment."""
        group.running.pop(test.name, None)
        if test.status == "ok" and test.directive in ("TIMEOUT", "ERROR"):
            self._problem(test.last_line, f"ok, and {test.directive} at once: {test.name}")
        claim = group.claims.pop(test.name, None)
        good = test.outcome in (Outcome.PASS, Outcome.SKIP, Outcome.XPASS)
        if (claim == "OK" and test.outcome in _BAD) or (claim == "FAIL" and good):
            self._problem(test.last_line, f"'{test.status}' contradicts the harness's '{claim}': {test.name}")
        quoted, group.quoted = group.quoted, []
        if test.outcome not in (Outcome.PASS, Outcome.SKIP, Outcome.XPASS):
            return
        for line, text in quoted:
            self._problem(line, f"{test.status}, although a nested result is not: {text.strip()}")
        for inner in pending:
            if inner.title and inner.title != test.name:
                self._problem(test.last_line, f"result of {inner.title} expected, not of: {test.name}")
        if any(inner.outcome in _BAD for inner in test.subtests):
            self._problem(test.last_line, f"ok, although a subtest is not: {test.name}")
        only_announced = self.subtest_line and len(self.subtest_prefix) > len(group.prefix)
        empty = only_announced or any(not inner.tests for inner in pending)
        if test.outcome is Outcome.PASS and empty:
            self._problem(test.last_line, f"ok, although it ran no subtest: {test.name}")

    # Everything else

    def _other(self, line: StreamLine) -> None:
        group, rest = self._owner(line.text)
        if line.foreign:
            group.note(line.number, rest)
        elif rest.startswith("#") or _SUBTEST.fullmatch(rest) or _QUOTED.fullmatch(rest):
            self._comment(group, rest, line)
        elif rest.strip() or group.diagnostics:
            self._unknown(group, rest, line)

    def _owner(self, text: str) -> tuple[_Group, str]:
        """The deepest level that a line can be a comment of, else the deepest that it is inside."""
        inside = [group for group in self.stack if text.startswith(group.prefix)]
        for group in reversed(inside):
            if text.startswith("#", len(group.prefix)):
                return group, text[len(group.prefix) :]
        return inside[-1], text[len(inside[-1].prefix) :]

    def _comment(self, group: _Group, text: str, line: StreamLine) -> None:
        group.note(line.number, text)
        if subtest := _SUBTEST.fullmatch(text):
            self.subtest_line, self.subtest_title = True, subtest[1].strip()
            self.subtest_prefix = group.prefix + text[: len(text) - len(text.lstrip())]
            if group is not self.root and group.plan is None and not group.tests:
                group.title = self.subtest_title
        elif (quoted := _QUOTED.fullmatch(text)) and _described(quoted[2] or "")[1] in _FAILING:
            group.quoted.append((line.number, text))
        elif run := _RUN.fullmatch(text):
            group.running[run[1]] = line.number
        elif claim := _CLAIM.fullmatch(text):
            group.claims[claim[2]] = claim[1]
        elif sums := _SUM.fullmatch(text):
            group.sums = (sums[1], int(sums[2]), int(sums[3]))
        elif totals := _TOTALS.fullmatch(text):
            group.totals = tuple(int(count) for count in totals.groups())
        elif counted := _KUNIT_SUM.fullmatch(text):
            group.kunit_sums[counted[1]] = tuple(int(count) for count in counted.groups()[1:])

    def _unknown(self, group: _Group, text: str, line: StreamLine) -> None:
        group.note(line.number, text)
        if not line.complete and text.strip():
            self._problem(line.number, f"the stream is cut in the line: {text[:80]}")
        elif _BROKEN.fullmatch(text.strip()):
            self._problem(line.number, f"may be a part of a result or plan: {text[:80]}")

    # The end of a level

    def _close(self, group: _Group, kunit_sum: tuple[int, ...] | None = None) -> None:
        here = group.tests[-1].last_line if group.tests else group.first_line
        if group.version is None and not group.announced:
            self._problem(group.first_line, "no version line")
        for at, text in group.quoted:
            self._problem(at, f"a nested result that belongs to no test is not ok: {text.strip()}")
        if group.plan is not None or kunit_sum is None:
            self._check_plan(group, here)
        self._check_sums(group, here, kunit_sum)
        for name, line in group.running.items():
            self._problem(line, f"started, but has no result: {name}")
            group.tests.append(Test(0, name, "", first_line=line, last_line=line))

    def _check_plan(self, group: _Group, here: int) -> None:
        count = len(group.tests)
        if group.plan is None:
            self._problem(here, "no plan")
        elif group.plan != count:
            self._problem(here, f"{group.plan} tests planned, {count} results")
        elif 0 < group.plan_after < count:
            self._problem(here, "plan in the middle of the results")
        if group is self.root and group.plan == 0 and group.skip_all is None:
            self._problem(here, "no test was run")

    def _check_sums(self, group: _Group, here: int, kunit_sum: tuple[int, ...] | None) -> None:
        """The program counts too; its sums must be those of its result lines."""
        outcomes = [test.outcome for test in group.tests]
        bad = sum(outcome in _BAD for outcome in outcomes)
        if group.sums is not None:
            word, good, total = group.sums
            if (word, good, total) != ("FAILED" if bad else "PASSED", len(outcomes) - bad, len(outcomes)):
                self._problem(here, f"the program's sum differs: {word}: {good} / {total}")
        if group.totals is not None and group.totals != _totals(outcomes):
            self._problem(here, "the program's totals differ from its results")
        if kunit_sum is not None and kunit_sum != _kunit_sum(outcomes):
            self._problem(here, f"KUnit's sum differs from the results of {group.title}")


def _totals(outcomes: list[Outcome]) -> tuple[int, ...]:
    """Counts in the order of kselftest's "Totals" line; it counts a timeout as a failure."""
    failed = outcomes.count(Outcome.FAIL) + outcomes.count(Outcome.TIMEOUT)
    rest = (Outcome.XFAIL, Outcome.XPASS, Outcome.SKIP, Outcome.ERROR)
    return (outcomes.count(Outcome.PASS), failed, *(outcomes.count(outcome) for outcome in rest))


def _kunit_sum(outcomes: list[Outcome]) -> tuple[int, ...]:
    """Counts in the order of KUnit's "pass: fail: skip: total:"; it knows no other status."""
    good, skipped = outcomes.count(Outcome.PASS), outcomes.count(Outcome.SKIP)
    return (good, len(outcomes) - good - skipped, skipped, len(outcomes))


def _described(text: str) -> tuple[str, str, str]:
    """Name, directive and reason of what follows the number in a result line.

    A directive counts behind any "#": runner.sh may print a diagnostic before
    it, and a skip that is read as a pass would be a wrong pass. kselftest.h
    prints "ok 1 # XFAIL name": then the reason is also the name. A "\\#" is
    part of a name or a reason, as in TAP 14; no other escape is taken for one.
    """
    text = text.removeprefix("- ").strip()
    match = _DIRECTIVE.search(text)
    if match is None:
        name, reason = _halves(text)
        return name, "", reason
    word = match[1].upper()
    directive = "SKIP" if word.startswith("SKIP") else word
    name, reason = _halves(text[: match.start()])[0], _unescaped(match[2])
    return name or reason, directive, reason


def _halves(text: str) -> tuple[str, str]:
    """What is before the first "#" that is not escaped, and what is behind it."""
    name, *rest = _HASH.split(text, maxsplit=1)
    return _unescaped(name), _unescaped("".join(rest))


def _unescaped(text: str) -> str:
    return text.replace("\\#", "#").strip()
