# SPDX-License-Identifier: GPL-2.0-or-later
"""Text out of the bytes of mails, which say what charset they are in, and are not always right.

What a label says is believed wherever the bytes can be so. Where they cannot, its well-known superset is
tried (GB 18030 for gb2312, as senders mean it), then UTF-8, then Windows-1252. Nothing is ever lost.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re

_WORD = re.compile(rb"=\?([^?\s]+)\?([bBqQ])\?([^?]*)\?=")
_RUN = re.compile(_WORD.pattern + rb"(?:\s+" + _WORD.pattern + rb")*")
_SUPERSETS = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "x-sjis": "cp932",
    "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949",
    "iso-2022-jp": "iso2022_jp_ext",
    "iso-8859-8-i": "iso8859-8",
    "tis-620": "cp874",
}


def decoded(data: bytes, label: str | None = None) -> str:
    """The text of bytes that are labelled so, or not at all."""
    name = (label or "").strip("\"' ").partition("*")[0].lower()
    if name in ("", "utf-8", "utf8"):
        return _utf8(data)
    for guess in (name, _SUPERSETS.get(name, ""), name.removeprefix("x-"), "utf-8", "cp1252"):
        found = _strictly(data, guess)
        if found is not None:
            return found
    return data.decode("latin-1")


def _utf8(data: bytes) -> str:
    """UTF-8; each byte that cannot be so is Latin-1, as git takes it when it writes a commit."""
    text = data.decode("utf-8", "surrogateescape")
    return re.sub("[\udc80-\udcff]", lambda match: chr(ord(match[0]) - 0xDC00), text)


def _strictly(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except (LookupError, ValueError):  # no such charset, a NUL in its name, or not in that charset
        return None


def decoded_header(raw: bytes) -> str:
    """A header's value in one line, with its encoded words (RFC 2047) read."""
    whole = _RUN.sub(lambda match: _read_words(match[0]).encode("utf-8", "replace"), raw)
    return " ".join(_utf8(whole).split())


def in_utf8(raw: bytes) -> bytes:
    """A header as it is, but with all encoded words in UTF-8."""

    def again(match: re.Match[bytes]) -> bytes:
        text = _read_words(match[0]).encode("utf-8", "replace")
        return b"=?UTF-8?b?" + base64.b64encode(text) + b"?="

    return _RUN.sub(again, raw)


def _read_words(run: bytes) -> str:
    """Adjacent encoded words. A character may be torn between two of them."""
    pieces: list[tuple[str, bytes]] = []
    for match in _WORD.finditer(run):
        label, data = match[1].decode("latin-1").lower(), _unpacked(match[2], match[3])
        if pieces and pieces[-1][0] == label:
            pieces[-1] = (label, pieces[-1][1] + data)
        else:
            pieces.append((label, data))
    return "".join(decoded(data, label) for label, data in pieces)


def _unpacked(kind: bytes, text: bytes) -> bytes:
    if kind in b"qQ":
        return quopri.decodestring(text, header=True)
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        return text
