# SPDX-License-Identifier: GPL-2.0-or-later
"""Small made-up tables that the tests of all renderers share."""

from __future__ import annotations

from pathlib import Path

from farwatch.model import CellResult, Column, Expectation, Revision, Verdict
from farwatch.results.table import Table, build_table

COLUMNS = tuple(Column(name, "7.3") for name in ("reference", "baseline", "v1", "v2"))
NASTY = "</script><b>|*x*|</b>\n\x1b[31m[bold]`@you` &amp; \u202e\x00\udcff\ufffe"
"""A title that tries to get out of every format."""

_STOCK = Expectation(("*.remote.*",), Verdict.FAIL, "stock software has no remote events", says="no event")
_RENAME = Expectation(("inotify:events.remote.rename",), Verdict.FAIL, "rename is two unrelated events in v1")

REVISIONS = (
    Revision("reference", "Local tmpfs", Path("r"), "tmpfs", {"linux": "7.3"}, (), 0),
    Revision(
        "baseline", "Stock Linux and stock virtiofsd", Path("b"), "virtiofs", {"linux": "7.3"}, (_STOCK,), 1
    ),
    Revision("v1", "The RFC of 2021", Path("v1"), "virtiofs", {"linux": "7.3"}, (_RENAME,), 10),
    Revision("v2", "One mask an inode", Path("v2"), "virtiofs", {"linux": "7.3"}, (), 11),
)

ROWS = {
    "inotify:events.local.create": "pass pass pass pass",
    "inotify:events.local.delete": "pass pass pass pass",
    "inotify:events.local.rename": "pass pass pass pass",
    "inotify:events.remote.create": "pass fail pass pass",
    "inotify:events.remote.delete": "pass fail pass pass",
    "inotify:events.remote.modify": "pass fail pass pass",
    "inotify:events.remote.rename": "pass fail fail pass",
    "inotify:limits.watches": "pass pass pass pass",
    "inotify:limits.queue": "pass pass pass pass",
    "fanotify:marks.remote.ignore": "pass fail crash hang",
    "fanotify:marks.remote.evict": "pass fail pass fail",
    "fanotify:marks.idle": "pass skip error",
}

TITLES = {
    Verdict.FAIL: "no event within 500 ms",
    Verdict.SKIP: "needs CAP_SYS_ADMIN",
    Verdict.CRASH: "KASAN: slab-use-after-free in fsnotify_put_mark",
    Verdict.HANG: "no verdict within 20 s",
    Verdict.ERROR: "the server died by itself",
}


def sample() -> Table:
    """Four columns, with every verdict, change and kind of surprise in it."""
    results = []
    for test, verdicts in ROWS.items():
        for column, word in zip(COLUMNS, verdicts.split(), strict=False):
            verdict = Verdict(word)
            title = TITLES.get(verdict, "")
            detail = f"inotify_test.c:42: {title}\nwanted IN_CREATE" if title else ""
            cached = column.revision in ("reference", "baseline")
            results.append(
                CellResult(
                    column, test, "0" * 32, verdict, title, detail, 0.25, 1, 1e9, "run/cell", "", cached
                )
            )
    return build_table(results, REVISIONS, COLUMNS, list(ROWS))


def calm() -> Table:
    """One column, no surprise."""
    column = COLUMNS[1]
    results = [CellResult(column, f"p:f.t{number}", "0" * 32, Verdict.PASS) for number in range(100)]
    return build_table(results, (), [column])


def nasty() -> Table:
    """Every text that comes from outside is hostile."""
    column = Column(f"v{NASTY}", NASTY, NASTY, NASTY)
    revision = Revision(
        column.revision, NASTY, Path("x"), "virtiofs", {}, (Expectation(("*",), Verdict.SKIP, NASTY),), 1
    )
    result = CellResult(column, f"p{NASTY}:f{NASTY}.t{NASTY}", NASTY, Verdict.FAIL, NASTY, NASTY, logs=NASTY)
    return build_table([result], [revision], [column])
