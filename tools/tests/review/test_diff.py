# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from farwatch import cli
from farwatch.app import App
from farwatch.errors import FarwatchError
from farwatch.review.diff import Section, compare, require_something, side, terminal
from farwatch.review.diff_html import render
from farwatch.revisions.new import new_revision
from farwatch.series.save import save
from farwatch.system import git
from farwatch.trees.trees import Trees
from tests.samples.tree import TEXT, Desk, add_base, commit, desk

EXPECT = '[[expect]]\ntests = ["a.*"]\nverdict = "fail"\nsays = "no <event>"\nreason = "because"\n'


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """v1 of two patches; v2 with one of them changed, one dropped, one new; another base, 2.0."""
    made = desk(tmp_path_factory.mktemp("compare"))
    path = made.checkout()
    for subject, line in (("fs: first", "12"), ("fs: second", "20")):
        text = (path / "fs/dir.c").read_text()
        (path / "fs/dir.c").write_text(text.replace(f"line {line}\n", f"line {line} <new>\n"))
        commit(path, f"{subject}\n\nReason.")
    save(made.trees, made.revision(), "thing", made.base)
    (made.root / "patches/v1/cover-letter.txt").write_text("Subject\n\nOld <b>.\n")
    (made.root / "patches/v1/changelog.txt").write_text("of v1")
    new_revision(made.catalog, "v2", made.revision())
    path = made.checkout("v2")
    git.git("reset", "--quiet", "--hard", "HEAD~1", cwd=path)
    (path / "fs/dir.c").write_text(TEXT.replace("line 12\n", "line 12 <newer>\n"))
    who = {f"GIT_COMMITTER_{part}": "x@x" for part in ("NAME", "EMAIL")}
    git.git("commit", "--quiet", "--all", "--amend", "--no-edit", cwd=path, env=who)
    (path / "Makefile").write_text("all:\n\techo hello\n\techo more\n\techo and more\n")
    commit(path, "make: more")
    save(made.trees, made.revision("v2"), "thing", made.base)
    (made.root / "patches/v2/cover-letter.txt").write_text("Subject\n\nNew.\n")
    (made.root / "patches/v2/thing/cover-letter.txt").write_text("Of the thing\n")
    with (made.root / "patches/v2/revision.toml").open("a") as file:
        file.write(EXPECT)
    add_base(made, "2.0", {"fs/dir.c": ("header\n" + TEXT).encode()})
    return made


def compared(bench: Desk, *, color: bool = False, old: str = "v1", new: str = "v2") -> dict[str, Section]:
    app = App(bench.root, bench.home)
    app.__dict__["trees"] = Trees(bench.home, app.catalog, bench.said.append)
    sides = [side(app.catalog, name, None) for name in (old, new)]
    return {section.title: section for section in compare(app, *sides, color=color)}


@pytest.mark.parametrize(("old", "new", "word"), [("none", "v1", "2 new"), ("v1", "none", "2 dropped")])
def test_a_revision_without_patches(bench: Desk, old: str, new: str, word: str) -> None:
    folder = bench.root / "patches/none"
    folder.mkdir(exist_ok=True)
    (folder / "revision.toml").write_text('title = "None"\n[bases]\nthing = "1.0"\n')
    section = compared(bench, old=old, new=new)["thing, on 1.0"]
    assert section.summary.endswith(f": {word}") and len(section.lines) == 2


def test_patches_texts_and_expectations(bench: Desk) -> None:
    found = compared(bench)
    letters = ["cover-letter.txt", "changelog.txt", "thing/cover-letter.txt"]
    assert list(found) == ["thing, on 1.0", *letters, "expectations"]
    assert found["thing/cover-letter.txt"].summary == "v1 has none"
    series = found["thing, on 1.0"]
    assert series.summary == "2 patches, then 2: 1 changed, 1 dropped, 1 new"
    assert any(line.startswith("1:  ") and "! 1:  " in line and "fs: first" in line for line in series.lines)
    assert "    -+line 12 <new>" in series.lines and "    ++line 12 <newer>" in series.lines
    assert "-Old <b>." in found["cover-letter.txt"].lines and "+New." in found["cover-letter.txt"].lines
    assert found["changelog.txt"].summary == "v2 has none"
    assert found["expectations"].summary == "0, then 1: changed"
    assert '+a.*: fail, saying "no <event>"' in found["expectations"].lines


def test_plain_and_colour(bench: Desk) -> None:
    assert "\x1b" not in terminal(list(compared(bench).values()), color=False)
    shown = terminal(list(compared(bench, color=True).values()), color=True)
    assert "\x1b[32m+New.\x1b[m" in shown and "1 changed" in shown


def test_html_is_well_formed_and_escapes(bench: Desk) -> None:
    app = App(bench.root, bench.home)
    sides = [side(app.catalog, name, None) for name in ("v1", "v2")]
    text = render(sides[0], sides[1], list(compared(bench).values()))
    stack: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
            if tag not in ("meta",):
                stack.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert stack.pop() == tag

    Parser().feed(text)
    assert stack == []
    assert "&lt;newer&gt;" in text and "<newer>" not in text and "Old <b>" not in text
    assert '<span class="new inner">    ++line 12 &lt;newer&gt;</span>' in text


def test_against_another_base(bench: Desk) -> None:
    found = compared(bench, old="v1", new="v1@2.0")
    assert list(found) == ["thing, on 1.0 and 2.0"]
    assert found["thing, on 1.0 and 2.0"].summary == "2 patches, then 2: 2 unchanged"
    assert next(iter(compared(bench, old="v1@2.0", new="v2@thing-2.0"))) == "thing, on 2.0"
    app = App(bench.root, bench.home)
    assert side(app.catalog, "v1", "2.0").label == "v1@thing-2.0"
    assert side(app.catalog, "v1@1.0", "2.0").label == "v1@thing-1.0"


def test_the_same_twice_is_refused(bench: Desk) -> None:
    app = App(bench.root, bench.home)
    one = side(app.catalog, "v1", None)
    with pytest.raises(FarwatchError, match="the same"):
        require_something([Section("x", "")], one, one)
    with pytest.raises(FarwatchError, match="unknown revision 'v3'"):
        side(app.catalog, "v3", None)


def test_the_command(
    bench: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(bench.root)
    monkeypatch.setenv("FARWATCH_HOME", str(bench.home.root))
    assert cli.main(["diff", "v1", "v2", "--plain", "--html", str(tmp_path / "x.html")]) == 0
    assert capsys.readouterr().out.startswith("thing, on 1.0: 2 patches, then 2: 1 changed")
    assert (tmp_path / "x.html").stat().st_size > 1000
    assert cli.main(["diff", "v1", "v2", "--color", "always"]) == 0
    assert "\x1b[" in capsys.readouterr().out
