# SPDX-License-Identifier: GPL-2.0-or-later
"""cargo with a home of our own, and still with the person's settings: mirrors, proxies."""

from __future__ import annotations

import os
from pathlib import Path

from farwatch.system.home import Home


def environment(home: Home) -> dict[str, str]:
    """Variables that every cargo here runs with, beside the person's."""
    return {"CARGO_HOME": str(home.cargo), "LC_ALL": "C", "CARGO_TERM_COLOR": "never"}


def settings(home: Home) -> list[str]:
    """Options that keep the person's own cargo settings under another CARGO_HOME."""
    own = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    if own.resolve() == home.cargo.resolve():
        return []
    found = next((own / name for name in ("config.toml", "config") if (own / name).is_file()), None)
    return ["--config", str(found)] if found else []
