# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a base is had from when the archive no longer has it: real apt, on an archive made here."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from farwatch.bases.archive import NoSpace, Unreachable, VersionGone, WrongContent, no_space
from farwatch.bases.debian import newest_of_release
from farwatch.bases.fetch import fetch
from farwatch.errors import FarwatchError
from farwatch.model import Base
from farwatch.system.home import Home
from tests.samples.archive import NEWER, NEWEST, OTHER_RELEASE, PINNED, DebianArchive, forgetful_archive
from tests.samples.tree import sha256, write_tar


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DebianArchive:
    return forgetful_archive(tmp_path / "machine", monkeypatch)


def silent(_: str) -> None: ...


def kept_place(archive: DebianArchive, name: str, source: Path) -> str:
    """A copy somewhere else."""
    target = archive.folder / name
    shutil.copyfile(source, target)
    return str(target)


def failure(base: Base, home: Home, said: list[str] | None = None) -> FarwatchError:
    with pytest.raises(FarwatchError) as caught:
        fetch(base, home, (said if said is not None else []).append)
    left = [path.name for path in home.downloads.iterdir() if path.name.endswith(".archive")]
    assert left == [] and not list(home.downloads.glob("partial-*")), "nothing looks finished"
    return caught.value


def test_places_are_not_asked_while_the_archive_has_the_version(archive: DebianArchive, home: Home) -> None:
    archive.offer(NEWER, PINNED)
    said: list[str] = []
    base = archive.base(PINNED, ("/no/such/place",))
    assert sha256(fetch(base, home, said.append)) == base.sha256
    assert not any("/no/such/place" in line for line in said)


def test_places_are_tried_in_order_until_the_content_is_right(archive: DebianArchive, home: Home) -> None:
    wrong = kept_place(archive, "wrong.deb", archive.deb(NEWER))
    right = kept_place(archive, "right.deb", archive.deb(PINNED))
    base = archive.base(PINNED, ("/no/such/file", wrong, right, "/never/asked"))
    said: list[str] = []
    assert sha256(fetch(base, home, said.append)) == base.sha256
    told = [line for line in said if "; next: " in line]
    found = sha256(archive.tarball(NEWER))
    assert told == [
        f"the Debian archive of this machine: linux-source-7.3 {PINNED} is no longer in new-suite: "
        f"versions there: {OTHER_RELEASE}, {NEWEST}, {NEWER}; next: /no/such/file",
        f"/no/such/file: there is no such file; next: {wrong}",
        f"{wrong}: wrong content: its sha256 is {found}; next: {right}",
    ]
    assert Path(right).exists() and Path(wrong).exists(), "they are somebody's files"


def test_a_place_may_hold_the_tarball_and_be_a_url(archive: DebianArchive, home: Home) -> None:
    kept_place(archive, "x.tar", archive.tarball(PINNED))
    base = archive.base(PINNED, (f"file://{archive.folder}/none", f"file://{archive.folder}/x.tar"))
    said: list[str] = []
    assert sha256(fetch(base, home, said.append)) == base.sha256
    assert any(f"file://{archive.folder}/none: it cannot be downloaded: " in line for line in said)
    archive.offline()
    assert fetch(base, home, said.append), "what was fetched once needs no place any more"


def test_a_version_that_is_nowhere_names_each_place_and_what_to_do(
    archive: DebianArchive, home: Home
) -> None:
    wrong = kept_place(archive, "wrong.deb", archive.deb(NEWER))
    broken = archive.folder / "broken.deb"
    broken.write_bytes(archive.deb(PINNED).read_bytes()[:100])
    url = "http://127.0.0.1:1/gone.deb"
    error = failure(archive.base(PINNED, (wrong, str(broken), url, "/no/such/file")), home)
    assert isinstance(error, VersionGone) and error.newest == NEWEST
    assert error.what == "linux 7.3 is nowhere to be had"
    lines = error.cause.splitlines()
    places = ["the Debian archive of this machine", wrong, str(broken), url, "/no/such/file"]
    assert [line.partition(": ")[0] for line in lines] == places
    for line, why in zip(
        lines, ("no longer", "wrong content", "no source", "refused", "no such"), strict=True
    ):
        assert why in line
    assert f"--base 7.3 --base-version newest (also test, build, boot) takes {NEWEST}" in error.hint
    assert '[linux."7.3"]' in error.hint and "places = [" in error.hint


