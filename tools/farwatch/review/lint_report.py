# SPDX-License-Identifier: GPL-2.0-or-later
"""The report of lint as text: a table with a line for each patch, then what is wrong, then the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from farwatch.review.findings import Finding, NotRun
from farwatch.review.lint import LintLine, LintReport
from farwatch.terminal.columns import aligned
from farwatch.terminal.escape import printable


def lint_text(report: LintReport) -> str:
    """The whole report."""
    parts = [
        list(_table(report.lines)),
        list(_findings("wrong:", report.lines, waived=False)),
        list(_findings("waived:", report.lines, waived=True)),
        list(_recipients(report)),
        list(_not_run(report.not_run)),
        [
            f"idle waiver: {printable(waiver.rule)} for {printable(', '.join(waiver.patches))}"
            for waiver in report.idle
        ],
        [_verdict(report)],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _table(lines: Sequence[LintLine]) -> Iterator[str]:
    if not lines:
        return
    rows = [("patch", "size", "wrong", "waived", "rules")]
    for line in lines:
        rules = Counter(finding.rule for finding in line.findings if not finding.waived)
        shown = ", ".join(f"{rule} x{count}" if count > 1 else rule for rule, count in sorted(rules.items()))
        state = str(line.wrong) if line.wrong else "ok"
        rows.append((printable(line.name), line.size, state, str(line.waived or ""), printable(shown)))
    yield from aligned(rows)


def _findings(title: str, lines: Sequence[LintLine], *, waived: bool) -> Iterator[str]:
    chosen = [finding for line in lines for finding in line.findings if bool(finding.waived) is waived]
    if chosen:
        yield title
    last = ""
    for finding in chosen:
        if finding.patch != last:
            yield f"  {printable(finding.patch)}"
            last = finding.patch
        yield f"    {printable(_said(finding))}"
        if finding.waived:
            yield f"      because: {printable(finding.waived)}"


def _not_run(entries: Sequence[NotRun]) -> Iterator[str]:
    for entry in entries:
        yield f"not looked at: {printable(entry.rule)}: {printable(entry.reason)}"
        if entry.waived:
            yield f"  which does not matter, because: {printable(entry.waived)}"


def _said(finding: Finding) -> str:
    place = f"{finding.where}: " if finding.where else ""
    return f"{finding.rule}: {place}{finding.message}"


def _recipients(report: LintReport) -> Iterator[str]:
    """Who would get what, by component; the names that get everything of it are said once."""
    known = {line.name: line.recipients for line in report.lines if line.recipients}
    if known:
        yield "would get it:"
    for component in dict.fromkeys(name.partition("/")[0] for name in known):
        series = {name: got for name, got in known.items() if name.startswith(f"{component}/")}
        first = next(iter(series.values()))
        everything = [address for address in first if all(address in got for got in series.values())]
        yield f"  every patch of {component}: {printable(', '.join(everything) or 'nobody')}"
        for name, got in series.items():
            more = [address for address in got if address not in everything]
            if more:
                yield f"  {printable(name)}: {printable(', '.join(more))}"
    yield from (f"  {printable(text)}" for text in report.instead)


def _verdict(report: LintReport) -> str:
    wrong = sum(line.wrong for line in report.lines)
    waived = sum(line.waived for line in report.lines)
    if not report.lines:
        return f"{report.revision} has no patches"
    rest = f", {waived} waived" if waived else ""
    return f"{report.revision}: {f'{wrong} wrong' if wrong else 'nothing is wrong'}{rest}"
