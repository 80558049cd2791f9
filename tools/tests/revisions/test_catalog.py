# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from farwatch.engines.registry import ENGINES
from farwatch.errors import FarwatchError
from farwatch.model import Column, Verdict
from farwatch.revisions.catalog import Catalog, natural_key
from farwatch.system.home import checkout_root

BASES = """\
[linux]
default = "2.0"

[linux."1.0"]
kind = "git"
location = "../clone"
commit = "0123456789012345678901234567890123456789"

[linux."2.0"]
kind = "tarball"
location = "https://example.org/linux.tar.xz"
sha256 = "1111111111111111111111111111111111111111111111111111111111111111"

[virtiofsd."1.0"]
kind = "crate"
package = "virtiofsd"
version = "1.0"
sha256 = "2222222222222222222222222222222222222222222222222222222222222222"
"""
REVISION = """\
title = "a revision"
share = "virtiofs"

[bases]
linux = "1.0"

[[expect]]
tests = ["a:*"]
verdict = "fail"
says = "no event"
reason = \"""
because of
[[expect]]
this\"""

[[expect]]
tests = ["b:*", "c:*"]
verdict = "skip"
reason = "other"
race = true
"""


def tree(tmp_path: Path, *, bases: str = BASES, **revisions: str) -> Path:
    (tmp_path / "patches").mkdir()
    (tmp_path / "patches/bases.toml").write_text(bases)
    for name, text in revisions.items():
        (tmp_path / "patches" / name).mkdir()
        (tmp_path / "patches" / name / "revision.toml").write_text(text)
    return tmp_path


def error_of(root: Path, revision: str = "") -> FarwatchError:
    with pytest.raises(FarwatchError) as caught:
        catalog = Catalog.load(root)
        catalog.revision(revision)
    return caught.value


def test_reads_bases(tmp_path: Path) -> None:
    catalog = Catalog.load(tree(tmp_path))
    assert catalog.components() == ["linux", "virtiofsd"]
    assert [base.name for base in catalog.bases("linux")] == ["1.0", "2.0"]
    assert catalog.base("linux").name == "2.0"
    assert catalog.base("linux", "linux-1.0") is catalog.base("linux", "1.0")
    assert catalog.base("virtiofsd").package == "virtiofsd", "the only base is the default"


def test_locations_are_paths_from_the_file_or_urls(tmp_path: Path) -> None:
    catalog = Catalog.load(tree(tmp_path))
    assert catalog.base("linux", "1.0").location == str(tmp_path / "clone")
    assert catalog.base("linux", "2.0").location == "https://example.org/linux.tar.xz"


def test_places_are_paths_from_the_file_or_urls_too(tmp_path: Path) -> None:
    places = 'places = ["../kept/linux.deb", "/else/where", "file:///x/y"]'
    catalog = Catalog.load(tree(tmp_path, bases=BASES.replace("[virtiofsd.", f"{places}\n[virtiofsd.")))
    kept = str(tmp_path / "kept/linux.deb")
    assert catalog.base("linux", "2.0").places == (kept, "/else/where", "file:///x/y")
    assert catalog.base("virtiofsd").places == ()


def test_reads_a_revision(tmp_path: Path) -> None:
    catalog = Catalog.load(tree(tmp_path, v1=REVISION))
    revision = catalog.revision("v1")
    assert (revision.name, revision.share, revision.order) == ("v1", "virtiofs", 10)
    assert revision.bases == {"linux": "1.0"}
    first = revision.expectation("a:x", Column("v1", "1.0"))
    assert first is not None and first.verdict is Verdict.FAIL and first.says == "no event"
    assert first.reason == "because of [[expect]] this" and not first.race
    second = revision.expectation("c:x", Column("v1", "1.0"))
    assert second is not None and second.race
    assert catalog.base_of(revision, "linux").name == "1.0"
    assert catalog.base_of(revision, "virtiofsd").name == "1.0"
    assert catalog.base_of(revision, "linux", "2.0").name == "2.0"


def test_revisions_by_order_then_natural_name(tmp_path: Path) -> None:
    plain = 'title = "t"\n[bases]\nlinux = "1.0"\n'
    first = "order = 1\n" + plain
    catalog = Catalog.load(tree(tmp_path, v10=plain, v2=plain, baseline=first))
    assert [revision.name for revision in catalog.revisions()] == ["baseline", "v2", "v10"]
    assert natural_key("v2") < natural_key("v10") < natural_key("v10-a")


