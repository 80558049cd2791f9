# SPDX-License-Identifier: GPL-2.0-or-later
"""What kernel-tests/stream.c takes for a difference: what fanotify may join is none, all else is one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import TESTS

SOURCES = TESTS.parents[1] / "kernel-tests"
MASKS = {
    "ACCESS": 0x1,
    "MODIFY": 0x2,
    "ATTRIB": 0x4,
    "CLOSE": 0x8,
    "OPEN": 0x20,
    "FROM": 0x40,
    "TO": 0x80,
    "CREATE": 0x100,
    "DELETE": 0x200,
    "DELETE_SELF": 0x400,
    "MOVE_SELF": 0x800,
    "OVERFLOW": 0x4000,
    "IGNORED": 0x8000,
    "DIR": 0x40000000,
}


@pytest.fixture(scope="session")
def comparer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("bin") / "comparer"
    source = Path(__file__).with_name("stream_comparer.c")
    flags = ["-Wall", "-Wextra", "-Werror", "-O2", f"-I{SOURCES}", "-D_GNU_SOURCE="]
    sources = [source, *(SOURCES / name for name in ("stream.c", "events.c", "steps.c"))]
    subprocess.run(["gcc", *flags, "-o", str(program), *map(str, sources)], check=True)
    return program


def event(text: str) -> str:
    """ "CREATE|DIR f 7@1": mask, name, cookie, watch; all but the mask may be missing."""
    text, _, watch = text.partition("@")
    mask, name, cookie, *_ = [*text.split(" "), "", ""]
    bits = sum(MASKS[bit] for bit in mask.split("|"))
    return f"{watch or 0},{bits:x},{cookie or 0},{name}"


def compare(comparer: Path, wanted: str, came: str, how: str = "all") -> tuple[list[str], str]:
    """Which counters are not 0, or "same"; and the line that says what differs first."""
    streams = [
        [event(part.strip()) for part in stream.split(",") if part.strip()] for stream in (wanted, came)
    ]
    words = [str(comparer), how, *streams[0], "--", *streams[1]]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    first, *rest = lines[0].split(" ")
    found = [name for name, number in zip(rest[::2], rest[1::2], strict=True) if number != "0"]
    return (["same"] if first == "same" else []) + found, lines[1] if lines[1:] else ""


ALLOWED = [
    ("CREATE f, OPEN f, CLOSE f", "CREATE f, OPEN f, CLOSE f"),
    # joined with an earlier one, in its place
    ("OPEN f, MODIFY f, CLOSE f, OPEN f, MODIFY f, CLOSE f", "OPEN f, MODIFY f, CLOSE f"),
    ("OPEN f, CLOSE f, MODIFY f", "OPEN f, MODIFY f, CLOSE f"),
    ("OPEN f, CREATE g, MODIFY f", "OPEN f, MODIFY f, CREATE g"),
    ("MODIFY f, FROM f 1, TO f 2, MODIFY f", "MODIFY f, FROM f 1, TO f 2"),
    # in part
    ("OPEN f, CLOSE f, OPEN f, CLOSE f", "OPEN f, CLOSE f, OPEN f, CLOSE f"),
    ("OPEN f, MODIFY f, CREATE g, MODIFY f", "OPEN f, MODIFY f, CREATE g, MODIFY f"),
    # inotify has joined some of the wanted ones
    ("CREATE f, ATTRIB f, MODIFY f, CLOSE f", "CREATE f, MODIFY f, ATTRIB f, MODIFY f, CLOSE f"),
    # what was hidden is said behind it
    ("DELETE f, CREATE f", "CREATE f, DELETE f, CREATE f"),
    ("CREATE f, DELETE f, CREATE f, DELETE f", "CREATE f, DELETE f"),
    # other watches
    ("CREATE f, CREATE g@1", "CREATE g@1, CREATE f"),
    # an object without a name
    ("ATTRIB, MODIFY, CLOSE, DELETE_SELF, IGNORED", "ATTRIB, DELETE_SELF, IGNORED"),
    ("DELETE|DIR f, CLOSE|DIR f", "DELETE|DIR f, CLOSE|DIR f"),
    # a new name of an object
    ("ATTRIB, CREATE x@1, ATTRIB, OPEN, MODIFY", "ATTRIB, OPEN, MODIFY, ATTRIB, CREATE x@1"),
    # a directory that has been renamed
    (
        "FROM|DIR e 1, TO|DIR d 1, OPEN f, ATTRIB|DIR d, CLOSE f",
        "FROM|DIR e 1, TO|DIR d 1, ATTRIB|DIR d, OPEN f, CLOSE f",
    ),
    (
        "OPEN|DIR d, FROM|DIR d 1, TO|DIR e 1, ATTRIB|DIR e, FROM|DIR e 2",
        "OPEN|DIR d, ATTRIB|DIR d, FROM|DIR d 1, TO|DIR e 1, FROM|DIR e 2",
    ),
    (
        "OPEN|DIR@1, TO|DIR d 1, CLOSE|DIR@1, CLOSE|DIR d",
        "OPEN|DIR@1, CLOSE|DIR@1, TO|DIR d 1",
    ),
    # the halves of a move
    ("FROM f 1, TO g 1@1, FROM h 2", "FROM f 7, FROM h 8, TO g 7@1"),
    (
        "FROM f 1, TO g 1, FROM g 2, TO f 2, FROM f 3, TO g 3, CREATE x",
        "FROM f 1, TO g 1, FROM g 2, TO f 2, CREATE x, FROM f 3, TO g 3",
    ),
    # two names that are exchanged: the one of which it is told last that it has gone is there
    (
        ", ".join(f"FROM f {n}, TO g {n}@1, FROM g {n + 1}@1, TO f {n + 1}" for n in (1, 3, 5)),
        "FROM f 1, TO g 1@1, FROM g 2@1, TO f 2, FROM f 3, TO g 3@1, FROM g 4@1, TO f 4, "
        "FROM f 5, TO g 5@1, TO f 6",
    ),
    (
        "FROM f 1, TO f 2, FROM f 3, TO f 4, FROM f 5, TO f 6, ATTRIB g",
        "FROM f 1, TO f 2, FROM f 3, TO f 4, ATTRIB g, TO f 5",
    ),
    (
        "TO|DIR f 1, FROM f 2, TO f 3, FROM|DIR f 4, TO|DIR f 5, FROM f 6",
        "TO|DIR f 1, FROM f 2, TO f 3, FROM|DIR f 4, TO|DIR f 5",
    ),
    # as often as on the other side
    ("CREATE f, OVERFLOW@-1", "CREATE f, OVERFLOW@-1"),
    # a second CREATE joined the first, and hides that the rename came between: the last one says so
    (
        "CREATE y, OPEN y, CLOSE y, FROM y 1, CREATE y, OPEN y, MODIFY y, CLOSE y",
        "CREATE y, OPEN y, CREATE y, OPEN y, MODIFY y, CLOSE y, FROM y 1, CREATE y",
    ),
]


@pytest.mark.parametrize(("wanted", "came"), ALLOWED)
def test_what_may_be_joined_is_no_difference(comparer: Path, wanted: str, came: str) -> None:
    found, problem = compare(comparer, wanted, came)
    assert found in ([], ["same"]) and not problem
    assert found == ["same"] or wanted != came


DIFFERENCES = [
    ("CREATE f, DELETE f", "CREATE f", "lost last"),
    ("CREATE f", "CREATE f, DELETE f", "extra last"),
    ("ATTRIB|DIR f", "ATTRIB f", "lost extra"),
    ("FROM f 1, TO g 1, ATTRIB g", "ATTRIB f, FROM f 1, TO g 1", "lost extra"),
    ("FROM|DIR f 1, ATTRIB|DIR g", "ATTRIB|DIR f, FROM|DIR f 1", "lost extra"),
    ("ATTRIB f, TO g 1", "TO g 1, ATTRIB g", "lost extra"),
    ("MODIFY, ATTRIB, DELETE_SELF, IGNORED", "ATTRIB, DELETE_SELF, IGNORED", "lost"),
    ("MODIFY, DELETE_SELF, IGNORED", "DELETE_SELF, IGNORED, MODIFY", "dead order"),
    ("MODIFY, DELETE_SELF, IGNORED", "MODIFY, IGNORED, DELETE_SELF", "dead order"),
    ("CREATE f, FROM f 1, CREATE f", "CREATE f, CREATE f, FROM f 1, CREATE f, CREATE f", "order"),
    ("CREATE f, CREATE g", "CREATE g, CREATE f", "order"),
    ("MODIFY f, DELETE f", "DELETE f, MODIFY f", "order"),
    ("ATTRIB, OPEN, CREATE x, MODIFY", "MODIFY, OPEN, ATTRIB, CREATE x", "order"),
    ("CREATE f, DELETE f", "CREATE f, CREATE f, DELETE f", "order"),
    ("CREATE|DIR d, OPEN f, ATTRIB|DIR d", "ATTRIB|DIR d, CREATE|DIR d, OPEN f", "order"),
    ("FROM e 1, TO d 1, OPEN f, ATTRIB d", "FROM e 1, TO d 1, ATTRIB d, OPEN f", "order"),
    ("DELETE f, CREATE f", "CREATE f, DELETE f", "last"),
    ("FROM f 1, TO f 2, FROM f 3", "FROM f 1, TO f 2", "last"),
    ("FROM f 1, TO g 1@1, FROM g 2@1, TO f 2", "FROM g 2@1, TO f 2, FROM f 1, TO g 1@1", "order last"),
    ("TO f 1, FROM f 2", "FROM f 2, TO f 1", "order last"),
    ("TO f 1, FROM f 2, TO g 2@1", "FROM f 2, TO g 2@1, TO f 1", "order last"),
    ("FROM f 1, TO g 1, CREATE x", "FROM f 1, TO g 1, CREATE x, FROM f 2, TO g 2", "order"),
    ("FROM f 1, TO g 1, CREATE x", "CREATE x, FROM f 1, TO g 1", "order"),
    ("FROM f 1, TO g 1", "FROM f 1, TO g 2", "pairs"),
    ("FROM f 1, TO g 1, FROM g 2", "FROM f 1, TO g 3, FROM g 2", "pairs"),
    ("FROM g 1@1, TO f 1, FROM f 2", "TO f 3, FROM f 2, FROM g 1@1", "pairs"),
    ("FROM f 1, TO g 1", "FROM f, TO g", "pairs"),
    ("FROM f 1, TO g 1, FROM h 2, TO i 2", "FROM f 1, TO g 2, FROM h 2, TO i 1", "pairs"),
    ("CREATE f", "CREATE f, OVERFLOW@-1", "overflows"),
    ("CREATE f, OVERFLOW@-1", "CREATE f, OVERFLOW@-1, OVERFLOW@-1", "overflows"),
]


@pytest.mark.parametrize(("wanted", "came", "kinds"), DIFFERENCES)
def test_all_else_is_a_difference(comparer: Path, wanted: str, came: str, kinds: str) -> None:
    found, problem = compare(comparer, wanted, came)
    assert [name for name in found if name != "same"] == kinds.split(" ")
    assert problem


def test_the_first_difference_is_told_in_one_line(comparer: Path) -> None:
    _, problem = compare(comparer, "CREATE a, DELETE a, OPEN", "CREATE a, OPEN")
    assert problem == (
        'lost: IN_DELETE "a" on d; came IN_CREATE "a", IN_OPEN; wanted IN_CREATE "a", IN_DELETE "a", IN_OPEN'
    )


def test_names_can_be_looked_at_one_by_one(comparer: Path) -> None:
    wanted, came = "DELETE f, DELETE g", "DELETE g, DELETE f"
    assert compare(comparer, wanted, came)[0] == ["order"]
    assert compare(comparer, wanted, came, "names")[0] == []
    assert compare(comparer, "MODIFY f, DELETE f", "DELETE f, MODIFY f", "names")[0] == ["order"]
