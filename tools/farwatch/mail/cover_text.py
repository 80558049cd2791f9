# SPDX-License-Identifier: GPL-2.0-or-later
"""A cover letter's body: what people wrote in it, without what git, b4 and farwatch put there."""

from __future__ import annotations

import re

_MADE = re.compile(
    r"^\S.* \(\d+\):\n(?=  )"  # the short log
    r"|^ +\S.*\| +(?:\d+|Bin)\b|^ \d+ files? changed"  # the statistics
    r"|^(?:Range-diff|Interdiff)\b.*:$|^base-commit: |^change-id: |^prerequisite-",
    re.MULTILINE,
)
_OURS = re.compile(r"For \S+ \S+(?: \([^\n]*\))?\.$|(?:Goes together with|Stands on) \d+ patch")
_TRAILERS = re.compile(r"(?:(?:To|Cc|Bcc|[A-Z][\w-]*-by): \S.*(?:\n[ \t].*)*\n?)+", re.IGNORECASE)


def written(body: str) -> tuple[str, str]:
    """(the text; what stands below it, after lines "---": mostly the changes since the last version)."""
    parts = re.split(r"^---[ \t]*$", body.partition("\n-- \n")[0], flags=re.MULTILINE)
    text, *below = [_MADE.split(part, maxsplit=1)[0].strip() for part in parts]
    return text, "\n\n".join(filter(None, map(_without_ours, below)))


def _without_ours(part: str) -> str:
    """Without what `send` says of bases and companions, and whom b4's To: and Cc: name."""
    paragraphs = [one for one in re.split(r"\n\s*\n", part) if not _OURS.match(one)]
    while paragraphs and _TRAILERS.fullmatch(paragraphs[-1]):
        paragraphs.pop()
    return "\n\n".join(paragraphs).strip()
