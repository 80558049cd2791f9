# SPDX-License-Identifier: GPL-2.0-or-later
"""Our reading of KTAP against the kernel's own, kunit_parser.py of the base: never ok where that is not."""

from __future__ import annotations

import importlib
import io
import re
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farwatch.app import App
from farwatch.model import Verdict
from farwatch.reports.table_ktap import render_ktap
from farwatch.results.table import Table
from farwatch.verdicts.ktap import KtapDocument, Outcome, parse
from tests.samples.table import calm, nasty, sample

pytestmark = pytest.mark.integration

KUNIT = "tools/testing/kunit"
GOOD = (Outcome.PASS, Outcome.SKIP)
"""Not XFAIL: it may hold failures, and the kernel's parser does not know it."""
FAILED = re.compile(r"[ \t#]*not ok\b(?!.*#\s*(?:skip|todo|xfail))", re.IGNORECASE)
"""What a person calls a failure, wherever it stands in a line's nesting."""


@pytest.fixture(scope="module")
def kunit(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The base's parser, as it is in its git objects: no tree is needed."""
    app = App.here()
    folder = tmp_path_factory.mktemp("kunit")
    commit = app.trees.base_commit(app.catalog.base("linux"))
    for name in ("kunit_parser.py", "kunit_printer.py"):
        words = ["git", "-C", str(app.trees.repository("linux")), "show", f"{commit}:{KUNIT}/{name}"]
        (folder / name).write_bytes(subprocess.run(words, capture_output=True, check=True).stdout)
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("kunit_parser")
    finally:
        sys.path.remove(str(folder))


def is_ok(document: KtapDocument) -> bool:
    return not document.problems and bool(document.tests) and all(t.outcome in GOOD for t in document.walk())


def kunit_is_ok(kunit: ModuleType, text: str) -> bool:
    printer = sys.modules["kunit_printer"].Printer(output=io.StringIO())
    test = kunit.parse_run_tests(text.splitlines(), printer)
    wanted = (kunit.TestStatus.SUCCESS, kunit.TestStatus.SKIPPED)
    return test.status in wanted and test.counts.crashed == 0 and test.counts.errors == 0


NAMES = st.sampled_from(["", " a", " - b", " c # SKIP why", " d # XFAIL", " e # TIMEOUT", " f # TODO x"])
RESULTS = st.builds("{} {}{}".format, st.sampled_from(["ok", "not ok"]), st.integers(1, 3), NAMES)
HEADS = st.sampled_from(
    ["TAP version 13", "TAP version 14", "KTAP version 1", "# Subtest: s", "1..1", "1..2", "1..0 # SKIP x"]
)
REST = st.sampled_from(["# comment", "", "Bail out!", "noise", "not ok", "ok", "#  RUN  a ..."])
PREFIXES = st.sampled_from(["", "", "    ", "        ", "# ", "# # ", "  ", "\t"])


@st.composite
def documents(draw: st.DrawFn, depth: int = 0) -> list[str]:
    """Mostly well formed: a document, with nested ones before its results, and now and then a stray line."""
    count = draw(st.integers(0 if depth else 1, 3))
    lines = [draw(st.sampled_from(["KTAP version 1", "TAP version 13", "TAP version 14"]))] * (depth == 0)
    lines += draw(st.lists(HEADS, max_size=1)) if depth else []
    lines += draw(st.sampled_from([[f"1..{count}"], [f"1..{count}"], []]))
    for number in range(1, count + 1):
        if depth < 2 and draw(st.booleans()):
            prefix = draw(st.sampled_from(["    ", "# ", "  "]))
            lines += [prefix + line for line in draw(documents(depth + 1))]
        lines += draw(st.lists(st.builds("{}{}".format, PREFIXES, REST | RESULTS), max_size=1)) * draw(
            st.booleans()
        )
        lines.append(f"{draw(st.sampled_from(['ok', 'ok', 'ok', 'not ok']))} {number}{draw(NAMES)}")
    return lines


def test_the_two_agree_on_what_is_ok(kunit: ModuleType) -> None:
    """So that the next test compares something."""
    text = "KTAP version 1\n1..1\n    KTAP version 1\n    1..1\n    ok 1 a\nok 1 b\n"
    assert is_ok(parse(text)) and kunit_is_ok(kunit, text)
    for bad in (text.replace("ok 1 a", "not ok 1 a"), text.replace("ok 1 b", "not ok 1 b")):
        assert not is_ok(parse(bad)) and not kunit_is_ok(kunit, bad)


@settings(deadline=None, max_examples=500)
@given(documents())
def test_never_ok_where_the_kernel_or_plain_reading_says_otherwise(
    kunit: ModuleType, lines: list[str]
) -> None:
    text = "\n".join(lines) + "\n"
    if not is_ok(parse(text)):
        return
    assert not [line for line in lines if FAILED.match(line)]
    assert kunit_is_ok(kunit, text)


@pytest.mark.parametrize("made", [sample, nasty, calm])
def test_the_kernels_parser_reads_what_we_print(kunit: ModuleType, made: Callable[[], Table]) -> None:
    """--ktap: every cell is counted, what surprises as a failure, and nothing is an error of the format.

    A skip that surprises is a skip there, and a failure of its program.
    """
    table = made()
    printer = sys.modules["kunit_printer"].Printer(output=io.StringIO())
    counts = kunit.parse_run_tests(render_ktap(table).splitlines(), printer).counts
    assert (counts.errors, counts.crashed) == (0, 0)
    cells = [cell for row in table.rows for cell in row.cells]
    skipped = sum(cell.verdict in (Verdict.SKIP, None) for cell in cells)
    failed = sum(cell.surprising and cell.verdict is not Verdict.SKIP for cell in cells)
    assert (counts.skipped, counts.passed) == (skipped, len(cells) - skipped - failed)
    assert counts.failed >= failed and (counts.failed > 0) == bool(table.surprises)
