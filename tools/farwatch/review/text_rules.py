# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules about the words around a change: message, trailers, changelog, size, blanks. Series: series_rules.py.

Sources: Documentation/process/submitting-patches.rst, maintainer-tip.rst (order of tags) and
coding-assistants.rst (who may sign off).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from email.utils import parseaddr
from pathlib import Path

from farwatch.model import CHANGELOG
from farwatch.review.findings import Finding, Outcome, Review, ReviewedPatch
from farwatch.revisions.identity import is_nobody
from farwatch.system import git

LINES_MOST = 500
"""Changed lines of a patch that somebody can review in one sitting. farwatch's own limit."""
BYTES_MOST = 100_000
"""Of one mail: what vger.kernel.org takes."""
SUBJECT_MOST = 75
"""Columns of a subject; submitting-patches.rst, "The canonical patch format"."""

ORDER = (
    *("fixes", "reported-by", "closes", "originally-by", "suggested-by", "co-developed-by", "signed-off-by"),
    *("tested-by", "reviewed-by", "acked-by", "cc", "link"),
)
"""maintainer-tip.rst, "Ordering of commit tags"."""
_FREE = {"signed-off-by", "closes", "link"}
"""Tags that belong to the one before them, or to whoever handed the patch on."""
_SPELLING = {
    **{name: name.capitalize().replace("-By", "-by") for name in ORDER},
    "co-developed-by": "Co-developed-by",
    "assisted-by": "Assisted-by",
}
_FIXES = re.compile(r'(?P<id>[0-9a-f]{12,40}) \("(?P<title>.+)"\)')
_URL = re.compile(r"https?://[^\s<>]+(?: *(?:# ?)?\[\d+\])?")
_PLACEHOLDER = re.compile(r"\*\*\*.*HERE \*\*\*|EDITME|\bTBD\b|\bFIXME\b|\bTODO\b")
_CHECK = re.compile(r"^(?P<file>[^+\-\s].*):(?P<line>\d+): (?P<text>.+?)\.?$")


def check(review: Review) -> Iterator[Outcome]:
    """All rules of this family."""
    for patch in review.patches:
        yield from check_words(review, patch)
        yield from _size(patch)
        yield from _blanks(review, patch)
    if review.patches:
        for name in review.revision.texts():
            yield from _prose(name, _read(review, name))
        yield from _changelog(review)


def check_words(review: Review, patch: ReviewedPatch) -> Iterator[Finding]:
    """The rules about the message and the author of one patch."""
    yield from _message(patch)
    yield from _trailers(patch)
    yield from _adoption(review, patch)


# -- the message


def _message(patch: ReviewedPatch) -> Iterator[Finding]:
    if len(patch.subject) > SUBJECT_MOST:
        yield Finding(patch.name, "message:subject", f"subject of {len(patch.subject)} columns: at most 75")
    if not re.match(r"[\w./,:{}*+ -]+: \S", patch.subject):
        yield Finding(patch.name, "message:subject", "subject without an area: expected 'area: what it does'")
    if patch.subject.endswith("."):
        yield Finding(patch.name, "message:subject", "subject ends with a full stop")
    if not _without_trailers(patch).strip():
        yield Finding(patch.name, "message:reason", "the message does not say why: it has no text")


def _without_trailers(patch: ReviewedPatch) -> str:
    values = {f"{name}: {value}" for name, value in patch.trailers}
    return "\n".join(line for line in patch.body.splitlines() if line.strip() not in values)


# -- trailers


def _trailers(patch: ReviewedPatch) -> Iterator[Finding]:
    yield from _form(patch)
    yield from _order(patch)
    yield from _pairs(patch)
    for entry in sorted({entry for entry in patch.trailers if patch.trailers.count(entry) > 1}):
        yield Finding(patch.name, "trailer:twice", f"'{entry[0]}: {entry[1]}' is there more than once")


def _form(patch: ReviewedPatch) -> Iterator[Finding]:
    for name, value in patch.trailers:
        wanted = _SPELLING.get(name.lower(), name)
        if name != wanted:
            yield Finding(patch.name, "trailer:form", f"'{name}:' is written '{wanted}:'")
        reason = _wrong_value(name.lower(), value)
        if reason:
            yield Finding(patch.name, f"trailer:{name.lower()}", f"'{name}: {value}': {reason}")
    for line in patch.body.splitlines():
        if re.match(r"(?i)(fixes|link|closes|reported-by)\s*:", line) and not _is_trailer(patch, line):
            cause = "not in the last paragraph, where trailers are"
            yield Finding(patch.name, "trailer:place", f"'{line.strip()}': {cause}")


def _is_trailer(patch: ReviewedPatch, line: str) -> bool:
    name, _, value = line.partition(":")
    start = (name.strip(), value.strip())
    return any(known == start[0] and text.startswith(start[1]) for known, text in patch.trailers)


