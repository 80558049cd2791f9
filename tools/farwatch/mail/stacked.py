# SPDX-License-Identifier: GPL-2.0-or-later
"""Series that were posted apart and stand on each other: what they say of that, and their stack as one.

The sign is a line "prerequisite-patch-id: ID" for each patch below (git format-patch --base).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from farwatch.mail.incoming import Mail
from farwatch.mail.threads import Series
from farwatch.system import git

_NEEDED = re.compile(r"^prerequisite-patch-id: ([0-9a-f]{40,64})$", re.MULTILINE)
_CALLED = re.compile(r"patch(?:es)? for \S+ \((\S+)\)[^\n]*:\nMessage-ID: <([^>]+)>")
"""How `send` speaks of another series, standing.py: its name, and its Message-ID."""
_AREA = re.compile(r"[a-z0-9]+(?:[/_.-][a-z0-9]+)*", re.IGNORECASE)


def needed(series: Series) -> set[str]:
    """Ids of the patches that a series stands on, as far as it says so."""
    return {name for mail in series.mails for name in _NEEDED.findall(mail.body)}


def stacked(found: Sequence[Series]) -> list[Series]:
    """The same, but those that stand on others which are all there are one series with them."""
    if not any(map(needed, found)):
        return list(found)
    ids = {number: _ids(one) for number, one in enumerate(found)}
    for number in sorted(ids, key=lambda number: -len(needed(found[number]))):
        wanted = needed(found[number])
        below = [other for other in ids if ids[other] and ids[other] <= wanted]
        if wanted and set().union(*(ids[other] for other in below)) == wanted:
            parts = sorted((found[other] for other in below), key=lambda one: len(needed(one)))
            rest = [one for other, one in enumerate(found) if other not in (*below, number)]
            return stacked([_joined([*parts, found[number]]), *rest])
    return list(found)


def _joined(parts: Sequence[Series]) -> Series:
    patches = tuple(mail for one in parts for mail in one.patches)
    return Series(parts[-1].version, len(patches), patches, ordered=True, parts=tuple(parts))


def _ids(series: Series) -> set[str]:
    return set() if series.parts else {_id(mail) for mail in series.patches}


def _id(mail: Mail) -> str:
    text = mail.body.encode("utf-8", "surrogateescape")
    return git.git("patch-id", "--stable", cwd=Path("/"), stdin=text).split(b" ")[0].decode().strip()


def names(series: Series) -> list[str]:
    """A name for each of the parts: that by which others speak of it, else the area of its title."""
    called = {
        head: name for one in series.parts for mail in one.mails for name, head in _CALLED.findall(mail.body)
    }
    made: list[str] = []
    for number, one in enumerate(series.parts, start=1):
        area = _AREA.match(one.title.partition(":")[0])
        name = called.get(one.mails[0].message_id) or (area[0] if area else "series").replace("/", "-")
        made.append(name if name not in made else f"{name}-{number}")
    return made
