# SPDX-License-Identifier: GPL-2.0-or-later
"""Which cases the test programs hold."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from farwatch.builds import selftests
from farwatch.errors import FarwatchError
from farwatch.system.home import Home, checkout_root

LONG = "a_fixture_with_a_name_that_is_too_long"
LIST = f"""\
# FIXTURE            VARIANT                   TEST
directory            remote                    create
                     local                     mkdir
                                               rmdir
--------------------------------------------------------------------------------
global                                         alone
--------------------------------------------------------------------------------
{LONG} remote                    one
                     a_variant_with_a_name_that_is_long two
                     third                     \n"""

HARNESS = """\
#include <stdio.h>
#include "ksft_more.h"
"""
PROGRAM = """\
#include <stdio.h>
#include "kselftest_harness.h"
/* not about it */

/*
 * Rule: one.
 * Source: somewhere.
 */
TEST_F(fix, one)
int main(void)
{
	fprintf(stderr, "# FIXTURE            VARIANT                   TEST\\n"
		"fix                  local                     one\\n");
	return 4;
}
"""
MAKEFILE = """\
PROGRAMS := $(addprefix $(OUTPUT)/,some_test agent actor measure observe plainfs replay)
all: $(PROGRAMS)
$(OUTPUT)/some_test: some_test.c
	$(CC) $(CFLAGS) '-DTEST_F(a,b)=' -I $(KSELFTEST) -o $@ $<
$(filter-out $(OUTPUT)/some_test,$(PROGRAMS)): $(OUTPUT)/%:
	echo run >> $(COUNT)
	cp $(KSELFTEST)/ksft_more.h $@
"""


def test_the_list_of_a_program() -> None:
    assert list(selftests.parse_list(LIST)) == [
        ("directory", ["remote", "local"], ["create", "mkdir", "rmdir"]),
        ("global", [], ["alone"]),
        (LONG, ["remote", "a_variant_with_a_name_that_is_long", "third"], ["one", "two"]),
    ]


def test_nothing_listed() -> None:
    assert list(selftests.parse_list("")) == []


def test_the_comment_before_a_test() -> None:
    source = """
/* A fixture. */
FIXTURE(a) { int x; };

/*
 * Rule: first.
 * Source: inotify(7).
 */
TEST_F(a, one)
{
	/* inside */
}

TEST_F(a, bare) { }

/* Rule: short. */
TEST_F_TIMEOUT(a, two, 90) { }

/* Rule: no fixture. */
TEST(three) { }
"""
    assert dict(selftests.abouts(source)) == {
        ("a", "one"): "Rule: first.\nSource: inotify(7).",
        ("a", "two"): "Rule: short.",
        ("global", "three"): "Rule: no fixture.",
    }


def test_every_case_of_this_checkout_says_its_rule() -> None:
    folder = checkout_root() / "kernel-tests"
    sources = sorted(folder.glob("*_test.c"))
    for path in sources:
        text = path.read_text()
        found = dict(selftests.abouts(text))
        assert len(found) == text.count("\nTEST_F("), path.name
        assert all(about.startswith("Rule:") for about in found.values()), path.name


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with a linux.git that has a harness, and a folder of sources beside it."""
    home = Home(tmp_path / "home")
    work = tmp_path / "linux"
    folder = work / "tools" / "testing" / "selftests"
    folder.mkdir(parents=True)
    (folder / "kselftest_harness.h").write_text(HARNESS)
    for name in ("kselftest.h", "lib.mk", "ksft_more.h"):
        (folder / name).write_text("")
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(work)]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(home.git / "linux.git")], check=True)
    sources = tmp_path / "kernel-tests"
    sources.mkdir()
    (sources / "some_test.c").write_text(PROGRAM)
    (sources / "Makefile").write_text(MAKEFILE.replace("$(COUNT)", str(tmp_path / "count")))
    return home


def test_the_harness_is_read_from_our_repository_even_in_a_hook_of_another(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "objects"))
    folder = selftests.harness(home, "HEAD")
    assert (folder / "kselftest_harness.h").read_text() == HARNESS


def _build(home: Home) -> selftests.TestsBuild:
    return selftests.tests(home, "HEAD", lambda _text: None, home.root.parent / "kernel-tests")


