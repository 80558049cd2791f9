# SPDX-License-Identifier: GPL-2.0-or-later
"""From what was seen of a program of somebody else's suite to its rows: itself, and each of its tests.

The rules are those of judge.py, with one difference: output that cannot be taken at its word is a FAIL, not
an ERROR. For the suite is a thing that is given, and prints the same the next time; whether that is the
series' fault is seen on the base. Nothing but a whole document without a doubt gives the program a pass.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from farwatch.model import SuiteFormat, Verdict
from farwatch.verdicts.judge import VERDICTS, Evidence, fate, title_of
from farwatch.verdicts.junit import JunitDocument, looks_like_junit, read_junit
from farwatch.verdicts.ktap import KtapDocument, Outcome, Test, parse
from farwatch.verdicts.printk import messages_of

SKIP_EXIT = 4
"""KSFT_SKIP of kselftest.h; other programs may exit so for the same reason."""
SKIP_MARK = "farwatch: skip: "
"""What the guest's script says of a program that it cannot start: kernel-tests have no part in it."""
MAX_DETAIL = 60
"""Lines of detail that a row keeps; the logs have all of them."""
_RUNNER = re.compile(r"selftests: \S+: \S+")
_EXIT = re.compile(r"exit=\d+")


class SuiteRow(NamedTuple):
    """name: of the test below its program, "a.b"; empty: the program itself, which is the first row."""

    name: str
    verdict: Verdict
    title: str = ""
    detail: str = ""


def rows_of(evidence: Evidence, output: SuiteFormat, same: Sequence[str] = ()) -> list[SuiteRow]:
    """The rows of a program, itself first. same: what of a name changes from run to run."""
    document = parse(evidence.output)
    end = fate(evidence, document)
    tests, verdict = _READERS[output](evidence, document)
    whole = SuiteRow("", *end) if end else verdict
    spoiled = end.verdict if end and end.verdict is not Verdict.ERROR else Verdict.FAIL
    # what was running when the program ended has no verdict of its own
    settled = (row._replace(verdict=spoiled) if row.verdict is Verdict.ERROR else row for row in tests)
    return [_brief(row) for row in (whole, *unique(settled, same))]


def unique(rows: Iterable[SuiteRow], same: Sequence[str]) -> Iterator[SuiteRow]:
    """The same rows under names that differ, and are fit for the name of a cell."""
    seen: Counter[str] = Counter()
    for row in rows:
        name = stable_name(row.name, same)
        seen[name] += 1
        yield row._replace(name=f"{name}#{seen[name]}" if seen[name] > 1 else name)


def stable_name(name: str, same: Sequence[str] = ()) -> str:
    """A name on one line, without what changes from run to run, and without empty parts between its dots."""
    for pattern in same:
        name = re.sub(pattern, "*", name)
    name = re.sub(r"\.{2,}", "…", " ".join(name.split())).strip(". ")
    return name or "unnamed"


def kunit_output(console: Sequence[str]) -> bytes:
    """What KUnit printed, among what else a kernel said while it booted: KTAP without printk's stamps."""
    messages = [message.text for line in console for message in messages_of(line)]
    first = next((at for at, text in enumerate(messages) if text.startswith("KTAP version")), None)
    if first is None:
        return b""
    last = max(at for at, text in enumerate(messages) if _STATES.match(text))
    lines = messages[first : last + 1]
    return "".join(f"{text}\n" for text in lines).encode("utf-8", "backslashreplace")


_STATES = re.compile(r"\s*(?:(?:not )?ok \d|1\.\.\d|KTAP version)")


# -- what a program prints


def _tap(evidence: Evidence, document: KtapDocument) -> tuple[list[SuiteRow], SuiteRow]:
    tests = _of_runner(document)
    rows = list(_below(tests, ""))
    return rows, _whole(evidence, document, rows)


def _of_runner(document: KtapDocument) -> tuple[Test, ...]:
    """Of a kselftest run by runner.sh the program is the one test, and what it printed is below that."""
    if len(document.tests) == 1 and _RUNNER.fullmatch(document.tests[0].name):
        return document.tests[0].subtests
    return (*document.tests, *document.loose)


def _below(tests: Sequence[Test], path: str) -> Iterator[SuiteRow]:
    for test in tests:
        name = f"{path}.{test.name or f'test {test.number}'}".removeprefix(".")
        if test.outcome is Outcome.NO_RESULT:
            yield SuiteRow(name, Verdict.ERROR, "no result", "\n".join(test.diagnostics))
        else:
            quiet = test.outcome in (Outcome.PASS, Outcome.SKIP)
            detail = "" if quiet else "\n".join(test.diagnostics)
            yield SuiteRow(name, VERDICTS[test.outcome], title_of(test), detail)
        yield from _below(test.subtests, name)


def _whole(evidence: Evidence, document: KtapDocument, rows: Sequence[SuiteRow]) -> SuiteRow:
    """The program's own row where it came to an end by itself: the first rule that applies decides."""
    return (
        _marked(evidence)
        or _nothing(evidence)
        or _not_tap(evidence, document)
        or _skipped(evidence, document)
        or _some_fail(evidence, rows)
        or _runner_says(evidence, document)
        or _doubtful(document)
        or _by_status(evidence, rows)
    )


def _marked(evidence: Evidence) -> SuiteRow | None:
    marked = _skip_mark(evidence.output)
    return SuiteRow("", Verdict.SKIP, marked) if marked else None


def _nothing(evidence: Evidence) -> SuiteRow | None:
    if evidence.output.strip():
        return None
    return SuiteRow("", Verdict.FAIL, f"printed nothing (exit status {evidence.end.number})")


