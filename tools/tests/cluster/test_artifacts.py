# SPDX-License-Identifier: GPL-2.0-or-later
"""What guests run comes whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from farwatch.builds import store
from farwatch.cluster import artifacts
from farwatch.cluster.artifacts import Artifact, ArtifactServer, builds_of, digest_of, fetched
from farwatch.errors import FarwatchError
from farwatch.system.home import Home


@pytest.fixture(autouse=True)
def as_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "_checked", set())


def build(home: Home, text: str = "kernel") -> Artifact:
    with store.fresh(home, "kernel", "key", {"label": "linux"}) as folder:
        (folder / "image").write_text(text)
        (folder / "image").chmod(0o755)
        (folder / "sub").mkdir()
        (folder / "sub" / "more").write_text("more")
    return Artifact.of(store.folder_of(home, "kernel", "key"))


def test_a_build_is_fetched_once(home: Home, there: Home, server: ArtifactServer) -> None:
    built = build(there)
    server.add([built])
    folder = fetched(home, built, server.url("127.0.0.1"))
    assert folder.is_relative_to(home.root) and (folder / "image").read_text() == "kernel"
    assert (folder / "image").stat().st_mode & 0o777 == 0o755 and (folder / "sub" / "more").exists()
    server.close()
    assert fetched(home, built, server.url("127.0.0.1")) == folder


def test_what_is_damaged_on_this_disk_is_fetched_again(
    home: Home, there: Home, server: ArtifactServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = build(there)
    server.add([built])
    folder = fetched(home, built, server.url("127.0.0.1"))
    (folder / "image").write_text("kernal")
    monkeypatch.setattr(artifacts, "_checked", set())  # another process
    assert (fetched(home, built, server.url("127.0.0.1")) / "image").read_text() == "kernel"


def test_what_arrives_damaged_is_fetched_twice_and_refused(
    home: Home, there: Home, server: ArtifactServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = build(there)
    server.add([built])
    (built.folder / "image").write_text("kernal")
    asked: list[str] = []
    pieces = artifacts._pieces

    def counted(url: str) -> Iterator[bytes]:
        asked.append(url)
        return pieces(url)

    monkeypatch.setattr(artifacts, "_pieces", counted)
    with pytest.raises(FarwatchError, match="image arrives damaged"):
        fetched(home, built, server.url("127.0.0.1"))
    assert len(asked) == 2 and list(home.builds.iterdir()) == []


def test_what_is_damaged_once_is_whole_the_second_time(
    home: Home, there: Home, server: ArtifactServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = build(there)
    server.add([built])
    pieces, damage = artifacts._pieces, [b"!"]
    monkeypatch.setattr(artifacts, "_pieces", lambda url: [*(damage and [damage.pop()]), *pieces(url)])
    assert (fetched(home, built, server.url("127.0.0.1")) / "image").read_text() == "kernel"


def test_nothing_else_is_served(there: Home, home: Home, server: ArtifactServer) -> None:
    built = build(there)
    url = server.url("127.0.0.1")
    with pytest.raises(FarwatchError, match="cannot be fetched") as caught:
        fetched(home, built, url)
    assert "404" in caught.value.cause
    server.add([built])
    with pytest.raises(FarwatchError, match="cannot be fetched"):
        fetched(home, built, url.rpartition("/")[0] + "/guessed")


def test_nobody_serves(home: Home, there: Home, server: ArtifactServer) -> None:
    url = server.url("127.0.0.1")
    server.close()
    with pytest.raises(FarwatchError, match="cannot be fetched") as caught:
        fetched(home, build(there), url)
    assert "refused" in caught.value.cause


def test_only_builds_of_the_home_are_sent(there: Home) -> None:
    built = build(there)
    image = built.folder / "image"
    assert list(builds_of(there, [image, Path("/usr/bin/env"), there.builds, image])) == [built.folder]
    assert built.files[0].digest == digest_of(image)


def test_another_mode_or_name_is_another_artifact(there: Home) -> None:
    built = build(there)
    (built.folder / "image").chmod(0o644)
    other = Artifact.of(built.folder)
    (built.folder / "image").rename(built.folder / "linux")
    assert len({built.key, other.key, Artifact.of(built.folder).key}) == 3
