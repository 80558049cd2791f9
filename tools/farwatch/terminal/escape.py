# SPDX-License-Identifier: GPL-2.0-or-later
"""Text of unknown origin (logs, names, titles) made safe for a terminal, Markdown or XML.

HTML needs nothing here: its template escapes by itself.
"""

from __future__ import annotations

import re

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MARKDOWN = re.compile(r"[\\`*\[\]<>&|~#@$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def printable(text: str) -> str:
    """One line that cannot steer a terminal: what is invisible is shown as an escape, as in Python source.

    That covers control characters and newlines, surrogates, and marks that reorder text.
    """
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def printable_lines(text: str) -> str:
    """As `printable`, but newlines stay and tabs become blanks."""
    return "\n".join(printable(line.expandtabs()) for line in text.split("\n"))


def markdown(text: str) -> str:
    """One line of literal text for GitHub Markdown, fit for a table cell; it mentions and links nobody."""
    return _MARKDOWN.sub(lambda match: f"&#{ord(match[0])};", printable(text))


def xml_valid(text: str) -> str:
    """The text without the characters that no XML 1.0 document may hold, escaped or not."""
    return _NOT_XML.sub("", text)
