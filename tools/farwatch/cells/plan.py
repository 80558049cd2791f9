# SPDX-License-Identifier: GPL-2.0-or-later
"""From "these revisions, these tests" to cells: what the store already knows and what has to be run."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.cells.jobs import ColumnWork, Job
from farwatch.cells.selection import compile_expression
from farwatch.cells.setting import VMM, built_setting, edited_sources, installed_engine, own_vmm
from farwatch.cells.wish import Wish
from farwatch.engines.engine import Engine
from farwatch.errors import unknown
from farwatch.guests.companion import command_line
from farwatch.model import Base, CellResult, Column, Revision, TestCase, hash_of
from farwatch.results.store import Results

RUNS_CLIENTS = "program_test"
"""The program of kernel-tests/ that runs what is installed, and which programs that is."""
CLIENTS = ("inotifywait", "node", "gio")

if TYPE_CHECKING:
    from farwatch.app import App
    from farwatch.builds.builder import TestsBuild
    from farwatch.trees.trees import Source


@dataclass
class ColumnPlan:
    """One column: its cells, found or to be run, and what it takes to run them."""

    revision: Revision
    column: Column
    linux: Base
    sources: dict[str, Source]
    """Checkouts to build from, by component; empty: the patches."""
    tests: TestsBuild
    inputs: dict[str, str]
    """Test -> hash over everything that could change its verdict."""
    found: dict[str, CellResult]
    todo: tuple[TestCase, ...]


def plan(app: App, wish: Wish, results: Results) -> list[ColumnPlan]:
    """Look up every cell; only what the hashes need is built (the tests themselves)."""
    return [_plan_column(app, wish, results, revision) for revision in wish.revisions]


def _plan_column(app: App, wish: Wish, results: Results, revision: Revision) -> ColumnPlan:
    linux = app.catalog.base_of(revision, "linux", wish.base)
    tests = app.builder.tests(linux)
    cases = select(tests.cases, wish.expression)
    sources = edited_sources(app, revision, linux) if wish.edited else {}
    return plan_cases(app, wish, results, revision, revision.name, sources, tests, cases)


def plan_cases(
    app: App,
    wish: Wish,
    results: Results,
    revision: Revision,
    name: str,
    sources: dict[str, Source],
    tests: TestsBuild,
    cases: Sequence[TestCase],
) -> ColumnPlan:
    """Look up these cases in the column called `name`: those of a revision, or of a part of its series."""
    linux = app.catalog.base_of(revision, "linux", wish.base)
    engine = installed_engine(app, wish.engine)
    column = Column(name, linux.name, engine.name, wish.flavor)
    key = _column_key(app, wish, revision, linux, engine, sources)
    inputs = {case.name: hash_of(key, *_test_key(tests, case)) for case in cases}
    found = {}
    if not wish.fresh:
        looked_up = {name: results.find(column, name, inputs[name]) for name in inputs}
        found = {name: result for name, result in looked_up.items() if result is not None}
    todo = tuple(case for case in cases if case.name not in found)
    return ColumnPlan(revision, column, linux, sources, tests, inputs, found, todo)


def select(cases: Sequence[TestCase], expression: str) -> tuple[TestCase, ...]:
    """The cases that -k names; an expression that matches nothing is a mistake, not an empty success."""
    if not expression:
        return tuple(cases)
    matches = compile_expression(expression)
    chosen = tuple(case for case in cases if matches(case.name))
    if not chosen:
        raise unknown("test", expression, [case.name for case in cases], hint="farwatch list --tests")
    return chosen


def _column_key(
    app: App, wish: Wish, revision: Revision, linux: Base, engine: Engine, sources: dict[str, Source]
) -> str:
    """Hash of what all cells of a column share."""
    parts = [engine.recipe, revision.share, wish.flavor]
    parts.append(app.builder.kernel_key(revision, linux, engine.arch, wish.flavor, sources.get("linux")))
    if revision.share == "virtiofs":
        base = app.catalog.base_of(revision, "virtiofsd")
        parts.append(app.builder.server_key(revision, base, sources.get("virtiofsd")))
        parts.extend(command_line(Path("server"), Path("share"), 0, revision.server_options))
    parts.append(_vmm_key(app, revision, engine, sources))
    return hash_of(*filter(None, parts))


def _vmm_key(app: App, revision: Revision, engine: Engine, sources: dict[str, Source]) -> str:
    base = own_vmm(app, revision, engine)
    return app.builder.vmm_key(revision, base, sources.get(VMM)) if base else engine.version()


def _test_key(tests: TestsBuild, case: TestCase) -> tuple[str, ...]:
    """The files that take part in a test, and its name."""
    program = next(path for path in tests.programs if path.name == case.program)
    others = _clients() if case.program == RUNS_CLIENTS else ()
    return (case.name, file_hash(program), file_hash(tests.agent), file_hash(tests.actor), *others)


@cache
def _clients() -> tuple[str, ...]:
    """What the tests of real programs run; the Python environment is named by its lock."""
    found = [shutil.which(name) for name in CLIENTS]
    return (sys.prefix, *(file_hash(Path(path).resolve()) if path else "missing" for path in found))


@cache
def file_hash(path: Path) -> str:
    """sha256 of a file's content."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def prepare(app: App, wish: Wish, plan: ColumnPlan) -> ColumnWork:
    """Build what a column's guests need, and put its tests in a queue."""
    setting = built_setting(app, wish, plan.revision, plan.linux, plan.sources, plan.tests)
    programs = {path.name: path for path in plan.tests.programs}
    jobs = (Job(case, programs[case.program], plan.inputs[case.name]) for case in plan.todo)
    return ColumnWork(plan.column, setting, deque(jobs))
