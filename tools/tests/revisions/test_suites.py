# SPDX-License-Identifier: GPL-2.0-or-later
"""suites.toml and [suites]: what they may say, and where a mistake is pointed at."""

from __future__ import annotations

from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.model import Suite
from farwatch.revisions.catalog import Catalog
from farwatch.revisions.suites import SUITES_FILE, read_suites
from farwatch.system.home import checkout_root

GOOD = """\
[mine]
about = "made
up"
kind = "program"
format = "tap"
on = ["share", "tmpfs"]
needs = ["perl", "/dev/fuse", "network"]
package = "mine"
limit = 7
config = ["CONFIG_USB=y"]
same = ["pid [0-9]+"]

[mine.run]
all = ["scripts/run", "-a"]
installed = ["mine", "-b"]
""".replace("made\nup", "made up")


def read(folder: Path, text: str) -> dict[str, Suite]:
    (folder / SUITES_FILE).write_text(text)
    return read_suites(folder, ["uml", "vng"])


def test_what_a_suite_of_programs_says(tmp_path: Path) -> None:
    (suite,) = read(tmp_path, GOOD).values()
    own = str(tmp_path / "scripts/run")
    assert suite == Suite(
        "mine",
        "made up",
        "program",
        programs=(("all", (own, "-a")), ("installed", ("mine", "-b"))),
        output="tap",
        places=("share", "tmpfs"),
        limit=7,
        config=("CONFIG_USB=y",),
        needs=("perl", "/dev/fuse", "network"),
        package="mine",
        same=("pid [0-9]+",),
    )
    assert suite.uses_share


def test_there_need_be_none(tmp_path: Path) -> None:
    assert read_suites(tmp_path) == {}


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ('kind = "program"', 'kind = "progam"', 3, "did you mean 'program'?"),
        ('format = "tap"', 'targets = ["fs"]', 4, "unknown key 'targets'"),
        ("limit = 7", "limit = 0", 8, "limit = 0 is wrong"),
        ('"CONFIG_USB=y"', '"USB=y"', 9, "a line of a .config"),
        ('"pid [0-9]+"', '"pid ["', 10, "regular expression"),
        ('on = ["share", "tmpfs"]', 'on = ["disk"]', 5, "share or tmpfs"),
        ('installed = ["mine", "-b"]', '"a/b" = ["mine"]', 14, "cannot be the name of a row"),
        ("[mine]", "[Mine]", 1, "wrong name"),
    ],
)
def test_a_mistake_is_pointed_at(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    text = GOOD.replace(old, new).replace("[mine.run]", "[Mine.run]" if "Mine" in new else "[mine.run]")
    with pytest.raises(FarwatchError) as caught:
        read(tmp_path, text)
    assert says in str(caught.value)
    assert f"{SUITES_FILE}:{line}:" in caught.value.what


def test_an_engine_that_does_not_exist_is_none(tmp_path: Path) -> None:
    with pytest.raises(FarwatchError, match="engines: 'qemu' is wrong"):
        read(tmp_path, GOOD.replace("limit = 7", 'engines = ["qemu"]'))


def test_a_revisions_suite_counts_before_the_projects(tmp_path: Path) -> None:
    patches = tmp_path / "patches"
    (patches / "v1").mkdir(parents=True)
    (patches / "bases.toml").write_text(
        '[linux."7.3"]\nkind = "git"\nlocation = "x"\ncommit = "' + "0" * 40 + '"\n'
    )
    own = GOOD.replace("[mine", "[suites.mine").replace("made up", "the revision's own")
    (patches / "v1/revision.toml").write_text(f'title = "t"\n[bases]\nlinux = "7.3"\n{own}')
    read(patches, GOOD + GOOD.replace("[mine", "[other"))
    catalog = Catalog.load(tmp_path)
    v1 = catalog.revision("v1")
    assert catalog.suite("mine", [v1])["v1"].about == "the revision's own"
    assert catalog.suite("mine", [v1])["v1"].programs[0][1][0] == str(patches / "v1/scripts/run")
    assert catalog.suite("other", [v1])["v1"].about == "made up"
    assert catalog.suite_names([v1]) == {"mine", "other"}
    with pytest.raises(FarwatchError, match="unknown suite 'othre'") as caught:
        catalog.suite("othre", [v1])
    assert "did you mean 'other'?" in caught.value.cause


def test_the_projects_own_file_can_be_read() -> None:
    suites = read_suites(checkout_root() / "patches", ["uml", "vng"])
    assert {"kselftest", "kunit", "fio", "ltp"} <= set(suites)
