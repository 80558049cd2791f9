# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import pytest

from farwatch.system.charsets import decoded, decoded_header, in_utf8


@pytest.mark.parametrize(
    ("data", "label", "text"),
    [
        ("Müller".encode("latin-1"), "ISO-8859-1", "Müller"),
        ("Müller".encode("latin-1"), None, "Müller"),
        ("Müller".encode(), None, "Müller"),
        ("текст".encode("koi8-r"), "koi8-r", "текст"),
        ("綱常".encode("big5"), "big5", "綱常"),
        ("镕".encode("gb18030"), "gb2312", "镕"),
        ("\u20ac 5".encode("cp1252"), "windows-1252", "\u20ac 5"),
        ("Müller".encode(), "us-ascii", "Müller"),
        ("Müller".encode("latin-1"), "us-ascii", "Müller"),
        ("Müller".encode(), "x-unknown", "Müller"),
        ("Müller".encode("latin-1"), "x-unknown", "Müller"),
        ("Müller".encode("latin-1"), "utf-8", "Müller"),
        (b"plain", "\0utf-8", "plain"),
        (b"plain", "hex", "plain"),
        (b"\x81\x8d", "windows-1252", "\x81\x8d"),
    ],
)
def test_what_bytes_say(data: bytes, label: str | None, text: str) -> None:
    assert decoded(data, label) == text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"=?iso-8859-1?q?Ren=E9_M=FCller?= <u@x>", "René Müller <u@x>"),
        (b"=?utf-8?b?ww==?= =?utf-8?b?rw==?= x", "ï x"),
        (b"=?utf-8?q?a?=\n =?utf-8?q?b?= c", "ab c"),
        (b"=?utf-8*en?q?caf=C3=A9?=", "café"),
        (b"=?x-none?b?!!!?= y", "y"),
        ("Müller".encode("latin-1"), "Müller"),
    ],
)
def test_headers(raw: bytes, text: str) -> None:
    assert decoded_header(raw) == text
    assert decoded_header(in_utf8(raw)) == text
