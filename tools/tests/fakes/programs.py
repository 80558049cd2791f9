# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs made from the fakes."""

from __future__ import annotations

import sys
from pathlib import Path

from tests import FAKES


def fake_server(tmp_path: Path, behaviour: str) -> Path:
    """A server that does as fakes/server.py describes."""
    program = tmp_path / f"fake-server-{behaviour}"
    source = FAKES / "server.py"
    program.write_text(f"#!{sys.executable} -S\n{source.read_text()}")
    program.chmod(0o755)
    return program
