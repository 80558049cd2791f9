# SPDX-License-Identifier: GPL-2.0-or-later
"""What lint has found, as SARIF 2.1.0: for services that show it beside the patches.

Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/sarif-v2.1.0-os.html
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from farwatch.review.findings import Finding, NotRun
from farwatch.review.lint import LintReport

VERSION = "2.1.0"


def lint_sarif(report: LintReport, folder: Path, version: str) -> str:
    """The document.

    folder:  the revision's, as a service names it: relative to the repository
    version: of farwatch
    """
    findings = [finding for line in report.lines for finding in line.findings]
    rules = list(dict.fromkeys(finding.rule for finding in findings))
    run = {
        "tool": {
            "driver": {
                "name": "farwatch lint",
                "semanticVersion": version,
                "rules": [{"id": rule} for rule in rules],
            }
        },
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [_notification(each) for each in report.not_run],
            }
        ],
        "results": [_result(finding, rules.index(finding.rule), folder) for finding in findings],
    }
    return json.dumps({"version": VERSION, "runs": [run]}, indent=1) + "\n"


def _result(finding: Finding, rule: int, folder: Path) -> dict[str, Any]:
    where = f"{finding.where}: " if finding.where else ""
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": rule,
        "level": "note" if finding.waived else "warning",
        "message": {"text": f"{where}{finding.message}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": (folder / finding.patch).as_posix()},
                    "region": {"startLine": 1},
                }
            }
        ],
    }
    if finding.waived:
        result["suppressions"] = [{"kind": "external", "justification": finding.waived.strip()}]
    return result


def _notification(rule: NotRun) -> dict[str, Any]:
    level = "note" if rule.waived else "warning"
    return {"level": level, "message": {"text": f"not looked at: {rule.rule}: {rule.reason}"}}
