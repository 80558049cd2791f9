# SPDX-License-Identifier: GPL-2.0-or-later
"""Names and addresses: the project's neutral one, and that of the person who works here."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from email.utils import parseaddr, quote, unquote
from pathlib import Path

from farwatch.errors import FarwatchError

_RESERVED = re.compile(r"(?:^|\.)(?:example|invalid|localhost|test|example\.(?:com|net|org))$|^localhost$")


_WRITTEN = re.compile(r"(?P<name>[^<>]*?) *<(?P<email>[^<>]*)>")


def is_nobody(address: str) -> bool:
    """Whether mail to an address can reach no one: a domain that RFC 2606 and 6761 set aside."""
    return _RESERVED.search(address.rpartition("@")[2].lower()) is not None


@dataclass(frozen=True)
class Identity:
    """A name and a mail address."""

    name: str
    email: str

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"

    @property
    def neutral(self) -> bool:
        """Whether nobody stands behind it."""
        return is_nobody(self.email)


NEUTRAL = Identity("farwatch", "farwatch@farwatch.invalid")
"""Author of a series that nobody has adopted. (Any that is_nobody() will do.)"""


def parse(text: str) -> Identity:
    """ "A Person <person@example.org>", as git writes it: a comma or a bracket in a name needs no quotes."""
    found = _WRITTEN.fullmatch(text.strip())
    return Identity(unquote(found["name"]), found["email"]) if found else Identity(*parseaddr(text))


def in_header(name: str, email: str) -> str:
    """Name and address for the header of a mail, or for people: quoted where it must be (RFC 5322, 3.2.3)."""
    if re.search(r"[^\w\s.'-]", name):
        name = f'"{quote(name)}"'
    return f"{name} <{email}>" if name else email


def person(root: Path) -> Identity | None:
    """Who works here, as git's settings seen from `root` have it; None when they name nobody."""
    name, email = _ask(root, "user.name", "GIT_AUTHOR_NAME"), _ask(root, "user.email", "GIT_AUTHOR_EMAIL")
    found = Identity(name, email)
    return found if name and "@" in email and not found.neutral else None


def require_person(root: Path) -> Identity:
    """As person(), but FarwatchError when there is none."""
    found = person(root)
    if found is None:
        raise FarwatchError(
            "git does not know who you are",
            cause="a person has to stand behind what is mailed: user.name or user.email is not set",
            hint='git config --global user.name "YOUR NAME"; git config --global user.email YOU@EXAMPLE.ORG',
        )
    return found


def _ask(root: Path, key: str, variable: str) -> str:
    command = ["git", "config", "--get", key]
    done = subprocess.run(command, cwd=root, capture_output=True, check=False, timeout=60)
    return os.environ.get(variable, "") or done.stdout.decode("utf-8", "replace").strip()
