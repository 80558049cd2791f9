# SPDX-License-Identifier: GPL-2.0-or-later
"""The difference between two revisions as one self-contained HTML file."""

from __future__ import annotations

import re

from farwatch.reports import html
from farwatch.review.diff import Section, Side

_HEAD = re.compile(r"^(?:-|\d+): ")


def render(old: Side, new: Side, sections: list[Section]) -> str:
    """The document; the sections must be without colours."""
    return html.render("compare.html.j2", old=old, new=new, sections=sections, classes=classes)


def classes(section: Section, line: str) -> str:
    """How a line is shown. Of a range-diff, the first sign says what changed, the second is the patch's."""
    if section.ranged and _HEAD.match(line.lstrip()) and not line.startswith("    "):
        return "head"
    if section.ranged:
        outer, inner = line[4:5], line[5:6]
        tone = {"-": "old", "+": "new", "@": "place"}.get(outer, "")
        return f"{tone} {'inner' if inner in '+-' and inner else ''}".strip()
    if line.startswith(("---", "+++")):
        return "head"
    return {"-": "old", "+": "new", "@": "place"}.get(line[:1], "")
