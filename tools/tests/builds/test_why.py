# SPDX-License-Identifier: GPL-2.0-or-later
"""Why an option did not stick: each case on a small Kconfig tree, and a few on a real kernel."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwatch.app import App
from farwatch.builds.fragments import FragmentLine, check_stuck
from farwatch.builds.why import Explainer, _split_condition, kconfig_environ, modernize
from farwatch.errors import FarwatchError

KCONFIG = """\
mainmenu "Test"

config MODULES
	bool "Modules"
	modules

config OLD_NAME
	bool
	transitional

config SLUB_TINY
	bool "Tiny"

config HAVE_KASAN
	def_bool y

config KASAN
	bool "Kernel address sanitizer"
	depends on HAVE_KASAN && !SLUB_TINY

config A
	bool "a"

config B
	bool "b"
	depends on A

config C
	bool "c"
	depends on B

config LIB
	bool

config USER
	tristate "user of lib"
	select LIB

config HIDDEN
	bool "hidden" if A
	default y

config NUMBER
	int "number"
	range 10 20
	default 12

config TEXT
	string "text"
	depends on A

config CONDITIONAL
	bool "conditional"
	depends on A if HAVE_KASAN # because

config COMPILER
	bool "compiler"
	depends on $(success,false)

config HAVE_COOK
	def_bool $(success,echo "no cook: in the $(ARCH) kitchen" >&2; false)

config COOK
	bool "cook"
	depends on HAVE_COOK

config BOTH_OR_BOTH
	bool "two alternatives of two"
	depends on USER=y && A || B=y && USER=m

config EITHER
	bool "either"
	depends on A || SLUB_NONE

choice
	prompt "one of"
	default ONE

config ONE
	bool "one"

config TWO
	bool "two"

config THREE
	bool "three"
	depends on A

endchoice

config FOREIGN
	bool
	depends on A

source "more/Kconfig"
"""
MORE = """\
config MODULAR
	tristate "modular"

config FULL
	tristate "full"
	depends on MODULAR
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "more").mkdir()
    (tmp_path / "Kconfig").write_text(f"{PREAMBLE}{KCONFIG}")
    (tmp_path / "more" / "Kconfig").write_text(MORE)
    (tmp_path / "kernel" / "configs").mkdir(parents=True)
    (tmp_path / "kernel" / "configs" / "tiny.config").write_text("# tiny\nCONFIG_SLUB_TINY=y\n")
    (tmp_path / "Makefile").write_text("VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\n")
    return tmp_path


PREAMBLE = 'success = $(shell,{ $(1); } >/dev/null 2>&1 && echo "y" || echo "n")\n\n'


def _explain(
    tree: Path, config: str, symbol: str, wanted: str = "y", origins: dict[str, str] | None = None
) -> str:
    path = tree / ".config"
    path.write_text(config)
    return Explainer(tree, "um", path, origins=origins).explain(symbol, wanted)


def test_the_dependency_that_tinyconfig_breaks(tree: Path) -> None:
    text = _explain(tree, "CONFIG_SLUB_TINY=y\n", "KASAN")
    assert "SLUB_TINY=y (set by tinyconfig, kernel/configs/tiny.config:2)" in text
    assert "set CONFIG_SLUB_TINY=n" in text


def test_a_fragment_is_named_as_origin(tree: Path) -> None:
    origins = {"SLUB_TINY": "kernel-tests/guest/config.um:7"}
    text = _explain(tree, "CONFIG_SLUB_TINY=y\n", "KASAN", origins=origins)
    assert "SLUB_TINY=y (set by kernel-tests/guest/config.um:7)" in text


def test_a_chain_is_followed_to_its_end(tree: Path) -> None:
    text = _explain(tree, "", "C")
    assert text.index("needs B=y, but B=n") < text.index("needs A=y, but A=n; set CONFIG_A=y")


def test_a_symbol_that_does_not_exist(tree: Path) -> None:
    text = _explain(tree, "", "CONFIG_KASAM")
    assert text == "there is no option KASAM in this tree for ARCH=um; did you mean KASAN?"


def test_a_symbol_that_is_only_selected(tree: Path) -> None:
    text = _explain(tree, "", "LIB")
    assert "LIB has no prompt" in text
    assert "only an option that selects it can turn it on: USER=n" in text
    assert "set CONFIG_USER=y" in text


def test_a_symbol_for_another_architecture(tree: Path) -> None:
    assert "nothing selects it and it has no default" in _explain(tree, "", "FOREIGN")


def test_a_dependency_that_exists_nowhere(tree: Path) -> None:
    text = _explain(tree, "", "EITHER")
    assert "needs one of:" in text
    assert "set CONFIG_A=y" in text
    assert "needs SLUB_NONE, which does not exist for ARCH=um" in text


