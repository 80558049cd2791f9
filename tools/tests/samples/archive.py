# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian archive made in a test, for the real apt: faked is where it is, and that it need not be signed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path

import pytest

from farwatch.model import Base
from tests.samples.tree import FILES, sha256, write_tar

PACKAGE, SUITE = "linux-source-7.3", "new-suite"
PINNED, NEWER, NEWEST = "7.3.4-1~bpo13+1", "7.3.9-1~bpo13+1", "7.3.10-1~bpo13+1"
OTHER_RELEASE = "7.4.1-1"
_APT_GET = """\
#!/bin/sh
echo "$@" >> "{folder}/apt.log"
case "$*" in *indextargets*) exec cat "{folder}/targets";; esac
for word; do case "$word" in
Dir::Etc::sourcelist=*) sed -i 's/^deb \\(\\[[^]]*\\] \\)*/deb [trusted=yes] /' "${{word#*=}}";;
esac; done
exec {real} -o APT::Sandbox::User=root -o Acquire::Retries=0 -o Acquire::http::Proxy::127.0.0.1=DIRECT "$@"
"""


class DebianArchive:
    """What this machine's apt is set up for, as far as the programs in PATH tell."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = shutil.which("apt-get")
        if real is None:
            pytest.skip("no apt here")
        self.folder = folder
        (folder / "bin").mkdir(parents=True)
        (folder / "bin/apt-get").write_text(_APT_GET.format(folder=folder, real=real))
        (folder / "bin/apt-get").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
        monkeypatch.setenv("no_proxy", "*")
        self.online()

    def online(self) -> None:
        (self.folder / "targets").write_text(f"file:{self.folder}/archive {SUITE}\n")

    def offline(self) -> None:
        """Nobody answers at the archive's address."""
        (self.folder / "targets").write_text(f"http://127.0.0.1:1/debian {SUITE}\n")

    @property
    def log(self) -> str:
        """How apt-get was called, a line each."""
        path = self.folder / "apt.log"
        return path.read_text() if path.exists() else ""

    def offer(self, *versions: str) -> None:
        """Let the archive have these versions, made with package(), and no others."""
        stanzas = [self._stanza(version) for version in versions]
        self._index("".join(stanzas))

    def package(self, version: str, files: Mapping[str, bytes | Path] | None = None) -> Path:
        """A .deb with the sources in it; not offered yet."""
        root = self.folder / f"tree-{version}"
        for part in ("DEBIAN", "usr/src"):
            (root / part).mkdir(parents=True)
        (root / "DEBIAN/control").write_text(_control(version))
        name = version.partition("-")[0]
        write_tar(
            root / f"usr/src/{PACKAGE}.tar.xz",
            top=f"linux-{name}",
            files={**(files or FILES), "version": version.encode()},
        )
        target = self.deb(version)
        target.parent.mkdir(parents=True, exist_ok=True)
        command = ["dpkg-deb", "--root-owner-group", "--build", str(root), str(target)]
        subprocess.run(command, check=True, capture_output=True)
        return target

    def tarball(self, version: str) -> Path:
        """The file in the package of that version that sha256 is of."""
        return self.folder / f"tree-{version}/usr/src/{PACKAGE}.tar.xz"

    def base(self, version: str, places: tuple[str, ...] = ()) -> Base:
        """Linux 7.3, pinned to a version."""
        pin = sha256(self.tarball(version))
        return Base("linux", "7.3", "deb", pin, PACKAGE, SUITE, version, places=places)

    def toml(self, version: str, places: tuple[str, ...] = ()) -> str:
        """Its table in bases.toml."""
        base = self.base(version)
        lines = [
            f'{key} = "{getattr(base, key)}"' for key in ("kind", "package", "suite", "version", "sha256")
        ]
        lines += [f"places = {list(places)}"] if places else []
        return "\n".join(['[linux."7.3"]', *lines, ""])

    def deb(self, version: str) -> Path:
        """The package of that version."""
        return self.folder / f"archive/pool/{PACKAGE}_{version}_all.deb"

    def _stanza(self, version: str) -> str:
        deb = self.deb(version)
        where = f"Filename: pool/{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {sha256(deb)}\n"
        return f"{_control(version)}{where}\n"

    def _index(self, text: str) -> None:
        arch = subprocess.check_output(["dpkg", "--print-architecture"], text=True).strip()
        dist = self.folder / "archive/dists" / SUITE
        packages = dist / f"main/binary-{arch}/Packages"
        packages.parent.mkdir(parents=True, exist_ok=True)
        packages.write_text(text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        (dist / "Release").write_text(
            f"Suite: {SUITE}\nCodename: {SUITE}\nDate: {formatdate()}\nArchitectures: {arch}\n"
            f"Components: main\nSHA256:\n {digest} {len(text)} {packages.relative_to(dist)}\n"
        )


def forgetful_archive(folder: Path, monkeypatch: pytest.MonkeyPatch) -> DebianArchive:
    """One that no longer has PINNED, and offers newer ones; the packages of all are made."""
    made = DebianArchive(folder, monkeypatch)
    for version in (PINNED, NEWER, NEWEST, OTHER_RELEASE):
        made.package(version)
    made.offer(NEWER, OTHER_RELEASE, NEWEST)
    return made


def _control(version: str) -> str:
    return (
        f"Package: {PACKAGE}\nVersion: {version}\nArchitecture: all\nMaintainer: x <x@example.org>\n"
        "Description: x\n"
    )