def test_without_places_the_error_names_the_newest_of_the_same_release(
    archive: DebianArchive, home: Home
) -> None:
    error = failure(archive.base(PINNED), home)
    assert isinstance(error, VersionGone) and error.newest == NEWEST
    assert error.what == f"linux-source-7.3 {PINNED} is no longer in new-suite"
    assert f"takes {NEWEST} and says so" in error.hint and "places = [" in error.hint
    archive.offer(OTHER_RELEASE)
    error = failure(archive.base(PINNED), home)
    assert isinstance(error, VersionGone) and error.newest == "" and "newest" not in error.hint


def test_an_archive_that_does_not_answer_says_nothing_about_the_version(
    archive: DebianArchive, home: Home
) -> None:
    archive.offline()
    error = failure(archive.base(PINNED), home)
    assert isinstance(error, Unreachable) and "connect to the network" in error.hint
    assert "no longer" not in str(error) and "newest" not in str(error)
    error = failure(archive.base(PINNED, ("/no/such/file",)), home)
    assert isinstance(error, Unreachable) and "connect to the network" in error.hint
    first, second = error.cause.splitlines()
    assert "Could not connect" in first and second == "/no/such/file: there is no such file"
    right = kept_place(archive, "right.deb", archive.deb(PINNED))
    base = archive.base(PINNED, (right,))
    assert sha256(fetch(base, home, silent)) == base.sha256


def test_the_same_version_with_other_content_is_not_gone(archive: DebianArchive, home: Home) -> None:
    archive.offer(PINNED, NEWER)
    error = failure(replace(archive.base(PINNED), sha256="0" * 64), home)
    assert isinstance(error, WrongContent) and error.found == sha256(archive.tarball(PINNED))
    error = failure(replace(archive.base(PINNED, ("/no/such/file",)), sha256="0" * 64), home)
    assert not isinstance(error, VersionGone) and "wrong content" in error.cause
    assert "newest" not in str(error)


def test_a_full_disk_is_no_reason_to_try_the_next_place(
    archive: DebianArchive, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Path:
        raise no_space(home.downloads)

    monkeypatch.setattr("farwatch.bases.places.bring", full)
    said: list[str] = []
    error = failure(archive.base(PINNED, ("/one", "/two")), home, said)
    assert isinstance(error, NoSpace) and not any(line.startswith("/one") for line in said)


def test_a_package_that_differs_from_the_index_is_refused(archive: DebianArchive, home: Home) -> None:
    archive.offer(PINNED)
    deb = archive.deb(PINNED)
    deb.write_bytes(deb.read_bytes()[:-1] + b"x")
    assert "Hash Sum mismatch" in str(failure(archive.base(PINNED), home))


@pytest.mark.parametrize("kind", ["tarball", "crate"])
def test_other_kinds_have_places_too(kind: str, tmp_path: Path, home: Home) -> None:
    right = write_tar(tmp_path / "right.tar.xz")
    base = Base("thing", "1", "tarball", sha256(right), location="/no/such/file", places=(str(right),))
    if kind == "crate":
        base = replace(base, kind="crate", location="", package="thing", version="1")
    assert sha256(fetch(base, home, silent)) == base.sha256
    assert right.exists()


@pytest.mark.parametrize(
    ("pinned", "there", "newest"),
    [
        ("7.3.4-1", ("7.3.9-1", "7.3.10-1", "7.30.1-1", "7.4-1", "8.3.1-1"), "7.3.10-1"),
        ("7.3-1~exp1", ("7.3.1-1~bpo1", "7.3.1-1", "7.3~rc7-1"), "7.3.1-1"),
        ("7.3.4-1", ("7.3~rc7-1",), ""),
        ("7.3.4-1", ("1:7.3.2-1", "7.3.5-1"), "1:7.3.2-1"),
        ("7.3.4-1", ("7.3.5+ds-2", "7.3.5-3"), "7.3.5+ds-2"),
        ("git20260101-1", ("git20260301-1",), ""),
    ],
)
def test_which_version_is_of_the_same_release(pinned: str, there: tuple[str, ...], newest: str) -> None:
    base = Base("linux", "7.3", "deb", version=pinned)
    assert newest_of_release(base, there) == newest
    assert newest_of_release(replace(base, kind="deb-source"), there) == "", (
        "any Debian revision will do there"
    )
