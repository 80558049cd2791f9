# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of lint about series: one component that is cut into several, and one that should be."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farwatch.app import App
from farwatch.review import maintainers, series_rules
from farwatch.review.lint import LintReport, lint_revision
from farwatch.system.home import Home
from tests.samples.lint import Change, kernel_file, lint_app, revision

DIR = "fs/fuse/dir.c"
PAGE = "mm/page.c"
CUT = """
[series.linux.one]
first = "fuse-one"
last = "fuse-one"
[series.linux.two]
first = "fuse-two"
last = "mm-three"
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """v1, three patches for linux."""
    folder = tmp_path_factory.mktemp("made")
    app = lint_app(folder)
    text = kernel_file(DIR)
    revision(
        app,
        "v1",
        linux=[
            Change({DIR: text + b"one\n"}, "fuse: one\n\nReason.\n"),
            Change({DIR: text + b"one\ntwo\n"}, "fuse: two\n\nReason.\n"),
            Change({PAGE: kernel_file(PAGE) + b"x\n"}, "mm: three\n\nReason.\n"),
        ],
    )
    app.trees.base_commit(app.catalog.base("linux"))
    return folder


@pytest.fixture
def app(tmp_path: Path, made: Path) -> App:
    for name in ("root", "home"):
        shutil.copytree(made / name, tmp_path / name, symlinks=True)
    return App(tmp_path / "root", Home(tmp_path / "home"))


def cut(app: App, text: str = CUT, **covers: str) -> None:
    folder = app.root / "patches/v1"
    (folder / "revision.toml").write_text((folder / "revision.toml").read_text() + text)
    for name, cover in covers.items():
        (folder / f"linux/cover-letter-{name}.txt").write_text(cover)


def lint(app: App) -> LintReport:
    return lint_revision(app, App(app.root, app.home).catalog.revision("v1"), build=False)


def found(report: LintReport, *groups: str) -> list[tuple[str, str]]:
    return [
        (line.name, finding.rule)
        for line in report.lines
        for finding in line.findings
        if finding.rule.partition(":")[0] in (groups or ("cover", "series"))
    ]


def test_each_series_of_several_patches_has_its_own_cover_letter(app: App) -> None:
    (app.root / "patches/v1/cover-letter.txt").write_text("all: of it\n\nText.\n")
    assert found(lint(app), "cover") == []
    cut(app)
    missing = [("linux/cover-letter-two.txt", "cover:missing"), ("cover-letter.txt", "cover:unused")]
    assert sorted(found(lint(app), "cover")) == sorted(missing)
    (app.root / "patches/v1/cover-letter.txt").unlink()
    cut(app, "", two="fuse: the second\n\nText.\n", three="fuse: no such series\n\nText.\n")
    assert found(lint(app), "cover") == [("linux/cover-letter-three.txt", "cover:unused")]


def test_titles_are_short_and_differ(app: App) -> None:
    cut(app, one="fuse: the same\n\nText.\n", two="fuse: the same\n\nText.\n")
    assert found(lint(app), "cover") == [("linux/cover-letter-two.txt", "cover:subject")]
    cut(app, "", two=f"fuse: {'x' * 75}\n\nText.\n")
    assert found(lint(app), "cover") == [("linux/cover-letter-two.txt", "cover:subject")]


def test_not_too_many_at_a_time(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series_rules, "PATCHES_MOST", 2)
    report = lint(app)
    assert ("revision.toml", "series:count") in found(report)
    cut(app, two="fuse: the second\n\nText.\n")
    assert "series:count" not in [rule for _, rule in found(lint(app))]


def test_a_wrong_cut_is_a_finding_and_the_rest_is_looked_at(app: App) -> None:
    cut(app, CUT.replace('last = "mm-three"', 'last = "fuse-two"'))
    (app.root / "patches/v1/linux/cover-letter-two.txt").write_text("teh text\n")
    report = lint(app)
    said = [one for line in report.lines for one in line.findings if one.rule == "series:cut"]
    assert "mm-three is in no series" in said[0].message and not report.ok
    assert "after the last patch of linux/two" in said[0].message
    assert found(report, "spelling") == [("linux/cover-letter-two.txt", "spelling")]


def test_a_person_gets_each_series(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    cut(app, two="fuse: the second\n\nText.\n")
    real = maintainers.ask

    def lists_for_the_first(*args: Any) -> Any:
        answer = real(*args) or {}
        return {
            path: tuple(replace(one, is_list=True) for one in some) if "one" in path.name else some
            for path, some in answer.items()
        }

    assert found(lint(app), "series") == []
    monkeypatch.setattr(maintainers, "ask", lists_for_the_first)
    said = [one.message for line in lint(app).lines for one in line.findings if "recipients" in one.rule]
    assert said == ["no person would get linux/one, only lists: [series.linux.one] to = [...]"]
    cut(app, '[send.linux]\nto = ["a@example.org"]\n')
    assert found(lint(app), "series") == []


def test_recipients_of_one_series_are_not_those_of_another(app: App) -> None:
    cut(app, CUT + 'cc = ["two@example.org"]\n', two="fuse: the second\n\nText.\n")
    report = lint(app)
    names = [line.name for line in report.lines if "two@example.org" in line.recipients]
    assert names == ["linux/0002-fuse-two.patch", "linux/0003-mm-three.patch"]