def test_build_and_reuse(home: Home) -> None:
    built = _build(home)
    assert [path.name for path in built.programs] == ["some_test"]
    assert [(case.name, case.about) for case in built.cases] == [
        ("some_test:fix.local.one", "Rule: one.\nSource: somewhere.")
    ]
    assert built.agent.exists()
    assert built.actor.exists()
    runs = (home.root.parent / "count").read_text()
    assert _build(home) == built
    assert (home.root.parent / "count").read_text() == runs


def test_another_checkout_of_farwatch_brings_its_own_helpers(home: Home) -> None:
    """Both had the same functions: the programs could not be linked."""
    folder = home.root.parent / "kernel-tests"
    (folder / "guest").mkdir(exist_ok=True)
    (folder / "guest" / "agent.c").touch()
    built = selftests.tests(home, "HEAD", lambda _text: None, tests=folder)
    assert [path.name for path in built.programs] == ["some_test"]


def test_an_edit_makes_another_build(home: Home) -> None:
    first = _build(home)
    source = home.root.parent / "kernel-tests" / "some_test.c"
    source.write_text(source.read_text().replace("one\\n", "two\\n"))
    assert [case.test for case in _build(home).cases] == ["two"]
    assert first.dir.exists()


def _mark(home: Home) -> list[str]:
    """Names of the programs that were made since the last call."""
    (work,) = (path for path in home.objects.glob("tests-*") if path.is_dir())
    made = [path for path in work.iterdir() if path.suffix == "" and path.stat().st_mtime_ns != 10**9]
    for path in made:
        os.utime(path, ns=(10**9, 10**9))
    for path in (home.root.parent / "kernel-tests").iterdir():
        os.utime(path, ns=(1, 1))
    return sorted(path.name for path in made)


def test_an_edit_of_one_program_makes_only_that(home: Home) -> None:
    sources = home.root.parent / "kernel-tests"
    _build(home)
    assert _mark(home) == ["actor", "agent", "measure", "observe", "plainfs", "replay", "some_test"]
    text = (sources / "some_test.c").read_text()
    (sources / "some_test.c").write_text(f"{text}\n")
    os.utime(sources / "some_test.c", ns=(1, 1))
    _build(home)
    assert _mark(home) == ["some_test"]
    for shared in ("helper.h", "guest/agent.c", "guest/lines.h", "plainfs/dir.c", "plainfs/plainfs.h"):
        (sources / shared).parent.mkdir(exist_ok=True)
        (sources / shared).write_text("int x;\n")
        os.utime(sources / shared, ns=(1, 1))
        _build(home)
        assert _mark(home) == ["actor", "agent", "measure", "observe", "plainfs", "replay", "some_test"]


def test_a_removed_program_is_no_longer_there(home: Home) -> None:
    sources = home.root.parent / "kernel-tests"
    _build(home)
    (sources / "some_test.c").rename(sources / "other_test.c")
    makefile = sources / "Makefile"
    makefile.write_text(makefile.read_text().replace("some_test", "other_test"))
    assert [path.name for path in _build(home).programs] == ["other_test"]


def test_the_same_sources_elsewhere_give_the_same_bytes(home: Home) -> None:
    before = _build(home).programs[0].read_bytes()
    other = home.root.parent / "elsewhere"
    (home.root.parent / "kernel-tests").rename(other)
    for folder in home.builds.iterdir():
        folder.rename(home.root / folder.name)
    again = selftests.tests(home, "HEAD", lambda _text: None, other)
    assert again.programs[0].read_bytes() == before


def test_an_error_in_a_source_is_shown(home: Home) -> None:
    source = home.root.parent / "kernel-tests" / "some_test.c"
    source.write_text("int main(void) { return nonsense; }\n")
    with pytest.raises(FarwatchError, match="kernel-tests does not build") as caught:
        _build(home)
    assert "some_test.c:1:25: 'nonsense' undeclared" in caught.value.cause


def test_twins_are_refused(home: Home) -> None:
    source = home.root.parent / "kernel-tests" / "some_test.c"
    source.write_text(
        source.read_text().replace(
            "one\\n", 'one\\n"\n"                                               one\\n'
        )
    )
    with pytest.raises(FarwatchError, match=r"two tests are called some_test:fix\.local\.one"):
        _build(home)


def test_a_program_without_tests_is_refused(home: Home) -> None:
    (home.root.parent / "kernel-tests" / "some_test.c").write_text("int main(void) { return 0; }\n")
    with pytest.raises(FarwatchError, match="some_test lists no tests"):
        _build(home)


