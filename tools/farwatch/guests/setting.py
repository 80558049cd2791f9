# SPDX-License-Identifier: GPL-2.0-or-later
"""What all guests of one column have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from farwatch.engines.engine import Engine
from farwatch.model import DEFAULT_SHARE, ShareKind, ShareSetting


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
    share_setting: ShareSetting = DEFAULT_SHARE
    """Its server options are among server_options already."""
    vmm: Path | None = None
    network: bool = False
    debugger: bool = False
    """Serve one, on debugger_socket."""
