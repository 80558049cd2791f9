# SPDX-License-Identifier: GPL-2.0-or-later
"""Mails as `git am` would read them; and those that git gives up on."""

from __future__ import annotations

from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.trees.patch_mail import PatchMail, read_foreign_patch, read_patch

DIFF = b"""\
---
 a | 2 +-
 1 file changed, 1 insertion(+), 1 deletion(-)

diff --git a/a b/a
--- a/a
+++ b/a
@@ -1 +1 @@
-1
+2
"""


def read(
    folder: Path,
    *,
    sender: bytes = b"A <a@x.org>",
    subject: bytes = b"[PATCH] fs: x",
    kind: bytes = b"text/plain; charset=utf-8",
    body: bytes = b"Text.\n",
    diff: bytes = DIFF,
    own: bool = False,
) -> PatchMail:
    path = folder / "mail"
    head = [b"From: " + sender, b"Subject: " + subject, b"Date: Sun, 1 Feb 2026 10:00:00 +0100"]
    head += [b"MIME-Version: 1.0", b"Content-Type: " + kind, b"Content-Transfer-Encoding: 8bit"]
    path.write_bytes(b"\n".join(head) + b"\n\n" + body + diff)
    return (read_patch if own else read_foreign_patch)(path, folder)


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("koi8-r", "текст"),
        ("iso-8859-2", "Łukasz"),
        ("windows-1251", "текст"),
        ("gb2312", "镕"),
        ("us-ascii", "Zoë"),
        ("x-klingon", "Zoë"),
        ("utf-8", "Zoë"),
    ],
)
def test_a_body_in_any_charset(tmp_path: Path, label: str, text: str) -> None:
    """A label that is wrong, unknown, or of a smaller set than it is meant for."""
    coded = {"gb2312": "gb18030", "us-ascii": "latin-1", "x-klingon": "utf-8"}.get(label, label)
    changed = DIFF.replace(b"+2", b"+\xff")
    found = read(
        tmp_path, kind=f"text/plain; charset={label}".encode(), body=text.encode(coded) + b"\n", diff=changed
    )
    assert found.message == f"fs: x\n\n{text}\n".encode()
    assert b"+\xff\n" in found.diff, "what changes is bytes"


def test_names_in_any_charset(tmp_path: Path) -> None:
    found = read(tmp_path, sender=b"=?iso-8859-1?q?Ren=E9?= <u@x.org>", subject=b"=?big5?B?uvWrpQ==?=")
    assert (found.author, found.email, found.message) == ("René", "u@x.org", "綱咱\n\nText.\n".encode())
    found = read(
        tmp_path, sender=b"=?gb2312?B?6UY=?= <u@x.org>", body=b"From: =?x-no?q?Zo=C3=AB?= <z@x.org>\n\nT\n"
    )
    assert (found.author, found.message) == ("Zoë", b"fs: x\n\nT\n"), "a From: in the body counts"


@pytest.mark.parametrize(
    "front",
    [
        "[PATCH]",
        "[RFC v2 1/3]",
        "[Virtio-fs] [PATCH v2 1/3]",
        "[RESEND][PATCH 1/2]",
        "[v2,1/3]",
        "Re: [PATCH]",
        "[a]",
        "",
    ],
)
def test_what_stands_in_brackets_goes(tmp_path: Path, front: str) -> None:
    assert read(tmp_path, subject=f"{front} fs: x [y]".encode()).subject == "fs: x [y]"


def test_of_our_own_patches_one_prefix_goes(tmp_path: Path) -> None:
    assert read(tmp_path, subject=b"[PATCH] [fs] x", own=True).subject == "[fs] x"


def test_scissors(tmp_path: Path) -> None:
    found = read(tmp_path, body=b"See below.\n\n-- >8 --\nSubject: fs: other\n\nText.\n")
    assert found.message == b"fs: other\n\nText.\n"


def test_lines_that_all_end_with_cr(tmp_path: Path) -> None:
    """So do lines of a mail on its way; those of a file that has such lines are not all."""
    found = read(tmp_path, body=b"Text.\r\n", diff=DIFF.replace(b"\n", b"\r\n"))
    assert b"\r" not in found.diff and found.message == b"fs: x\n\nText.\n"
    assert b"+2\r\n" in read(tmp_path, diff=DIFF.replace(b"+2", b"+2\r")).diff


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"diff": b""}, "changes nothing"),
        ({"sender": b""}, "no From line"),
        ({"subject": b"[PATCH]", "body": b""}, "no Subject line"),
    ],
)
def test_no_patch(tmp_path: Path, changes: dict[str, bytes], says: str) -> None:
    with pytest.raises(FarwatchError) as caught:
        read(tmp_path, **changes)  # type: ignore[arg-type]
    assert says in caught.value.cause
