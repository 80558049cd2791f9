# SPDX-License-Identifier: GPL-2.0-or-later
"""All forms of the table: as the golden files say, well-formed, and out of reach of hostile names.

After a wanted change: FARWATCH_GOLDEN=write pytest tools/tests/reports/test_tables.py, then read the diff.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from farwatch.model import CellResult, Column, Verdict
from farwatch.reports.publish import show_table
from farwatch.reports.table_html import render_html
from farwatch.reports.table_json import render_json
from farwatch.reports.table_junit import render_junit
from farwatch.reports.table_ktap import render_ktap
from farwatch.reports.table_mail import WIDTH, render_mail
from farwatch.reports.table_terminal import draw_table
from farwatch.reports.table_text import render_markdown, render_text
from farwatch.results.table import Table, build_table
from tests import SAMPLES, TESTS
from tests.samples.pages import Checker, check_page
from tests.samples.table import REVISIONS, ROWS, calm, nasty, sample

GOLDEN = SAMPLES / "tables"


def terminal(table: Table, all_rows: bool = False, width: int = 110) -> str:
    stream = io.StringIO()
    draw_table(table, stream, all_rows, width)
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())


FORMS: dict[str, Callable[[], str]] = {
    "all.txt": lambda: render_text(sample()),
    "folded.txt": lambda: render_text(sample(), all_rows=False),
    "calm.txt": lambda: render_text(calm(), all_rows=False),
    "terminal.txt": lambda: terminal(sample()),
    "narrow.txt": lambda: terminal(sample(), width=70),
    "mail.txt": lambda: render_mail(sample()),
    "all.md": lambda: render_markdown(sample()),
    "folded.md": lambda: render_markdown(sample(), all_rows=False),
    "table.json": lambda: render_json(sample()),
    "junit.xml": lambda: render_junit(sample()),
    "table.ktap": lambda: render_ktap(sample()),
}


@pytest.mark.parametrize("name", FORMS)
def test_as_the_golden_file_says(name: str) -> None:
    made = FORMS[name]()
    if os.environ.get("FARWATCH_GOLDEN") == "write":
        (GOLDEN / name).write_text(made, encoding="utf-8")
    assert made == (GOLDEN / name).read_text(encoding="utf-8")


# -- text and terminal


@pytest.mark.parametrize("form", [render_text, terminal])
def test_a_surprising_row_is_never_folded(form: Callable[[Table, bool], str]) -> None:
    shown = form(sample(), False)
    for row in sample().rows:
        if row.surprising:
            assert f"  {row.label} " in shown


def test_folding_counts_every_row_once() -> None:
    lines = render_text(sample(), all_rows=False).partition("\n\nfixed,")[0].splitlines()[3:]
    rows = [line.strip() for line in lines if line.startswith("  ")]
    assert sum(int(row.split()[0]) if row[0].isdigit() else 1 for row in rows) == len(ROWS)


@pytest.mark.parametrize("table", [sample, calm, nasty])
def test_no_line_of_a_mail_is_too_long(table: Callable[[], Table]) -> None:
    assert max(map(len, render_mail(table()).splitlines())) <= WIDTH


def test_columns_without_room_in_a_mail_stand_below_each_other() -> None:
    columns = [Column(f"a-long-name-{number}", "7.3") for number in range(12)]
    case = sample().rows[0].test
    results = [CellResult(column, case, "", Verdict.PASS) for column in columns]
    text = render_mail(build_table(results, [], columns))
    assert max(map(len, text.splitlines())) <= WIDTH
    heads = [line.split()[1:] for line in text.splitlines() if line.startswith("test ")]
    names = [name for head in heads for name in head]
    assert len(heads) > 1 and names == [column.revision for column in columns]


def test_a_hundred_equal_rows_are_two_lines() -> None:
    lines = render_text(calm(), all_rows=False).splitlines()
    assert lines[2:5] == ["test         baseline", "p:f", "  100 tests  pass"]
    assert len(render_text(calm()).splitlines()) > 100


def test_a_long_list_of_surprises_is_cut_when_folding() -> None:
    column = Column("v1", "7.3")
    results = [cell.result for row in calm().rows for cell in row.cells if cell.result]
    failing = [type(result)(column, result.test, "", "fail") for result in results]  # type: ignore[arg-type]
    table = build_table(failing, [], [column])
    assert "... and 80 more, with --all" in render_text(table, all_rows=False)
    assert render_text(table).count("./farwatch show") == 100
    assert render_text(table, all_rows=False).count("  fail !") == 100, "surprising rows are never folded"


@pytest.mark.parametrize("table", [sample, nasty, calm])
@pytest.mark.parametrize("form", [render_text, render_markdown])
def test_text_is_plain(form: Callable[[Table], str], table: Callable[[], Table]) -> None:
    text = form(table())
    assert all(character.isprintable() for character in text.replace("\n", ""))
    assert not re.search("[─-╿]", text)


def test_hostile_names_add_no_line_and_no_markup() -> None:
    assert "[31m[bold]" in terminal(nasty()), "rich markup is literal text"
    assert "\x1b" not in render_text(nasty())
    rows = [line for line in render_markdown(nasty()).splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert all(row.count("|") == 3 for row in rows)
    assert not re.search(r"[<>@`\[\]]", render_markdown(nasty()))


def test_an_empty_table_in_every_form() -> None:
    empty = build_table([], [], [])
    for form in (render_text, render_markdown, render_html, render_json, render_junit, render_ktap, terminal):
        assert form(empty)


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "dumb"}, False),
        ({}, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
    ],
)
def test_colours_only_where_wanted(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], coloured: bool
) -> None:
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**environment, "COLUMNS": "120"}.items():
        monkeypatch.setenv(name, value)
    stream = Terminal()
    show_table(sample(), stream)
    assert ("\x1b[" in stream.getvalue()) is coloured
    assert "3 tests (local)" in stream.getvalue(), "a terminal gets folded rows"


def test_a_file_gets_all_rows_in_its_encoding() -> None:
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, "ascii")
    show_table(sample(), stream)
    stream.flush()
    assert buffer.getvalue().decode() == render_text(sample())


def test_rich_and_jinja2_are_not_imported_for_text() -> None:
    quick = (
        "farwatch.reports.table_text",
        "farwatch.reports.timeline",
        "farwatch.terminal.progress",
        "farwatch.results.store",
        "farwatch.results.table",
    )
    code = f"import sys, {', '.join(quick)}; sys.exit(bool({{'rich', 'jinja2'}} & set(sys.modules)))"
    env = {**os.environ, "PYTHONPATH": str(TESTS.parent)}
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == 0


# -- HTML


@pytest.mark.parametrize("table", [sample, nasty, calm])
def test_html_is_well_formed_and_needs_nothing_else(table: Callable[[], Table]) -> None:
    checker = check_page(render_html(table()))
    assert "b" not in [tag for tag, _ in checker.seen]
    assert all(link.startswith("#") for link in checker.links)


def test_html_links_lead_somewhere_and_ids_are_unique() -> None:
    checker = check_page(render_html(sample()))
    ids = [attributes["id"] for _, attributes in checker.seen if "id" in attributes]
    assert checker.links and set(checker.links) <= {f"#{name}" for name in ids}


def test_html_has_the_rows_groups_and_details() -> None:
    table = sample()
    checker = Checker(render_html(table))
    scopes = [attributes["scope"] for tag, attributes in checker.seen if tag == "th"]
    assert scopes.count("rowgroup") == len(table.groups)
    assert scopes.count("row") == len(table.rows) + len(table.headings)
    not_passed = [cell for row in table.rows for cell in row.cells if cell.word not in ("pass", "not run")]
    assert sum(tag == "details" for tag, _ in checker.seen) == len(not_passed)
    text = "".join(checker.text)
    assert "KASAN: slab-use-after-free in fsnotify_put_mark" in text
    assert text.count("surprising") >= len(table.surprises)


# -- JSON and JUnit


def test_json_says_all_of_the_model() -> None:
    document = json.loads(render_json(sample()))
    assert document["schema"] == 1
    assert document["ok"] is False
    assert len(document["tests"]) == len(ROWS)
    assert all(len(test["cells"]) == len(document["columns"]) for test in document["tests"])
    assert json.loads(render_json(calm()))["ok"] is True


def test_json_of_hostile_names_is_ascii_and_parses() -> None:
    assert render_json(nasty()).isascii()
    json.loads(render_json(nasty()))


def test_junit_says_failure_error_and_skipped_as_ci_services_understand_it() -> None:
    root = ElementTree.fromstring(render_junit(sample()).encode())
    suites = {suite.attrib["name"].split("/")[0]: suite for suite in root}
    assert suites["reference"].attrib["skipped"] == "0"
    assert {name: suite.attrib["failures"] for name, suite in suites.items()} == {
        "reference": "0",
        "baseline": "0",
        "v1": "0",
        "v2": "1",
    }
    assert (suites["v1"].attrib["errors"], suites["v2"].attrib["errors"]) == ("2", "1")
    messages = [child.attrib["message"] for child in suites["v1"].iter("skipped")]
    assert messages == ["expected: rename is two unrelated events in v1"]
    assert [child.attrib["message"] for child in suites["v2"].iter("skipped")] == ["not run"]


def test_junit_counts_what_it_holds() -> None:
    for suite in ElementTree.fromstring(render_junit(sample()).encode()):
        assert int(suite.attrib["tests"]) == len(list(suite.iter("testcase")))
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.attrib[attribute]) == len(list(suite.iter(tag)))


def test_a_surprising_pass_is_a_failure_in_junit() -> None:
    table = sample()
    results = [cell.result for row in table.rows for cell in row.cells if cell.result]
    rename = next(r for r in results if r.test.endswith("remote.rename") and r.column.revision == "v2")
    moved = type(rename)(Column("v1", "7.3"), rename.test, "", rename.verdict)
    root = ElementTree.fromstring(render_junit(build_table([moved], REVISIONS, [moved.column])))
    (failure,) = root.iter("failure")
    assert failure.attrib["message"] == "pass (expected fail: rename is two unrelated events in v1)"


def test_junit_of_hostile_names_parses() -> None:
    root = ElementTree.fromstring(render_junit(nasty()).encode())
    (failure,) = root.iter("failure")
    assert "\x1b" not in failure.attrib["message"] and "</script>" in failure.attrib["message"]


def test_a_column_that_is_skipped_says_why_in_every_form() -> None:
    column = Column("v1", "7.3", share_setting="on-xfs")
    table = build_table([], REVISIONS, [column], ["p:f.t"], lacking={column: "mkfs.xfs: not <found>"})
    for form in (render_text(table), terminal(table)):
        assert "mkfs.xfs: not <found>" in form and "skip" in form and "surpris" not in form.splitlines()[-1]
    assert "not &lt;found&gt;" in render_html(table) and "mkfs.xfs" in render_markdown(table)
    document = json.loads(render_json(table))
    assert document["ok"] and document["columns"][0]["name"] == "v1/7.3/uml/plain/on-xfs"
    assert document["columns"][0]["share_setting"] == "on-xfs"
    assert document["columns"][0]["lacking"] == "mkfs.xfs: not <found>"
    assert document["columns"][0]["not_run"] == 0
    [cell] = document["tests"][0]["cells"]
    assert (cell["verdict"], cell["result"], cell["surprising"]) == ("skip", None, False)
    [suite] = ElementTree.fromstring(render_junit(table))
    assert suite.attrib["name"] == "v1/7.3/uml/plain/on-xfs" and suite.attrib["skipped"] == "1"
    assert [child.attrib["message"] for child in suite[0]] == ["mkfs.xfs: not <found>"]
