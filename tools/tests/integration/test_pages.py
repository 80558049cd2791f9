# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages of --site and serve in a real browser: how they look, what a keyboard does, and that nothing runs
that is not ours.

FARWATCH_SCREENSHOTS=DIR keeps the pictures, for a person to look at.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from farwatch.app import App
from farwatch.bench.record import Line, Records, record
from farwatch.model import CellResult, Column, Verdict
from farwatch.reports.cell_html import LINES
from farwatch.results.store import Results
from farwatch.system import bootstrap
from farwatch.system.home import Home
from farwatch.system.under_way import Doing, Note
from tests.integration.browser import LIMIT, Browser, Look, shades
from tests.integration.commands import command, environment, farwatch

pytestmark = [pytest.mark.integration, pytest.mark.nightly]

PACKAGES = "system-packages.browser.txt"
HOSTILE = "</script><script>window.stolen = 1</script><img src=x onerror='window.stolen = 2'>\x1b[31m\u202e"
LOOKS = {
    f"{shape}-{shade}": Look(*size, dark=shade == "dark")
    for shape, size in {"wide": (1280, 900), "narrow": (360, 740)}.items()
    for shade in ("light", "dark")
}
COLUMNS = [Column(name, "7.3") for name in ("reference", "baseline", "v1", "v2", "v3")]
NAMES = itertools.product(("alpha", "beta"), ("directory", "file"), ("local", "remote"), range(4))
TESTS = [f"{program}_test:{part}.{side}.case_{number}" for program, part, side, number in NAMES]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """With results of some weeks, hostile ones among them, logs, and benchmarks."""
    made = Home(tmp_path_factory.mktemp("home"))
    with Results.open(made.results) as results:
        for number in range(30):
            results.store_all([_result(made, column, test, number) for column in COLUMNS for test in TESTS])
    samples = tuple(float(number * number % 97 + 1) for number in range(50))
    lines = [Line("create", "another's create", "us", column.revision, samples) for column in COLUMNS]
    Records(made.bench).keep(record("events", f"a machine {HOSTILE}", lines, quick=False))
    return made


def _result(home: Home, column: Column, test: str, number: int) -> CellResult:
    broken = "remote" in test and (column.revision == "baseline" or (number + TESTS.index(test)) % 13 == 0)
    verdict = Verdict.FAIL if broken else Verdict.PASS
    logs = f"run-{number}/{column.revision}-{TESTS.index(test)}" if broken and number == 29 else ""
    if logs:
        folder = home.logs / logs
        folder.mkdir(parents=True)
        text = "".join(f"{place}.000000 {HOSTILE} line {place} {'long ' * 40}\n" for place in range(2000))
        (folder / "output.log").write_text(text)
        (folder / "cell.json").write_text(json.dumps({"about": HOSTILE, "begin": 3.0}))
    title = f"no event within 500 ms {HOSTILE}" if broken else ""
    started = 1.7e9 + number * 86400
    return CellResult(column, test, f"{number:032x}", verdict, title, HOSTILE * 3, 0.2, 1, started, logs, "")


