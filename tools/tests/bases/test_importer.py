# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from farwatch.bases import importer
from farwatch.bases.importer import base_ref, import_base, imported, repository
from farwatch.errors import FarwatchError
from farwatch.model import Base
from farwatch.system import git
from farwatch.system.home import Home
from tests.samples.tree import FILES, contents, sha256, tarball_base, write_tar


def silent(_: str) -> None: ...


def unpacked(home: Home, base: Base, commit: str, folder: Path) -> Path:
    git.git(
        "worktree", "add", "--quiet", "--detach", str(folder), commit, cwd=repository(home, base.component)
    )
    return folder


@pytest.mark.parametrize("end", ["tar.xz", "tar.gz", "tar.bz2", "tar"])
def test_content_is_byte_for_byte(tmp_path: Path, home: Home, end: str) -> None:
    base = tarball_base(write_tar(tmp_path / f"thing.{end}"))
    folder = unpacked(home, base, import_base(base, home, silent), tmp_path / "out")
    assert contents(folder) == FILES
    assert os.access(folder / "tool.sh", os.X_OK) and not os.access(folder / "Makefile", os.X_OK)
    assert git.line("status", "--porcelain", cwd=folder) == ""


def test_the_id_depends_on_name_and_content_only(tmp_path: Path, home: Home) -> None:
    archive = write_tar(tmp_path / "thing.tar.gz")
    base = tarball_base(archive)
    first = import_base(base, home, silent)
    other = tmp_path / "elsewhere"
    other.mkdir()
    moved = Base("thing", "1.0", "tarball", sha256=base.sha256, location=str(shutil.copy(archive, other)))
    assert import_base(moved, Home(other), silent) == first
    assert git.line("log", "--format=%an %ae %at %cn %P|%s", first, cwd=repository(home, "thing")) == (
        "farwatch farwatch@localhost 946684800 farwatch |thing 1.0"
    )


def test_imported_once(tmp_path: Path, home: Home) -> None:
    base = tarball_base(write_tar(tmp_path / "thing.tar.gz"))
    assert imported(base, home) is None
    commit = import_base(base, home, silent)
    Path(base.location).unlink()
    assert imported(base, home) == commit == import_base(base, home, silent)


def test_another_pin_of_the_same_name_is_another_base(tmp_path: Path, home: Home) -> None:
    one = tarball_base(write_tar(tmp_path / "one.tar.gz"))
    two = tarball_base(write_tar(tmp_path / "two.tar.gz", files={**FILES, "Makefile": b"other\n"}))
    assert import_base(one, home, silent) != import_base(two, home, silent)
    assert imported(one, home) and imported(two, home)


def test_hard_links_become_files(tmp_path: Path, home: Home) -> None:
    archive = tmp_path / "thing.tar"
    (tmp_path / "top").mkdir()
    (tmp_path / "top/one").write_text("content")
    (tmp_path / "top/two").hardlink_to(tmp_path / "top/one")
    with tarfile.open(archive, "w") as tar:
        tar.add(tmp_path / "top", "top")
    base = tarball_base(archive)
    folder = unpacked(home, base, import_base(base, home, silent), tmp_path / "out")
    assert contents(folder) == {"one": b"content", "two": b"content"}


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "other-top/file", "thing-1.0/../x", "thing-1.0/.git/config"]
)
def test_names_that_lead_out_are_refused(tmp_path: Path, home: Home, name: str) -> None:
    archive = write_tar(tmp_path / "thing.tar.gz", top="", files={"thing-1.0/a": b"x", name: b"x"})
    with pytest.raises(FarwatchError, match="cannot read the archive of thing") as caught:
        import_base(tarball_base(archive), home, silent)
    assert name.lstrip("/") in caught.value.cause
    assert imported(tarball_base(archive), home) is None


@pytest.mark.parametrize("end", ["tar.xz", "tar.gz", "tar.bz2", "tar"])
@pytest.mark.parametrize("damage", ["short", "rubbish", "empty", "flipped", "checksum"])
def test_damaged_archives_are_no_bases(tmp_path: Path, home: Home, end: str, damage: str) -> None:
    if end == "tar" and damage in ("flipped", "checksum"):
        pytest.skip("plain tar has no checksum of content; the pin's sha256 has")
    archive = write_tar(tmp_path / f"thing.{end}")
    good = archive.read_bytes()
    half = len(good) // 2
    archive.write_bytes(
        {
            "short": good[: good.find(b"line 17") if end == "tar" else half],
            "rubbish": b"this is no archive at all, but it is long enough to be looked at" * 20,
            "empty": b"",
            "checksum": good[:-8] + bytes(byte ^ 0xFF for byte in good[-8:]),
            "flipped": good[:half] + bytes(byte ^ 0xFF for byte in good[half : half + 8]) + good[half + 8 :],
        }[damage]
    )
    base = tarball_base(archive)
    with pytest.raises(FarwatchError, match="cannot read the archive of thing"):
        import_base(base, home, silent)
    assert imported(base, home) is None
    assert not list(home.git.glob(".import-*"))


