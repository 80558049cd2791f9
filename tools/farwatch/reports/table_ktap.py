# SPDX-License-Identifier: GPL-2.0-or-later
"""The table as KTAP (Documentation/dev-tools/ktap.rst): a test for each column, programs below, then cases.

A result is "ok" unless it surprises. What has happened is its directive, or the first word behind that:

  pass, expected               ok N name
  pass, not expected           not ok N name # XPASS expected fail: why
  skip, and what was not run   # SKIP reason
  xfail                        # XFAIL xfail: reason
  anything else, expected      ok N name # XFAIL fail: reason
  surprising hang, error       not ok N name # TIMEOUT hang: title; # ERROR error: title
  surprising fail, crash, gone not ok N name # fail: title

Before a surprising result stand the lines that show it, each behind "# | ", where nobody takes it for one of
KTAP's own. A "#" of a name is written "\\#", as TAP 14 has it: KTAP knows no such names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from farwatch.model import Verdict
from farwatch.reports.table_text import headline
from farwatch.results.table import Cell, Table
from farwatch.terminal.escape import printable, printable_lines

VERSION = "KTAP version 1"
DETAIL_LINES = 20
"""Of what shows a surprise; the last ones."""
WIDTH = 500
"""Longest text of a person's, or a log's."""
_DIRECTIVES = {Verdict.HANG: "TIMEOUT", Verdict.ERROR: "ERROR", Verdict.SKIP: "SKIP", Verdict.XFAIL: "XFAIL"}
_PRINTK_TIME = re.compile(r"\[( *[0-9]+\.[0-9]+)\]")
"""A reader would think that the kernel has spoken in the middle of a line."""


@dataclass(frozen=True)
class Node:
    """A test, and those that it is made of."""

    name: str
    good: bool
    said: str = ""
    """Directive and reason, escaped; "": none."""
    shown: tuple[str, ...] = ()
    """Lines of diagnostics."""
    children: tuple[Node, ...] = ()


def render_ktap(table: Table) -> str:
    """The document, with a newline at its end."""
    columns = [_column(table, place) for place in range(len(table.headings))]
    lines = [VERSION, f"# | {_plain(headline(table))}", *_level(columns, "")]
    return "".join(f"{line}\n" for line in lines)


def _level(nodes: Sequence[Node], indent: str) -> Iterator[str]:
    yield f"{indent}1..{len(nodes)}{'' if nodes or indent else ' # SKIP there is nothing in the table'}"
    for number, node in enumerate(nodes, 1):
        yield from (f"{indent}# | {line}" for line in node.shown)
        if node.children:
            yield f"{indent}  {VERSION}"
            yield from _level(node.children, f"{indent}  ")
        status = "ok" if node.good else "not ok"
        yield f"{indent}{status} {number} {node.name}{f' # {node.said}' if node.said else ''}"


def _column(table: Table, place: int) -> Node:
    """Cases without a program stand beside the programs."""
    programs: dict[str, list[Node]] = {}
    for row in table.rows:
        program, _, case = row.test.partition(":")
        of_program = bool(program and case)
        node = _case(case if of_program else row.test, row.cells[place])
        programs.setdefault(program if of_program else "", []).append(node)
    parents = [[_parent(name, cases)] if name else cases for name, cases in programs.items()]
    return _parent(table.headings[place].name, [node for nodes in parents for node in nodes])


def _parent(name: str, children: Sequence[Node]) -> Node:
    skipped = bool(children) and all(child.said.startswith("SKIP") for child in children)
    said = "SKIP all of it" if skipped or not children else ""
    return Node(_name(name), all(child.good for child in children), said, (), tuple(children))


def _case(name: str, cell: Cell) -> Node:
    result = cell.result
    detail = printable_lines(result.detail).split("\n")[-DETAIL_LINES:] if result and result.detail else []
    shown = tuple(map(_plain, detail)) if cell.surprising else ()
    return Node(_name(name), not cell.surprising, _said(cell), shown)


def _said(cell: Cell) -> str:
    """Directive and reason of a case."""
    result = cell.result
    if result is None and not cell.surprising:
        return f"SKIP {_escaped(cell.lacking or cell.word)}"
    if result is not None and result.verdict is Verdict.PASS:
        return f"XPASS {_escaped(cell.expected)}" if cell.surprising else ""
    text = f"{cell.word}: {_escaped(_why(cell))}".removesuffix(": ")
    if result is None:
        return text
    if result.verdict is Verdict.SKIP:
        return f"SKIP {_escaped(result.title)}".rstrip()
    directive = _DIRECTIVES.get(result.verdict, "") if cell.surprising else "XFAIL"
    return f"{directive} {text}".lstrip()


def _why(cell: Cell) -> str:
    if cell.surprising and cell.result is not None:
        return cell.result.title
    return (cell.expectation.reason if cell.expectation else "") or cell.expected


def _name(text: str) -> str:
    """A name that begins as no name should has the dash before it that readers take away."""
    name = _escaped(text)
    return f"- {name}" if name.startswith("- ") else name


def _escaped(text: str) -> str:
    """A part of a result line that says nothing by itself."""
    return _plain(text).replace("#", "\\#")


def _plain(text: str) -> str:
    """One line in which no reader sees a kernel message, or a doubtful character."""
    line = printable(text).replace("\ufffd", "\\ufffd").strip()
    line = _PRINTK_TIME.sub(r"(\1)", line)
    return line if len(line) <= WIDTH else f"{line[:WIDTH]}…"