@pytest.fixture(scope="module")
def site(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "site"
    done = farwatch("table", "--site", folder, FARWATCH_HOME=str(home.root))
    assert "index.html: " in done.stderr, done.stderr
    return folder


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """One that has had nothing to complain of in the end."""
    app = App.here()
    bootstrap.ensure_extra(app.root / "tools" / PACKAGES, app.home)
    with Browser(tmp_path / "profile") as made:
        yield made
        assert made.troubles == []
        assert made.value("typeof window.stolen") == "undefined"


@pytest.fixture
def served(home: Home) -> Iterator[str]:
    process = subprocess.Popen(
        command("serve", "--port", "0"),
        env=environment(FARWATCH_HOME=str(home.root)),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        found = re.search(r"http://\S+/", process.stdout.readline())
        assert found
        yield found[0]
    finally:
        process.terminate()
        process.communicate(timeout=LIMIT)


def kinds(site: Path) -> dict[str, Path]:
    """A page of each kind, that with the most in it."""

    def largest(folder: str) -> Path:
        return max((site / folder).glob("*-*.html"), key=lambda path: path.stat().st_size)

    cell, row, bench = map(largest, ("cells", "rows", "bench"))
    benches = site / "bench" / "index.html"
    return {"index": site / "index.html", "cell": cell, "row": row, "bench": bench, "benches": benches}


POOR_CONTRAST = """
(() => {
  const parts = (color) => color.match(/[0-9.]+/g).map(Number);
  const light = (color) => {
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = parts(color).map((c) => linear(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return parts(color)[3] === 0 ? paper(element.parentElement) : color;
  };
  const poor = new Set();
  for (const element of document.querySelectorAll("body *:not(script)")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility()) continue;
    const style = getComputedStyle(element), ink = element.closest("svg") ? style.fill : style.color;
    const [low, high] = [light(ink), light(paper(element))].sort((one, other) => one - other);
    if ((high + 0.05) / (low + 0.05) < 4.5) poor.add(`${element.localName}.${element.className} ${ink}`);
  }
  return [...poor];
})()
"""
"""Elements whose text is hard to read: below what WCAG 2.2, 1.4.3, wants."""


def check_look(browser: Browser, look: Look, name: str) -> None:
    """Not blank, as dark as it was asked to be, and no wider than the screen."""
    assert browser.value("document.documentElement.scrollWidth") <= look.width, name
    assert browser.value(POOR_CONTRAST) == [], name
    seen = shades(browser.picture(look, 0.25))
    assert len(set(seen)) > 10, f"{name} is blank"
    bright = sum(seen) / len(seen)
    assert (bright < 90) if look.dark else (bright > 190), f"{name}: {bright:.0f}"
    if kept := os.environ.get("FARWATCH_SCREENSHOTS"):
        (Path(kept) / f"{name}.png").write_bytes(browser.picture(look))


@pytest.mark.parametrize("name", LOOKS)
def test_every_kind_of_page_looks_as_it_should(browser: Browser, site: Path, name: str) -> None:
    look = LOOKS[name]
    browser.look(look)
    for kind, page in kinds(site).items():
        browser.open(page.as_uri())
        check_look(browser, look, f"{kind}-{name}")


def rows_shown(browser: Browser) -> int:
    count = "[...document.querySelectorAll('.tests .row')].filter((row) => row.checkVisibility()).length"
    shown = browser.value(count)
    assert isinstance(shown, int)
    return shown


def focused(browser: Browser) -> str:
    """What has the focus, which has to be seen."""
    assert browser.value("getComputedStyle(document.activeElement).outlineStyle") != "none"
    return str(browser.value("document.activeElement.id || document.activeElement.tagName"))


def test_the_filter_works_by_keyboard_alone(browser: Browser, site: Path) -> None:
    browser.look(LOOKS["wide-light"])
    browser.open((site / "index.html").as_uri())
    assert rows_shown(browser) == len(TESTS)
    browser.press("/")
    assert focused(browser) == "filter"
    browser.press(*"beta case_3")
    wanted = [test for test in TESTS if "beta" in test and "case_3" in test]
    assert rows_shown(browser) == len(wanted)
    assert browser.value("document.getElementById('count').value") == f"{len(wanted)} of {len(TESTS)} rows"
    browser.press(" ", *"local")
    assert rows_shown(browser) == len(wanted) / 2
    browser.press("Escape")
    assert rows_shown(browser) == len(TESTS)
    browser.press("Tab")
    assert focused(browser) == "program"
    browser.press(*"be")
    browser.until("document.getElementById('program').value === 'beta_test'")
    assert rows_shown(browser) == len(TESTS) / 2
    browser.press("Tab", "Tab", " ")
    assert focused(browser) == "surprising"
    surprising = "document.querySelectorAll('.tests .row:has(td.surprising):not(.out)').length"
    assert 0 < rows_shown(browser) == browser.value(surprising) < len(TESTS) / 2


def test_a_link_is_followed_by_keyboard(browser: Browser, site: Path) -> None:
    browser.look(LOOKS["wide-light"])
    browser.open((site / "index.html").as_uri())
    for _ in range(200):
        browser.press("Tab")
        if browser.value("document.activeElement.matches('.tests td a')"):
            break
    assert focused(browser) == "A"
    browser.press("Enter")
    browser.until("location.pathname.includes('/cells/') && document.querySelector('dl')")


def test_a_timeline_is_bounded_and_its_sources_can_be_hidden(browser: Browser, site: Path) -> None:
    browser.open(kinds(site)["cell"].as_uri())
    assert browser.value("document.querySelectorAll('.timeline .output').length") == LINES
    browser.value("document.getElementById('show-output').click()")
    assert not browser.value("document.querySelector('.timeline .output').checkVisibility()")


def test_without_scripts_all_rows_are_there(browser: Browser, site: Path) -> None:
    look = LOOKS["narrow-light"]
    browser.look(look)
    browser.scripts(False)
    browser.open((site / "index.html").as_uri())
    assert rows_shown(browser) == len(TESTS)
    assert not browser.value("document.getElementById('filter').checkVisibility()")
    check_look(browser, look, "index-without-scripts")


def test_serve_shows_what_is_under_way_as_it_goes_on(browser: Browser, served: str, home: Home) -> None:
    browser.look(LOOKS["narrow-dark"])
    browser.open(served)
    browser.until("document.getElementById('runs').textContent.trim() === 'Nothing.'")
    note = Note(home.live, ["farwatch", "verify", HOSTILE])
    try:
        for done in (3, 7):
            note.write([HOSTILE], [Doing("testing", done, 9, "tests", HOSTILE)])
            browser.until(f"document.querySelector('.run progress')?.value === {done}")
        check_look(browser, LOOKS["narrow-dark"], "home-narrow-dark")
    finally:
        note.remove()
    browser.until("document.getElementById('runs').textContent.trim() === 'Nothing.'")


def test_serve_shows_the_pages_of_a_site(browser: Browser, served: str) -> None:
    browser.look(LOOKS["wide-dark"])
    browser.open(f"{served}linux-7.3-uml-plain/index.html")
    browser.press("/", *"beta")
    assert rows_shown(browser) == len(TESTS) / 2
    browser.value("document.querySelector('.tests .row:not(.out) th a').click()")
    browser.until("location.pathname.includes('/rows/') && document.querySelector('svg .dots')")
    check_look(browser, LOOKS["wide-dark"], "served-row-wide-dark")