def test_unknown_names_suggest_a_known_one(tmp_path: Path) -> None:
    catalog = Catalog.load(tree(tmp_path, baseline=REVISION))
    with pytest.raises(FarwatchError, match="unknown revision 'baselin'") as caught:
        catalog.revision("baselin")
    assert "did you mean 'baseline'?" in caught.value.cause
    with pytest.raises(FarwatchError, match="unknown base of linux") as caught:
        catalog.base("linux", "2.1")
    assert "2.0" in caught.value.cause
    with pytest.raises(FarwatchError, match="unknown component 'linus'") as caught:
        catalog.base("linus")
    assert "did you mean 'linux'?" in caught.value.cause
    with pytest.raises(FarwatchError, match="unknown revision"):
        catalog.revision("../patches/baseline")


def test_broken_toml_names_file_line_and_what_was_expected(tmp_path: Path) -> None:
    error = error_of(tree(tmp_path, bases=BASES.replace('kind = "git"', "kind = git")))
    assert error.what.endswith("patches/bases.toml:5: not valid TOML")
    assert "kind = git" in error.cause and "expected" in error.cause


def test_text_that_ends_too_early(tmp_path: Path) -> None:
    error = error_of(tree(tmp_path, bases=BASES + '[linux."3.0"'))
    assert "bases.toml:19" in error.what


@pytest.mark.parametrize(
    ("old", "new", "line", "cause"),
    [
        ('kind = "git"', 'kind = "gti"', 5, "did you mean 'git'?"),
        ('kind = "git"', "kind = 7", 5, "expected a string, found a whole number"),
        ('commit = "0123', 'comit = "0123', 7, "did you mean 'commit'?"),
        ('commit = "0123', 'commit = "xyz', 7, "a full commit id"),
        ('sha256 = "2', 'sha256 = "', 18, "64 lower case hex digits"),
        ('version = "1.0"\n', "", 14, "expected version = a string"),
        ('default = "2.0"', 'default = "9.0"', 2, "expected one of: 1.0, 2.0"),
        ('default = "2.0"\n', "", 1, "expected default = a string"),
        ('[virtiofsd."1.0"]', "[virtiofsd]", 15, "expected one of: default, build, role"),
        ('package = "virtiofsd"', 'places = "/x"\npackage = "virtiofsd"', 16, "expected a list"),
        ('location = "../clone"', 'places = ["/x"]\nlocation = "../clone"', 6, "expected one of: kind, loc"),
    ],
)
def test_wrong_bases(tmp_path: Path, old: str, new: str, line: int, cause: str) -> None:
    assert old in BASES
    error = error_of(tree(tmp_path, bases=BASES.replace(old, new, 1)))
    assert f"bases.toml:{line}: " in error.what
    assert cause in error.cause


@pytest.mark.parametrize(
    ("old", "new", "line", "cause"),
    [
        ('title = "a revision"', 'titel = "a revision"', 1, "did you mean 'title'?"),
        ('share = "virtiofs"', 'share = "virtio"', 2, "did you mean 'virtiofs'?"),
        ('share = "virtiofs"', "order = true", 2, "expected a whole number, found true or false"),
        ('linux = "1.0"', 'linux = "3.0"', 5, "3.0"),
        ('linux = "1.0"', 'linus = "1.0"', 5, "did you mean 'linux'?"),
        ('["b:*", "c:*"]', "[]", 17, "at least one"),
        ('verdict = "skip"', 'verdict = "skipped"', 18, "did you mean 'skip'?"),
        ('reason = "other"', 'reason = "other"\nsays = "("', 20, "regular expression"),
        ('reason = "other"', "", 16, "expected reason = a string"),
    ],
)
def test_wrong_revision(tmp_path: Path, old: str, new: str, line: int, cause: str) -> None:
    assert old in REVISION
    error = error_of(tree(tmp_path, v1=REVISION.replace(old, new, 1)), "v1")
    assert f"v1/revision.toml:{line}: " in error.what
    assert cause in str(error)


def test_patches_without_a_base(tmp_path: Path) -> None:
    root = tree(tmp_path, v1=REVISION)
    (root / "patches/v1/virtiofsd").mkdir()
    (root / "patches/v1/virtiofsd/0001-x.patch").write_text("")
    assert "no base for virtiofsd" in error_of(root, "v1").what


def test_folder_without_revision_file(tmp_path: Path) -> None:
    root = tree(tmp_path)
    (root / "patches/v1").mkdir()
    error = error_of(root, "v1")
    assert "has no revision.toml" in error.what and "revision.toml" in error.hint


def test_missing_patches_folder(tmp_path: Path) -> None:
    assert "cannot read" in error_of(tmp_path).what


def test_the_catalog_of_this_checkout_loads_quickly() -> None:
    start = time.monotonic()
    catalog = Catalog.load(checkout_root(), ENGINES)
    names = [revision.name for revision in catalog.revisions()]
    assert time.monotonic() - start < 0.2
    assert names[:2] == ["reference", "baseline"]
    column = Column("baseline", "7.3")
    baseline = catalog.revision("baseline").expectation("inotify:local_remote.remote.create", column)
    assert baseline is not None and baseline.met_by(Verdict.FAIL, "no event within 500 ms")


