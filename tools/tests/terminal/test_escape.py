# SPDX-License-Identifier: GPL-2.0-or-later
"""escape.py: nothing that comes from a log steers what shows it."""

from __future__ import annotations

import unicodedata
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwatch.terminal.escape import markdown, printable, printable_lines, xml_valid

ANY = st.text(st.characters(codec=None, exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain äöü €", "plain äöü €"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\u202eabc", "\\u202eabc"),
        ("\udcff", "\\udcff"),
        ("\u2028", "\\u2028"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(ANY)
def test_printable_is_one_harmless_line(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(character) in {"Cc", "Cf", "Cs"} for character in shown)
    shown.encode()


def test_printable_lines_keeps_newlines_only() -> None:
    assert printable_lines("a\n\tb\r\x1b") == "a\n        b\\r\\x1b"


@pytest.mark.parametrize("character", "|<>&`*[]~#@\\")
def test_markdown_leaves_no_special_character(character: str) -> None:
    assert markdown(f"a{character}b") == f"a&#{ord(character)};b"


def test_markdown_leaves_underscores_inside_words() -> None:
    assert markdown("rm_watch _em_ __init__") == "rm_watch &#95;em&#95; &#95;&#95;init&#95;&#95;"


@given(ANY)
def test_xml_valid_parses(text: str) -> None:
    element = ElementTree.Element("a")
    element.text = xml_valid(text)
    ElementTree.fromstring(ElementTree.tostring(element))
