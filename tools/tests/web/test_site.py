# SPDX-License-Identifier: GPL-2.0-or-later
"""--site: every link leads to a page, hostile text stays text, it is bounded, and put in place whole."""

from __future__ import annotations

import errno
import json
import os
import posixpath
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from farwatch.bench.record import Line, Record
from farwatch.cli import main
from farwatch.errors import FarwatchError
from farwatch.model import CellResult, Column, Verdict
from farwatch.reports import cell_html
from farwatch.reports.html import policy, script
from farwatch.results.store import Results
from farwatch.results.table import Table, build_table
from farwatch.system.home import Home
from farwatch.web import write
from farwatch.web.site import INDEX, Cells, Site, every_history, names_of, page_name
from tests.samples.pages import check_page
from tests.samples.table import COLUMNS, NASTY, REVISIONS, calm, nasty, sample

RECORDS = [
    Record("loop", NASTY, f"2026-01-0{day}T10:00:00+00:00", False, (Line("k", NASTY, "s", "v1", (1.0, 2.0)),))
    for day in (2, 1)
]


def site_of(table: Table, logs: Path, cells: Cells = "all", *, times: int = 3) -> Site:
    history = {
        (cell.column, cell.test): [
            replace(cell.result, started=1e9 + number, run=f"run-{number}") for number in range(times)
        ]
        for row in table.rows
        for cell in row.cells
        if cell.result
    }
    columns = [heading.column for heading in table.headings]
    return Site(table, logs, every_history(history, columns), RECORDS, cells)


def pages(site: Site) -> dict[str, str]:
    return {name: site.render(name) or "" for name in names_of(site)}


@pytest.mark.parametrize("table", [sample(), nasty(), calm(), build_table([], [], [])], ids=range(4))
def test_every_link_leads_to_a_page_that_needs_nothing_else(table: Table, tmp_path: Path) -> None:
    made = pages(site_of(table, tmp_path))
    for name, text in made.items():
        checker = check_page(text, scripts=int(name == INDEX))
        for link in checker.links:
            target, _, anchor = link.partition("#")
            there = posixpath.normpath(posixpath.join(posixpath.dirname(name), target)) if target else name
            assert there in made, f"{name}: {link}"
            assert not anchor or f'id="{anchor}"' in made[there]


def test_a_page_may_run_its_own_script_alone() -> None:
    assert "script-src" not in policy() and "connect-src" not in policy()
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/=]{44}'", policy(script("filter.js")))


@pytest.mark.parametrize(("cells", "wanted"), [("surprising", 5), ("failing", 17), ("all", 47)])
def test_which_cells_have_a_page(cells: Cells, wanted: int, tmp_path: Path) -> None:
    site = site_of(sample(), tmp_path, cells)
    assert len(site.cell_names) == wanted
    first = {page_name("cells", cell.name) for cell in sample().surprises}
    assert set(site.cell_names[: len(first)]) == first, "what surprises comes first"
    index = site.render(INDEX) or ""
    assert sum(f'href="{name}"' in index for name in site.cell_names) == wanted


def test_two_names_that_look_alike_have_two_pages() -> None:
    names = ["p:f.a b", "p:f.a-b", "p:f.a/../b", "p:f.../../../etc/passwd", "x" * 500]
    made = [page_name("rows", name) for name in names]
    assert len(set(made)) == len(made)
    assert all(re.fullmatch(r"rows/[A-Za-z0-9-]{1,100}\.html", name) for name in made)


# -- logs


@pytest.fixture
def logged(tmp_path: Path) -> tuple[Table, Path]:
    """One cell, and the folder of its logs."""
    folder = tmp_path / "run" / "cell"
    folder.mkdir(parents=True)
    column = Column("v1", "7.3")
    result = CellResult(column, "p:f.t", "", Verdict.FAIL, "why", "detail", logs="run/cell")
    return build_table([result], REVISIONS, [column]), folder


def cell_page(table: Table, folder: Path) -> str:
    site = site_of(table, folder.parents[1])
    return site.render(site.cell_names[0]) or ""


