# SPDX-License-Identifier: GPL-2.0-or-later
"""Mails to a server: the one that git's sendemail settings name, reached as they say, as b4 reads them."""

from __future__ import annotations

import contextlib
import os
import smtplib
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.mail import b4_api
from farwatch.mail.letters import Letter

LIMIT = 60.0
"""Seconds that a server may take for one answer."""


class Undelivered(FarwatchError):
    """A mail that no server took."""


class Door:
    """Where mails go out: an SMTP session, or a command such as sendmail."""

    def __init__(self, way: smtplib.SMTP | list[str], sender: str, limit: float) -> None:
        self._way = way
        self._sender = sender
        self._limit = limit

    def send(self, letter: Letter, recipients: Sequence[str]) -> tuple[str, ...]:
        """Hand over one mail. The recipients that were refused; Undelivered if nobody gets it."""
        data = letter.data.replace(b"\n", b"\r\n")
        try:
            if isinstance(self._way, list):
                self._run(self._way, letter.data, recipients)
                return ()
            return tuple(self._way.sendmail(self._sender, list(recipients), data))
        except (smtplib.SMTPException, OSError, subprocess.SubprocessError) as error:
            raise Undelivered(
                f"'{letter.subject}' did not go out", cause=_said(error, self._limit)
            ) from error

    def _run(self, command: list[str], data: bytes, recipients: Sequence[str]) -> None:
        done = subprocess.run(
            [*command, *recipients], input=data, capture_output=True, timeout=self._limit, check=False
        )
        if done.returncode != 0:
            raise smtplib.SMTPException(f"{command[0]}: {done.stderr.decode('utf-8', 'replace').strip()}")


@contextlib.contextmanager
def personal_door(root: Path, *, reflect: bool = False, limit: float | None = None) -> Iterator[Door]:
    """The server or command of a person's git settings, as seen from `root`. Undelivered if there is no way.

    reflect: refuse a command that nobody vouched for, as b4 does: it may mail to all whom the header names
    """
    limit = LIMIT if limit is None else limit
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(limit)  # b4 opens the connection, and sets no limit
    try:
        with contextlib.chdir(root):
            b4_api.read_settings()
            if not (b4_api.mail_setting("smtpserver") or b4_api.mail_command()):
                hint = "git config sendemail.smtpServer HOST (see git help send-email for the rest)"
                raise FarwatchError("git does not know how to send mail", hint=hint)
            if reflect:
                _require_vouched_for()
            way, sender = b4_api.mail_way()
    except (smtplib.SMTPException, OSError) as error:
        hint = "see the sendemail settings: git config --get-regexp sendemail"
        raise Undelivered("cannot reach the mail server", cause=_said(error, limit), hint=hint) from error
    finally:
        socket.setdefaulttimeout(before)
    with _closed(way):
        yield Door(way, sender, limit)


def _require_vouched_for() -> None:
    command = b4_api.mail_command()
    if command and b4_api.mail_setting("b4-really-reflect-via") != command:
        raise FarwatchError(
            "cannot reflect by a local command",
            cause=f"'{command}' may send to all whom the mails name, not to you alone",
            hint=f"if you are sure that it does not: git config sendemail.b4-really-reflect-via '{command}'",
        )


def signed(root: Path, data: bytes) -> bytes:
    """The mail with the developer's signature that b4 adds, where git's settings name a key for it."""
    with contextlib.chdir(root):
        b4_api.read_settings()
        return b4_api.signed(data)


@contextlib.contextmanager
def door_to(host: str, port: int, sender: str, limit: float = LIMIT) -> Iterator[Door]:
    """A plain SMTP session."""
    with smtplib.SMTP(host, port, local_hostname="localhost", timeout=limit) as session:
        yield Door(session, sender, limit)


@contextlib.contextmanager
def _closed(way: smtplib.SMTP | list[str]) -> Iterator[None]:
    try:
        yield
    finally:
        if isinstance(way, smtplib.SMTP):
            with contextlib.suppress(smtplib.SMTPException, OSError):
                way.quit()
            way.close()


def _said(error: Exception, limit: float) -> str:
    """What a server or the network said, in words."""
    # smtplib turns a time-out into a disconnection, and keeps the first as context
    if isinstance(error, TimeoutError | subprocess.TimeoutExpired) or isinstance(
        error.__context__, TimeoutError
    ):
        return f"no answer within {limit:.0f} s"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "\n".join(
            f"{address}: {code} {os.fsdecode(text)}" for address, (code, text) in error.recipients.items()
        )
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return f"{error.smtp_code} {os.fsdecode(text) if isinstance(text, bytes) else text}"
    return f"{type(error).__name__}: {error}"
