# SPDX-License-Identifier: GPL-2.0-or-later
"""What one test's run leaves behind, and the limits under which it ran."""

from __future__ import annotations

from dataclasses import dataclass, field

from farwatch.guests.logs import LogSet


@dataclass(frozen=True)
class Limits:
    """Seconds. All follow from how long this very guest took to boot."""

    test: float = 40.0
    """For one test program."""
    event: float = 1.0
    """Longest wait for one event; a test that needs it fails after one."""
    end: float = 15.0
    """For power-off, and for the marks that follow the end of a test."""

    @classmethod
    def measured(cls, boot: float) -> Limits:
        """Limits for a guest that booted in `boot` seconds (0.3 on an idle machine)."""
        return cls(
            test=max(40.0, 60 * boot),
            event=min(max(0.5, 4 * boot), 15.0),
            end=max(15.0, 20 * boot),
        )


@dataclass
class Trace:
    """Everything that one test's run left behind. Filled while it runs; final when sealed."""

    name: str
    number: int
    logs: LogSet
    limits: Limits = Limits()
    command: tuple[str, ...] = ()
    output: list[bytes] = field(default_factory=list)
    console: list[bytes] = field(default_factory=list)
    started: float = 0.0
    """On the run's clock, seconds."""
    finished: float = 0.0
    began: bool = False
    ended: str = ""
    """"exit N", "signal N", "timeout", "setup ERRNO TEXT" as the agent says; empty: it never ended."""
    guest_died: bool = False
    guest_ending: str = ""
    hung: bool = False
    """The guest did not bring the test, or itself, to an end."""
    refused: str = ""
    """Why the agent would not run it."""
    stuck: str = ""
    """What did not come to an end."""
    flood: str = ""
    """Which stream said more than it may."""
    server_died: str = ""
    """How the server ended although nobody asked for it."""
    broken_steps: str = ""
    sealed: bool = False

    @property
    def duration(self) -> float:
        return max(0.0, self.finished - self.started)
