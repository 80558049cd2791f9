# SPDX-License-Identifier: GPL-2.0-or-later
"""A revision.toml that is changed in one thing, and in nothing else."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.model import Adoption
from farwatch.revisions import edit
from farwatch.system.home import checkout_root

ADOPTION = Adoption('A "B" <a@example.org>', "2026-01-02", "no")
TABLE = '[adopted]\nby = "A \\"B\\" <a@example.org>"\ndate = "2026-01-02"\nassisted = "no"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "revision.toml"


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("[bases]\nthing = '1.0' # why\nother = \"1\"\n", '[bases]\nthing = "2.0" # why\nother = "1"\n'),
        ('[bases]\nother = "1"\n\n[x]\n', '[bases]\nother = "1"\nthing = "2.0"\n\n[x]\n'),
        ("[bases]\n", '[bases]\nthing = "2.0"\n'),
        ('[bases]\nthing = "2.0"\n\n', '[bases]\nthing = "2.0"\n\n'),
        ('bases = { thing = "1.0" } # one\n', 'bases = { thing = "2.0" } # one\n'),
        ('bases.thing = """\n1.0"""\n', 'bases.thing = "2.0"\n'),
        ('title = "x"\n', 'title = "x"\n\n[bases]\nthing = "2.0"\n'),
    ],
)
def test_a_base_is_recorded_in_place(path: Path, text: str, changed: str) -> None:
    path.write_text(text)
    edit.set_base(path, "thing", "2.0")
    assert path.read_text() == changed


EDITS: dict[str, Callable[[Path], None]] = {
    "base": lambda path: edit.set_base(path, "linux", "9"),
    "title": lambda path: edit.set_title(path, 'x "y" \\ ü'),
    "adopted": lambda path: edit.set_adopted(path, ADOPTION),
    "order": lambda path: edit.without(path, "order"),
    "nothing": lambda path: edit.without(path, "adopted"),
}


@pytest.mark.parametrize("name", ["baseline", "v1", "v2"])
@pytest.mark.parametrize("kind", EDITS)
def test_the_rest_of_a_real_one_stays_to_the_byte(path: Path, name: str, kind: str) -> None:
    text = (checkout_root() / "patches" / name / "revision.toml").read_text()
    path.write_text(text)
    EDITS[kind](path)
    expected = {
        "base": re.sub(r"^linux = .*$", 'linux = "9"', text, count=1, flags=re.MULTILINE),
        "title": re.sub(
            r"^title = .*$", 'title = "x \\\\"y\\\\" \\\\\\\\ ü"', text, count=1, flags=re.MULTILINE
        ),
        "adopted": f"{text}\n{TABLE}",
        "order": re.sub(r"^order = .*\n", "", text, count=1, flags=re.MULTILINE),
        "nothing": text,
    }
    assert path.read_text() == expected[kind]


def test_what_was_added_can_be_taken_away(path: Path) -> None:
    path.write_text('title = "x"\n\n[[expect]]\nreason = "[adopted]"\n')
    before = path.read_text()
    edit.set_adopted(path, ADOPTION)
    assert tomllib.loads(path.read_text())["adopted"]["by"] == ADOPTION.by
    edit.without(path, "adopted")
    assert path.read_text() == before


def test_a_file_that_is_no_toml_is_left_and_said(path: Path) -> None:
    path.write_text("[bases\n")
    with pytest.raises(FarwatchError, match=r"revision\.toml"):
        edit.set_base(path, "thing", "2.0")
    assert path.read_text() == "[bases\n"


def test_a_fresh_one() -> None:
    text = edit.fresh('Say "x"', "linux", "7.3")
    assert text.startswith("# SPDX-License-Identifier: GPL-2.0-or-later\n")
    assert tomllib.loads(text) == {"title": 'Say "x"', "bases": {"linux": "7.3"}}
