# SPDX-License-Identifier: GPL-2.0-or-later
"""-k EXPR: which tests. Words are parts of a test's name (or shell patterns), joined by and, or, not, ( )."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase

from farwatch.errors import FarwatchError

Matcher = Callable[[str], bool]
_TOKEN = re.compile(r"\s*(\(|\)|[^\s()]+)")


def compile_expression(text: str) -> Matcher:
    """A function that says whether a test's name matches; FarwatchError if the expression is malformed."""
    tokens = _TOKEN.findall(text)
    reader = _Reader(text, tokens)
    matcher = reader.either()
    reader.finish()
    return matcher


class _Reader:
    """Recursive descent over

    either := both (or both)*      both := term (and term)*      term := not term | ( either ) | word
    """

    def __init__(self, text: str, tokens: list[str]) -> None:
        self._text = text
        self._tokens = tokens

    def _next(self) -> str:
        return self._tokens[0] if self._tokens else ""

    def _take(self) -> str:
        return self._tokens.pop(0)

    def either(self) -> Matcher:
        left = self.both()
        while self._next() == "or":
            self._take()
            left = _or(left, self.both())
        return left

    def both(self) -> Matcher:
        left = self.term()
        while self._next() == "and":
            self._take()
            left = _and(left, self.term())
        return left

    def term(self) -> Matcher:
        word = self._next()
        if word in ("", ")", "and", "or"):
            raise self._error(
                f"a word is missing before '{word}'" if word else "a word is missing at the end"
            )
        self._take()
        if word == "not":
            inner = self.term()
            return lambda name: not inner(name)
        if word == "(":
            inner = self.either()
            if self._next() != ")":
                raise self._error("a ')' is missing")
            self._take()
            return inner
        return _word(word)

    def finish(self) -> None:
        if self._tokens:
            raise self._error(f"'{self._tokens[0]}' is one too many; join words with 'and' or 'or'")

    def _error(self, why: str) -> FarwatchError:
        return FarwatchError(
            f"cannot read the expression '{self._text}'",
            cause=why,
            hint="for example: -k 'rename and not local'",
        )


def _or(left: Matcher, right: Matcher) -> Matcher:
    return lambda name: left(name) or right(name)


def _and(left: Matcher, right: Matcher) -> Matcher:
    return lambda name: left(name) and right(name)


def _word(word: str) -> Matcher:
    if any(char in word for char in "*?["):
        return lambda name: fnmatchcase(name, word) or fnmatchcase(name, f"*{word}*")
    return lambda name: word in name
