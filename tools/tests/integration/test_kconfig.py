# SPDX-License-Identifier: GPL-2.0-or-later
"""What `config --why` advises, followed with the kernel's own conf: the option must be set then."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from farwatch.app import App
from farwatch.builds.why import Explainer, kconfig_environ

pytestmark = [pytest.mark.integration, pytest.mark.nightly]

ROUNDS = 8
"""Advice may open what has to be set next."""
NEEDED = (
    *(
        "9P_FSCACHE",
        "AFS_FS",
        "BLK_DEV_DM",
        "BTRFS_FS_POSIX_ACL",
        "CACHEFILES",
        "CEPH_FS",
        "CIFS_XATTR",
        "CRYPTO_LZ4",
    ),
    *(
        "CUSE",
        "DM_VERITY",
        "EROFS_FS_ZIP",
        "EXT4_FS_SECURITY",
        "F2FS_FS_SECURITY",
        "FANOTIFY_ACCESS_PERMISSIONS",
    ),
    *(
        "FS_ENCRYPTION",
        "FS_VERITY",
        "FUSE_DAX",
        "KASAN",
        "LOCK_STAT",
        "NFSD_V4",
        "NFS_FSCACHE",
        "OVERLAY_FS_INDEX",
    ),
    *(
        "PROVE_LOCKING",
        "QUOTA",
        "SECURITY_SELINUX",
        "SQUASHFS_XATTR",
        "TMPFS_XATTR",
        "UBSAN",
        "VIRTIO_FS",
        "XFS_QUOTA",
    ),
)
SET = re.compile(r"set CONFIG_(\w+)=([ymn])")


def advice(text: str) -> dict[str, str]:
    """Options and values to set; of alternatives the first one's."""
    chosen: dict[str, str] = {}
    for line in _first_alternatives(text.split("\n")):
        for name, value in SET.findall(line):
            chosen.setdefault(name, value)
    return chosen


def _first_alternatives(lines: list[str]) -> Iterator[str]:
    """The lines without those of any second alternative below a "needs one of:"."""
    open_at: dict[int, int] = {}  # depth of an alternative -> how many were seen
    for line in lines:
        depth = len(line) - len(line.lstrip())
        open_at = {at: seen for at, seen in open_at.items() if at <= depth}
        for at in open_at:
            open_at[at] += at == depth
        if any(seen > 1 for seen in open_at.values()):
            continue
        yield line
        if line.strip() == "needs one of:":
            open_at[depth + 2] = 0


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, Explainer]]:
    """The base's tree, a folder with the smallest .config that there is, and who explains it."""
    app = App.here()
    folder = tmp_path_factory.mktemp("kconfig")
    source = app.trees.tip(app.catalog.revision("baseline"), "linux", app.catalog.base("linux"))
    with app.trees.managed(source) as tree:
        make(tree, folder, "tinyconfig")
        yield tree, folder, Explainer(tree, "um", folder / ".config", environ={"CC": "gcc"})


def make(tree: Path, folder: Path, target: str) -> None:
    words = ["make", "-s", "-C", str(tree), f"O={folder}", "ARCH=um", target]
    subprocess.run(words, check=True, capture_output=True, env={**os.environ, "KCONFIG_NOTIMESTAMP": "1"})


@pytest.mark.parametrize("symbol", NEEDED)
def test_followed_advice_sets_the_option(config: tuple[Path, Path, Explainer], symbol: str) -> None:
    tree, folder, explainer = config
    make(tree, folder, "tinyconfig")
    path, done = folder / ".config", []
    for _ in range(ROUNDS):
        explainer.read(path)
        text = explainer.why(symbol)
        if re.match(rf"{symbol}=[ym]\b", text):
            return
        if "this machine lacks" in text or "no option" in text or "another architecture" in text:
            pytest.skip(text)
        wanted = advice(text)
        assert wanted and wanted not in done, f"no way on:\n{text}"
        done.append(wanted)
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"CONFIG_{name}={value}\n" for name, value in wanted.items())
        make(tree, folder, "olddefconfig")
    pytest.fail(f"not set after {ROUNDS} rounds:\n{text}")


def test_the_first_alternative_is_followed() -> None:
    lines = [
        "  needs one of:",
        "    all of:",
        "      set CONFIG_A=y",
        "      set CONFIG_B=y",
        "    set CONFIG_C=y",
    ]
    assert advice("\n".join([*lines, "  set CONFIG_D=m"])) == {"A": "y", "B": "y", "D": "m"}
    assert kconfig_environ(Path("/x"), "um")["ARCH"] == "um"
