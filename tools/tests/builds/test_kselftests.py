# SPDX-License-Identifier: GPL-2.0-or-later
"""Selftests of a tree, whose makefiles only pretend: what does not build is listed, the rest installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from farwatch.builds.kselftests import Kselftests
from farwatch.errors import FarwatchError
from farwatch.system.home import Home

TOP = "headers:\n\t@mkdir -p $(O)/usr/include\n"
SELFTESTS = """\
# as tools/testing/selftests/Makefile: a target that fails does not stop the others
all:
	@for t in $(TARGETS); do mkdir -p $(O)/kselftest/$$t; \\
		$(MAKE) OUTPUT=$(O)/kselftest/$$t -C $$t || ret=1; done; exit $$ret
install: all
	@mkdir -p $(KSFT_INSTALL_PATH)/kselftest
	@for t in $(TARGETS); do mkdir -p $(KSFT_INSTALL_PATH)/$$t; \\
		for p in `cat $$t/list`; do \\
			[ -e $(O)/kselftest/$$t/$$p ] && cp $(O)/kselftest/$$t/$$p $(KSFT_INSTALL_PATH)/$$t; \\
			echo $$t:$$p >> $(KSFT_INSTALL_PATH)/kselftest-list.txt; done; done
"""
TARGET = (
    "PROGS = $(addprefix $(OUTPUT)/,$(shell cat list))\nall: $(PROGS)\n$(OUTPUT)/%: %.c\n\tgcc -o $@ $<\n"
)
GOOD = "int main(void) { return 0; }\n"


class Trees:
    """A tree of files, as trees.py gives those of a commit."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files
        self.unpacked = 0

    def files_below(self, source: Any, folder: str) -> list[str]:
        del source
        return [name for name in self.files if name.startswith(f"{folder}/")]

    def ids(self, source: Any, names: Any) -> list[str]:
        del source, names
        return [f"{name} {text}" for name, text in self.files.items()]

    def content(self, source: Any, name: str) -> bytes | None:
        del source
        return self.files[name].encode() if name in self.files else None

    def unpack(self, source: Any, names: Any, folder: Path) -> None:
        del source, names
        self.unpacked += 1
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def tree(**programs: str) -> Trees:
    """Selftests of target fs/one, with these programs."""
    folder = "tools/testing/selftests"
    own = {f"{folder}/fs/one/{name}.c": text for name, text in programs.items()}
    return Trees(
        {
            "Makefile": TOP,
            f"{folder}/Makefile": SELFTESTS,
            f"{folder}/fs/one/Makefile": TARGET,
            f"{folder}/fs/one/list": "\n".join(programs),
            f"{folder}/fs/one/config": "CONFIG_USB=y\n",
            **own,
        }
    )


def selftests(home: Home, trees: Trees, said: list[str] | None = None) -> Kselftests:
    class Bench:
        jobs = 1

        def say(self, text: str) -> None:
            if said is not None:
                said.append(text)

    bench = cast(Any, Bench())
    bench.home, bench.trees = home, trees
    return Kselftests(bench)


class Source:
    label = "linux 7.3"


SOURCE = cast(Any, Source())


def test_targets_are_found_by_name_or_pattern_and_missing_ones_are_told(home: Home) -> None:
    made = selftests(home, tree(a=GOOD))
    assert made.targets(SOURCE, ["fs/*"]) == (["fs/one"], [])
    assert made.targets(SOURCE, ["fs/one", "fs/two"]) == (["fs/one"], ["fs/two"])
    assert made.config(SOURCE, "fs/one") == "CONFIG_USB=y\n"
    assert made.config(SOURCE, "fs/two") == ""


def test_a_program_that_does_not_build_is_told_and_the_others_are_there(home: Home) -> None:
    said: list[str] = []
    trees = tree(bad="int main(void) { return gone; }\n", good=GOOD)
    built = selftests(home, trees, said).build(SOURCE, ["fs/one"])
    assert built.tests == [("fs/one", "bad"), ("fs/one", "good")]
    assert (built.installed / "fs/one/good").is_file()
    assert "gone" in built.broken["fs/one/bad"] and "bad.c:1" in built.broken["fs/one/bad"]
    assert "fs/one/good" not in built.broken
    assert said[-1] == "kselftests of linux 7.3: 2 programs, 2 not"


def test_they_are_built_once_for_the_same_sources(home: Home) -> None:
    trees = tree(a=GOOD)
    first = selftests(home, trees).build(SOURCE, ["fs/one"])
    assert selftests(home, trees).build(SOURCE, ["fs/one"]).folder == first.folder
    assert trees.unpacked == 1
    trees.files["tools/testing/selftests/fs/one/a.c"] += "/* changed */\n"
    assert selftests(home, trees).build(SOURCE, ["fs/one"]).folder != first.folder
    assert not list(home.objects.glob("kselftests-*/"))


def test_headers_that_cannot_be_made_are_an_error_that_says_why(home: Home) -> None:
    trees = tree(a=GOOD)
    trees.files["Makefile"] = "headers:\n\t@echo 'x.h:3:1: error: made up' && false\n"
    with pytest.raises(FarwatchError) as caught:
        selftests(home, trees).build(SOURCE, ["fs/one"])
    assert "made up" in caught.value.cause
