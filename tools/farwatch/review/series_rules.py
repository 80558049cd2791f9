# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules about what is posted together: cover letters, how many patches, titles, who gets them.

Source: Documentation/process/submitting-patches.rst, "Separate your changes" (15 patches at a time), "Select
the recipients for your patch" and "The canonical patch format" (75 columns).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from farwatch.errors import FarwatchError
from farwatch.model import CHANGELOG, COVER, series_cover
from farwatch.review import maintainers
from farwatch.review.findings import Finding, Outcome, Review
from farwatch.review.text_rules import SUBJECT_MOST
from farwatch.revisions.catalog import REVISION_FILE
from farwatch.revisions.parts import Part, cover_of, read_cover

PATCHES_MOST = 15
""" "only post say 15 or so at a time and wait for review and integration" """


def check(review: Review) -> Iterator[Outcome]:
    """All rules of this family."""
    parts: list[Part] = []
    for component in review.app.catalog.components():
        try:
            parts += review.parts(component)
        except FarwatchError as error:
            cause = f": {error.cause}" if error.cause else ""
            yield Finding(REVISION_FILE, "series:cut", f"{error.what}{cause}")
            return
    for part in parts:
        yield from _cover(review, part)
        yield from _count(part)
        yield from _recipients(review, part)
    yield from _titles(review, parts)
    yield from _unused(review, parts)


def _cover(review: Review, part: Part) -> Iterator[Finding]:
    path = cover_of(review.revision, part)
    if path is not None and path.read_text(encoding="utf-8", errors="replace").strip():
        return
    name = f"{part.component}/{series_cover(part.name)}" if part.name else COVER
    if len(part.patches) > 1:
        message = f"{len(part.patches)} patches for {part.label} and no cover letter: write "
        yield Finding(name, "cover:missing", f"{message}{review.revision.folder / name}")


def _count(part: Part) -> Iterator[Finding]:
    count = len(part.patches)
    if count > PATCHES_MOST:
        hint = f"cut it: [series.{part.component}.NAME]"
        message = f"{part.label} has {count} patches: at most {PATCHES_MOST} at a time; {hint}"
        yield Finding(REVISION_FILE, "series:count", message)


def _titles(review: Review, parts: Sequence[Part]) -> Iterator[Finding]:
    """Each cover letter has a title that fits, and that no other letter has."""
    titles: dict[str, str] = {}
    for part in parts:
        path = cover_of(review.revision, part)
        if path is None:
            continue
        title, name = read_cover(review.revision, part)[0], _name(review, path)
        if len(title) > SUBJECT_MOST:
            message = f"title of {len(title)} columns: at most {SUBJECT_MOST}"
            yield Finding(name, "cover:subject", message, "1")
        other = titles.setdefault(title, name)
        if other != name:  # components may share the revision's letter
            yield Finding(name, "cover:subject", f"it has the title of {other}: '{title}'", "1")


def _unused(review: Review, parts: Sequence[Part]) -> Iterator[Finding]:
    """A letter that nobody would get: of a series that is not there any more, say."""
    used = {_name(review, path) for part in parts if (path := cover_of(review.revision, part)) is not None}
    for name in review.revision.texts():
        if name != CHANGELOG and name not in used and parts:
            yield Finding(name, "cover:unused", "no series has it for its cover letter")


def _name(review: Review, path: Path) -> str:
    return str(path.relative_to(review.revision.folder))


def _recipients(review: Review, part: Part) -> Iterator[Finding]:
    """A series whose tree knows its readers goes to a person, not to lists alone."""
    base = review.bases[part.component]
    answer = maintainers.ask(review.app, base, review.of(part.component)[-1].source, part.patches) or {}
    found = [one for some in answer.values() for one in some]
    if found and not part.posting.to and all(one.is_list for one in found):
        table = f"series.{part.component}.{part.name}" if part.name else f"send.{part.component}"
        message = f"no person would get {part.label}, only lists: [{table}] to = [...]"
        yield Finding(REVISION_FILE, "series:recipients", message)