def test_a_page_has_the_timeline_and_names_its_files(logged: tuple[Table, Path]) -> None:
    table, folder = logged
    (folder / "output.log").write_bytes(b"1.000000 wanted IN_CREATE\n")
    (folder / "cell.json").write_text(json.dumps({"begin": 0.5, "about": "The rule\nof it"}))
    text = "".join(check_page(cell_page(table, folder)).text)
    assert "+0.500000 output wanted IN_CREATE" in text and "The rule\nof it" in text
    assert "output.log 26 bytes" in text and "logs/run/cell" in text


def test_a_hostile_log_stays_text(logged: tuple[Table, Path]) -> None:
    table, folder = logged
    hostile = (
        b"</script><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31m\x00\xff\xfe\r\xe2\x80\xae"
    )
    (folder / "output.log").write_bytes(b"1.000000 " + hostile + b"\n" + hostile + b"\n")
    (folder / "cell.json").write_bytes(b'{"about": "</p><script>"}')
    (folder / "<b>.log").write_bytes(b"")
    text = "".join(check_page(cell_page(table, folder)).text)
    assert "</script><script>alert(1)</script>" in text and "\\x1b[31m\\x00\\xff\\xfe" in text


def test_a_log_of_50_megabytes_makes_a_small_page_fast(
    logged: tuple[Table, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    table, folder = logged
    with (folder / "console.log").open("wb") as log:
        for number in range(50):
            log.write(b"".join(b"%d.%06d line %d\n" % (number, place, place) for place in range(50_000)))
            log.write(b"x" * 100_000 + b"\n")
    (folder / "output.log").write_bytes(b"y" * (50 << 20))
    text = cell_page(table, folder)
    assert len(text) < 300_000
    assert "bytes of its middle are left out here" in text and "lines are left out here" in text
    assert "console line 0<" in text.replace("</b> ", " ") and "line 49999<" in text, (
        "begin and end are there"
    )


def test_logs_that_are_gone_are_said_to_be(logged: tuple[Table, Path]) -> None:
    table, folder = logged
    folder.rmdir()
    assert "there are no logs in" in cell_page(table, folder)


def test_a_cut_log_is_noted(logged: tuple[Table, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    table, folder = logged
    monkeypatch.setattr(cell_html, "LOG_BYTES", 64)
    (folder / "output.log").write_bytes(b"".join(b"%d.000000 line %d\n" % (n, n) for n in range(100)))
    text = "".join(check_page(cell_page(table, folder)).text)
    assert "line 0" in text and "line 99" in text and "line 50" not in text
    assert "output.log: 1730 bytes of its middle are left out here" in text


# -- in place


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_is_written_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    site = site_of(sample(), tmp_path)
    assert write.write_site(site, folder) == len(pages(site))
    assert set(files(folder)) == {write.MARK, *pages(site)}
    assert folder.stat().st_mode & 0o777 == 0o777 & ~write._umask()
    (folder / "rows" / "old.html").write_text("old")
    write.write_site(site_of(calm(), tmp_path), folder)
    assert "rows/old.html" not in files(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_link_to_a_site_stays_one(tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "www" / "site")
    write.write_site(site_of(sample(), tmp_path), tmp_path / "www" / "site")
    site = site_of(calm(), tmp_path)
    write.write_site(site, tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and set(files(tmp_path / "www" / "site")) == {
        write.MARK,
        *pages(site),
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "www"]
    assert [path.name for path in (tmp_path / "www").iterdir()] == ["site"]


def test_what_a_killed_one_has_left_goes(tmp_path: Path) -> None:
    (tmp_path / ".site-new-dead").mkdir()
    write.write_site(site_of(calm(), tmp_path), tmp_path / "site")
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    (tmp_path / "file").write_text("x")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    before = files(tmp_path)
    for name in ("mine", "file", "dangling"):
        with pytest.raises(FarwatchError, match=rf"{name} (holds something else|is no folder)"):
            write.write_site(site_of(calm(), tmp_path), tmp_path / name)
    with pytest.raises(FarwatchError, match="cannot write"):
        write.write_site(site_of(calm(), tmp_path), tmp_path / "no" / "site")
    assert files(tmp_path) == before


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Room for half a megabyte. Skips where it cannot be mounted."""
    options = ["-t", "tmpfs", "-o", "size=512k", "none", str(folder)]
    done = subprocess.run(["mount", *options], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_leaves_the_old_site(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk):
        write.write_site(site_of(build_table([], [], []), tmp_path), disk / "site")
        before = files(disk)
        with pytest.raises(FarwatchError, match="cannot write") as caught:
            write.write_site(site_of(calm(), tmp_path), disk / "site")
        assert "No space left" in caught.value.cause and "as it was" in caught.value.cause
        assert files(disk) == before


def test_an_interruption_leaves_the_old_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write.write_site(site_of(calm(), tmp_path), tmp_path / "site")
    before = files(tmp_path)
    site = site_of(sample(), tmp_path)
    rendered = site.render
    for error in (KeyboardInterrupt(), OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))):

        def broken(name: str, error: BaseException = error) -> str | None:
            if name == INDEX:
                raise error
            return rendered(name)

        monkeypatch.setattr(site, "render", broken)
        with pytest.raises((KeyboardInterrupt, FarwatchError)):
            write.write_site(site, tmp_path / "site")
        assert files(tmp_path) == before


def test_where_folders_cannot_be_exchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write.write_site(site_of(sample(), tmp_path), tmp_path / "site")

    def in_two_steps(one: Path, other: Path) -> None:
        other.rename(one.with_name(f"{one.name}.old"))
        one.rename(other)

    monkeypatch.setattr(write, "exchange", in_two_steps)
    site = site_of(calm(), tmp_path)
    write.write_site(site, tmp_path / "site")
    assert set(files(tmp_path / "site")) == {write.MARK, *pages(site)}
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_its_size_is_bounded_and_it_says_so(tmp_path: Path) -> None:
    site = site_of(sample(), tmp_path)
    write.write_site(site, tmp_path / "site", room=20_000)
    made = files(tmp_path / "site")
    cells = [name for name in made if name.startswith("cells/")]
    assert 1 <= len(cells) < 10 and sum(len(made[name]) for name in cells) < 40_000
    assert f"{47 - len(cells)} more cells have no page here" in made[INDEX].decode()
    for name, text in made.items():
        for link in re.findall(r'href="([^"#]+)', text.decode()):
            assert posixpath.normpath(posixpath.join(posixpath.dirname(name), link)) in made


# -- the command


def test_table_writes_a_site_with_the_history_of_each_row(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FARWATCH_HOME", str(home.root))
    column = Column("baseline", "7.3")
    with Results.open(home.results) as results:
        for number in range(150):
            verdict = Verdict.PASS if number % 2 else Verdict.FAIL
            results.store(CellResult(column, "p:f.t", f"{number}", verdict, started=1e9 + number, run=""))
    assert main(["table", "baseline", "--site", str(tmp_path / "site")]) == 0
    captured = capsys.readouterr()
    assert "site/index.html: 2 pages" in captured.err
    [row] = (tmp_path / "site" / "rows").iterdir()
    text = row.read_text()
    assert len(re.findall(r"M[0-9.]+ [0-9.]+h0", text)) == 100, "a dot for each verdict that is shown"
    assert text.count('class="dots') == 2 and "and 60 older ones" in text


def test_a_folder_of_somebody_else_is_refused_before_anything_is_run(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FARWATCH_HOME", str(home.root))
    (tmp_path / "mine").write_text("x")
    for command in ("table", "verify", "test"):
        assert main([command, "baseline", "--site", str(tmp_path / "mine")]) == 2
        assert "mine is no folder" in capsys.readouterr().err


def test_unused_columns_are_not_asked_for(home: Home) -> None:
    with Results.open(home.results) as results:
        for column in COLUMNS:
            results.store(CellResult(column, "p:f.t", "", Verdict.PASS))
        found = results.histories(COLUMNS[:2], 5)
    assert list(found) == [(column, "p:f.t") for column in COLUMNS[:2]]
