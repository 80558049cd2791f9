# SPDX-License-Identifier: GPL-2.0-or-later
"""The table as a submission to KCIDB, where kernel CI systems report to: version 5 of its schema.

A revision on a base is a checkout, a column a build, a cell a test. What the kernel did (a failure, a crash,
a hang) is FAIL; what the machine did is MISS: the status of the code is not known then. What a revision is
known to fail with is FAIL, too, and its reason is the comment.
Source: https://github.com/kernelci/kcidb-io, kcidb_io/schema/v05_03.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from farwatch.model import Verdict, hash_of
from farwatch.results.table import Cell, Heading, Table

VERSION = {"major": 5, "minor": 3}
ORIGIN = "farwatch"
"""Who reports; whoever submits for a CI system of their own gives its name in place of it."""
STATUS = {
    Verdict.PASS: "PASS",
    Verdict.FAIL: "FAIL",
    Verdict.CRASH: "FAIL",
    Verdict.HANG: "FAIL",
    Verdict.SKIP: "SKIP",
    Verdict.XFAIL: "DONE",
    Verdict.ERROR: "MISS",
}


def render_kcidb(table: Table) -> str:
    """The submission as JSON; cells that were not run are left out."""
    builds = [_build(heading, _digest(table, place)) for place, heading in enumerate(table.headings)]
    checkouts = {
        build["checkout_id"]: _checkout(build["checkout_id"], heading)
        for build, heading in zip(builds, table.headings, strict=True)
    }
    tests = [test for place, build in enumerate(builds) for test in _tests(table, place, build["id"])]
    document = {
        "version": VERSION,
        "checkouts": list(checkouts.values()),
        "builds": builds,
        "tests": tests,
    }
    return json.dumps(document, indent=1) + "\n"


def _id(*parts: str) -> str:
    return f"{ORIGIN}:{'/'.join(_plain(part) for part in parts)}"


def _plain(text: str) -> str:
    return text.replace("\0", " ")


def _digest(table: Table, place: int) -> str:
    """Of all that the column's verdicts stand for: what is built from other patches is another build."""
    results = (row.cells[place].result for row in table.rows)
    return hash_of(*(result.inputs for result in results if result is not None))[:12]


def _checkout(name: str, heading: Heading) -> dict[str, Any]:
    column = heading.column
    return {
        "id": name,
        "origin": ORIGIN,
        "tree_name": "farwatch",
        "git_commit_name": _plain(f"{column.revision} on linux {column.base}"),
        "comment": _plain(heading.title),
        "valid": True,
    }


def _build(heading: Heading, digest: str) -> dict[str, Any]:
    column = heading.column
    return {
        "id": _id(heading.name, digest),
        "origin": ORIGIN,
        "checkout_id": _id(column.revision, column.base, digest),
        "config_name": _plain(f"{column.engine} {column.flavor}"),
        "status": "PASS",
        "misc": {"engine": column.engine, "flavor": column.flavor, "share_setting": column.share_setting},
    }


def _tests(table: Table, place: int, build: str) -> Iterator[dict[str, Any]]:
    for row in table.rows:
        cell = row.cells[place]
        if cell.result is not None:
            yield _test(cell, row.test, build)


def _test(cell: Cell, test: str, build: str) -> dict[str, Any]:
    result = cell.result
    assert result is not None
    found: dict[str, Any] = {
        "id": _id(cell.name, result.run or "unknown", f"{result.started:.3f}"),
        "origin": ORIGIN,
        "build_id": build,
        "path": path_of(test),
        "status": STATUS[result.verdict],
        "duration": result.duration,
        "start_time": datetime.fromtimestamp(result.started, UTC).isoformat(),
        "misc": {"verdict": str(result.verdict), "surprising": cell.surprising, "attempts": result.attempts},
    }
    if result.detail:
        found["log_excerpt"] = _plain(result.detail)[-16384:]
    reason = cell.expectation.reason.strip() if cell.expectation and not cell.surprising else result.title
    if reason:
        found["comment"] = _plain(reason)
    return found


def path_of(test: str) -> str:
    """A test's name as a path of theirs: words with dots between them."""
    words = re.split(r"[:.]", test)
    return ".".join(["farwatch", *(re.sub(r"[^a-zA-Z0-9_-]", "_", word) for word in words if word)])