def test_a_selected_symbol_cannot_be_turned_off(tree: Path) -> None:
    text = _explain(tree, "CONFIG_USER=y\n", "LIB", "n")
    assert "LIB cannot be n: it is selected by\n  USER" in text


def test_a_hidden_prompt(tree: Path) -> None:
    text = _explain(tree, "", "HIDDEN", "n")
    assert "HIDDEN is y by default and its prompt is hidden" in text
    assert "set CONFIG_A=y" in text


def test_another_member_of_the_choice(tree: Path) -> None:
    text = _explain(tree, "CONFIG_ONE=y\n", "TWO")
    assert 'one of a choice ("one of")' in text
    assert "chosen is ONE=y" in text


def test_a_member_of_a_choice_with_an_unmet_dependency(tree: Path) -> None:
    assert "needs A=y, but A=n; set CONFIG_A=y" in _explain(tree, "CONFIG_ONE=y\n", "THREE")


def test_the_chosen_member_cannot_be_turned_off(tree: Path) -> None:
    assert "set one of the others to y: TWO, THREE" in _explain(tree, "CONFIG_ONE=y\n", "ONE", "n")


def test_a_number_out_of_range(tree: Path) -> None:
    assert "NUMBER has to be from 10 to 20; it is 12" in _explain(tree, "", "NUMBER", "99")


def test_a_text_whose_dependency_is_unmet(tree: Path) -> None:
    assert "set CONFIG_A=y" in _explain(tree, "", "TEXT", '"x"')


@pytest.mark.parametrize(("symbol", "wanted"), [("NUMBER", '"x"'), ("A", "12"), ("TEXT", "12")])
def test_a_value_of_the_wrong_type(tree: Path, symbol: str, wanted: str) -> None:
    assert f"{wanted} is no value for it" in _explain(tree, "", symbol, wanted)


def test_a_module_without_modules(tree: Path) -> None:
    text = _explain(tree, "", "MODULAR", "m")
    assert "MODULAR cannot be a module: MODULES=n" in text
    assert "set CONFIG_MODULES=y" in text


def test_a_bool_is_no_module(tree: Path) -> None:
    assert "A is a bool" in _explain(tree, "CONFIG_MODULES=y\n", "A", "m")


def test_a_module_limits_what_depends_on_it(tree: Path) -> None:
    text = _explain(tree, "CONFIG_MODULES=y\nCONFIG_MODULAR=m\nCONFIG_FULL=m\n", "FULL", "y")
    assert "FULL cannot be y (its dependencies limit it to m)" in text
    assert "needs MODULAR=y, but MODULAR=m; set CONFIG_MODULAR=y" in text


def test_a_conditional_dependency(tree: Path) -> None:
    assert "set CONFIG_A=y" in _explain(tree, "", "CONDITIONAL")


def test_what_the_compiler_cannot_do(tree: Path) -> None:
    assert "does not have (the test gave n)" in _explain(tree, "", "COMPILER")


def test_the_test_that_the_compiler_fails_is_quoted(tree: Path) -> None:
    assert "this machine lacks what Kconfig tests: $(success,false)" in _explain(tree, "", "COMPILER")


def test_a_missing_tool_is_named_in_its_own_words(tree: Path) -> None:
    """Two options away, as RUST_IS_AVAILABLE is from RUST."""
    text = _explain(tree, "", "COOK")
    assert "needs HAVE_COOK=y, but HAVE_COOK=n, which has no prompt" in text
    assert "it says: no cook: in the um kitchen" in text


def test_an_and_inside_an_or_needs_all_of_its_parts(tree: Path) -> None:
    lines = [line.strip() for line in _explain(tree, "CONFIG_MODULES=y\n", "BOTH_OR_BOTH").split("\n")]
    start = lines.index("needs one of:")
    first, second = (at for at, line in enumerate(lines) if line == "all of:")
    assert start < first < second
    assert lines[first + 1 : second] == [
        "needs USER=y, but USER=n; set CONFIG_USER=y",
        "needs A=y, but A=n; set CONFIG_A=y",
    ]
    assert lines[second + 1] == "needs B=y, but B=n"
    assert lines[-1] == "needs USER=m, but USER=n; set CONFIG_USER=m"


def test_a_comparison_is_followed(tree: Path) -> None:
    text = _explain(tree, "CONFIG_USER=y\nCONFIG_A=y\n", "BOTH_OR_BOTH")
    assert "nothing in Kconfig forbids y" in text
    text = _explain(tree, "CONFIG_A=y\n", "BOTH_OR_BOTH")
    assert "needs MODULES=y, but MODULES=n; set CONFIG_MODULES=y" in text


