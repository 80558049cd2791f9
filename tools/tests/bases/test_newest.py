# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands in for a base that is gone, only when asked for: real apt, on an archive made here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from farwatch.bases import newest
from farwatch.bases.archive import Unreachable, VersionGone, WrongContent
from farwatch.bases.importer import base_ref, import_base, imported, repository
from farwatch.errors import FarwatchError
from farwatch.model import Base
from farwatch.system import git
from farwatch.system.home import Home
from tests.samples.archive import NEWER, NEWEST, OTHER_RELEASE, PINNED, DebianArchive, forgetful_archive
from tests.samples.tree import sha256

SHOWN = f"7.3 ({NEWEST} instead of {PINNED})"


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DebianArchive:
    return forgetful_archive(tmp_path / "machine", monkeypatch)


def settled(base: Base, home: Home) -> tuple[Base, list[str]]:
    said: list[str] = []
    return newest.settled(base, home, said.append), said


def silent(_: str) -> None: ...


def downloads(archive: DebianArchive) -> int:
    return sum(" download " in line for line in archive.log.splitlines())


def test_what_stands_in_is_a_base_of_its_own(archive: DebianArchive, home: Home) -> None:
    pinned = archive.base(PINNED, ("/no/such/file",))
    found, said = settled(pinned, home)
    assert (found.version, found.sha256, found.stands_for) == (
        NEWEST,
        sha256(archive.tarball(NEWEST)),
        pinned,
    )
    assert found.shown == SHOWN and pinned.shown == "7.3" and found.places == ()
    assert found.label != pinned.label and base_ref(found) != base_ref(pinned)
    assert said[-1] == f"linux {SHOWN}, because of --base-version newest"
    assert "linux 7.3 is nowhere to be had: /no/such/file: there is no such file" in said
    commit = import_base(found, home, silent)
    content = git.git("cat-file", "blob", f"{commit}:version", cwd=repository(home, "linux"))
    assert content.decode() == NEWEST and imported(pinned, home) is None


def test_it_is_downloaded_once_and_follows_the_archive(archive: DebianArchive, home: Home) -> None:
    pinned = archive.base(PINNED)
    archive.offer(NEWER)
    first, _ = settled(pinned, home)
    assert first.version == NEWER and settled(pinned, home)[0] == first and downloads(archive) == 1
    import_base(first, home, silent)
    (home.downloads / f"{first.sha256}.archive").unlink()
    assert settled(pinned, home)[0] == first and downloads(archive) == 1, "in git it is enough"
    archive.offer(NEWER, NEWEST)
    second, _ = settled(pinned, home)
    assert second.version == NEWEST and second.name != first.name and downloads(archive) == 2


@pytest.mark.parametrize("where", ["archive", "place", "git"])
def test_a_pinned_version_that_is_to_be_had_is_taken_and_that_is_said(
    archive: DebianArchive, home: Home, where: str
) -> None:
    pinned = archive.base(PINNED)
    if where == "place":
        pinned = archive.base(PINNED, (str(archive.tarball(PINNED)),))
    else:
        archive.offer(PINNED, NEWEST)
    if where == "git":
        import_base(pinned, home, silent)
        archive.offline()
    found, said = settled(pinned, home)
    assert found is pinned
    assert said[-1] == f"linux-7.3: {PINNED} is to be had: --base-version newest changes nothing"
    assert newest.known(pinned, home) is pinned


def test_other_kinds_are_left_alone(home: Home) -> None:
    base = Base("linux", "mine", "git", location="/x", commit="0" * 40)
    found, said = settled(base, home)
    assert found is base and said == ["linux-mine is of kind git: --base-version newest changes nothing"]


def test_another_release_does_not_stand_in(archive: DebianArchive, home: Home) -> None:
    archive.offer(OTHER_RELEASE)
    with pytest.raises(VersionGone, match="no longer in new-suite"):
        settled(archive.base(PINNED), home)


def test_a_content_that_differs_is_no_reason_for_another_version(archive: DebianArchive, home: Home) -> None:
    archive.offer(PINNED, NEWEST)
    with pytest.raises(WrongContent):
        settled(replace(archive.base(PINNED), sha256="0" * 64), home)
    with pytest.raises(FarwatchError, match="nowhere to be had") as caught:
        settled(replace(archive.base(PINNED, ("/no/such/file",)), sha256="0" * 64), home)
    assert not isinstance(caught.value, VersionGone)


def test_without_an_answer_only_what_was_taken_before_stands_in(archive: DebianArchive, home: Home) -> None:
    pinned = archive.base(PINNED)
    archive.offline()
    with pytest.raises(Unreachable):
        settled(pinned, home)
    archive.online()
    first, _ = settled(pinned, home)
    archive.offline()
    found, said = settled(pinned, home)
    assert found == first and "when it was last asked for" in said[-2] and SHOWN in said[-1]


def test_what_is_known_without_asking(archive: DebianArchive, home: Home) -> None:
    pinned = archive.base(PINNED)
    assert newest.known(pinned, home) is pinned and archive.log == ""
    found, _ = settled(pinned, home)
    asked = archive.log
    assert newest.known(pinned, home) == found and archive.log == asked
    archive.offer(PINNED)
    settled(pinned, home)
    assert newest.known(pinned, home) is pinned, "it is to be had again"
    (home.downloads / f"{pinned.sha256}.archive").unlink()
    assert newest.known(pinned, home) == found
    other = replace(pinned, sha256="0" * 64)
    assert newest.known(other, home) is other, "it stood in for another pin"
    [record] = home.downloads.glob("newest-*.json")
    record.write_text("{")
    assert newest.known(pinned, home) is pinned, "a damaged record is none"


def test_a_package_that_differs_from_the_index_does_not_stand_in(archive: DebianArchive, home: Home) -> None:
    deb = archive.deb(NEWEST)
    deb.write_bytes(deb.read_bytes()[:-1] + b"x")
    with pytest.raises(FarwatchError, match="cannot get linux-source") as caught:
        settled(archive.base(PINNED), home)
    assert "Hash Sum mismatch" in caught.value.cause
    assert not list(home.downloads.glob("newest-*.json")) and not list(home.downloads.glob("*.archive"))
