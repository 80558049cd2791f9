# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person says about folders to share."""

from __future__ import annotations

from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.guests.setting import Share
from farwatch.guests.shares import MOST, shares_from


@pytest.fixture
def here(tmp_path: Path) -> Path:
    for name in ("a", "b", "with:colon"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").write_text("")
    return tmp_path


def test_each_has_a_tag_and_a_mount_point(here: Path) -> None:
    words = [f"{here}/a", f"{here}/b", f"{here}/a:data", f"{here}/b:more:/srv/more/"]
    assert shares_from(words) == (
        Share(here / "a", "myfs", "/mnt/share"),
        Share(here / "b", "share2", "/mnt/share2"),
        Share(here / "a", "data", "/mnt/data"),
        Share(here / "b", "more", "/srv/more"),
    )
    assert shares_from([f"{here}/a::/srv"]) == (Share(here / "a", "myfs", "/srv"),)
    assert shares_from([]) == ()


def test_a_colon_in_the_name_of_a_folder(here: Path) -> None:
    assert shares_from([f"{here}/with:colon"])[0].folder == here / "with:colon"
    assert shares_from([f"{here}/with:colon:x:/y"]) == (Share(here / "with:colon", "x", "/y"),)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["file"], "cannot share '.*/file'\n  it is a file\n  next: its folder: --share .*"),
        (["file:x"], "it is a file"),
        (["none"], "there is no such folder\n  next: mkdir .*/none"),
        (["none:x:/y"], "cannot share '.*/none'"),
        (["a:two words"], "'two words' is no tag"),
        (["a:" + "x" * 37], "is no tag"),
        (["a:x:y"], "'y' is no mount point"),
        (["a:x:/"], "'/' is no mount point"),
        (["a:x", "b:x"], "two shares with the tag x"),
        (["a:x:/y", "b:z:/y/"], "two shares with the mount point /y"),
        (["a"] * (MOST + 1), f"at most {MOST}"),
    ],
)
def test_what_is_no_share(here: Path, words: list[str], says: str) -> None:
    with pytest.raises(FarwatchError, match=says):
        shares_from([f"{here}/{word}" for word in words])
