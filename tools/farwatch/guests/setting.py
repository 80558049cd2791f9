# SPDX-License-Identifier: GPL-2.0-or-later
"""What all guests of one column have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from farwatch.engines.engine import Engine
from farwatch.model import ShareKind


@dataclass(frozen=True)
class Setting:
    """What all guests of one column have in common."""

    engine: Engine
    image: Path
    agent: Path
    actor: Path
    share: ShareKind
    server: Path | None
    memory: int = 192
    server_options: tuple[str, ...] = ()
    vmm: Path | None = None
    network: bool = False
    debugger: bool = False
    """Serve one, on debugger_socket."""
