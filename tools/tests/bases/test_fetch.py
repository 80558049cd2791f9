# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import http.server
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farwatch.bases import debian
from farwatch.bases.fetch import fetch
from farwatch.errors import FarwatchError
from farwatch.model import Base
from farwatch.system.home import Home
from tests.samples.tree import sha256, write_tar

APT_GET = """#!/bin/sh
echo "$@" >> "$FAKE/apt.log"
case "$*" in
*indextargets*) cat "$FAKE/targets";;
*update*) cat "$FAKE/update.err" >&2 2>/dev/null; exit $(cat "$FAKE/update.rc" 2>/dev/null || echo 0);;
*--download-only*) for last; do :; done; cp "$FAKE/upstream" "./thing_9.orig.tar.xz"
    cp "$FAKE/packaging" "./thing_9-3.debian.tar.xz" 2>/dev/null; true;;
*download*) for last; do :; done; cat "$FAKE/download.err" >&2 2>/dev/null && exit 100
    cp "$FAKE/package.deb" "./$(echo $last | tr = _)_all.deb";;
esac
"""
APT_CACHE = '#!/bin/sh\ncat "$FAKE/madison"\n'
CARGO = """#!/bin/sh
echo "$@" >> "$FAKE/cargo.log"
cat "$FAKE/cargo.err" >&2 2>/dev/null && exit 101
mkdir -p "$CARGO_HOME/registry/cache/reg-1"
cp "$FAKE/crate" "$CARGO_HOME/registry/cache/reg-1/thing-1.0.crate"
"""
MADISON = "linux-x | 2-1 | http://mirror/debian new-suite/main amd64 Packages\n"


