# SPDX-License-Identifier: GPL-2.0-or-later
"""The home folder and its locks."""

from __future__ import annotations

from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.system.home import Home
from farwatch.system.locks import locked


def test_a_lock_is_waited_for_no_longer_than_its_limit(tmp_path: Path) -> None:
    told = []
    with locked(tmp_path / "lock"):
        waiting = locked(tmp_path / "lock", lambda: told.append("busy"), limit=0.05)
        with pytest.raises(FarwatchError, match="stays locked"), waiting:
            raise AssertionError("two hold it")
    assert told == ["busy"]
    with locked(tmp_path / "lock", limit=0):
        pass


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FARWATCH_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(FarwatchError, match="cannot use"):
        Home.from_env()