def test_an_expectation_with_conditions(tmp_path: Path) -> None:
    conditions = 'engines = ["vng-stock"]\nbases = ["2.0"]\nflavors = ["kasan"]\n'
    entry = f'[[expect]]\ntests = ["a:*"]\nverdict = "crash"\nreason = "r"\n{conditions}'
    root = tree(tmp_path, v1=REVISION + entry)
    (root / "kernel-tests/guest").mkdir(parents=True)
    (root / "kernel-tests/guest/config.flavor.kasan").write_text("")
    revision = Catalog.load(root, ENGINES).revision("v1")
    met = Column("v1", "2.0", "vng-stock", "kasan")
    assert (found := revision.expectation("a:x", met)) and found.verdict is Verdict.CRASH
    for other in (replace(met, base="1.0"), replace(met, engine="uml"), replace(met, flavor="plain")):
        assert (found := revision.expectation("a:x", other)) and found.verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ('engines = ["vng-stok"]', "did you mean 'vng-stock'?"),
        ('bases = ["1.1"]', "unknown base of linux '1.1'"),
        ('flavors = ["kassan"]', "unknown flavor 'kassan'"),
        ("engines = []", "at least one"),
        ('engine = ["uml"]', "unknown key 'engine'"),
    ],
)
def test_a_condition_that_can_never_hold(tmp_path: Path, condition: str, says: str) -> None:
    entry = f'[[expect]]\ntests = ["a:*"]\nverdict = "fail"\nreason = "r"\n{condition}\n'
    with pytest.raises(FarwatchError) as caught:
        Catalog.load(tree(tmp_path, v1=REVISION + entry), ENGINES).revision("v1")
    assert "revision.toml:" in caught.value.what and says in str(caught.value)


def test_what_the_mails_say_and_who_adopted(tmp_path: Path) -> None:
    more = '[send.linux]\nto = ["a@example.org"]\nprefixes = ["RFC"]\n'
    more += '[adopted]\nby = "A <a@example.org>"\ndate = "2026-01-02"\nassisted = "no"\n'
    revision = Catalog.load(tree(tmp_path, v1=REVISION + more, v2=REVISION)).revision("v1")
    assert revision.postings["linux"].to == ("a@example.org",) and revision.postings["linux"].cc == ()
    assert revision.adoption is not None and revision.adoption.by == "A <a@example.org>"
    assert Catalog.load(tmp_path).revision("v2").adoption is None


@pytest.mark.parametrize("wrong", ["[send.qemu]\n", "[send.linux]\ntoo = ['x']\n", "[adopted]\nby = 'x'\n"])
def test_wrong_tables_about_mails(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(FarwatchError, match=r"revision\.toml:"):
        Catalog.load(tree(tmp_path, v1=REVISION + wrong)).revision("v1")


def test_what_the_server_is_started_with(tmp_path: Path) -> None:
    root = tree(tmp_path, v1='title = "x"\n[bases]\n[server]\noptions = ["--fsnotify"]\n')
    assert Catalog.load(root).revision("v1").server_options == ("--fsnotify",)
    (tmp_path / "wrong").mkdir()
    assert error_of(tree(tmp_path / "wrong", v1='title = "x"\n[bases]\n[server]\noption = 1\n'), "v1")


def test_what_its_guests_are_set_to(tmp_path: Path) -> None:
    more = '[guest]\nsysctl = { "fs.inotify.remote" = 1, "kernel.core_pattern" = "|/bin/true" }\n'
    revision = Catalog.load(tree(tmp_path, v1=REVISION + more, v2=REVISION)).revision("v1")
    assert revision.sysctls == ("fs.inotify.remote=1", "kernel.core_pattern=|/bin/true")
    assert Catalog.load(tmp_path).revision("v2").sysctls == ()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("sysctls = 1", "unknown key 'sysctls'"),
        ("sysctl = 1", "of the wrong type"),
        ("sysctl = { remote = 1 }", "'remote' is no name of a sysctl"),
        ('sysctl = { "fs/inotify/remote" = 1 }', "is no name of a sysctl"),
        ('sysctl = { "fs..remote" = 1 }', "is no name of a sysctl"),
        ('sysctl = { "fs.inotify.remote" = true }', "of the wrong type"),
        ('sysctl = { "fs.inotify.remote" = "" }', "is empty"),
    ],
)
def test_what_no_guest_can_be_set_to(tmp_path: Path, wrong: str, says: str) -> None:
    error = error_of(tree(tmp_path, v1=f"{REVISION}[guest]\n{wrong}\n"), "v1")
    assert "revision.toml:" in error.what and says in error.what