def silent(_: str) -> None: ...


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs apt-get, apt-cache and cargo that do as the files beside them say; logs of their calls."""
    folder = tmp_path / "fake"
    (folder / "bin").mkdir(parents=True)
    for name, text in {"apt-get": APT_GET, "apt-cache": APT_CACHE, "cargo": CARGO}.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    (folder / "targets").write_text("http://mirror/debian suite\nhttp://mirror/sec suite-security\n")
    (folder / "madison").write_text(MADISON + MADISON.replace("2-1", "1-9"))
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE", str(folder))
    return folder


@pytest.fixture
def deb(fake: Path, tmp_path: Path) -> Base:
    """A base in a real package, in the fake archive."""
    root = tmp_path / "package"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "usr/src").mkdir(parents=True)
    (root / "DEBIAN/control").write_text(
        "Package: linux-x\nVersion: 2-1\nArchitecture: all\nMaintainer: x\nDescription: x\n"
    )
    (root / "usr/src/README").write_text("not this one")
    archive = write_tar(root / "usr/src/linux-x.tar.xz", files={"file": os.urandom(200_000)})
    command = ["dpkg-deb", "--root-owner-group", "--build", str(root), str(fake / "package.deb")]
    subprocess.run(command, check=True, capture_output=True)
    return Base("linux", "x", "deb", sha256(archive), package="linux-x", suite="new-suite", version="2-1")


def failure(base: Base, home: Home) -> FarwatchError:
    with pytest.raises(FarwatchError) as caught:
        fetch(base, home, silent)
    kept = [path.name for path in home.downloads.iterdir() if path.name.endswith(".archive")]
    assert kept == [] and not list(home.downloads.glob("partial-*")), "nothing looks finished"
    return caught.value


def test_deb_gives_the_tarball_inside(fake: Path, deb: Base, home: Home) -> None:
    found = fetch(deb, home, silent)
    assert sha256(found) == deb.sha256
    log = (fake / "apt.log").read_text()
    private = home.downloads / "apt" / "new-suite-deb"
    assert f"Dir::Etc::sourcelist={private}/sources.list" in log and "Dir::Etc::sourceparts=-" in log
    assert "APT::Get::AllowUnauthenticated=false" in log and "allow-unauth" not in log
    assert "mirror/debian new-suite main" in (private / "sources.list").read_text()


def test_deb_source_gives_the_upstream_tarball(fake: Path, tmp_path: Path, home: Home) -> None:
    archive = write_tar(fake / "upstream.tar.xz", files={"file": b"x"})
    archive.rename(fake / "upstream")
    row = "thing | 1:9+dfsg-3+deb12u1 | http://mirror/debian new-suite/main Sources\n"
    (fake / "madison").write_text(row)
    pinned: dict[str, Any] = {"package": "thing", "suite": "new-suite"}
    base = Base("thing", "x", "deb-source", sha256(fake / "upstream"), version="9+dfsg", **pinned)
    assert sha256(fetch(base, home, silent)) == base.sha256
    words = "--download-only --only-source --tar-only thing=1:9+dfsg-3+deb12u1"
    assert words in (fake / "apt.log").read_text()
    private = home.downloads / "apt" / "new-suite-deb-source"
    assert (private / "sources.list").read_text().startswith("deb-src ")
    with pytest.raises(FarwatchError, match="versions there: 1:9") as gone:
        fetch(replace(base, version="8", sha256="0" * 64), home, silent)
    assert 'version = "9+dfsg"' in str(gone.value)


@pytest.fixture
def patched(fake: Path) -> Base:
    """A source package with three patches, of which two are asked for."""
    archive = write_tar(fake / "upstream.tar.xz", files={"file": b"one\n", "tool.sh": b"#!/bin/sh\n"})
    archive.rename(fake / "upstream")
    packaging = fake / "packaging-tree" / "debian" / "patches"
    packaging.mkdir(parents=True)
    for before, after in (("one", "two"), ("two", "three"), ("three", "four")):
        (packaging / f"{after}.diff").write_text(
            f"--- a/file\n+++ b/file\n@@ -1 +1 @@\n-{before}\n+{after}\n"
        )
    (packaging / "series").write_text("two.diff\nthree.diff\nfour.diff\n")
    with tarfile.open(fake / "packaging", "w:xz") as tar:
        tar.add(packaging.parent, "debian")
    (fake / "madison").write_text("thing | 9-3 | http://mirror/debian new-suite/main Sources\n")
    return Base(
        "thing",
        "x",
        "deb-source",
        "0" * 64,
        package="thing",
        suite="new-suite",
        version="9",
        updates="three.diff",
    )


def found_checksum(base: Base, home: Home) -> str:
    """What an error says that was found instead of the pinned sum."""
    lines = failure(base, home).cause.splitlines()
    return next(line.split()[-1] for line in lines if line.startswith("found"))


def test_a_series_is_applied_as_far_as_asked_and_gives_the_same_bytes(
    patched: Base, fake: Path, home: Home
) -> None:
    checksum = found_checksum(patched, home)
    for path in fake.rglob("*"):
        os.utime(path, (1, 1))
    assert found_checksum(patched, home) == checksum
    assert found_checksum(replace(patched, updates="four.diff"), home) != checksum
    archive = fetch(replace(patched, sha256=checksum), home, silent)
    with tarfile.open(archive) as tar:
        files = {Path(member.name).name: member for member in tar.getmembers() if member.isfile()}
        content = tar.extractfile(files["file"])
        assert content is not None and content.read() == b"three\n"


def test_a_patch_that_the_package_does_not_have(patched: Base, home: Home) -> None:
    error = failure(replace(patched, updates="five.diff"), home)
    assert error.what == "thing 9 has no patch five.diff"
    assert "two.diff, three.diff, four.diff" in error.cause


def test_a_patch_that_does_not_apply(patched: Base, fake: Path, home: Home) -> None:
    write_tar(fake / "upstream.tar.xz", files={"file": b"other\n"}).rename(fake / "upstream")
    error = failure(patched, home)
    assert error.what == "patch cannot make the sources of thing-x" and "FAILED" in error.cause


def test_a_package_without_patches(patched: Base, fake: Path, home: Home) -> None:
    (fake / "packaging").unlink()
    assert failure(patched, home).what == "thing 9 brings no patches"


def test_what_was_fetched_once_needs_no_network(fake: Path, deb: Base, home: Home) -> None:
    first = fetch(deb, home, silent)
    (fake / "apt.log").unlink()
    assert fetch(deb, home, silent) == first
    assert not (fake / "apt.log").exists()
    first.write_bytes(b"damaged since")
    assert sha256(fetch(deb, home, silent)) == deb.sha256


def test_deb_without_network(fake: Path, deb: Base, home: Home) -> None:
    (fake / "update.rc").write_text("100")
    (fake / "update.err").write_text("E: Failed to fetch x  Temporary failure resolving 'mirror'\n")
    error = failure(deb, home)
    assert "apt-get cannot get linux-x" in error.what
    assert "Temporary failure resolving" in error.cause
    assert "connect to the network" in error.hint


def test_deb_version_that_is_gone(fake: Path, deb: Base, home: Home) -> None:
    (fake / "madison").write_text(MADISON.replace("2-1", "2-3") + MADISON.replace("2-1", "2-2"))
    error = failure(deb, home)
    assert error.what == "linux-x 2-1 is no longer in new-suite"
    assert error.cause == "versions there: 2-3, 2-2"
    assert '[linux."x"]' in error.hint and 'version = "2-3"' in error.hint and "sha256" in error.hint
    assert "download" not in (fake / "apt.log").read_text().replace("downloads/", "")


def test_deb_package_that_the_suite_never_had(fake: Path, deb: Base, home: Home) -> None:
    (fake / "madison").write_text(MADISON.replace("new-suite", "other"))
    assert "new-suite has no package linux-x" in failure(deb, home).what


def test_deb_no_archive_configured(fake: Path, deb: Base, home: Home) -> None:
    (fake / "targets").write_text("")
    assert "apt-get update" in failure(deb, home).hint


def test_deb_full_disk(fake: Path, deb: Base, home: Home) -> None:
    (fake / "download.err").write_text("E: Failed to write: write (28: No space left on device)\n")
    error = failure(deb, home)
    assert "no space left" in error.what and "prune" in error.hint


def test_deb_full_disk_while_unpacking(deb: Base, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if (
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "none", small], check=False).returncode
        != 0
    ):
        pytest.skip("cannot mount a small file system here")
    try:
        assert "no space left" in failure(deb, Home(small)).what
    finally:
        # lazily: whoever looks through /tmp just now would keep it busy
        subprocess.run(["umount", "--lazy", small], check=True)


def test_deb_without_apt(fake: Path, deb: Base, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(fake / "nothing"))
    error = failure(deb, home)
    assert error.what == "apt-get is not installed" and error.hint


def test_deb_without_source_inside(fake: Path, deb: Base, home: Home) -> None:
    (fake / "package.deb").write_bytes(b"no package")
    assert "holds no source" in failure(deb, home).what


@pytest.mark.parametrize("kind", ["deb", "crate"])
def test_checksum_mismatch_tells_both(fake: Path, deb: Base, home: Home, kind: str) -> None:
    (fake / "crate").write_text("crate")
    if kind == "deb":
        base = Base("linux", "x", "deb", "0" * 64, package="linux-x", suite="new-suite", version="2-1")
    else:
        base = Base("thing", "1.0", "crate", "0" * 64, package="thing", version="1.0")
    error = failure(base, home)
    assert "its checksum differs" in error.what
    assert "0" * 64 in error.cause
    found = deb.sha256 if kind == "deb" else sha256(fake / "crate")
    assert found in error.cause and "bases.toml" in error.hint


@pytest.mark.parametrize(
    ("suite", "address"),
    [
        ("bookworm", "M/debian"),
        ("bookworm-security", "M/sec"),
        ("trixie", "M/debian"),
        ("trixie-backports", "M/debian"),
        ("trixie-security", "M/sec"),
    ],
)
def test_mirror_of_a_suite(suite: str, address: str) -> None:
    targets = (
        "M/nodes nodistro/x\nM/sec bookworm-security\nM/debian bookworm\nM/debian bookworm-updates\nodd\n"
    )
    assert debian.mirror(suite, targets) == address


def test_mirror_without_any() -> None:
    assert debian.mirror("trixie", "") == ""


@pytest.fixture
def crate(fake: Path) -> Base:
    (fake / "crate").write_text("crate")
    return Base("thing", "1.0", "crate", sha256(fake / "crate"), package="thing", version="1.0")


def test_crate_comes_from_cargo(fake: Path, crate: Base, home: Home) -> None:
    assert fetch(crate, home, silent).read_text() == "crate"
    (home.downloads / f"{crate.sha256}.archive").unlink()
    assert fetch(crate, home, silent).read_text() == "crate"
    assert (fake / "cargo.log").read_text().count("fetch") == 1, "cargo has it already"


def test_crate_keeps_the_users_cargo_settings(
    fake: Path, crate: Base, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/config.toml").touch()
    monkeypatch.setenv("CARGO_HOME", str(tmp_path / "own"))
    fetch(crate, home, silent)
    assert f"--config {tmp_path}/own/config.toml fetch" in (fake / "cargo.log").read_text()


@pytest.mark.parametrize(
    ("message", "what", "hint"),
    [
        (
            "error: failed to download from `x`\n  Could not resolve host: x",
            "cargo cannot get thing 1.0",
            "network",
        ),
        (
            "error: failed to select a version for `thing`\ncandidate versions found: 2.0",
            "has no thing 1.0",
            "version =",
        ),
        ("error: failed to write: No space left on device", "no space left", "prune"),
        ("error: feature `edition2024` is required", "cargo cannot get thing 1.0", "cargo says"),
    ],
)
def test_crate_failures(fake: Path, crate: Base, home: Home, message: str, what: str, hint: str) -> None:
    (fake / "cargo.err").write_text(message)
    error = failure(crate, home)
    assert what in error.what and hint in error.hint


def test_crate_without_cargo(fake: Path, crate: Base, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(fake / "nothing"))
    assert failure(crate, home).what == "cargo is not installed"


def test_tarball_from_a_path(tmp_path: Path, home: Home) -> None:
    archive = write_tar(tmp_path / "a.tar.gz")
    base = Base("thing", "1", "tarball", sha256(archive), location=str(archive))
    assert fetch(base, home, silent) == archive
    archive.write_bytes(b"other")
    assert "its checksum differs" in failure(base, home).what
    archive.unlink()
    assert "there is no file" in failure(base, home).what


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "www").mkdir()
    write_tar(tmp_path / "www/a.tar.gz")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object, **_: object) -> None:
            super().__init__(*args, directory=str(tmp_path / "www"))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_tarball_from_a_url(tmp_path: Path, home: Home, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    pin = sha256(tmp_path / "www/a.tar.gz")
    for url in (f"{server}/a.tar.gz", f"file://{tmp_path}/www/a.tar.gz"):
        found = fetch(Base("thing", "1", "tarball", pin, location=url), home, silent)
        assert sha256(found) == pin
        found.unlink()
    for url in (f"{server}/gone", "http://127.0.0.1:1/x", "http://nowhere.invalid/x", "gopher://x/y"):
        error = failure(Base("thing", "1", "tarball", pin, location=url), home)
        assert f"cannot download {url}" == error.what and error.cause and "connect" in error.hint