def _not_tap(evidence: Evidence, document: KtapDocument) -> SuiteRow | None:
    if document.version is not None or document.plan is not None:
        return None
    return SuiteRow("", Verdict.FAIL, _foreign(evidence.output, "TAP"), _tail(evidence.output))


def _skipped(evidence: Evidence, document: KtapDocument) -> SuiteRow | None:
    if document.skip_all is None or document.problems or evidence.end.number not in (0, SKIP_EXIT):
        return None
    return SuiteRow("", Verdict.SKIP, document.skip_all or "no reason given")


def _some_fail(evidence: Evidence, rows: Sequence[SuiteRow]) -> SuiteRow | None:
    bad = [row for row in rows if row.verdict not in (Verdict.PASS, Verdict.SKIP, Verdict.XFAIL)]
    if not bad:
        return None
    first = f"{bad[0].name}: {bad[0].title}" if bad[0].title else bad[0].name
    return SuiteRow("", Verdict.FAIL, f"{len(bad)} of {len(rows)} fail: {first}", _tail(evidence.output))


def _runner_says(evidence: Evidence, document: KtapDocument) -> SuiteRow | None:
    """What run_kselftest.sh says of a program, mostly by its exit status."""
    runner = document.tests[0] if len(document.tests) == 1 else None
    if runner is None or not _RUNNER.fullmatch(runner.name) or runner.outcome is Outcome.PASS:
        return None
    said = [text for line in runner.diagnostics if (text := line.lstrip("# ").strip())]
    reason = "" if _EXIT.fullmatch(runner.reason) else runner.reason
    own = [text for text in said if not text.startswith(("timeout set to", "selftests: "))]
    title = reason or (own[-1] if own else "") or runner.reason or "no reason given"
    verdict = VERDICTS[runner.outcome]
    return SuiteRow("", verdict, title, "" if verdict is Verdict.SKIP else _tail(evidence.output))


def _doubtful(document: KtapDocument) -> SuiteRow | None:
    if not document.problems:
        return None
    problems = "\n".join(f"line {problem.line}: {problem.text}" for problem in document.problems)
    return SuiteRow("", Verdict.FAIL, f"broken output: {document.problems[0].text}", problems)


def _by_status(evidence: Evidence, rows: Sequence[SuiteRow]) -> SuiteRow:
    """Nothing fails: then the exit status must not say otherwise."""
    code = evidence.end.number
    if code not in (0, SKIP_EXIT):
        title = f"exit status {code}, although no test fails"
        return SuiteRow("", Verdict.FAIL, title, _tail(evidence.output))
    if code == SKIP_EXIT or (rows and all(row.verdict is Verdict.SKIP for row in rows)):
        return SuiteRow("", Verdict.SKIP, rows[0].title if rows else "exit status 4")
    return SuiteRow("", Verdict.PASS)


def _junit(evidence: Evidence, document: KtapDocument) -> tuple[list[SuiteRow], SuiteRow]:
    del document
    read = read_junit(evidence.output)
    rows = [SuiteRow(case.name, case.verdict, case.title, case.detail) for case in read.cases]
    whole = (
        _marked(evidence)
        or _nothing(evidence)
        or _not_junit(evidence)
        or _some_fail(evidence, rows)
        or _doubtful_junit(read)
        or _by_status(evidence, rows)
    )
    return rows, whole


def _not_junit(evidence: Evidence) -> SuiteRow | None:
    if looks_like_junit(evidence.output):
        return None
    return SuiteRow("", Verdict.FAIL, _foreign(evidence.output, "JUnit's XML"), _tail(evidence.output))


def _doubtful_junit(read: JunitDocument) -> SuiteRow | None:
    if not read.problems:
        return None
    return SuiteRow("", Verdict.FAIL, f"broken output: {read.problems[0]}", "\n".join(read.problems))


def _exit(evidence: Evidence, document: KtapDocument) -> tuple[list[SuiteRow], SuiteRow]:
    del document
    code, tail = evidence.end.number, _tail(evidence.output)
    last = tail.rpartition("\n")[2]
    skipped = SuiteRow("", Verdict.SKIP, last or "exit status 4")
    by_status = {0: SuiteRow("", Verdict.PASS), SKIP_EXIT: skipped}
    failed = SuiteRow("", Verdict.FAIL, f"exit status {code}{f': {last}' if last else ''}", tail)
    return [], _marked(evidence) or by_status.get(code, failed)


_READERS = {"tap": _tap, "junit": _junit, "exit": _exit}


def _foreign(output: bytes, wanted: str) -> str:
    """What it prints instead of what its suite says."""
    if looks_like_junit(output):
        return f"prints JUnit's XML where {wanted} was to come"
    if re.search(rb"^\s*(?:K?TAP version|1\.\.\d+\s*$|(?:not )?ok \d)", output, re.MULTILINE):
        return f"prints TAP where {wanted} was to come"
    return f"prints no {wanted}"


def _skip_mark(output: bytes) -> str:
    for line in reversed(output.decode("utf-8", "replace").splitlines()[-3:]):
        if line.startswith(SKIP_MARK):
            return line.removeprefix(SKIP_MARK).strip()
    return ""


def _tail(output: bytes) -> str:
    text = output[-200 * MAX_DETAIL :].decode("utf-8", "backslashreplace").replace("\r", "")
    return "\n".join(text.strip("\n").split("\n")[-MAX_DETAIL:])


def _brief(row: SuiteRow) -> SuiteRow:
    lines = row.detail.split("\n")
    if len(lines) <= MAX_DETAIL:
        return row
    left = len(lines) - MAX_DETAIL
    kept = [*lines[: MAX_DETAIL // 2], f"... {left} more lines ...", *lines[-MAX_DETAIL // 2 :]]
    return row._replace(detail="\n".join(kept))
