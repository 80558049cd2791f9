# SPDX-License-Identifier: GPL-2.0-or-later
"""What a machine is, in its own words. The text of this file is sent to workers, and run there.

A worker of another farwatch, or of none, must be able to answer: nothing but the standard library is
imported here, and nothing is known of the rest of farwatch.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import time
from importlib.util import find_spec
from pathlib import Path


def greet() -> dict[str, object]:
    """The facts that decide whether cells may be run here. Unix time and bytes are numbers, the rest text."""
    home = Path(os.environ.get("FARWATCH_HOME") or Path.home() / ".cache" / "farwatch")
    return {
        "time": time.time(),
        "host": platform.node(),
        "arch": platform.machine(),
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "libc": _libc(),
        "version": _version(),
        "home": str(home),
        "free": _free(home),
    }


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (OSError, ValueError):
        return ""


def _version() -> str:
    """Hash of farwatch's sources; empty where there is none."""
    found = find_spec("farwatch")
    if found is None or not found.origin:
        return ""
    root = Path(found.origin).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        # an installed one has its launcher, and a copy of what it takes, beside the package
        if name != "launcher.py" and not name.startswith("data/"):
            digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _free(home: Path) -> int:
    """Bytes that may be written below a folder that may not be there yet; 0 where nothing may."""
    while not home.exists() and home != home.parent:
        home = home.parent
    if not os.access(home, os.W_OK):
        return 0
    status = os.statvfs(home)
    return status.f_bavail * status.f_frsize
