# SPDX-License-Identifier: GPL-2.0-or-later
"""A checkout of farwatch with revisions of its own, and the mark of what these tests start."""

from __future__ import annotations

import os
import subprocess
import uuid
from pathlib import Path

import pytest

from farwatch.guests.setting import Setting
from farwatch.system.home import checkout_root
from tests.integration.commands import GUEST_MARK
from tests.integration.forged_stage import Stage

os.environ[GUEST_MARK] = uuid.uuid4().hex


@pytest.fixture
def own_checkout(tmp_path: Path) -> Path:
    """A copy of this checkout, whose patches/ a test may change."""
    folder = tmp_path / "farwatch"
    folder.mkdir()
    for name in ("tools", "kernel-tests"):
        (folder / name).symlink_to(checkout_root() / name)
    subprocess.run(["cp", "-r", checkout_root() / "patches", folder / "patches"], check=True)
    return folder


@pytest.fixture
def stage(setting: Setting, tmp_path: Path) -> Stage:
    """Of the setting that the module of the test has."""
    return Stage(setting, tmp_path)
