# SPDX-License-Identifier: GPL-2.0-or-later
"""The record of what was mailed: patches/REV/sent.json.

It is written after every mail that a server took, so that a repeated `send` mails only the rest, and the
next revision can be threaded to this one and compared with it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from farwatch.errors import FarwatchError
from farwatch.model import Revision

FILE = "sent.json"


@dataclass(frozen=True)
class SentLetter:
    """One mail of a posting."""

    number: int
    """Of its patch; 0: the cover letter."""
    message_id: str
    subject: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    sent: str = ""
    """When a server took it (ISO 8601); empty: not yet."""
    refused: tuple[str, ...] = ()
    """Addresses that the server did not take."""


@dataclass(frozen=True)
class SentSeries:
    """A series, as it was mailed or began to be."""

    version: int
    change_id: str
    base: str
    base_commit: str
    """What the series is on: the base, or the tip of the series before it."""
    commit: str
    """Tip of the series."""
    sender: str
    started: str
    letters: tuple[SentLetter, ...] = field(default_factory=tuple)

    @property
    def complete(self) -> bool:
        return all(letter.sent for letter in self.letters)

    @property
    def head(self) -> str:
        """Message id of the cover letter, or of the only patch."""
        return self.letters[0].message_id

    def with_sent(self, number: int, when: str, refused: tuple[str, ...]) -> SentSeries:
        """The posting, with one more letter gone out."""
        letters = tuple(
            replace(letter, sent=when, refused=refused) if letter.number == number else letter
            for letter in self.letters
        )
        return replace(self, letters=letters)


def read_sent(revision: Revision) -> dict[str, SentSeries]:
    """Label of a series ("linux", "linux/fuse") -> what was mailed of it.

    FarwatchError when the file cannot be read.
    """
    path = revision.folder / FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return {component: _posting(entry) for component, entry in data.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise FarwatchError(
            f"cannot read {path}",
            cause=f"{type(error).__name__}: {error}",
            hint=f"it says what was mailed already: correct it, or take it back with git checkout {path}",
        ) from error


def write_sent(revision: Revision, postings: Mapping[str, SentSeries]) -> None:
    """Replace the record, at once and for good: it is on disk when this returns."""
    path = revision.folder / FILE
    data = {component: asdict(posting) for component, posting in postings.items()}
    temporary = path.with_name(f".{FILE}.new")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _posting(entry: dict[str, Any]) -> SentSeries:
    letters = tuple(_letter(letter) for letter in entry["letters"])
    return SentSeries(**{**entry, "letters": letters})


def _letter(entry: dict[str, Any]) -> SentLetter:
    lists = {key: tuple(entry[key]) for key in ("to", "cc", "refused")}
    return SentLetter(**{**entry, **lists})
