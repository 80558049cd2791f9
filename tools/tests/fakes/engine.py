# SPDX-License-Identifier: GPL-2.0-or-later
"""An engine whose guest is fakes/guest.py: everything about sessions but the kernel."""

from __future__ import annotations

import sys

from farwatch.engines.engine import GuestSpec
from farwatch.engines.uml import UmlEngine
from tests import FAKES


class FakeEngine(UmlEngine):
    """The real line handling of the UML engine, another program behind it."""

    name = "fake"

    def __init__(self, *behaviours: str) -> None:
        """Behaviour of each guest in turn; the last one for all that follow."""
        self._behaviours = list(behaviours) or ["normal"]

    def command(self, spec: GuestSpec, lines: list[int]) -> list[str]:
        del spec
        many = len(self._behaviours) > 1
        behaviour = self._behaviours.pop(0) if many else self._behaviours[0]
        program = FAKES / "guest.py"
        return [sys.executable, "-S", str(program), behaviour, *map(str, lines)]
