# SPDX-License-Identifier: GPL-2.0-or-later
"""A home as pages: what is under way, each table that is stored, and the pages of each.

Everything is read when it is asked for, and nothing is written. A path is looked up among the names of pages
that there are; none is ever opened as a file.
"""

from __future__ import annotations

import json
import re
import shlex
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from farwatch.app import App
from farwatch.bench.record import Records
from farwatch.errors import FarwatchError
from farwatch.model import CellResult, Column
from farwatch.reports.html import Link, policy, render, script
from farwatch.results.names import column_name
from farwatch.results.store import Results
from farwatch.results.table import Row
from farwatch.system.under_way import Doing, UnderWay, under_way
from farwatch.terminal.escape import printable
from farwatch.web.site import VERDICTS, Site
from farwatch.web.stored import Stored, stored_table, stored_tables

HTML, JSON = "text/html; charset=utf-8", "application/json"
LIVE = "live.json"
FRESH_SECONDS = 5.0
"""How long a table is shown that was made before, though something of it may have changed."""
_SCRIPTS = ("filter.js", "live.js")


@dataclass(frozen=True)
class Answer:
    """What is sent."""

    status: int
    kind: str
    body: str


@dataclass(frozen=True)
class _Made:
    """A site, and what it was made of."""

    site: Site
    newest: int
    when: float


class HomePages:
    """Safe for several threads."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._made: dict[str, _Made] = {}

    @staticmethod
    def policy() -> str:
        """For all of them: that of a page is one of what it says itself."""
        return f"{policy(*map(script, _SCRIPTS))}; frame-ancestors 'none'"

    def answer(self, path: str) -> Answer:
        """path: behind the first slash, decoded"""
        try:
            return self._answer(path)
        except FarwatchError as error:
            return trouble(503, error)

    def _answer(self, path: str) -> Answer:
        if path in ("", "index.html"):
            return Answer(200, HTML, self._overview())
        if path == LIVE:
            return Answer(200, JSON, json.dumps(self._live()))
        table, _, name = path.partition("/")
        site = self._site(table) if name else None
        page = site.render(name) if site else None
        if page is None:
            return trouble(404, FarwatchError("there is no such page", hint="go back to the first one"))
        return Answer(200, HTML, page)

    def _results(self) -> Results:
        """Opened for one answer: the file may be replaced at any time."""
        return Results.look(self._app.home.results)

    def _tables(self, results: Results, app: App) -> dict[str, Stored]:
        revisions = app.catalog.revisions()
        return {
            _slug(one): one for one in stored_tables(results, revisions, app.catalog.suite_names(revisions))
        }

    def _site(self, name: str) -> Site | None:
        """One at a time: what others wait for is then there for them, too."""
        with self._lock, self._results() as results:
            newest = results.newest()
            made = self._made.get(name)
            if made and (made.newest == newest or time.monotonic() - made.when < FRESH_SECONDS):
                return made.site
            site = self._make(name, results)
            if site is not None:
                self._made = {**self._made, name: _Made(site, newest, time.monotonic())}
            return site

    def _make(self, name: str, results: Results) -> Site | None:
        app = App(self._app.root, self._app.home)  # patches may have changed
        stored = self._tables(results, app).get(name)
        if stored is None:
            return None
        having = set(results.columns())
        revisions = [one for one in app.catalog.revisions() if having.intersection(stored.columns([one]))]
        columns = stored.columns(revisions)
        table = stored_table(app, results, revisions, columns, [stored.suite] if stored.suite else [])
        if table is None:
            return None
        records = Records(app.home.bench).all()
        above = [Link("This home", "../")]
        return Site(table, app.home.logs, lambda row: self._history(row, columns), records, "all", above)

    def _history(self, row: Row, columns: Sequence[Column]) -> Mapping[Column, Sequence[CellResult]]:
        with self._results() as results:
            return {column: results.history(column, row.test, VERDICTS) for column in columns}

    def _overview(self) -> str:
        tables: dict[str, Stored] = {}
        missing: FarwatchError | None = None
        try:
            with self._results() as results:
                tables = self._tables(results, App(self._app.root, self._app.home))
        except FarwatchError as error:
            missing = error
        return render(
            "home.html.j2",
            script=script("live.js"),
            root=str(self._app.root),
            tables=tables,
            live=self._live(),
            missing=missing,
        )

    def _live(self) -> dict[str, Any]:
        """{ "runs": [ { "command": str, "pid": int, "seconds": int,
        "bars": [ { "label": str, "done": int, "total": int or null } ], "lines": [str] } ] }"""
        return {"runs": [self._run(one) for one in under_way(self._app.home.live)]}

    def _run(self, one: UnderWay) -> dict[str, Any]:
        tasks = [{"label": _label(task), "done": task.done, "total": task.total} for task in one.tasks]
        return {
            "command": printable(_command(one.command)),
            "pid": one.pid,
            "seconds": int(max(0.0, time.time() - one.began)),
            "bars": tasks,
            "lines": [printable(line) for line in (*self._found(one), *one.said)],
        }

    def _found(self, one: UnderWay) -> list[str]:
        """What the run has stored: which run of the store it is, its command and its begin tell."""
        command = shlex.join(one.command)
        try:
            with self._results() as results:
                mine = (run for run in results.open_runs() if run[3] == command and run[1] >= one.began - 1)
                counts = [each for run in mine for each in results.counts(run[0])]
        except FarwatchError:
            return []
        columns: dict[Column, Counter[str]] = {}
        for column, verdict, count in counts:
            columns.setdefault(column, Counter())[str(verdict)] += count
        return [
            f"{column_name(column)}: {', '.join(f'{count} {verdict}' for verdict, count in found.items())}"
            for column, found in columns.items()
        ]


def trouble(status: int, error: FarwatchError) -> Answer:
    """A page that says what is wrong."""
    return Answer(status, HTML, render("trouble.html.j2", error=error))


def _label(task: Doing) -> str:
    return printable(f"{task.title}: {task.note}".removesuffix(": "))


def _command(words: Sequence[str]) -> str:
    """As a person types it."""
    program, *rest = words or ("",)
    return shlex.join(["farwatch" if program.endswith("__main__.py") else program, *rest])


def _slug(one: Stored) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", one.title).strip("-.")
