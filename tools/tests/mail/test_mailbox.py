# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.mail.cover_text import written
from farwatch.mail.mailbox import read_mailbox
from tests.mail.test_threads import mail

BOTH = (mail("1", "[PATCH 1/2] x"), mail("2", "[PATCH 2/2] y"))
MBOX = b"".join(b"From x Thu Jan  1 00:00:00 2026\n" + one.data for one in BOTH)
WAYS = (gzip.compress, bz2.compress, lzma.compress)


def names(source: Path) -> list[str]:
    return [one.subject.title for one in read_mailbox(source).mails]


@pytest.mark.parametrize("pack", [*WAYS, bytes, lambda data: b"\n\n" + data])
def test_compressed_or_not(tmp_path: Path, pack: object) -> None:
    (tmp_path / "t").write_bytes(pack(MBOX))  # type: ignore[operator]
    assert names(tmp_path / "t") == ["x", "y"]


@pytest.mark.parametrize("pack", WAYS)
def test_damaged(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "t.gz").write_bytes(pack(MBOX)[:90])
    with pytest.raises(FarwatchError, match="is compressed, and damaged") as caught:
        read_mailbox(tmp_path / "t.gz")
    assert caught.value.hint == "fetch it again"


def test_a_mail_that_is_there_twice(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(MBOX + MBOX)
    assert names(tmp_path / "t") == ["x", "y"]


@pytest.mark.parametrize("ends", [(".patch",), (".mbx",), (".patch.gz",), ("",)])
def test_files_by_number(tmp_path: Path, ends: tuple[str]) -> None:
    """9 comes before 10; a number alone is the name of a mail in an MH folder."""
    for number in (10, 9, 11):
        data = mail("", f"[PATCH] {number}").data
        (tmp_path / f"{number}{ends[0]}").write_bytes(gzip.compress(data) if ends[0].endswith("gz") else data)
    (tmp_path / "README").write_text("no mail\n")
    box = read_mailbox(tmp_path)
    assert [one.subject.title for one in box.mails] == ["9", "10", "11"] and box.ordered


def test_quilt(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(mail(name, f"[PATCH 1/1] {name}").data)
    (tmp_path / "series").write_text("# order\nc.gz\n\nc -p0 # comment\n#b\na -p1\n".replace("c.gz\n", ""))
    box = read_mailbox(tmp_path)
    assert [(one.subject.title, one.strip) for one in box.mails] == [("c", 0), ("a", 1)] and box.quilt
    (tmp_path / "series").write_text("a -R\n")
    with pytest.raises(FarwatchError) as caught:
        read_mailbox(tmp_path)
    assert "-R" in caught.value.cause


B4 = """\
Blurb.

Fixes:
* one

---
Changes in v2:
- EDITME: x

To: A <a@x.org>
Signed-off-by: A <a@x.org>

---
A (3):
      fuse: x

 fs/x.c | 6 +++---
 1 file changed, 3 insertions(+), 3 deletions(-)
---
base-commit: bd11d88
change-id: 20260101-x-abc

Best regards,
--\x20
A
"""
OURS = "Blurb.\n\n---\nFor linux 7.3 (x 7.3).\n\nGoes together with 2 patches for x:\nID: <y>\n\n---\nw.\n"


@pytest.mark.parametrize(
    ("body", "text", "below"),
    [
        (B4, "Blurb.\n\nFixes:\n* one", "Changes in v2:\n- EDITME: x"),
        (OURS, "Blurb.", "w."),
        ("Blurb.\n\nv1->v2: y\n\nA (1):\n  x\n\n a | 2 +-\n", "Blurb.\n\nv1->v2: y", ""),
        ("Blurb.\n\nRange-diff against v1:\n1:  a = 1:  b x\n", "Blurb.", ""),
        ("One.\n---\nTwo.\n\n---\nThree.\n", "One.", "Two.\n\nThree."),
    ],
)
def test_cover_letters(body: str, text: str, below: str) -> None:
    assert written(body) == (text, below)