CHILD = """
import sys, time
from pathlib import Path
from farwatch.bases import importer
from farwatch.system.home import Home
from farwatch.model import Base
place = sys.argv[1]
def stop(*_):
    print("here", flush=True)
    time.sleep(60)
if place == "stream":
    importer._CommitWriter.finish = stop
elif place == "packs":
    importer._adopt_packs = stop
else:
    keep = importer._adopt_packs
    def after(*args):
        keep(*args)
        stop()
    importer._adopt_packs = after
base = Base("thing", "1.0", "tarball", sha256=sys.argv[3], location=sys.argv[4])
importer.import_base(base, Home(Path(sys.argv[2])), print)
"""


@pytest.mark.parametrize("place", ["stream", "packs", "ref"])
def test_an_import_that_is_killed_is_done_again(tmp_path: Path, home: Home, place: str) -> None:
    archive = write_tar(tmp_path / "thing.tar.xz")
    base = tarball_base(archive)
    command = [sys.executable, "-c", CHILD, place, str(home.root), sha256(archive), str(archive)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "here\n"
        child.send_signal(signal.SIGKILL)
    assert imported(base, home) is None
    commit = import_base(base, home, silent)
    assert contents(unpacked(home, base, commit, tmp_path / "out")) == FILES
    assert not list(home.git.glob(".import-*"))
    git.git("fsck", "--full", "--strict", cwd=repository(home, "thing"))


def test_progress_is_said(tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "_SAY_EVERY", 0.0)
    said: list[str] = []
    import_base(tarball_base(write_tar(tmp_path / "thing.tar.gz")), home, said.append)
    assert said[0] == "importing thing 1.0: 1 files"
    assert said[-1].startswith(f"imported thing 1.0: {len(FILES)} files in ")


def test_no_space_left(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "none", small], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("cannot mount a small file system here")
    try:
        archive = write_tar(tmp_path / "thing.tar.gz", files={"big": os.urandom(1 << 20)})
        with pytest.raises(FarwatchError) as caught:
            import_base(tarball_base(archive), Home(small), silent)
        assert "diskspace" in caught.value.cause and "prune" in caught.value.hint
        assert imported(tarball_base(archive), Home(small)) is None
    finally:
        subprocess.run(["umount", small], check=True)


def upstream(tmp_path: Path) -> tuple[Path, str]:
    """A repository with two commits; the second is tagged by nothing."""
    clone = tmp_path / "clone"
    clone.mkdir()
    who = {f"GIT_{role}_{part}": "x@x" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    git.git("init", "--quiet", ".", cwd=clone)
    for text in ("one", "two", "three"):
        (clone / "file").write_text(text)
        git.git("add", "file", cwd=clone)
        git.git("commit", "--quiet", "-m", text, cwd=clone, env=who)
    return clone, git.line("rev-parse", "HEAD^", cwd=clone)


def test_git_base_keeps_its_commit(tmp_path: Path, home: Home) -> None:
    clone, commit = upstream(tmp_path)
    base = Base("thing", "2", "git", location=str(clone), commit=commit)
    assert import_base(base, home, silent) == commit
    shutil.rmtree(clone)
    assert import_base(base, home, silent) == commit
    assert contents(unpacked(home, base, commit, tmp_path / "out")) == {"file": b"two"}
    assert git.resolve(repository(home, "thing"), base_ref(base))


def test_git_base_that_cannot_be_fetched(tmp_path: Path, home: Home) -> None:
    clone, _ = upstream(tmp_path)
    unknown = Base("thing", "2", "git", location=str(clone), commit="1" * 40)
    with pytest.raises(FarwatchError, match="cannot fetch 111111111111") as caught:
        import_base(unknown, home, silent)
    assert "location and commit" in caught.value.hint
    gone = Base("thing", "3", "git", location=str(tmp_path / "gone"), commit="1" * 40)
    with pytest.raises(FarwatchError, match="cannot fetch"):
        import_base(gone, home, silent)
    offline = Base("thing", "4", "git", location="https://nowhere.invalid/x.git", commit="1" * 40)
    with pytest.raises(FarwatchError) as caught:
        import_base(offline, home, silent)
    assert "nowhere.invalid" in caught.value.what and caught.value.hint


def test_import_is_not_slow(tmp_path: Path, home: Home) -> None:
    """Far below a millisecond a file: a kernel has 96,000."""
    files: dict[str, bytes | Path] = {f"d{number % 50}/f{number}": b"x" * 2000 for number in range(3000)}
    base = tarball_base(write_tar(tmp_path / "thing.tar", files=files))
    start = time.monotonic()
    import_base(base, home, silent)
    assert time.monotonic() - start < 6
