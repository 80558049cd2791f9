# SPDX-License-Identifier: GPL-2.0-or-later
"""A checkout of farwatch with revisions of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from farwatch.system.home import checkout_root


@pytest.fixture
def own_checkout(tmp_path: Path) -> Path:
    """A copy of this checkout, whose patches/ a test may change."""
    folder = tmp_path / "farwatch"
    folder.mkdir()
    for name in ("tools", "kernel-tests"):
        (folder / name).symlink_to(checkout_root() / name)
    subprocess.run(["cp", "-r", checkout_root() / "patches", folder / "patches"], check=True)
    return folder
