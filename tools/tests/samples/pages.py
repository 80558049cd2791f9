# SPDX-License-Identifier: GPL-2.0-or-later
"""HTML as a strict reader sees it: every tag is closed in order, and nothing is hidden in an attribute."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "input", "br", "link", "img"}


class Checker(HTMLParser):
    """Fails on a tag that is not closed in order; remembers what was seen."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def links(self) -> list[str]:
        return [attributes["href"] or "" for _, attributes in self.seen if "href" in attributes]


def check_page(text: str, scripts: int = 0) -> Checker:
    """Well-formed, and it fetches nothing and runs nothing but scripts of ours."""
    assert text.startswith("<!doctype html>\n")
    checker = Checker(text)
    names = [tag for tag, _ in checker.seen]
    assert names.count("script") == scripts
    assert not {"link", "img", "iframe", "object", "base", "embed"} & set(names)
    for _, attributes in checker.seen:
        assert "src" not in attributes and "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
    assert "url(" not in text and "@import" not in text
    assert all(character.isprintable() or character == "\n" for character in text)
    ids = [attributes["id"] for _, attributes in checker.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = {
        attributes["aria-labelledby"] for _, attributes in checker.seen if "aria-labelledby" in attributes
    }
    assert labelled <= set(ids)
    return checker
