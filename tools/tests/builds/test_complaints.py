# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farwatch.builds import complaints
from farwatch.builds.complaints import Complaint, new

MAKE = """\
  CC      fs/fuse/dir.o
src/fs/fuse/dir.c: In function 'fuse_x':
src/fs/fuse/dir.c:72:13: warning: unused variable 'unused' [-Wunused-variable]
   72 |         int unused = x;
src/fs/fuse/fuse_i.h:12:5: warning: something of a header
src/fs/fuse/fuse_i.h:12:5: warning: something of a header
src/fs/fuse/dir.c:90:1: error: expected ';' before '}' token
make[3]: *** [scripts/Makefile.build:243: fs/fuse/dir.o] Error 1
ld: warning: vmlinux has a LOAD segment with RWX permissions
"""
CARGO = """\
   Compiling virtiofsd v1.14.0
warning: unused variable: `x`
  --> src/util.rs:12:9
   |
12 |     let x = 1;
warning: `virtiofsd` (bin "virtiofsd") generated 1 warning
error[E0425]: cannot find value `y` in this scope
 --> src/main.rs:3:5
error: could not compile `virtiofsd` (bin "virtiofsd") due to 1 previous error
"""


def test_make_names_file_line_and_kind() -> None:
    found = complaints.of_make(MAKE)
    assert [(one.where, one.error) for one in found] == [
        ("fs/fuse/dir.c:72", False),
        ("fs/fuse/fuse_i.h:12", False),
        ("fs/fuse/dir.c:90", True),
        ("", False),
    ]
    assert found[0].text == "unused variable 'unused' [-Wunused-variable]"


def test_make_says_what_it_calls_the_sources() -> None:
    """An x86_64 kernel's by their way from the root, as makefiles below tools/ want it."""
    command = "$ make -j2 -f src/Makefile ARCH=x86_64 srctree=/h/objects/a/src srcroot=/h/objects/a/src\n"
    found = complaints.of_make(f"{command}/h/objects/a/src/fs/src/dir.c:7:1: warning: x\n")
    assert [one.where for one in found] == ["fs/src/dir.c:7"]


def test_cargo_has_the_place_on_the_line_below_and_a_summary_that_is_none() -> None:
    found = complaints.of_cargo(CARGO)
    assert [(one.where, one.text) for one in found] == [
        ("src/util.rs:12", "unused variable: `x`"),
        ("src/main.rs:3", "cannot find value `y` in this scope"),
    ]


def test_clippy_in_short_form_once_for_all_targets() -> None:
    line = "src/util.rs:352:9: warning: returning the result of a `let` binding from a block\n"
    found = complaints.of_clippy(line + line + "src/a.rs:1:2: error[E0425]: cannot find\n")
    assert [(one.where, one.error) for one in found] == [("src/util.rs:352", False), ("src/a.rs:1", True)]


def test_kernel_doc_in_both_its_languages() -> None:
    python = "Warning: fs/a.c:5 function parameter 'y' not described in 'foo'\n"
    perl = "fs/a.c:5: warning: Function parameter or member 'y' not described in 'foo'\n"
    assert [one.where for one in complaints.of_kernel_doc(python + python)] == ["fs/a.c:5"]
    assert [one.where for one in complaints.of_kernel_doc(perl)] == ["fs/a.c:5"]


def test_what_only_moved_is_not_new() -> None:
    before = [Complaint("a.c", "unused variable 'x'", 10), Complaint("a.c", "see line 10", 11)]
    after = [Complaint("a.c", "unused variable 'x'", 20), Complaint("a.c", "see line 20", 21)]
    assert new(before, after) == []


def test_a_second_one_of_the_same_words_is_new() -> None:
    one, other = Complaint("a.c", "unused variable 'i'", 10), Complaint("a.c", "unused variable 'i'", 50)
    assert [found.line for found in new([one], [one, other])] == [50]
    assert new([one], [Complaint("b.c", one.text, 1)]) != []


_ANY = st.lists(st.builds(Complaint, st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(1, 99)))


@given(_ANY, _ANY)
def test_new_is_the_difference(before: list[Complaint], more: list[Complaint]) -> None:
    assert new(before, before) == []
    assert new([], more) == more
    assert len(new(before, before + more)) == len(more)
    assert new(before, before[1:]) == []