def test_nothing_in_the_way(tree: Path) -> None:
    assert "nothing in Kconfig forbids y" in _explain(tree, "", "A")


def test_why_tells_the_state_and_the_origin(tree: Path) -> None:
    config = tree / ".config"
    config.write_text("CONFIG_SLUB_TINY=y\nCONFIG_USER=y\nCONFIG_LIB=y\n")
    text = Explainer(tree, "um", config).why("CONFIG_LIB")
    assert text.startswith("LIB=y (bool: no prompt)")
    assert "selected by USER" in text
    assert "defined at Kconfig:" in text
    assert "SLUB_TINY=y (set by tinyconfig" in Explainer(tree, "um", config).why("KASAN")
    assert "no option NOPE" in Explainer(tree, "um", config).why("NOPE")


def test_the_environment_is_as_before(tree: Path) -> None:
    before, folder = dict(os.environ), Path.cwd()
    _explain(tree, "", "A")
    assert dict(os.environ) == before
    assert Path.cwd() == folder


def test_check_stuck_says_which_and_why(tree: Path) -> None:
    config = tree / ".config"
    config.write_text("CONFIG_SLUB_TINY=y\n")
    settings = {"KASAN": FragmentLine("KASAN", "y", Path("kernel-tests/guest/config.flavor.kasan"), 3)}
    with pytest.raises(FarwatchError, match="1 option of the kernel config did not stick") as caught:
        check_stuck(settings, config, tree, "um", {})
    assert "kernel-tests/guest/config.flavor.kasan:3: CONFIG_KASAN=y became n" in caught.value.cause
    assert "set CONFIG_SLUB_TINY=n" in caught.value.cause


def test_check_stuck_is_content_when_all_is_well(tmp_path: Path) -> None:
    config = tmp_path / ".config"
    config.write_text("CONFIG_A=y\n")
    check_stuck({"A": FragmentLine("A", "y", Path("f"), 1)}, config, tmp_path / "no-tree", "um", {})


def test_an_unreadable_tree_is_the_users_error(tmp_path: Path) -> None:
    (tmp_path / ".config").write_text("")
    with pytest.raises(FarwatchError, match="cannot read the Kconfig files"):
        Explainer(tmp_path, "um", tmp_path / ".config")


def test_the_three_rewrites() -> None:
    old = "config A\n\ttransitional\n\tmodules\n\tdepends on B && \\\n\t\tC if D || E\n\tdepends on F\n"
    new = "config A\n\n\toption modules\n\tdepends on (B && \t\tC) || !(D || E)\n\n\tdepends on F\n"
    assert modernize(old) == new


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("A", ("A", "")),
        ("A # only if B", ("A", "")),
        ("(A || B) if (C)", ("(A || B)", "(C)")),
        ("(A)if B", ("(A)", "B")),
        ('X = " if " if Y', ('X = " if "', "Y")),
        ("$(success,if true; then) if B", ("$(success,if true; then)", "B")),
        ("DIFF && A", ("DIFF && A", "")),
    ],
)
def test_conditions(text: str, parts: tuple[str, str]) -> None:
    assert _split_condition(text) == parts


@given(st.text())
def test_line_numbers_stay(text: str) -> None:
    assert modernize(text).count("\n") >= text.count("\n")


def test_environ_of_user_mode_linux(tree: Path) -> None:
    environ = kconfig_environ(tree, "um")
    assert environ["SRCARCH"] == "um"
    assert environ["HEADER_ARCH"] == environ["SUBARCH"]
    assert environ["KERNELVERSION"] == "7.3.4"
    assert kconfig_environ(tree, "x86_64")["SRCARCH"] == "x86"


@pytest.mark.integration
def test_a_real_kernel(tmp_path: Path) -> None:
    """On the default base; nothing of it is changed."""
    app = App.here()
    base = app.catalog.base("linux")
    source = app.trees.tip(app.catalog.revision("baseline"), "linux", base)
    config = tmp_path / ".config"
    config.write_text("CONFIG_64BIT=y\nCONFIG_EXPERT=y\nCONFIG_SLUB_TINY=y\nCONFIG_INOTIFY_USER=y\n")
    with app.trees.managed(source) as tree:
        explainer = Explainer(tree, "um", config)
        assert "set CONFIG_SLUB_TINY=n" in explainer.explain("KASAN", "y")
        assert "INOTIFY_USER" in explainer.explain("FSNOTIFY", "n")
        assert "did you mean INOTIFY_USER?" in explainer.explain("INOTIFY_USERS", "y")
