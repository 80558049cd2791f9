# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person says about folders to share: DIR[:TAG[:MOUNTPOINT]]."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.guests.setting import MOUNT_POINT, TAG, Share

FORM = "DIR[:TAG[:MOUNTPOINT]]"
_TAG = re.compile(r"[A-Za-z0-9_.-]{1,36}")
"""36 bytes: tag of struct virtio_fs_config (include/uapi/linux/virtio_fs.h)."""
MOST = 16
"""MOUNTS_MAX of kernel-tests/guest/order.h."""


def shares_from(words: Sequence[str]) -> tuple[Share, ...]:
    """The shares that the words of --share name; FarwatchError when that is not possible."""
    if len(words) > MOST:
        raise FarwatchError(f"{len(words)} shares", cause=f"a guest has at most {MOST}")
    shares = tuple(_share(word, number) for number, word in enumerate(words, 1))
    for what, values in (
        ("tag", [share.tag for share in shares]),
        ("mount point", [share.point for share in shares]),
    ):
        if twice := next((value for value in values if values.count(value) > 1), None):
            raise FarwatchError(f"two shares with the {what} {twice}", hint=f"--share {FORM}")
    return shares


def _share(word: str, number: int) -> Share:
    """The share of one word; number: its place among them, from 1."""
    folder, tag, point = _parted(word)
    if not folder.is_dir():
        raise _no_folder(folder)
    if tag and not _TAG.fullmatch(tag):
        raise FarwatchError(
            f"'{tag}' is no tag of a share", cause="letters, digits and _ . - are possible, up to 36 of them"
        )
    if point and not (point.startswith("/") and point.strip("/") and ":" not in point):
        raise FarwatchError(
            f"'{point}' is no mount point",
            cause="it has to be an absolute path, other than /, without a colon",
        )
    usual = TAG if number == 1 else f"share{number}"
    return Share(
        folder.resolve(),
        tag or usual,
        point.rstrip("/") or (MOUNT_POINT if (tag or usual) == TAG else f"/mnt/{tag or usual}"),
    )


def _parted(word: str) -> tuple[Path, str, str]:
    """Folder, tag and mount point. A folder's name may have colons in it: the longest one that is there."""
    for folder, tag, point in _ways(word):
        if Path(folder).is_dir():
            return Path(folder), tag, point
    *_, (folder, tag, point) = _ways(word)
    return Path(folder), tag, point


def _ways(word: str) -> Iterator[tuple[str, str, str]]:
    """Each way to part a word, the longest folder first."""
    yield word, "", ""
    parts = word.split(":")
    if len(parts) > 1:
        yield ":".join(parts[:-1]), parts[-1], ""
    if len(parts) > 2:
        yield ":".join(parts[:-2]), parts[-2], parts[-1]


def _no_folder(path: Path) -> FarwatchError:
    there = path.exists()
    return FarwatchError(
        f"cannot share '{path}'",
        cause="it is a file" if there else "there is no such folder",
        hint=f"its folder: --share {path.parent}" if there else f"mkdir {path}",
    )
