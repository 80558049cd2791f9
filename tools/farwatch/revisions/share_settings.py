# SPDX-License-Identifier: GPL-2.0-or-later
"""patches/share-settings.toml: the ways in which a share may be served, beside the usual one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

from farwatch.errors import unknown
from farwatch.model import DEFAULT_SHARE, FileSystem, ShareSetting, TestFolder
from farwatch.revisions.strict_toml import TomlDocument, TomlTable

SETTINGS_FILE = "share-settings.toml"
_NAME = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
_OPTION = r"--[a-z][a-z0-9-]*(=.+)?"


def read_share_settings(patches: Path) -> dict[str, ShareSetting]:
    """By name, in the order of the file, the default one first; without a file there is no other."""
    settings = {DEFAULT_SHARE.name: DEFAULT_SHARE}
    path = patches / SETTINGS_FILE
    if not path.exists():
        return settings
    top = TomlDocument.read(path).table()
    for name in top.names():
        if name in settings:
            cause = "it is what all servers are started with, and cannot be said anew"
            raise top.error(name, f"share setting '{name}' is not the file's to describe", cause=cause)
        settings[name] = _setting(top.table(name), name)
    return settings


def _setting(table: TomlTable, name: str) -> ShareSetting:
    if re.fullmatch(_NAME, name) is None:
        cause = "expected lower case words and digits, joined by -"
        raise table.error("about", f"share setting '{name}' has a wrong name", cause=cause)
    table.only(("about", "kind", "server", "mount", "file-system", "folder"))
    made: dict[str, Any] = {
        "server_options": _texts(table, "server", _OPTION, "an option such as --cache=auto"),
        "mount_options": _texts(table, "mount", r"[^\s,]+", "an option of mount, such as ro"),
    }
    if "file-system" in table.names():
        made["file_system"] = table.choice("file-system", get_args(FileSystem))
    if "folder" in table.names():
        made["folder"] = table.choice("folder", get_args(TestFolder))
    if made.get("folder") == "subvolume" and made.get("file_system") != "btrfs":
        raise table.error("folder", "only btrfs has subvolumes", cause='expected file-system = "btrfs"')
    if "kind" in table.names():
        made["kind"] = table.choice("kind", ("fuse",))
        _check_alone(table, name)
    if not any(made.values()):
        raise table.error(
            "about", f"share setting '{name}' sets nothing", cause="expected server, mount, ..."
        )
    return ShareSetting(name, " ".join(table.text("about").split()), **made)


def _check_alone(table: TomlTable, name: str) -> None:
    """The server of a kind of its own is another one, and what it serves is in the guest."""
    for key in ("server", "file-system", "folder"):
        if key in table.names():
            cause = "the share is a tmpfs of the guest's, and its server's options are those of the mount"
            raise table.error(key, f"share setting '{name}' has kind and {key}", cause=cause)


def _texts(table: TomlTable, key: str, pattern: str, expected: str) -> tuple[str, ...]:
    texts = table.texts(key) if key in table.names() else ()
    for text in texts:
        if re.fullmatch(pattern, text) is None:
            raise table.error(key, f"{key}: '{text}' is wrong", cause=f"expected {expected}")
    return texts


def named_settings(known: dict[str, ShareSetting], text: str, hint: str) -> tuple[ShareSetting, ...]:
    """What "all", or "NAME,NAME", means, in the order of the file; FarwatchError for a name that is none."""
    if text == "all":
        return tuple(known.values())
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            raise unknown("share setting", name, known, hint=hint)
    return tuple(setting for name, setting in known.items() if name in names)
