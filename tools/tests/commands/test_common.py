# SPDX-License-Identifier: GPL-2.0-or-later
"""--base-version, from the command line to the table: real apt, trees and store; guests only pretend."""

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

    def tests(self, base: Base) -> TestsBuild:
        self.app.trees.base_commit(base)
        return TestsBuild("key", self.program.parent, self.program, self.program, (self.program,), (TEST,))

    def _kernel_key(self, subject: Subject) -> str:
        return self.app.trees.tip(subject.revision, "linux", subject.linux).tree


def _run_works(app: App, results: Results, works: Sequence[Any], _guests: object) -> list[CellResult]:
    """Guests in which the test passes on the pinned version alone."""
    found = []
    for work in works:
        tree = app.trees.tip(work.subject.revision, "linux", work.subject.linux).tree
        version = git.git("cat-file", "blob", f"{tree}:version", cwd=app.trees.repository("linux")).decode()
        verdict = Verdict.PASS if version == PINNED else Verdict.FAIL
        found += [CellResult(work.column, test, key, verdict, version) for test, key in work.inputs.items()]
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
    monkeypatch.setattr("farwatch.cells.fill.prepare", lambda _app, plan: plan)
    monkeypatch.setattr("farwatch.cells.fill.run_works", _run_works)
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
