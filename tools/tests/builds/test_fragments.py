# SPDX-License-Identifier: GPL-2.0-or-later
"""Fragments: read, merged, refused, and held against a finished config."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwatch.builds import fragments
from farwatch.builds.fragments import (
    FragmentLine,
    common_fragments,
    merge,
    not_stuck,
    parse,
    read_config,
    render,
    revision_fragments,
)
from farwatch.errors import FarwatchError
from farwatch.model import Revision
from farwatch.revisions import catalog
from farwatch.system.home import checkout_root


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _revision(folder: Path) -> Revision:
    return Revision("v1", "title", folder, "virtiofs", {"linux": "7.3"})


def test_every_kind_of_line(tmp_path: Path) -> None:
    text = '# why\n\nCONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_D="a b"\n'
    text += "CONFIG_E=-12\nCONFIG_F=0x1f\n"
    found = parse(_write(tmp_path / "config", text))
    assert [(item.symbol, item.value, item.line) for item in found] == [
        ("A", "y", 3),
        ("B", "m", 4),
        ("C", "n", 5),
        ("D", '"a b"', 6),
        ("E", "-12", 7),
        ("F", "0x1f", 8),
    ]


@pytest.mark.parametrize(
    "line", ["CONFIG_A", "A=y", "CONFIG_A=yes", 'CONFIG_A="open', "CONFIG_=y", "CONFIG_A="]
)
def test_an_unreadable_line_is_named(tmp_path: Path, line: str) -> None:
    path = _write(tmp_path / "config", f"# first\n{line}\n")
    with pytest.raises(FarwatchError, match=r"config:2"):
        parse(path)


def test_a_contradiction_names_both_lines(tmp_path: Path) -> None:
    first = _write(tmp_path / "config", "CONFIG_A=y\n")
    second = _write(tmp_path / "config.um", "\n# CONFIG_A is not set\n")
    with pytest.raises(FarwatchError) as caught:
        merge([first, second])
    assert f"{first}:1: CONFIG_A=y" in caught.value.cause
    assert f"{second}:2: CONFIG_A=n" in caught.value.cause


def test_a_contradiction_within_one_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FarwatchError, match="contradict"):
        merge([_write(tmp_path / "config", "CONFIG_A=y\nCONFIG_A=m\n")])


def test_the_same_wish_twice_is_fine(tmp_path: Path) -> None:
    first = _write(tmp_path / "one", "CONFIG_A=y\n")
    second = _write(tmp_path / "two", "CONFIG_A=y\nCONFIG_B=n\n")
    assert render(merge([first, second])) == "CONFIG_A=y\nCONFIG_B=n\n"


_SYMBOLS = st.text("ABCXYZ_09", min_size=1, max_size=8)
_VALUES = st.sampled_from(["y", "m", "n", '"text"', "12", "0x1f"])


@given(st.dictionaries(_SYMBOLS, _VALUES))
def test_what_is_rendered_reads_back(
    tmp_path_factory: pytest.TempPathFactory, wishes: dict[str, str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "rendered"
    settings = {name: FragmentLine(name, value, path, 1) for name, value in wishes.items()}
    _write(path, render(settings))
    assert {name: setting.value for name, setting in merge([path]).items()} == wishes


def test_not_stuck() -> None:
    config = read_config('CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_N=16\nCONFIG_S="x"\nCONFIG_M=y\n')
    wishes = {"A": "y", "B": "n", "C": "n", "N": "0x10", "S": '"x"', "M": "m", "GONE": "y", "T": '"z"'}
    settings = {name: FragmentLine(name, value, Path("f"), 1) for name, value in wishes.items()}
    missed = [(setting.symbol, value) for setting, value in not_stuck(settings, config)]
    assert missed == [("M", "y"), ("GONE", "n"), ("T", "n")]


@pytest.fixture
def common(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """kernel-tests/ of farwatch, for both engines and with a flavor."""
    monkeypatch.setattr(catalog, "checkout_root", lambda: tmp_path / "farwatch")
    folder = tmp_path / "farwatch" / "kernel-tests"
    (folder / "guest").mkdir(parents=True)
    for name in ("config", "guest/config.um", "guest/config.x86_64", "guest/config.flavor.kasan"):
        _write(folder / name, "")
    return folder


def test_fragments_of_engine_flavor_and_revision(common: Path, tmp_path: Path) -> None:
    names = [path.name for path in common_fragments(common, "um", "kasan")]
    assert names == ["config", "config.um", "config.flavor.kasan"]
    assert [path.name for path in common_fragments(common, "um", "plain")] == ["config", "config.um"]
    (tmp_path / "v1" / "linux").mkdir(parents=True)
    _write(tmp_path / "v1" / "linux" / "config.um", "")
    _write(tmp_path / "v1" / "linux" / "config.x86_64", "")
    assert [path.name for path in revision_fragments(_revision(tmp_path / "v1"), "um")] == ["config.um"]


def test_fragments_of_a_project(common: Path, tmp_path: Path) -> None:
    """Its own ones come on top of everybody's, and it may have flavors, and more of a flavor."""
    own = tmp_path / "mine" / "kernel-tests"
    own.mkdir(parents=True)
    for name in ("config", "config.x86_64", "config.flavor.slow", "config.flavor.kasan"):
        _write(own / name, "")
    found = common_fragments(own, "um", "kasan")
    flavor = "config.flavor.kasan"
    assert found == [
        *(common / "config", common / "guest" / "config.um", own / "config"),
        *(common / "guest" / flavor, own / flavor),
    ]
    assert common_fragments(own, "um", "slow")[-1] == own / "config.flavor.slow"
    assert common_fragments(tmp_path / "none", "um", "plain") == found[:2]


def test_an_unknown_flavor_is_refused(common: Path) -> None:
    with pytest.raises(FarwatchError, match="unknown flavor 'lockdep'") as caught:
        common_fragments(common, "um", "lockdep")
    assert "plain, kasan" in caught.value.cause


def test_the_fragments_of_this_checkout_fit_together() -> None:
    settings = merge(common_fragments(checkout_root() / "kernel-tests", "um", "plain"))
    assert settings["INOTIFY_USER"].value == "y"
    assert settings["HOSTFS"].value == "y"


def test_wishes_take_nothing_away_and_need_not_be_granted() -> None:
    path = Path("f")
    lines = fragments.parse_text("CONFIG_A=y\nCONFIG_B=n\nCONFIG_C=7\n", path)
    settings = {line.symbol: line for line in lines}
    asked = "CONFIG_A=m\nCONFIG_B=m\nCONFIG_C=8\nCONFIG_D=y\nCONFIG_D=n\nCONFIG_E=n\n"
    merged, wished = fragments.with_wishes(settings, fragments.parse_text(asked, Path("s")))
    assert fragments.render(merged) == "CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=7\nCONFIG_D=y\n"
    assert wished == {"B", "D"}
