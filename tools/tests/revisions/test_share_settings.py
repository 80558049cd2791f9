# SPDX-License-Identifier: GPL-2.0-or-later
"""share-settings.toml, and what a revision says of the settings in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.guests.ground import recipe
from farwatch.model import DEFAULT_SHARE, Column, ShareSetting, Verdict
from farwatch.revisions.catalog import Catalog
from farwatch.revisions.share_settings import named_settings, read_share_settings
from farwatch.system.home import checkout_root

SETTINGS = """\
[writeback]
about = "written   later"
server = ["--cache=auto", "--writeback"]

[readonly]
about = "nothing is written"
mount = ["ro"]

[on-btrfs]
about = "subvolumes"
file-system = "btrfs"
folder = "subvolume"

[plain]
about = "served in the guest"
kind = "fuse"
"""
REVISION = """\
title = "a revision"
[bases]
[[expect]]
tests = ["a:*"]
verdict = "fail"
reason = "everywhere"
[[expect]]
tests = ["a:x"]
settings = ["readonly", "writeback"]
verdict = "skip"
reason = "there alone"
"""


def patches(tmp_path: Path, settings: str, revision: str = REVISION) -> Path:
    (tmp_path / "patches" / "v1").mkdir(parents=True)
    (tmp_path / "patches/bases.toml").write_text("")
    (tmp_path / "patches/share-settings.toml").write_text(settings)
    (tmp_path / "patches/v1/revision.toml").write_text(revision)
    return tmp_path / "patches"


def test_settings_in_the_order_of_the_file_behind_the_default(tmp_path: Path) -> None:
    known = read_share_settings(patches(tmp_path, SETTINGS))
    assert list(known.values()) == [
        DEFAULT_SHARE,
        ShareSetting("writeback", "written later", ("--cache=auto", "--writeback")),
        ShareSetting("readonly", "nothing is written", mount_options=("ro",)),
        ShareSetting("on-btrfs", "subvolumes", file_system="btrfs", folder="subvolume"),
        ShareSetting("plain", "served in the guest", kind="fuse"),
    ]
    assert [setting.has_ground for setting in known.values()] == [False, False, False, True, False]
    assert [setting.read_only for setting in known.values()] == [False, False, True, False, False]
    assert ShareSetting("x", server_options=("--readonly",)).read_only


def test_without_a_file_there_is_the_default(tmp_path: Path) -> None:
    assert read_share_settings(tmp_path) == {"default": DEFAULT_SHARE}


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("[writeback]", "[default]", 1, "'default' is not the file's to describe"),
        ("[writeback]", "[Write_Back]", 2, "wrong name"),
        ('mount = ["ro"]', 'mout = ["ro"]', 7, "did you mean 'mount'?"),
        ('mount = ["ro"]', 'mount = ["ro,noatime"]', 7, "'ro,noatime' is wrong"),
        ('mount = ["ro"]', "", 6, "sets nothing"),
        ('"--writeback"', '"writeback"', 3, "'writeback' is wrong"),
        ('file-system = "btrfs"', 'file-system = "btrf"', 11, "did you mean 'btrfs'?"),
        ('file-system = "btrfs"', 'file-system = "xfs"', 12, "only btrfs has subvolumes"),
        ('folder = "subvolume"', 'folder = "volume"', 12, "did you mean 'subvolume'?"),
        ('about = "subvolumes"', "", 9, "'about' is missing"),
        ('kind = "fuse"', 'kind = "tmpfs"', 16, "kind = 'tmpfs' is unknown"),
        ('kind = "fuse"', 'kind = "fuse"\nserver = ["--x"]', 17, "'plain' has kind and server"),
        ('kind = "fuse"', 'kind = "fuse"\nfile-system = "xfs"', 17, "'plain' has kind and file-system"),
    ],
)
def test_wrong_settings(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    assert old in SETTINGS
    with pytest.raises(FarwatchError) as caught:
        Catalog.load(patches(tmp_path, SETTINGS.replace(old, new, 1)).parent)
    assert f"share-settings.toml:{line}: " in caught.value.what
    assert says in str(caught.value)


def test_settings_that_are_named(tmp_path: Path) -> None:
    known = read_share_settings(patches(tmp_path, SETTINGS))
    assert [setting.name for setting in named_settings(known, "all", "")] == list(known)
    assert [setting.name for setting in named_settings(known, "readonly, default", "")] == [
        "default",
        "readonly",
    ]
    with pytest.raises(FarwatchError, match="unknown share setting 'writebak'") as caught:
        named_settings(known, "default,writebak", "")
    assert "did you mean 'writeback'?" in caught.value.cause


def column(share_setting: str) -> Column:
    return Column("v1", "1.0", share_setting=share_setting)


def test_an_expectation_of_some_settings(tmp_path: Path) -> None:
    revision = Catalog.load(patches(tmp_path, SETTINGS).parent).revision("v1")
    found = {name: revision.expectation("a:x", column(name)) for name in ("default", "writeback", "on-btrfs")}
    verdicts = {name: entry.verdict for name, entry in found.items() if entry}
    assert verdicts == {"default": Verdict.FAIL, "writeback": Verdict.SKIP, "on-btrfs": Verdict.FAIL}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ('["writebak"]', "did you mean 'writeback'?"),
        ("[]", "at least one"),
        ('"writeback"', "expected a list"),
    ],
)
def test_an_expectation_of_no_setting(tmp_path: Path, settings: str, says: str) -> None:
    text = REVISION.replace('["readonly", "writeback"]', settings)
    with pytest.raises(FarwatchError) as caught:
        Catalog.load(patches(tmp_path, SETTINGS, text).parent).revision("v1")
    assert "revision.toml:9: " in caught.value.what and says in str(caught.value)


def test_no_two_settings_of_this_checkout_are_the_same() -> None:
    settings = Catalog.load(checkout_root()).share_settings()
    assert recipe(DEFAULT_SHARE) == ()
    assert (
        len({(setting.kind, setting.server_options, recipe(setting)) for setting in settings})
        == len(settings)
        > 15
    )
