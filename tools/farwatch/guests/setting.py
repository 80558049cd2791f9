# SPDX-License-Identifier: GPL-2.0-or-later
"""What all guests of one column have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from farwatch.engines.engine import Engine
from farwatch.model import DEFAULT_SHARE, ShareKind, ShareSetting

TAG = "myfs"
"""virtiofs tag of the share."""
MOUNT_POINT = "/mnt/share"
"""Of the share, in the guest (MOUNT_POINT of kernel-tests/guest/order.h)."""


@dataclass(frozen=True)
class Share:
    """A folder of the host in a guest."""

    folder: Path
    tag: str = TAG
    point: str = MOUNT_POINT


@dataclass(frozen=True)
class Setting:
    """What all guests of one column have in common."""

    engine: Engine
    image: Path
    agent: Path
    actor: Path
    share: ShareKind
    server: Path | None
    plain_server: Path | None = None
    """Runs in the guest, and serves a share of kind fuse there."""
    memory: int = 192
    cpus: int = 1
    server_options: tuple[str, ...] = ()
    share_setting: ShareSetting = DEFAULT_SHARE
    """Its server options are among server_options already."""
    vmm: Path | None = None
    tools: tuple[Path, ...] = ()
    """Folders of the host for the PATH of what runs in the guest."""
    sysctls: tuple[str, ...] = ()
    """NAME=VALUE each, as Revision.sysctls has it."""
    server_environment: tuple[tuple[str, str], ...] = ()
    """Variables of the server's beside our own."""
    network: bool = False
    debugger: bool = False
    """Serve one, on debugger_socket."""
