# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from farwatch import cli
from farwatch.errors import FarwatchError
from farwatch.revisions.new import new_revision
from tests.samples.tree import desk

SAMPLE = """\
# SPDX-License-Identifier: GPL-2.0-or-later
title = "One"  # said in one line
order = 1

[bases]  # what it is for
thing = "1.0"  # the only one

[adopted]
by = "A Person <person@example.org>"
date = "2026-02-03"
assisted = "no"

[[expect]]
tests = ["*"]
verdict = "fail"
reason = "[adopted]"
"""


def test_a_new_revision_is_a_copy_without_what_is_history(tmp_path: Path) -> None:
    bench = desk(tmp_path)
    folder = bench.root / "patches/v1"
    (folder / "revision.toml").write_text(SAMPLE)
    for name in ("thing/0001-x.patch", "thing/resolutions/1.0-to-2.0/0001-x.diff", "cover-letter.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    for name in ("changelog.txt", "sent.toml", "cover-letter.txt~", ".hidden"):
        (folder / name).write_text(name)
    made = new_revision(bench.catalog, "v2", bench.revision(), 'Two: "quoted" \\ ü')
    names = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()}
    assert names == {
        "revision.toml",
        "cover-letter.txt",
        "thing/0001-x.patch",
        "thing/resolutions/1.0-to-2.0/0001-x.diff",
    }
    revision = bench.catalog.revision("v2")
    assert (revision.title, revision.order, revision.adoption) == ('Two: "quoted" \\ ü', 10, None)
    assert revision.expectations == bench.revision().expectations
    text = (made / "revision.toml").read_text()
    assert text.startswith("# SPDX") and 'thing = "1.0"  # the only one' in text


@pytest.mark.parametrize(
    ("name", "what"),
    [("v1", "is there already"), ("v 2", "cannot be the name"), ("../x", "cannot be the name")],
)
def test_names_that_are_refused(tmp_path: Path, name: str, what: str) -> None:
    bench = desk(tmp_path)
    before = sorted(bench.root.rglob("*"))
    with pytest.raises(FarwatchError, match=what) as caught:
        new_revision(bench.catalog, name, bench.revision())
    assert caught.value.hint
    assert sorted(bench.root.rglob("*")) == before


def test_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = desk(tmp_path)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("farwatch.revisions.new.without", killed)
    with pytest.raises(KeyboardInterrupt):
        new_revision(bench.catalog, "v2", bench.revision())
    assert [path.name for path in sorted((bench.root / "patches").iterdir())] == ["bases.toml", "v1"]


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = desk(tmp_path)
    monkeypatch.chdir(bench.root)
    monkeypatch.setenv("FARWATCH_HOME", str(bench.home.root))
    assert cli.main(["new", "v2", "--from", "v1"]) == 0
    assert "farwatch checkout v2" in capsys.readouterr().out
    assert cli.main(["new", "v3", "--from", "v"]) == 2
    assert "unknown revision 'v'" in capsys.readouterr().err
    assert cli.main(["new", "v3"]) == 2
