# SPDX-License-Identifier: GPL-2.0-or-later
"""Every complaint that the base's sources can print is detected, or somebody has said why not.

What is read: the parts of the kernel that are in the flagship's guests, from git
objects; no tree is needed. samples/complaints.toml has what is no splat. A new
base with a message that is in neither fails here, until somebody decides.
"""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import pytest

from farwatch.app import App
from farwatch.verdicts.splat import scan
from tests import SAMPLES
from tests.integration.complaint_sites import Site, sites_of

pytestmark = pytest.mark.integration

FOLDERS = (
    *("arch/um", "block", "drivers/base", "drivers/virtio", "init", "ipc", "kernel", "lib", "mm", "security"),
    *("fs/9p", "fs/debugfs", "fs/fuse", "fs/hostfs", "fs/iomap", "fs/kernfs", "fs/notify", "fs/overlayfs"),
    *("fs/proc", "fs/ramfs", "fs/sysfs", "net/9p", "net/core", "fs/*.c"),
)


@dataclass
class Known:
    """An entry of complaints.toml."""

    files: list[str]
    reason: str
    says: str = ""
    used: list[Site] = field(default_factory=list)

    def covers(self, site: Site) -> bool:
        named = any(fnmatchcase(site.file, pattern) for pattern in self.files)
        return named and re.match(self.says, site.message) is not None


@pytest.fixture(scope="module")
def sites() -> list[Site]:
    app = App.here()
    commit = app.trees.base_commit(app.catalog.base("linux"))
    words = ["git", "-C", str(app.trees.repository("linux")), "archive", commit, "--"]
    packed = subprocess.run(
        [*words, *(f":(glob){folder}{'' if folder.endswith('.c') else '/**/*.c'}" for folder in FOLDERS)],
        capture_output=True,
        check=True,
    ).stdout
    found: list[Site] = []
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            if (content := archive.extractfile(member) if member.isfile() else None) is not None:
                found += sites_of(member.name, content.read().decode("utf-8", "replace"))
    return found


def known() -> list[Known]:
    text = (SAMPLES / "complaints.toml").read_text(encoding="utf-8")
    return [Known(**entry) for entry in tomllib.loads(text)["known"]]


def test_every_complaint_is_detected_or_known(sites: list[Site]) -> None:
    ways = {way: sum(site.way == way for site in sites) for way in ("dump", "loud", "panic", "warn", "words")}
    assert min(ways.values()) > 40 and len(sites) > 1000, f"the sources are read wrongly: {ways}"
    entries, undecided = known(), []
    for site in sites:
        covering = [entry for entry in entries if entry.covers(site)]
        if scan(site.console()):
            continue
        for entry in covering:
            entry.used.append(site)
        if not covering:
            undecided.append(f"{site.file}:{site.line}: {site.way}: {site.message!r}")
    assert undecided == [], "a rule of splat_rules.py, or an entry of complaints.toml with its reason"
    assert [entry.files for entry in entries if not entry.used] == [], "entries that cover nothing any more"
