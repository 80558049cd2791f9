# SPDX-License-Identifier: GPL-2.0-or-later
"""The table as JUnit XML for CI services: one testsuite a column.

A CI service knows only pass, failure, error and skipped, and turns red on the middle two. So

  surprising fail, xfail or pass    failure
  surprising crash, hang or error   error
  skip, and a cell that was not run skipped (one that cannot be run here says why)
  whatever its expectation says     skipped, with the message "expected: <reason>"; an expected pass is a pass
"""

from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree

from farwatch.model import Verdict
from farwatch.results.table import Cell, Heading, Row, Table
from farwatch.terminal.escape import xml_valid

_ERRORS = frozenset({Verdict.CRASH, Verdict.HANG, Verdict.ERROR})


def render_junit(table: Table) -> str:
    """The document, with its XML declaration."""
    root = ElementTree.Element("testsuites", name="farwatch")
    for place, heading in enumerate(table.headings):
        root.append(_suite(heading, place, table))
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _suite(heading: Heading, place: int, table: Table) -> ElementTree.Element:
    cases = [_case(row, row.cells[place]) for row in table.rows]
    tags = Counter(child.tag for case in cases for child in case)
    suite = ElementTree.Element(
        "testsuite",
        name=xml_valid(heading.name),
        tests=str(len(cases)),
        failures=str(tags["failure"]),
        errors=str(tags["error"]),
        skipped=str(tags["skipped"]),
        time=f"{sum(float(case.attrib['time']) for case in cases):.3f}",
    )
    suite.extend(cases)
    return suite


def _case(row: Row, cell: Cell) -> ElementTree.Element:
    case = row.case
    element = ElementTree.Element(
        "testcase",
        classname=xml_valid(".".join(part for part in (case.program, case.fixture) if part)),
        name=xml_valid(".".join(part for part in (case.variant, case.test) if part)),
        time=f"{cell.result.duration if cell.result else 0:.3f}",
    )
    outcome = _outcome(cell)
    if outcome:
        tag, message = outcome
        child = ElementTree.SubElement(element, tag, message=xml_valid(message))
        if tag != "skipped":
            child.set("type", cell.word)
        child.text = xml_valid(_text(cell)) or None
    return element


def _outcome(cell: Cell) -> tuple[str, str] | None:
    """Tag and message of the child that says how it went; None for a pass."""
    if cell.result is None and cell.surprising:
        return "failure", f"{cell.word} ({cell.expected})"
    if cell.result is None:
        return "skipped", cell.lacking or cell.word
    verdict, title = cell.result.verdict, cell.result.title
    if not cell.surprising:
        reason = f"expected: {cell.expectation.reason}" if cell.expectation else cell.expected
        return None if verdict is Verdict.PASS else ("skipped", reason)
    if verdict is Verdict.SKIP:
        return "skipped", title or "skip"
    tag = "error" if verdict in _ERRORS else "failure"
    return tag, f"{verdict} ({cell.expected}){': ' if title else ''}{title}"


def _text(cell: Cell) -> str:
    if cell.result is None:
        return ""
    return "\n".join(part for part in (cell.result.title, cell.result.detail) if part)