OWN = """\
#include "kselftest_harness.h"
#include "answer.h"
/*
 * Rule: ours.
 */
TEST(ours) { EXPECT_EQ(42, answer()); }
TEST_HARNESS_MAIN
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The tests of a project, whose path has a blank; a program is called as one of ours."""
    folder = tmp_path / "my project" / "kernel-tests"
    folder.mkdir(parents=True)
    (folder / "inotify_test.c").write_text(OWN)
    (folder / "answer.h").write_text("int answer(void);\n")
    (folder / "answer.c").write_text('#include "answer.h"\nint answer(void) { return 42; }\n')
    return folder


HARNESS_OF_TESTS = """\
#include <stdio.h>
#define TEST(name) static void name(void)
#define EXPECT_EQ(a, b) ((void)((a) == (b)))
#define TEST_HARNESS_MAIN int main(void) { ours(); fprintf(stderr, \\
	"# FIXTURE            VARIANT                   TEST\\n" \\
	"global                                         ours\\n"); return 0; }
"""


@pytest.fixture
def simple_harness(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of kselftest_harness.h as much as a list takes; our own helpers want no more than kselftest.h."""
    folder = home.root / "harness"
    folder.mkdir()
    (folder / "kselftest_harness.h").write_text(HARNESS_OF_TESTS)
    monkeypatch.setattr(selftests, "harness", lambda _home, _commit: folder)


@pytest.mark.usefixtures("simple_harness")
def test_a_project_has_its_own_tests_and_no_others(home: Home, own: Path) -> None:
    built = selftests.tests(home, "commit", lambda _text: None, tests=own)
    assert [case.name for case in built.cases] == ["inotify_test:global.ours"]
    assert built.cases[0].about == "Rule: ours."
    assert built.agent.is_file() and built.actor.is_file() and built.plain_server.is_file()
    assert str(own).encode() not in built.programs[0].read_bytes()


@pytest.mark.usefixtures("simple_harness")
def test_an_edit_of_a_project_is_seen_and_makes_nothing_of_ours_anew(home: Home, own: Path) -> None:
    """farwatch's helpers and programs take seconds, which a person would wait for after each edit."""
    first = selftests.tests(home, "commit", lambda _text: None, tests=own)
    (own / "answer.c").write_text('#include "answer.h"\nint answer(void) { return 41; }\n')
    second = selftests.tests(home, "commit", lambda _text: None, tests=own)
    assert first.programs[0].read_bytes() != second.programs[0].read_bytes()
    assert first.agent.read_bytes() == second.agent.read_bytes()
    words = (second.dir / "build.log").read_text()
    assert "inotify_test.c" in words
    assert "agent.c" not in words and "-r -nostdlib" not in words


@pytest.mark.usefixtures("simple_harness")
def test_a_mistake_of_a_project_is_named_by_its_file(home: Home, own: Path) -> None:
    (own / "answer.c").write_text("this is not C\n")
    with pytest.raises(FarwatchError, match="kernel-tests does not build") as caught:
        selftests.tests(home, "commit", lambda _text: None, tests=own)
    assert caught.value.cause.startswith("answer.c:1:")


def test_a_project_without_tests(home: Home, tmp_path: Path) -> None:
    with pytest.raises(FarwatchError, match="mine has no tests") as caught:
        selftests.tests(home, "commit", lambda _text: None, tests=tmp_path / "mine" / "kernel-tests")
    assert "*_test.c" in caught.value.cause


@pytest.mark.usefixtures("simple_harness")
def test_two_tests_of_a_project_have_one_name(home: Home, own: Path) -> None:
    (own / "twins_test.c").write_text(OWN.replace("TEST_HARNESS_MAIN", TWINS))
    with pytest.raises(FarwatchError, match=r"two tests are called twins_test:global\.ours") as caught:
        selftests.tests(home, "commit", lambda _text: None, tests=own)
    assert caught.value.hint == "rename one of them"
    assert not list(home.builds.glob("tests-*"))


TWINS = """\
int main(void) { ours(); fprintf(stderr, \\
	"# FIXTURE            VARIANT                   TEST\\n" \\
	"global                                         ours\\n" \\
	"                                               ours\\n"); return 0; }
"""