def _wrong_value(name: str, value: str) -> str:
    """Why the value of a trailer is not well formed; empty when it is."""
    if name == "fixes":
        return "" if _FIXES.fullmatch(value) else 'expected 12 or more hex digits and ("subject")'
    if name == "link":
        return "" if _URL.fullmatch(value) else "expected a URL"
    if name == "closes":
        known = _URL.fullmatch(value) or re.fullmatch(r"<\S+@\S+>", value)
        return "" if known else "expected a URL or a message id"
    if name in ORDER and name != "cc":
        return "" if re.fullmatch(r"\S.* <[^<>\s@]+@[^<>\s@]+>", value) else "expected Name <address>"
    if name == "cc":
        return "" if "@" in parseaddr(value.partition("#")[0])[1] else "expected an address"
    return ""


def _order(patch: ReviewedPatch) -> Iterator[Finding]:
    """Tags in the order that maintainer-tip.rst gives; free ones stand where what they belong to stands."""
    last = ""
    for name in (name.lower() for name, _ in patch.trailers):
        if name not in ORDER or name in _FREE:
            continue
        if last and ORDER.index(name) < ORDER.index(last):
            message = f"{_SPELLING[name]} comes before {_SPELLING[last]}"
            yield Finding(patch.name, "trailer:order", f"wrong order of trailers: {message}")
        last = name


def _pairs(patch: ReviewedPatch) -> Iterator[Finding]:
    """What has to stand right behind another one."""
    names = [name.lower() for name, _ in patch.trailers]
    for place, (name, value) in enumerate(patch.trailers):
        follower = names[place + 1] if place + 1 < len(names) else ""
        if name.lower() == "reported-by" and follower not in ("closes", "link", "reported-by"):
            yield Finding(patch.name, "trailer:reported-by", "Reported-by without a Closes: URL behind it")
        if name.lower() == "co-developed-by" and (
            follower != "signed-off-by" or patch.trailers[place + 1][1] != value
        ):
            message = f"Co-developed-by without the Signed-off-by of {value} behind it"
            yield Finding(patch.name, "trailer:co-developed-by", message)


# -- who


def _adoption(review: Review, patch: ReviewedPatch) -> Iterator[Finding]:
    """Before a human adopted the series nobody is named in it; afterwards the author signs off."""
    signers = [value for name, value in patch.trailers if name.lower() == "signed-off-by"]
    if review.adopted:
        if not any(parseaddr(value)[1] == patch.email for value in signers):
            message = f"its author {patch.author} <{patch.email}> has not signed it off"
            yield Finding(patch.name, "adoption:sign-off", message)
        return
    for value in signers:
        message = f"'Signed-off-by: {value}', but nobody has adopted the series"
        yield Finding(patch.name, "adoption:sign-off", message)
    if not is_nobody(patch.email):
        message = f"the author {patch.author} <{patch.email}> is a person, but nobody has adopted the series"
        yield Finding(patch.name, "adoption:person", message)
    for name, value in patch.trailers:
        person, address = parseaddr(value)
        names = name.lower() == "cc" or name.lower().endswith("-by")
        if names and name.lower() != "signed-off-by" and person and "@" in address and not is_nobody(address):
            yield Finding(
                patch.name,
                "adoption:person",
                f"'{name}: {value}' names a person before the series is adopted",
            )


# -- size and blanks


def _size(patch: ReviewedPatch) -> Iterator[Finding]:
    lines, size = patch.added + patch.removed, patch.path.stat().st_size
    if lines > LINES_MOST:
        yield Finding(
            patch.name, "size:lines", f"{lines} changed lines: split it, more than {LINES_MOST} is no review"
        )
    if size > BYTES_MOST:
        yield Finding(patch.name, "size:bytes", f"{size} bytes: mailing lists take {BYTES_MOST}")


def _blanks(review: Review, patch: ReviewedPatch) -> Iterator[Finding]:
    """What `git diff --check` finds: blanks at ends of lines and files, before tabs; conflict marks."""
    options = ("-r", "-p", "--check", patch.before.tree, patch.source.tree)
    said = git.run("diff-tree", *options, cwd=review.repository(patch.component)).stdout
    for line in said.decode("utf-8", "replace").splitlines():
        if match := _CHECK.match(line):
            yield Finding(patch.name, "whitespace", match["text"], f"{match['file']}:{match['line']}")


# -- changelog, and the words of cover letters


def _changelog(review: Review) -> Iterator[Finding]:
    text = _read(review, CHANGELOG)
    if review.previous is not None and not text.strip():
        path = review.revision.folder / CHANGELOG
        message = f"nothing says what has changed since {review.previous.name}: write {path}"
        yield Finding(CHANGELOG, "changelog:missing", message)
    elif review.previous is not None and not re.search(
        rf"(?<!\w){re.escape(review.previous.name)}(?!\w)", text
    ):
        yield Finding(
            CHANGELOG, "changelog:previous", f"it does not name {review.previous.name}, the one before"
        )


def _read(review: Review, name: str) -> str:
    try:
        return (review.revision.folder / name).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _prose(name: str, text: str) -> Iterable[Finding]:
    kind = Path(name).stem.partition("-")[0]
    for number, line in enumerate(text.split("\n"), start=1):
        if match := _PLACEHOLDER.search(line):
            yield Finding(name, f"{kind}:unfinished", match[0], str(number))
        if line.rstrip() != line:
            yield Finding(name, "whitespace", "trailing whitespace", str(number))
