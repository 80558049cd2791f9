# SPDX-License-Identifier: GPL-2.0-or-later
"""home.py, serve: what is stored and what is under way, of a home that others write to meanwhile."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

import pytest

from farwatch.app import App
from farwatch.cli import main
from farwatch.errors import FarwatchError
from farwatch.model import CellResult, Column, Verdict
from farwatch.results import store
from farwatch.results.store import MIGRATIONS, Results
from farwatch.system.home import Home, checkout_root
from farwatch.system.under_way import Doing, Note
from farwatch.web import home as module
from farwatch.web.home import HomePages
from tests import TESTS
from tests.samples.pages import check_page

LIMIT = 60.0
COLUMN = Column("baseline", "7.3")
PLAIN = "linux-7.3-uml-plain"


def fill(home: Home, column: Column = COLUMN, test: str = "p:f.t", verdict: Verdict = Verdict.PASS) -> None:
    with Results.open(home.results) as results:
        results.store(CellResult(column, test, "", verdict, started=1e9))


@pytest.fixture
def pages(home: Home) -> HomePages:
    return HomePages(App(checkout_root(), home))


def files(home: Home) -> dict[str, tuple[int, int]]:
    """All but what SQLite has beside its own."""
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in home.root.rglob("*")
        if path.is_file() and not path.name.startswith("results.db-")
    }


def test_a_new_home_says_what_to_do_and_stays_as_it_is(pages: HomePages, home: Home) -> None:
    answer = pages.answer("")
    assert answer.status == 200 and "no results are stored yet" in answer.body
    assert "farwatch verify" in answer.body
    check_page(answer.body, scripts=1)
    assert json.loads(pages.answer("live.json").body) == {"runs": []}
    assert pages.answer(f"{PLAIN}/index.html").status == 503
    assert files(home) == {}, "nothing is made by looking"


def test_every_link_leads_to_a_page(pages: HomePages, home: Home) -> None:
    fill(home)
    fill(home, Column("v1", "7.3", share_setting="on-xfs"), verdict=Verdict.FAIL)
    fill(home, Column("baseline", "7.3", "vng"), "kselftest:x.y")
    before = files(home)
    first = check_page(pages.answer("").body, scripts=1).links
    names = (PLAIN, f"{PLAIN}-on-xfs", "kselftest-linux-7.3-vng-plain")
    assert first == [f"{name}/index.html" for name in names]
    seen, todo = set(), {f"/{link}" for link in first}
    while todo:
        name = todo.pop()
        seen.add(name)
        answer = pages.answer(name[1:])
        assert answer.status == 200, name
        links = check_page(answer.body, scripts=int(name == "/" or name.endswith("/index.html"))).links
        todo |= {urljoin(name, link).partition("#")[0] for link in links} - seen
    assert len([name for name in seen if "/cells/" in name]) == 3
    assert files(home) == before, "nothing is written by looking"


@pytest.mark.parametrize(
    "path",
    ["nothing", "nothing/index.html", f"{PLAIN}/../../results.db", f"{PLAIN}/", "../results.db", "\x00"],
)
def test_what_there_is_not_is_not_found(pages: HomePages, home: Home, path: str) -> None:
    fill(home)
    assert pages.answer(path).status == 404


def test_a_new_verdict_is_shown(pages: HomePages, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRESH_SECONDS", 0.0)
    fill(home)
    assert ">fail" not in pages.answer(f"{PLAIN}/index.html").body
    fill(home, verdict=Verdict.FAIL)
    assert ">fail" in pages.answer(f"{PLAIN}/index.html").body


# -- a store that cannot be read


def test_a_store_that_is_locked_newer_older_or_damaged(
    pages: HomePages, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LOOK_SECONDS", 0.05)
    fill(home)
    with sqlite3.connect(home.results, isolation_level=None) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        for path in (f"{PLAIN}/index.html", ""):
            assert "is in use by another process" in pages.answer(path).body
        assert pages.answer(f"{PLAIN}/index.html").status == 503
        other.execute("ROLLBACK")
        for version, says in ((99, "newer farwatch"), (1, "older farwatch")):
            other.execute(f"PRAGMA user_version = {version}")
            assert says in pages.answer("").body
        other.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    assert pages.answer(f"{PLAIN}/index.html").status == 200
    home.results.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    assert pages.answer(f"{PLAIN}/index.html").status == 503
    home.results.write_bytes(b"a diary")
    assert "it is not an SQLite file" in pages.answer("").body


def test_looking_migrates_nothing(home: Home) -> None:
    Results.open(home.results, MIGRATIONS[:1]).close()
    before = home.results.read_bytes()
    with pytest.raises(FarwatchError, match="older farwatch"):
        Results.look(home.results)
    assert home.results.read_bytes() == before


# -- under way


def test_what_is_under_way_is_shown_with_what_it_has_found(pages: HomePages, home: Home) -> None:
    hostile = "</script><script>alert(1)</script>\x1b[31m"
    command = ["/x/farwatch/__main__.py", "test", "baseline", "-k", hostile]
    note = Note(home.live, command)
    note.write([hostile], [Doing("testing", 3, 9, "tests", hostile)])
    with Results.open(home.results) as results:
        run = results.begin_run(command)
        other = results.begin_run(["farwatch", "verify"])
        for owner, count in ((run, 2), (other, 5)):
            for number in range(count):
                results.store(CellResult(COLUMN, f"p:f.t{number}", "", Verdict.PASS, run=owner))
        [found] = json.loads(pages.answer("live.json").body)["runs"]
        assert found["command"].startswith("farwatch test baseline -k")
        assert (found["pid"], found["bars"][0]["done"], found["bars"][0]["total"]) == (os.getpid(), 3, 9)
        shown = hostile.replace("\x1b", "\\x1b")
        assert found["lines"] == ["baseline/7.3/uml/plain: 2 pass", shown]
        results.end_run(run)
    assert json.loads(pages.answer("live.json").body)["runs"][0]["lines"] == [shown]
    checker = check_page(pages.answer("").body, scripts=1)
    assert "</script><script>alert(1)</script>\\x1b[31m" in "".join(checker.text)
    note.remove()
    assert json.loads(pages.answer("live.json").body) == {"runs": []}


def test_a_command_says_what_it_does_and_takes_it_away(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FARWATCH_HOME", str(home.root))
    fill(home)
    seen: list[int] = []
    real = Note.write

    def write(self: Note, *args: object) -> None:
        real(self, *args)  # type: ignore[arg-type]
        seen.append(len(list(home.live.glob("*.json"))))

    monkeypatch.setattr(Note, "write", write)
    assert main(["table", "baseline", "--site", str(tmp_path / "site")]) == 0
    assert seen == [1] and list(home.live.iterdir()) == []


# -- the command


@contextmanager
def serving(home: Home, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "farwatch", "serve", "--port", "0", *words],
        env={**os.environ, "PYTHONPATH": str(TESTS.parent), "FARWATCH_HOME": str(home.root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        found = re.search(r"http://\S+/", process.stdout.readline())
        assert found, process.communicate(timeout=LIMIT)
        yield process, found[0]
    finally:
        process.kill()
        process.communicate(timeout=LIMIT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_serves_until_it_is_told_to_end(home: Home, number: signal.Signals) -> None:
    fill(home)
    with serving(home) as (process, url):
        with urllib.request.urlopen(f"{url}{PLAIN}/index.html", timeout=LIMIT) as answer:
            assert answer.status == 200
        request = urllib.request.Request(url, headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError, match="421"):
            urllib.request.urlopen(request, timeout=LIMIT)
        process.send_signal(number)
        out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, out, err) == (0, "", "farwatch: served no more\n")


def test_more_than_loopback_is_warned_of(home: Home) -> None:
    with serving(home, "--host", "0.0.0.0") as (process, _):
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=LIMIT)
    assert "warning: whoever reaches 0.0.0.0 can read all results and logs" in err


def test_a_port_that_is_taken_is_a_usage_error(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FARWATCH_HOME", str(home.root))
    with serving(home) as (_, url):
        assert main(["serve", "--port", url.rpartition(":")[2].strip("/")]) == 2
    assert "is in use" in capsys.readouterr().err
    assert main(["serve", "--port", "70000"]) == 2
    assert main(["serve", "--host", "no.such.host.invalid"]) == 2
