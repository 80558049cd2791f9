# SPDX-License-Identifier: GPL-2.0-or-later
"""What a cover letter says of where its series stands: on which base and series, beside which, after which.

For programs there are the lines that `git format-patch --base` writes (its manual, "BASE TREE INFORMATION"):
the commit that all is on, and an id of each patch in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from farwatch.mail.record import SentSeries
from farwatch.model import CHANGELOG, Base, Revision
from farwatch.revisions.parts import Part, read_cover
from farwatch.system import git


def prerequisites(repository: Path, base: str, below: str) -> tuple[str, ...]:
    """Ids of the patches between the base and a series, the first one first: those that their mails give.

    `git format-patch --base` says others where diffs could begin at another line: it computes ids without
    --indent-heuristic, and writes mails with it, by which archives and b4 know a patch.
    """
    if below == base:
        return ()
    mails = git.git("format-patch", "--stdout", f"{base}..{below}", cwd=repository)
    pairs = git.git("patch-id", "--stable", cwd=repository, stdin=mails).decode().split()
    return tuple(pairs[::2])


def base_note(base: Base) -> str:
    origin = " ".join(part for part in (base.package, base.version) if part)
    return f"For {base.component} {base.name}{f' ({origin})' if origin else ''}."


def notes(revision: Revision, part: Part, parts: Sequence[Part]) -> Iterator[str]:
    """A paragraph for each of a revision's other series: those that this one needs come first."""
    needed = [one for one in parts if one.component == part.component and one.start < part.start]
    for other in needed:
        yield f"Stands on {_count(other)}, '{read_cover(revision, other)[0]}':\n{_message_id(other)}"
    for other in parts:
        if other != part and other not in needed:
            yield f"Goes together with {_count(other)}:\n{_message_id(other)}"


def _count(part: Part) -> str:
    count = len(part.patches)
    name = f" ({part.name})" if part.name else ""
    return f"{count} patch{'es' if count > 1 else ''} for {part.component}{name}"


def _message_id(part: Part) -> str:
    return f"Message-ID: <{stand_in(part.label)}>"


def stand_in(label: str) -> str:
    """Stands for the message id of a series' cover letter until that is known."""
    return f"head-of-{label}@farwatch.invalid"


def changes(revision: Revision, version: int, history: Sequence[SentSeries]) -> Iterator[str]:
    """What has changed since the version before, and where earlier ones are."""
    path = revision.folder / CHANGELOG
    said = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    if said and not said.startswith("Changes "):
        said = f"Changes in v{version}:\n{said}"
    links = [f"- v{record.version}: Message-ID: <{record.head}>" for record in history]
    if said or links:
        yield "---\n" + "\n".join(part for part in (said, *links) if part)
