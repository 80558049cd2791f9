# SPDX-License-Identifier: GPL-2.0-or-later
"""What a command was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from farwatch.model import DEFAULT_SHARE, Revision, ShareSetting


@dataclass(frozen=True)
class Wish:
    """What a command was asked for."""

    revisions: tuple[Revision, ...]
    base: str | None = None
    """Name of the linux base instead of each revision's own."""
    engine: str = "uml"
    flavor: str = "plain"
    expression: str = ""
    fresh: bool = False
    edited: bool = False
    """Build from a person's checkout where there is one that differs from the patches."""
    share_setting: ShareSetting = DEFAULT_SHARE
    """Of the revisions that have a server."""
