# SPDX-License-Identifier: GPL-2.0-or-later
"""The table as JSON. The form is stable: keys may be added, and any other change raises "schema".

{ "schema": 1,
  "ok": bool,                        nothing surprised
  "columns": [ { "name": "v1/7.3/uml/plain", "revision", "base", "engine", "flavor", "share_setting": str,
                 "label", "title": str, "reference": bool,
                 "compared_with": str, the label of a column, or "",
                 "lacking": str, why what has no verdict cannot be run on this machine, or "",
                 "verdicts": { "pass": int, "fail": int, ... every verdict },
                 "fixes", "breaks", "still_fail", "surprises", "cached", "as_base", "not_run": int } ],
  "tests": [ { "name": "program:fixture.variant.test", "program", "fixture", "variant", "test": str,
               "cells": [ one a column, in the order of "columns":
                 { "name": str, the argument of `show`
                   "verdict": str or null (not run), "surprising": bool,
                   a "skip" without a result: see "lacking" of its column
                   "change": "fixes" | "breaks" | "still fails" | null,
                   "as_base": bool, no pass, and the same on the base (rows of suites),
                   "gone": bool, the base has the test and this column has not (rows of suites),
                   "differs": { engine that says something else: its verdict },
                   "expectation": { "verdict", "reason", "says": str, "race": bool,
                                    "engines", "bases", "flavors", "settings": [ name ... ],
                                    none of a kind: all } or null,
                   "result": { "title", "detail", "inputs", "logs", "run": str, "duration": seconds,
                               "started": Unix time, "attempts": int, "cached": bool } or null } ] } ] }
"""

from __future__ import annotations

import json
from typing import Any

from farwatch.model import CellResult, Expectation
from farwatch.results.table import Cell, Heading, Row, Table

SCHEMA = 1
_RESULT_KEYS = ("title", "detail", "inputs", "logs", "run", "duration", "started", "attempts", "cached")


def render_json(table: Table) -> str:
    """The document, ASCII only, with a newline at its end."""
    document = {
        "schema": SCHEMA,
        "ok": not table.surprises,
        "columns": [_column(heading) for heading in table.headings],
        "tests": [_test(row) for row in table.rows],
        "remarks": list(table.remarks),
    }
    return json.dumps(document, indent=1) + "\n"


def _column(heading: Heading) -> dict[str, Any]:
    column = heading.column
    return {
        "name": heading.name,
        "revision": column.revision,
        "base": column.base,
        "engine": column.engine,
        "flavor": column.flavor,
        "share_setting": column.share_setting,
        "label": heading.label,
        "title": heading.title,
        "reference": heading.reference,
        "compared_with": heading.compared_with,
        "lacking": heading.lacking,
        "verdicts": {str(verdict): count for verdict, count in heading.verdicts.items()},
        "fixes": heading.fixes,
        "breaks": heading.breaks,
        "still_fail": heading.still_fail,
        "surprises": heading.surprises,
        "cached": heading.cached,
        "as_base": heading.as_base,
        "not_run": heading.missing,
    }


def _test(row: Row) -> dict[str, Any]:
    case = row.case
    return {
        "name": row.test,
        "program": case.program,
        "fixture": case.fixture,
        "variant": case.variant,
        "test": case.test,
        "cells": [_cell(cell) for cell in row.cells],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "name": cell.name,
        "verdict": str(cell.verdict) if cell.verdict else None,
        "surprising": cell.surprising,
        "change": str(cell.change) if cell.change else None,
        "as_base": cell.as_base,
        "gone": cell.result is None and cell.surprising,
        "differs": {engine: str(verdict) for engine, verdict in cell.differs},
        "expectation": _expectation(cell.expectation) if cell.expectation else None,
        "result": _result(cell.result) if cell.result else None,
    }


def _expectation(expectation: Expectation) -> dict[str, Any]:
    return {
        "verdict": str(expectation.verdict),
        "reason": expectation.reason,
        "says": expectation.says,
        "race": expectation.race,
        **{key: list(getattr(expectation, key)) for key in ("engines", "bases", "flavors", "settings")},
    }


def _result(result: CellResult) -> dict[str, Any]:
    return {key: getattr(result, key) for key in _RESULT_KEYS}
