# SPDX-License-Identifier: GPL-2.0-or-later
"""Which patches are posted together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.model import Posting, Revision
from farwatch.revisions.catalog import Catalog
from farwatch.revisions.parts import all_parts, chosen_parts, parts_of, read_cover

BASES = """
[thing."1"]
kind = "git"
location = "/none"
commit = "0000000000000000000000000000000000000000"
[other."1"]
kind = "git"
location = "/none"
commit = "0000000000000000000000000000000000000000"
"""
HEAD = 'title = "t"\n[bases]\nthing = "1"\n'
GOOD = """
[send.thing]
to = ["all@example.org"]
[series.thing.first]
first = "a"
last = "b"
to = ["some@example.org"]
[series.thing.second]
first = "c"
last = "c"
"""


def revision(folder: Path, text: str, *names: str) -> Revision:
    """Patches 0001-a.patch and so on for "thing"."""
    patches = folder / "patches"
    (patches / "v1/thing").mkdir(parents=True, exist_ok=True)
    (patches / "bases.toml").write_text(BASES)
    (patches / "v1/revision.toml").write_text(HEAD + text)
    for number, name in enumerate(names or ("a", "b", "c"), start=1):
        (patches / f"v1/thing/{number:04}-{name}.patch").touch()
    return Catalog.load(folder).revision("v1")


def test_runs_of_patches(tmp_path: Path) -> None:
    first, second = parts_of(revision(tmp_path, GOOD), "thing")
    assert [(one.label, one.start, one.end) for one in (first, second)] == [
        ("thing/first", 0, 2),
        ("thing/second", 2, 3),
    ]
    assert [path.name for path in first.patches] == ["0001-a.patch", "0002-b.patch"]
    assert first.posting == Posting(to=("some@example.org", "all@example.org"))
    assert second.posting == Posting(to=("all@example.org",))


def test_without_a_cut_a_component_is_one_series(tmp_path: Path) -> None:
    [part] = all_parts(revision(tmp_path, ""), ["other", "thing"])
    assert (part.label, part.start, part.end) == ("thing", 0, 3)


def test_a_cut_does_not_care_for_numbers_and_takes_what_is_put_between(tmp_path: Path) -> None:
    found = parts_of(revision(tmp_path, GOOD, "a", "new", "b", "c"), "thing")
    assert [len(part.patches) for part in found] == [3, 1]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('last = "b"', 'last = "a"', "b is in no series: .*after the last patch of thing/first and before"),
        ('first = "a"', 'first = "b"', "a is in no series: .*before the first of thing/first"),
        ('last = "b"', 'last = "c"', "c is in more than one series: thing/first, thing/second"),
        ('first = "a"', 'first = "c"', "thing/first is empty: its first patch is number 3"),
        ('last = "b"', 'last = "bb"', "unknown last patch of thing/first 'bb': did you mean 'b'"),
        ("series.thing", "series.other", "other has no patches, but .* cuts it into first, second"),
    ],
)
def test_a_cut_that_is_none(tmp_path: Path, old: str, new: str, says: str) -> None:
    found = revision(tmp_path, GOOD.replace(old, new))
    with pytest.raises(FarwatchError) as caught:
        all_parts(found, ["thing", "other"])
    error = caught.value
    assert re.search(says, f"{error.what}: {error.cause}"), error
    assert "revision.toml" in error.hint


def test_series_out_of_order(tmp_path: Path) -> None:
    head, first, second = GOOD.partition("[series.thing.first]")
    first, mark, second = second.partition("[series.thing.second]")
    text = f"{head}{mark}{second}[series.thing.first]{first}"
    with pytest.raises(FarwatchError, match="series thing/first is out of order"):
        parts_of(revision(tmp_path, text), "thing")


def test_two_patches_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(FarwatchError, match="first of thing/first is 'a'"):
        parts_of(revision(tmp_path, GOOD, "a", "b", "c", "a"), "thing")


def test_what_is_named(tmp_path: Path) -> None:
    made = revision(tmp_path, GOOD)

    def names(wanted: str | None) -> list[str]:
        return [part.label for part in chosen_parts(made, ["other", "thing"], wanted)]

    assert names(None) == names("thing") == ["thing/first", "thing/second"]
    assert names("thing/second") == ["thing/second"]
    with pytest.raises(FarwatchError, match="no series 'thing/third'") as caught:
        names("thing/third")
    assert caught.value.cause == "there are: thing/first, thing/second"
    with pytest.raises(FarwatchError, match="no patches for other"):
        names("other/first")
    with pytest.raises(FarwatchError, match="thing is one series: it has no 'first'"):
        chosen_parts(revision(tmp_path, ""), ["thing"], "thing/first")


def test_the_letter_of_a_series_is_its_own(tmp_path: Path) -> None:
    made = revision(tmp_path, GOOD)
    (made.folder / "cover-letter.txt").write_text("all\n\ntext\n")
    (made.folder / "thing/cover-letter-first.txt").write_text("one\n\ntext of one\n")
    first, second = parts_of(made, "thing")
    assert read_cover(made, first) == ("one", "text of one") and read_cover(made, second) == ("t: second", "")
    assert made.texts() == ("cover-letter.txt", "thing/cover-letter-first.txt")
    [whole] = parts_of(revision(tmp_path, ""), "thing")
    assert read_cover(made, whole) == ("all", "text")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[series.nothing.x]\nfirst = "a"\nlast = "b"\n', "unknown key 'nothing'"),
        ('[series.thing.x]\nfirst = "a"\n', "'last' is missing"),
        ('[series.thing."a/b"]\nfirst = "a"\nlast = "b"\n', "cannot be the name of a series"),
    ],
)
def test_a_table_that_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(FarwatchError, match=says):
        revision(tmp_path, text)
