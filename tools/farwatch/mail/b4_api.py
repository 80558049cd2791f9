# SPDX-License-Identifier: GPL-2.0-or-later
"""All that is asked of b4, and of its patatt, from within Python. As a program it is called by scratch.py.

b4 promises nothing to those who import it, so this is the one place that a new version of it can break.
It is imported by the first call: that takes half a second.
"""

from __future__ import annotations

import argparse
import email
import email.utils
from dataclasses import dataclass
from typing import Any

from farwatch.errors import FarwatchError


@dataclass(frozen=True)
class MailHeading:
    """What stands above a mail's text, as b4 reads it."""

    people: dict[str, list[tuple[str, str]]]
    """From, To, Cc, Reply-To -> names and addresses."""
    subject: str
    message_id: str
    in_reply_to: str
    references: tuple[str, ...]
    date: str
    """Seconds since 1970."""


def read_heading(mail: bytes) -> MailHeading:
    """A mail's header as `b4 am` and `b4 trailers` read it."""
    import b4

    message = b4.LoreMessage(email.message_from_bytes(mail, policy=b4.emlpolicy))
    people = {}
    for name in ("From", "To", "Cc", "Reply-To"):
        values = [b4.LoreMessage.clean_header(str(value)) for value in message.msg.get_all(name, [])]
        people[name] = email.utils.getaddresses(values)
    return MailHeading(
        people=people,
        subject=message.full_subject,
        message_id=message.msgid,
        in_reply_to=message.in_reply_to or "",
        references=tuple(message.references),
        date=str(message.date.timestamp()),
    )


def read_settings() -> None:
    """Take a person's git settings, as seen from the current folder, for all that follows."""
    import b4

    b4.setup_config(argparse.Namespace(config={}))


def mail_command() -> str:
    """The local command by which mail is sent, or ""."""
    import b4

    return str(b4.get_sendemail_localcmd() or "")


def mail_setting(name: str) -> str:
    """A setting of sendemail.*, or ""."""
    import b4

    return str(b4.get_sendemail_config().get(name) or "")


def mail_way() -> tuple[Any, str]:
    """(an open smtplib.SMTP, or the words of a command; the sender's address)."""
    import b4

    way, sender = b4.get_smtp()
    assert way is not None
    return way, sender


def signed(data: bytes) -> bytes:
    """The mail with a developer's signature, where settings name a key for it; else as it is."""
    import b4

    keys = b4.get_config_from_git(r"patatt\.signingkey"), b4.get_user_config().get("signingkey")
    switched_off = str(b4.get_main_config().get("send-no-patatt-sign", "")).lower() in ("yes", "true", "y")
    if not any(keys) or switched_off:
        return data
    import patatt

    try:
        signature: bytes = patatt.rfc2822_sign(data)
    except (patatt.NoKeyError, patatt.SigningError) as error:
        hint = "git config b4.send-no-patatt-sign yes"
        raise FarwatchError("the mails cannot be signed", cause=str(error), hint=hint) from error
    return signature
