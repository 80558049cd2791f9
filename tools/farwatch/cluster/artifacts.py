# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest runs, as another machine gets it: finished builds, file by file, each by its digest.

The asking machine serves them over plain HTTP (RFC 9110), at a path that nobody can guess; what arrives is
believed by its digest alone.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import threading
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from farwatch.builds import store
from farwatch.errors import FarwatchError
from farwatch.model import hash_of
from farwatch.system.home import Home
from farwatch.system.locks import locked

KIND = "fetched"
"""Of the builds of a home that another machine has made."""
_LIMIT = 60.0
"""Seconds that the other side may be silent."""
_PIECE = 1 << 20


@dataclass(frozen=True)
class ArtifactFile:
    """name: below the folder"""

    name: str
    digest: str
    mode: int
    size: int


@dataclass(frozen=True)
class Artifact:
    """A finished build. folder: where it is on the machine that has made it"""

    folder: Path
    files: tuple[ArtifactFile, ...]

    @cached_property
    def key(self) -> str:
        """Two with the same files have the same."""
        return hash_of(*(f"{each.name}\0{each.mode:o}\0{each.digest}" for each in self.files))

    @classmethod
    def of(cls, folder: Path) -> Artifact:
        """Of a finished build, without the record of how it was made."""
        paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != store.RECORD)
        return cls(folder, tuple(_file(folder, path) for path in paths))


def _file(folder: Path, path: Path) -> ArtifactFile:
    status = path.stat()
    return ArtifactFile(
        path.relative_to(folder).as_posix(), digest_of(path), status.st_mode & 0o777, status.st_size
    )


def digest_of(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@cache
def artifact_of(folder: Path) -> Artifact:
    """The same, looked at once: a finished build does not change."""
    return Artifact.of(folder)


def builds_of(home: Home, paths: Iterable[Path]) -> dict[Path, Artifact]:
    """The finished builds of a home that files are in; what is not in any is the system's own."""
    folders = dict.fromkeys(filter(None, (_build_of(home, path) for path in paths)))
    return {folder: artifact_of(folder) for folder in folders}


def _build_of(home: Home, path: Path) -> Path | None:
    if not path.is_relative_to(home.builds) or path == home.builds:
        return None
    return home.builds / path.relative_to(home.builds).parts[0]


# The machine that has them


class ArtifactServer:
    """Serves the files of artifacts by their digests. A context manager.

    host: address to listen on
    """

    def __init__(self, host: str) -> None:
        self._files: dict[str, Path] = {}
        self._secret = secrets.token_urlsafe(18)
        files, secret = self._files, self._secret

        class Handler(BaseHTTPRequestHandler):
            timeout = _LIMIT

            def do_GET(self) -> None:
                self.connection.settimeout(_LIMIT)
                _answer(self, files.get(self.path.removeprefix(f"/{secret}/")))

            def log_message(self, format: str, *args: Any) -> None:
                """It is not for a person."""

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="artifacts", daemon=True)
        self._thread.start()

    def url(self, host: str) -> str:
        """For who reaches this machine as `host`."""
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self._server.server_address[1]}/{self._secret}"

    def add(self, artifacts: Iterable[Artifact]) -> None:
        for artifact in artifacts:
            self._files |= {each.digest: artifact.folder / each.name for each in artifact.files}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _answer(request: BaseHTTPRequestHandler, path: Path | None) -> None:
    if path is None:
        request.send_error(HTTPStatus.NOT_FOUND)
        return
    with suppress(OSError), path.open("rb") as handle:  # who asks may be gone
        request.send_response(HTTPStatus.OK)
        request.send_header("Content-Type", "application/octet-stream")
        request.send_header("Content-Length", str(path.stat().st_size))
        request.end_headers()
        shutil.copyfileobj(handle, request.wfile, _PIECE)


# The machine that lacks them

_checked: set[Path] = set()
"""Folders whose files this process has looked at."""


def fetched(home: Home, artifact: Artifact, source: str) -> Path:
    """The folder of an artifact in this home; what is not there, or is damaged, is fetched.

    source: URL of an ArtifactServer
    FarwatchError: what comes is damaged, twice; or nothing comes. OSError: the disk
    """
    folder = store.folder_of(home, KIND, artifact.key)
    with locked(home.objects / f"{folder.name}.lock"):
        found = store.find(home, KIND, artifact.key)
        if found and (folder in _checked or _whole(folder, artifact)):
            _checked.add(folder)
            return folder
        if found:
            shutil.rmtree(folder)
        with store.fresh(home, KIND, artifact.key, {"label": artifact.folder.name}) as place:
            for each in artifact.files:
                _fetch_file(each, place / each.name, source)
    _checked.add(folder)
    return folder


def _whole(folder: Path, artifact: Artifact) -> bool:
    try:
        return all(digest_of(folder / each.name) == each.digest for each in artifact.files)
    except OSError:
        return False


def _fetch_file(file: ArtifactFile, place: Path, source: str) -> None:
    """Once more if it is damaged: something on the way may have been."""
    place.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(2):
        if _download(f"{source}/{file.digest}", place) == file.digest:
            place.chmod(file.mode)
            return
    raise FarwatchError(f"{file.name} arrives damaged, also when it is fetched again")


def _download(url: str, place: Path) -> str:
    """What comes into a file; its digest."""
    digest = hashlib.sha256()
    with place.open("wb") as handle:
        for piece in _pieces(url):
            digest.update(piece)
            handle.write(piece)
    return digest.hexdigest()


def _pieces(url: str) -> Iterator[bytes]:
    """What a connection that breaks has brought is an incomplete file, whose digest is wrong."""
    try:
        with _OPENER.open(url, timeout=_LIMIT) as answer:
            while piece := answer.read(_PIECE):
                yield piece
    except OSError as error:
        raise FarwatchError("what a guest runs cannot be fetched", cause=f"{_host(url)}: {error}") from error


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""The asking machine is reached as its scheduler is: not through a proxy."""


def _host(url: str) -> str:
    return url.split("/")[2]
