# SPDX-License-Identifier: GPL-2.0-or-later
"""JUnit's XML, as test runners print it: its cases, and every doubt about them.

There is no standard of it; what Jenkins reads is what counts: <testcase classname= name=>, with a child
<failure>, <error> or <skipped> where it is not a pass; <testsuite tests= failures= errors= skipped=>.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from farwatch.model import Verdict

MAX_BYTES = 64 << 20


@dataclass(frozen=True)
class JunitCase:
    name: str
    verdict: Verdict
    title: str = ""
    detail: str = ""


@dataclass(frozen=True)
class JunitDocument:
    cases: tuple[JunitCase, ...]
    problems: tuple[str, ...]


def looks_like_junit(output: bytes) -> bool:
    return b"<testsuite" in output


def read_junit(output: bytes) -> JunitDocument:
    """The document in a program's output; what stands before and behind it is passed over. Never raises."""
    start = min((at for at in map(output.find, (b"<testsuites", b"<testsuite")) if at >= 0), default=-1)
    end = max(
        (output.rfind(tag) + len(tag) for tag in (b"</testsuites>", b"</testsuite>") if tag in output),
        default=-1,
    )
    if start < 0:
        return JunitDocument((), ("no <testsuite> was printed",))
    text = output[start : end if end > start else None]
    if len(text) > MAX_BYTES:
        return JunitDocument((), ("the XML is too long",))
    try:
        # it begins with its first element, so it can define no entities
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        return JunitDocument((), (f"the XML is damaged: {error}",))
    return JunitDocument(tuple(map(_case, root.iter("testcase"))), tuple(_problems(root)))


def _case(element: ElementTree.Element) -> JunitCase:
    name = ".".join(filter(None, (element.get("classname"), element.get("name"))))
    for tag, verdict in (("error", Verdict.FAIL), ("failure", Verdict.FAIL), ("skipped", Verdict.SKIP)):
        child = element.find(tag)
        if child is not None:
            text = (child.text or "").strip()
            title = child.get("message") or text.partition("\n")[0] or f"{tag} without a reason"
            return JunitCase(name, verdict, title, text)
    return JunitCase(name, Verdict.PASS)


def _problems(root: ElementTree.Element) -> Iterator[str]:
    """Its own sums must be those of its cases."""
    for suite in root.iter("testsuite"):
        cases = len(list(suite.iter("testcase")))
        said = suite.get("tests", "")
        if said.isdigit() and int(said) != cases:
            yield f"{said} tests announced, {cases} cases"
        for key, tag in (("failures", "failure"), ("errors", "error")):
            found = sum(case.find(tag) is not None for case in suite.iter("testcase"))
            said = suite.get(key, "")
            if said.isdigit() and int(said) > found:
                yield f"{said} {key} announced, {found} cases say so"
    if next(root.iter("testcase"), None) is None:
        yield "no case was run"
