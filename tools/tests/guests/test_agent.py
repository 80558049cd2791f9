# SPDX-License-Identifier: GPL-2.0-or-later
"""What the agent is asked for: kernel-tests/guest/agent.c."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from farwatch.guests.agent import guest_fields
from farwatch.guests.setting import Setting, Share
from farwatch.model import ShareKind, ShareSetting
from tests.fakes.engine import FakeEngine

TWO = (Share(Path("/a")), Share(Path("/b"), "more", "/mnt/more"))


def fields(kind: ShareKind, *options: str) -> list[str]:
    setting = Setting(FakeEngine(""), Path(), Path(), Path(), kind, None, Path("/tests/plainfs"))
    chosen = replace(setting, share_setting=ShareSetting("chosen", mount_options=options))
    return guest_fields(chosen, TWO[: 2 if kind == "virtiofs" else 1])


def test_each_share_is_a_mount() -> None:
    assert fields("virtiofs") == ["mount=virtiofs:myfs:/mnt/share", "mount=virtiofs:more:/mnt/more"]
    assert fields("virtiofs", "ro", "noatime")[2:] == ["options=ro,noatime"]
    assert fields("tmpfs") == ["mount=tmpfs:tmpfs"]


def test_a_share_that_is_served_there_has_its_server_named() -> None:
    served = ["mount=fuse:plainfs", "server=/mnt/host/tests/plainfs"]
    assert fields("fuse") == served
    assert fields("fuse", "fsnotify", "entry_timeout=5") == [*served, "options=fsnotify,entry_timeout=5"]
