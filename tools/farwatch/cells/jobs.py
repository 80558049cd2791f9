# SPDX-License-Identifier: GPL-2.0-or-later
"""What is asked for (a wish), and what of it has to be run (jobs, in a queue for each column)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from farwatch.model import Column, TestCase

if TYPE_CHECKING:
    from farwatch.guests.setting import Setting


@dataclass(frozen=True)
class Job:
    """One cell to be filled."""

    case: TestCase
    program: Path
    inputs: str


@dataclass
class ColumnWork:
    """The tests of one column that are still to be run."""

    column: Column
    setting: Setting
    jobs: deque[Job]
    boots_failed: int = 0
    workers: int = 0
    """Guests that run."""
    coming: int = 0
    """Those of them that have not been up yet: each will take a test."""
    attempts: dict[str, int] = field(default_factory=dict)

    @property
    def need(self) -> float:
        """How much another guest would help."""
        return len(self.jobs) / (self.workers + 1)
