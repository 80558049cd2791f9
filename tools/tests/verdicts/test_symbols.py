# SPDX-License-Identifier: GPL-2.0-or-later
"""File and line behind the functions of a report, from an image made here."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from farwatch.verdicts.symbols import symbols_of, with_lines

SOURCES = {
    "init/main.c": "int fuse_open(int);\nint start_kernel(void)\n{\n\treturn fuse_open(1);\n}\n",
    "fs/fuse/dir.c": (
        "static __attribute__((noinline)) int twice(int x)\n{\n\treturn x * 77;\n}\n\n"
        "int fuse_open(int x)\n{\n\tx += twice(x);\n\treturn x + 1;\n}\n"
    ),
    "fs/inode.c": "static __attribute__((used)) int twice(int x)\n{\n\treturn x + 77 * x * x + 5;\n}\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("linux")
    for name, text in SOURCES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def _image(folder: Path, name: str, *flags: str) -> Path:
    words = ["gcc", *flags, "-O0", "-no-pie", "-nostdlib", "-Wl,-e,start_kernel", "-o", name, *SOURCES]
    subprocess.run(words, cwd=folder, check=True, stderr=subprocess.DEVNULL)
    return folder / name


def _sizes(image: Path, name: str) -> list[int]:
    said = subprocess.run(["nm", "-S", image], capture_output=True, text=True, check=True).stdout
    return [int(words[1], 16) for words in map(str.split, said.splitlines()) if words[-1] == name]


def test_a_frame_gets_its_line_and_keeps_its_text(folder: Path) -> None:
    image = _image(folder, "linux", "-g")
    [size] = _sizes(image, "fuse_open")
    report = (
        f"WARNING in fuse_open\n[    1.5] Call Trace:\n[    1.5]  fuse_open+0x{size - 1:x}/0x{size:x}\nend"
    )
    first, head, frame, end = with_lines(report, image).split("\n")
    assert (first, head, end) == ("WARNING in fuse_open", "[    1.5] Call Trace:", "end")
    assert re.fullmatch(r"\[    1\.5\]  fuse_open\+0x\w+/0x\w+ \(fs/fuse/dir\.c:(9|10)\)", frame)


def test_of_two_functions_of_one_name_the_size_tells_which(folder: Path) -> None:
    image = _image(folder, "linux", "-g")
    sizes = _sizes(image, "twice")
    assert len(set(sizes)) == 2
    report = "\n".join(f" ? twice+0x4/0x{size:x}" for size in [*sizes, max(sizes) + 64])
    *found, other = with_lines(report, image).split("\n")
    assert sorted(re.findall(r"\((\S+):\d+\)", " ".join(found))) == ["fs/fuse/dir.c", "fs/inode.c"]
    assert other.endswith(f"0x{max(sizes) + 64:x}")


def test_where_the_cpu_was_is_no_return_address(folder: Path) -> None:
    image = _image(folder, "linux", "-g")
    [size] = _sizes(image, "fuse_open")
    report = f"RIP: 0010:fuse_open+0x0/0x{size:x}\n fuse_open+0x0/0x{size:x}"
    assert with_lines(report, image).count("(fs/fuse/dir.c:7)") == 2


@pytest.mark.parametrize("image", ["plain", "missing"])
def test_an_image_without_lines_changes_nothing(folder: Path, image: str) -> None:
    if image == "plain":
        _image(folder, image)
    report = "BUG: x\n fuse_open+0x4/0x20\n"
    assert with_lines(report, folder / image) == report


def test_a_packed_image_has_its_symbols_beside_it(tmp_path: Path) -> None:
    assert symbols_of(tmp_path / "bzImage") == tmp_path / "bzImage"
    (tmp_path / "vmlinux").touch()
    assert symbols_of(tmp_path / "bzImage") == tmp_path / "vmlinux"
