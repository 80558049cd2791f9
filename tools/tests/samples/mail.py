# SPDX-License-Identifier: GPL-2.0-or-later
"""A person with git settings, and SMTP servers that behave or do not: what tests of mail start from."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from farwatch.app import App
from farwatch.mail.sink import sink
from farwatch.revisions.identity import NEUTRAL, Identity
from farwatch.series.save import save
from tests.samples.tree import TEXT, Desk, commit

PERSON = Identity("Jane Doe", "jane@penguins.zz")


class Person:
    """Whose git settings count in a test."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._file = folder / "gitconfig"
        self._file.touch()
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(self._file))
        monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        monkeypatch.setenv("HOME", str(folder))
        for name in ("EMAIL", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "XDG_CONFIG_HOME"):
            monkeypatch.delenv(name, raising=False)
        self.set("user.name", PERSON.name)
        self.set("user.email", PERSON.email)

    def set(self, key: str, value: str) -> None:
        subprocess.run(["git", "config", "--file", self._file, key, value], check=True)

    def mails_to(self, server: Any, **settings: str) -> None:
        """Make a test server the one that mail goes to."""
        self.set("sendemail.smtpServer", server.hostname)
        self.set("sendemail.smtpServerPort", str(server.port))
        for key, value in settings.items():
            self.set(f"sendemail.{key}", value)


@dataclass
class Behaviour:
    """An aiosmtpd handler: keeps what it gets, until it is told to misbehave."""

    good: int = 10**6
    """Mails that are taken before it begins to."""
    trouble: str = ""
    """refuse, refuse one, hang, drop"""
    contents: list[bytes] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)

    async def handle_RCPT(
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        del server, session, options
        if self.trouble == "refuse one" and address.startswith("bad@"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        del server, session
        if len(self.contents) >= self.good:
            if self.trouble == "refuse":
                return "550 not wanted here"
            if self.trouble == "hang":
                await asyncio.Event().wait()
        self.contents.append(envelope.original_content)
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        return "250 OK"


class DroppingServer(SMTP):
    """Closes the connection in the middle of the DATA of a mail."""

    async def smtp_DATA(self, arg: str) -> None:
        if len(self.event_handler.contents) < self.event_handler.good:
            await super().smtp_DATA(arg)
            return
        await self.push("354 go on")
        await self._reader.readline()
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.abort()


@contextlib.contextmanager
def server(behaviour: Behaviour, **options: Any) -> Iterator[Any]:
    """A running server with that behaviour."""
    kind = DroppingServer if behaviour.trouble == "drop" else SMTP
    with sink(behaviour, kind, **options) as running:
        yield running


def tls_context(folder: Path) -> ssl.SSLContext:
    """For a server, with a certificate signed by itself."""
    files = folder / "cert.pem", folder / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "1", "-subj", "/CN=localhost", "-out", str(files[0]), "-keyout", str(files[1])]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


def app_of(bench: Desk) -> App:
    return App(bench.root, bench.home)


def write_series(bench: Desk, name: str = "v1", *, author: Identity = NEUTRAL, signed: str = "") -> None:
    """Two patches, saved: a change with a body and trailers, and a rename without a body."""
    path = bench.checkout(name)
    (path / "fs/dir.c").write_text(TEXT.replace("line 5\n", f"line five of {name}\n"))
    trailers = f"\n\nAssisted-by: LLM sparse{signed}"
    commit(
        path,
        f"fs: change a line{'' if name == 'v1' else ' again'}\n\nThe reason.{trailers}",
        author=str(author),
    )
    (path / "fs/dir.c").rename(path / "fs/folder.c")
    commit(path, f"fs: rename a file{signed and chr(10) + signed}", author=str(author))
    save(bench.again(), bench.revision(name), "thing", bench.base)
