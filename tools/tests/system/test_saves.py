# SPDX-License-Identifier: GPL-2.0-or-later
"""saves.py: nothing that is saved is missed, and only that counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.system.saves import Saves


def test_what_changes_while_nobody_waits_is_told_by_the_next_wait(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    with Saves([tmp_path]) as saves:
        (inner / "file.c").write_text("x")
        assert saves.wait() == [inner / "file.c"]
        (inner / "new").mkdir()
        assert saves.wait() == [inner / "new"]


def test_what_editors_and_git_do_for_themselves_does_not_count(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    with Saves([tmp_path]) as saves:
        (tmp_path / ".git" / "index").write_text("x")
        (tmp_path / ".file.c.swp").write_text("x")
        (tmp_path / "file.c~").write_text("x")
        (tmp_path / "file.c").write_text("x")
        assert saves.wait() == [tmp_path / "file.c"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FarwatchError, match=r"cannot watch .*/missing"):
        Saves([tmp_path / "missing"])
