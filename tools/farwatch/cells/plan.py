# SPDX-License-Identifier: GPL-2.0-or-later
"""From "these revisions, these tests" to cells: what the store already knows and what has to be run."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.builds.subject import Subject
from farwatch.cells.jobs import ColumnWork, Job
from farwatch.cells.selection import compile_expression
from farwatch.cells.setting import built_setting, lacking_for, subject_of
from farwatch.cells.wish import Wish
from farwatch.errors import unknown
from farwatch.guests.companion import command_line
from farwatch.guests.ground import recipe
from farwatch.model import CellResult, Column, ShareSetting, TestCase, hash_of
from farwatch.results.store import Results
from farwatch.system import venv

_TREE_TOOLS = ("sh", "chmod", "chown", "cp", "ln", "mkdir", "mv", "rm", "rmdir", "touch", "truncate", "dd")
INSTALLED = {
    "program_test": ("inotifywait", "node", "gio"),
    "workload_test": ("git", "gzip", "python3", "tar", *_TREE_TOOLS),
}
"""Programs of kernel-tests/ that run what is installed, and what that is."""

if TYPE_CHECKING:
    from farwatch.app import App
    from farwatch.builds.selftests import TestsBuild


@dataclass
class ColumnPlan:
    """One column: its cells, found or to be run, and what it takes to run them."""

    subject: Subject
    column: Column
    tests: TestsBuild
    inputs: dict[str, str]
    """Test -> hash over everything that could change its verdict."""
    found: dict[str, CellResult]
    todo: tuple[TestCase, ...]
    lacking: str = ""
    """Why what is to be run cannot be run on this machine."""


def plan(app: App, wishes: Sequence[Wish], results: Results) -> list[ColumnPlan]:
    """Look up every cell; only what the hashes need is built (the tests themselves).

    wishes: of the same revisions. What they make of one revision stands side by side, each column once.
    """
    columns: dict[Column, ColumnPlan] = {}
    # a trial mounts what the setting wants: once for all the revisions
    lacking = cache(lambda share_setting: lacking_for(app, share_setting))
    for revision in wishes[0].revisions:
        for wish in wishes:
            subject = subject_of(app, wish, revision)
            if subject.column() not in columns:
                columns[subject.column()] = _plan_column(app, wish, results, subject, lacking)
    return list(columns.values())


def _plan_column(
    app: App, wish: Wish, results: Results, subject: Subject, lacking: Callable[[ShareSetting], str]
) -> ColumnPlan:
    tests = app.builder.tests(subject.linux)
    cases = select(tests.cases, wish.expression)
    made = plan_cases(app, results, subject, subject.column(), tests, cases, fresh=wish.fresh)
    return replace(made, lacking=lacking(subject.share_setting)) if made.todo else made


def plan_cases(
    app: App,
    results: Results,
    subject: Subject,
    column: Column,
    tests: TestsBuild,
    cases: Sequence[TestCase],
    *,
    fresh: bool = False,
) -> ColumnPlan:
    """Look up these cases in a column: that of a revision, or of a part of its series. fresh: in vain."""
    key = column_key(app, subject)
    inputs = {case.name: hash_of(key, *_test_key(subject, tests, case)) for case in cases}
    found = {}
    if not fresh:
        looked_up = {name: results.find(column, name, inputs[name]) for name in inputs}
        found = {name: result for name, result in looked_up.items() if result is not None}
    todo = tuple(case for case in cases if case.name not in found)
    return ColumnPlan(subject, column, tests, inputs, found, todo)


def select(cases: Sequence[TestCase], expression: str) -> tuple[TestCase, ...]:
    """The cases that -k names; an expression that matches nothing is a mistake, not an empty success."""
    if not expression:
        return tuple(cases)
    matches = compile_expression(expression)
    chosen = tuple(case for case in cases if matches(case.name))
    if not chosen:
        names = [case.name for case in cases]
        parts = dict.fromkeys(part for name in names for part in re.split("[:.]", name))
        raise unknown("test", expression, names, hint="farwatch list --tests", also=parts)
    return chosen


def column_key(app: App, subject: Subject) -> str:
    """Hash of what all cells of a column share."""
    builder = app.builder
    parts = [subject.engine.recipe, subject.share, subject.flavor, builder.kernels.key(subject)]
    if subject.has_server:
        parts.append(builder.servers.key(subject))
        parts.extend(command_line(Path("server"), Path("share"), 0, subject.server_options))
    parts.extend(recipe(subject.share_setting))
    parts.extend(builder.servers.key_of(subject, part) for part in subject.tools)
    parts.extend(f"sysctl {entry}" for entry in subject.revision.sysctls)
    parts.append(builder.monitors.key(subject) if subject.has_own_vmm else subject.engine.version())
    return hash_of(*filter(None, parts))


def _test_key(subject: Subject, tests: TestsBuild, case: TestCase) -> tuple[str, ...]:
    """The files that take part in a test, and its name."""
    program = next(path for path in tests.programs if path.name == case.program)
    others = (str(venv.prefix()), *installed(case.program)) if case.program in INSTALLED else ()
    served = (file_hash(tests.plain_server),) if subject.share == "fuse" else ()
    return (case.name, file_hash(program), file_hash(tests.agent), file_hash(tests.actor), *served, *others)


@cache
def installed(program: str) -> tuple[str, ...]:
    """What a program of INSTALLED runs; the Python environment beside it is named by its lock."""
    found = [shutil.which(name) for name in INSTALLED[program]]
    return tuple(file_hash(Path(path).resolve()) if path else "missing" for path in found)


@cache
def file_hash(path: Path) -> str:
    """sha256 of a file's content."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def prepare(app: App, plan: ColumnPlan) -> ColumnWork:
    """Build what a column's guests need, and put its tests in a queue."""
    setting = built_setting(app, plan.subject, plan.tests)
    programs = {path.name: path for path in plan.tests.programs}
    jobs = (Job(case, programs[case.program], plan.inputs[case.name]) for case in plan.todo)
    return ColumnWork(plan.column, setting, deque(jobs))
