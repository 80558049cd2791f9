# SPDX-License-Identifier: GPL-2.0-or-later
"""--base-version and --share-settings, from the command line to the table: real apt, guests that pretend."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from farwatch.app import App
from farwatch.builds.selftests import TestsBuild
from farwatch.builds.subject import Subject
from farwatch.cells.setting import subject_of
from farwatch.cells.wish import Wish
from farwatch.cli import COMMANDS, build_parser
from farwatch.commands import common
from farwatch.errors import FarwatchError
from farwatch.model import Base, CellResult, Column, TestCase, Verdict
from farwatch.results.store import Results
from farwatch.system import git
from farwatch.system.home import Home
from tests.processes import script
from tests.samples.archive import NEWEST, PINNED, DebianArchive, forgetful_archive
from tests.samples.lint import Change, write_patches
from tests.samples.tree import FILES, TEXT, sha256, write_tar

SHOWN = f"7.3 ({NEWEST} instead of {PINNED})"
NEWEST_WORDS = ("--base-version", "newest")
TEST = TestCase("event_test", "dir", "", "create")
OPTIONS = {"bench": ["events", "v1"], "verify": ["v1"], "table": ["v1"]}


@dataclass
class SourcesAlone:
    """Stands for Builder, and builds nothing: a kernel is its sources."""

    app: App
    program: Path

    @property
    def kernels(self) -> SimpleNamespace:
        return SimpleNamespace(key=self._kernel_key)

    @property
    def servers(self) -> SimpleNamespace:
        return SimpleNamespace(key=lambda _subject: "server")

    def tests(self, base: Base) -> TestsBuild:
        self.app.trees.base_commit(base)
        (self.program.parent / "plainfs").touch()
        return TestsBuild("key", self.program.parent, self.program, self.program, (self.program,), (TEST,))

    def _kernel_key(self, subject: Subject) -> str:
        return self.app.trees.tip(subject.revision, "linux", subject.linux).tree


def _fill_columns(app: App, results: Results, plans: Sequence[Any], _crew: object) -> list[CellResult]:
    """Guests in which the test passes on the pinned version alone."""
    found = []
    for plan in plans:
        tree = app.trees.tip(plan.subject.revision, "linux", plan.subject.linux).tree
        version = git.git("cat-file", "blob", f"{tree}:version", cwd=app.trees.repository("linux")).decode()
        verdict = Verdict.PASS if version == PINNED else Verdict.FAIL
        found += [CellResult(plan.column, test, key, verdict, version) for test, key in plan.inputs.items()]
    for cell in found:
        results.store(cell)
    return found


@dataclass
class Checkout:
    """A checkout of farwatch with base 7.3, revision v1 for it, and a home."""

    app: App
    archive: DebianArchive

    def run(self, command: str, *words: str) -> int:
        args = build_parser(command).parse_args([command, *words])
        app = App(self.app.root, self.app.home)  # as a new process would
        status: int = importlib.import_module(f"farwatch.commands.{command}").run(args, app)
        return status

    def columns(self) -> list[Column]:
        with Results.open(self.app.home.results) as results:
            return results.columns()

    def cell(self, base: str) -> CellResult:
        with Results.open(self.app.home.results) as results:
            [cell] = results.latest([Column("v1", base)])
            return cell


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    archive = forgetful_archive(tmp_path / "machine", monkeypatch)
    older = write_tar(tmp_path / "older.tar", files=FILES)
    patches = tmp_path / "root/patches"
    (patches / "v1").mkdir(parents=True)
    pin = f'kind = "tarball"\nlocation = "{older}"\nsha256 = "{sha256(older)}"\n'
    text = f'[linux]\ndefault = "7.3"\n{archive.toml(PINNED)}[linux."6.12"]\n{pin}'
    (patches / "bases.toml").write_text(text)
    (patches / "v1/revision.toml").write_text('title = "t"\nshare = "tmpfs"\n[bases]\nlinux = "7.3"\n')
    change = Change({"fs/dir.c": TEXT.replace("line 5\n", "line five\n").encode()})
    write_patches(patches / "v1/linux", FILES, [change])
    program = script(tmp_path / "event_test", "exit 0")
    monkeypatch.setattr(App, "builder", property(lambda app: SourcesAlone(app, program)))
    monkeypatch.setattr("farwatch.cells.fill.fill_columns", _fill_columns)
    (tmp_path / "home").mkdir()
    return Checkout(App(tmp_path / "root", Home(tmp_path / "home")), archive)


def test_nothing_stands_in_unless_it_is_asked_for(checkout: Checkout) -> None:
    with pytest.raises(FarwatchError, match="no longer in new-suite") as caught:
        checkout.run("verify", "v1")
    assert f"--base 7.3 --base-version newest (also test, build, boot) takes {NEWEST}" in caught.value.hint
    assert checkout.columns() == [] and not list(checkout.app.home.downloads.glob("*.archive"))


def test_what_stands_in_has_a_column_of_its_own(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checkout.run("verify", "v1", *NEWEST_WORDS) == 1
    assert capsys.readouterr().out.startswith(f"Regression table (linux {SHOWN}, uml, plain)\n")
    assert checkout.columns() == [Column("v1", SHOWN)]
    assert checkout.cell(SHOWN).title == NEWEST
    checkout.run("verify", "v1", *NEWEST_WORDS)
    assert "all cached" in capsys.readouterr().out


def test_it_is_never_taken_for_the_pinned_one_nor_that_for_it(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.run("verify", "v1", *NEWEST_WORDS)
    with pytest.raises(FarwatchError, match="no longer in new-suite"):
        checkout.run("verify", "v1")
    checkout.archive.offer(PINNED, NEWEST)
    capsys.readouterr()
    assert checkout.run("verify", "v1", *NEWEST_WORDS) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("Regression table (linux 7.3, uml, plain)\n") and "cached" not in shown.out
    assert f"{PINNED} is to be had: --base-version newest changes nothing" in shown.err
    assert {column.base for column in checkout.columns()} == {"7.3", SHOWN}
    assert checkout.cell("7.3").title == PINNED and checkout.cell(SHOWN).title == NEWEST
    assert checkout.cell("7.3").inputs != checkout.cell(SHOWN).inputs


def test_the_table_of_what_is_stored_asks_nobody(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.run("verify", "v1", *NEWEST_WORDS)
    asked = checkout.archive.log
    with pytest.raises(FarwatchError, match="no results are stored"):
        checkout.run("table", "v1")
    capsys.readouterr()
    assert checkout.run("table", "v1", *NEWEST_WORDS) == 1
    assert capsys.readouterr().out.startswith(f"Regression table (linux {SHOWN}, uml, plain)\n")
    assert checkout.archive.log == asked


def test_a_patch_that_does_not_go_on_what_stands_in(checkout: Checkout) -> None:
    version = "7.3.11-1"
    checkout.archive.package(version, {**FILES, "fs/dir.c": TEXT.replace("line 5\n", "other\n").encode()})
    checkout.archive.offer(version)
    with pytest.raises(FarwatchError) as caught:
        checkout.run("verify", "v1", *NEWEST_WORDS)
    assert "0001-" in str(caught.value) and f"7.3-newest-{version}" in str(caught.value)
    assert f"places that still have {PINNED}" in caught.value.hint and version in caught.value.hint
    assert checkout.columns() == []


def test_nothing_stands_in_for_a_base_that_no_column_names(checkout: Checkout) -> None:
    """The series goes from its own base to another one: that it came from elsewhere, nobody would see."""
    with pytest.raises(FarwatchError, match="no longer in new-suite"):
        checkout.run("verify", "v1", "--base", "6.12", *NEWEST_WORDS)
    assert not list(checkout.app.home.downloads.glob("newest-*"))


def test_every_command_that_has_the_option_heeds_it(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Heeded(Exception): ...

    def heed(*_: object, **__: object) -> App:
        raise Heeded

    monkeypatch.setattr(common, "settled", heed)
    having = [name for name in COMMANDS if "--base-version" in _help_of(name)]
    assert {"verify", "test", "build", "boot", "bisectable", "bench", "config", "table"} <= set(having)
    for command in having:
        with pytest.raises(Heeded):
            args = build_parser(command).parse_args([command, *OPTIONS.get(command, ["v1"]), *NEWEST_WORDS])
            args.guest_command = []
            importlib.import_module(f"farwatch.commands.{command}").run(args, checkout.app)


def _help_of(command: str) -> str:
    parser = build_parser(command)
    [subparsers] = [action for action in parser._actions if hasattr(action, "choices") and action.choices]
    choices: Any = subparsers.choices
    return str(choices[command].format_help())


def test_bench_loop_takes_no_base_version(checkout: Checkout) -> None:
    with pytest.raises(FarwatchError, match="takes no setting"):
        checkout.run("bench", "loop", *NEWEST_WORDS)


SETTINGS = """\
[writeback]
about = "later"
server = ["--cache=auto", "--writeback"]
[on-xfs]
about = "xfs"
file-system = "xfs"
"""


@pytest.fixture
def served(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """v1 as it was, whose share nobody serves; v2, with a server; settings, of which one is not possible."""
    patches = checkout.app.root / "patches"
    checkout.archive.offer(PINNED)
    (patches / "share-settings.toml").write_text(SETTINGS)
    with (patches / "bases.toml").open("a") as file:
        file.write(f'[virtiofsd."1"]\nkind = "crate"\npackage = "p"\nversion = "1"\nsha256 = "{"1" * 64}"\n')
    (patches / "v2").mkdir()
    (patches / "v2/revision.toml").write_text('title = "t"\n[bases]\nlinux = "7.3"\nvirtiofsd = "1"\n')
    monkeypatch.setattr(
        "farwatch.cells.plan.lacking_for", lambda _app, setting: "no xfs" if setting.file_system else ""
    )
    return checkout


def names(checkout: Checkout) -> list[tuple[str, str]]:
    return [(column.revision, column.share_setting) for column in checkout.columns()]


def test_each_share_setting_is_a_column_and_what_is_not_served_has_one(
    served: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert served.run("verify", "v1", "v2", "--share-settings", "all") == 0
    shown = capsys.readouterr().out
    heading = next(line for line in shown.splitlines() if line.startswith("test "))
    assert heading.split() == ["test", "v1/default", "v2/default", "v2/writeback", "v2/on-xfs"]
    assert "skipped on this machine: no xfs" in shown
    assert names(served) == [("v1", "default"), ("v2", "default"), ("v2", "writeback")]
    assert served.run("table", "v2", "--share-settings", "default,writeback") == 0
    assert "v2/writeback" in capsys.readouterr().out


def test_the_default_is_what_it_was_before_there_were_settings(served: Checkout) -> None:
    served.run("verify", "v2")
    served.run("verify", "v2", "--share-settings", "default,writeback")
    with Results.open(served.app.home.results) as results:
        default, back = results.latest([Column("v2", "7.3"), Column("v2", "7.3", share_setting="writeback")])
        assert len(results.history(default.column, default.test)) == 1, "found, not run again"
    assert default.inputs != back.inputs


def test_a_share_that_is_served_in_the_guest_needs_no_server(served: Checkout) -> None:
    settings = served.app.root / "patches" / "share-settings.toml"
    settings.write_text('[plain]\nabout = "in the guest"\nkind = "fuse"\n')
    assert served.run("verify", "v1", "v2", "--share-settings", "default,plain") == 0
    assert names(served) == [("v1", "default"), ("v2", "default"), ("v2", "plain")]
    [revision] = [served.app.catalog.revision("v2")]
    default, plain = (
        subject_of(served.app, Wish((revision,), share_setting=setting), revision)
        for setting in served.app.catalog.share_settings()
    )
    assert (default.share, default.has_server, list(default.bases)) == (
        "virtiofs",
        True,
        ["linux", "virtiofsd"],
    )
    assert (plain.share, plain.has_server, list(plain.bases)) == ("fuse", False, ["linux"])
    with pytest.raises(FarwatchError, match="--share and --share-settings plain exclude each other"):
        served.run("boot", "v2", "--share", "/", "--share-settings", "plain")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("verify", "v1", "--share-settings", "writeback"), "v1 has no server"),
        (("test", "v2", "--share-settings", "writebak"), "unknown share setting 'writebak'"),
        (("boot", "v2", "--share-settings", "all"), "a guest has one"),
        (("boot", "v2", "--share", "/", "--share-settings", "on-xfs"), "exclude each other"),
    ],
)
def test_share_settings_that_mean_nothing(served: Checkout, words: tuple[str, ...], says: str) -> None:
    with pytest.raises(FarwatchError) as caught:
        served.run(*words)
    assert says in caught.value.what


def test_boot_says_what_the_machine_lacks(served: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farwatch.cells.setting.lacking_for", lambda _app, setting: "no xfs")
    with pytest.raises(FarwatchError, match="cannot have share setting on-xfs") as caught:
        served.run("boot", "v2", "--share-settings", "on-xfs")
    assert caught.value.cause == "no xfs"
