# SPDX-License-Identifier: GPL-2.0-or-later
"""The real thing: real kernel, real virtiofsd, real guests. Builds what is not built yet (minutes, once)."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from farwatch.app import App
from farwatch.cells.jobs import ColumnWork, Job
from farwatch.cells.runner import Runner
from farwatch.cells.setting import setting_for
from farwatch.cells.supply import Supply
from farwatch.cells.wish import Wish
from farwatch.guests.run import run_guests
from farwatch.guests.trace import Limits
from farwatch.model import CellResult, Column, TestCase, Verdict
from farwatch.system.children import Run
from farwatch.system.home import Home
from tests.integration.commands import (
    LONG_ENOUGH,
    ONE,
    add_revision,
    command,
    environment,
    farwatch,
    guests_left,
    in_checkout,
    need_engine,
)
from tests.processes import interruptible

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def verified(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The JSON table of a complete `verify`."""
    folder = tmp_path_factory.mktemp("tables")
    forms = [f"--{form}={folder / form}" for form in ("json", "html", "junit", "markdown")]
    done = farwatch("verify", *forms)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all((folder / form).stat().st_size > 1000 for form in ("json", "html", "junit", "markdown"))
    table: dict[str, Any] = json.loads((folder / "json").read_text())
    return table


def verdicts(table: dict[str, Any], revision: str) -> dict[str, dict[str, Any]]:
    """Test name -> cell of one column."""
    names = [column["revision"] for column in table["columns"]]
    return {test["name"]: test["cells"][names.index(revision)] for test in table["tests"]}


def test_the_table_of_what_is_stored_in_each_format(verified: dict[str, Any], tmp_path: Path) -> None:
    forms = {form: tmp_path / form for form in ("json", "html", "junit", "markdown")}
    done = farwatch("table", *(f"--{form}={path}" for form, path in forms.items()))
    # A home may hold tests, of an earlier day, that there are no more: 1
    assert done.returncode in (0, 1), done.stdout[-5000:] + done.stderr
    columns = [column["revision"] for column in verified["columns"]]
    lines = done.stdout.splitlines()
    assert lines[0] == "Regression table (linux 7.3, uml, plain)"
    assert ["test", *columns] in [line.split() for line in lines]
    stored = json.loads(forms["json"].read_text())
    assert {test["name"] for test in stored["tests"]} >= {test["name"] for test in verified["tests"]}
    assert all(verdicts(stored, name).keys() >= verdicts(verified, name).keys() for name in columns)
    suites = ElementTree.parse(forms["junit"]).getroot()
    assert len(list(suites.iter("testcase"))) >= len(columns) * len(verified["tests"])
    assert "| test |" in forms["markdown"].read_text() and "<table" in forms["html"].read_text()


def test_the_suite_is_large_and_two_sided(verified: dict[str, Any]) -> None:
    variants = [test["variant"] for test in verified["tests"]]
    assert len(variants) >= 60
    assert variants.count("remote") >= 25 and variants.count("local") >= 25


def test_every_case_passes_on_the_reference(verified: dict[str, Any]) -> None:
    assert {cell["verdict"] for cell in verdicts(verified, "reference").values()} == {"pass"}


def test_on_baseline_local_passes_and_remote_fails_for_want_of_the_event(verified: dict[str, Any]) -> None:
    for name, cell in verdicts(verified, "baseline").items():
        if ".remote." in name:
            assert cell["verdict"] == "fail" and "no event" in cell["result"]["title"], name
        elif name.startswith("server_test:"):
            assert cell["verdict"] == "fail", name
        elif name.startswith("optin_test:"):
            # Nobody can ask, and nobody is told
            assert cell["verdict"] in ("pass", "skip"), name
        else:
            assert cell["verdict"] == "pass", name


def test_a_second_verify_runs_nothing(verified: dict[str, Any], tmp_path: Path) -> None:
    done = farwatch("verify", "--json", tmp_path / "again.json")
    assert done.returncode == 0
    again = json.loads((tmp_path / "again.json").read_text())
    assert [column["cached"] for column in again["columns"]] == [len(again["tests"])] * len(again["columns"])


@pytest.mark.usefixtures("verified")
def test_show_has_steps_of_the_host_between_lines_of_the_test() -> None:
    done = farwatch("show", "baseline/7.3/uml/plain/inotify_test:directory.remote.create")
    assert done.returncode == 0, done.stderr
    assert "no event" in done.stdout and "host create" in done.stdout and "answer" in done.stdout


@pytest.mark.usefixtures("verified")
def test_boot_runs_a_command_on_a_share_with_blanks_in_its_name(tmp_path: Path) -> None:
    share = tmp_path / "a share with blanks"
    share.mkdir()
    (share / "from host").write_text("hello guest\n")
    script = "cat 'from host'; echo hello host > 'from guest'; exit 7"
    done = farwatch("boot", "baseline", "--share", share, "--", "sh", "-c", script)
    assert (done.returncode, done.stdout) == (7, "hello guest\n"), done.stderr
    assert (share / "from guest").read_text() == "hello host\n"
    assert share.is_dir()


@pytest.mark.usefixtures("verified")
@pytest.mark.parametrize("place", ["home with blanks", "link to a home"])
def test_a_home_on_any_path(tmp_path: Path, place: str) -> None:
    """Below /tmp, which a guest has its own of; everything that is built is reached through it."""
    assert tmp_path.is_relative_to(tempfile.gettempdir())
    home = tmp_path / "a home"
    home.mkdir()
    for built in ("git", "trees", "objects", "builds", "ccache", "cargo", "downloads"):
        (home / built).symlink_to(Home.from_env().root / built)
    path = home if place == "home with blanks" else tmp_path / "link"
    if path != home:
        path.symlink_to(home)
    done = farwatch("test", "baseline", "--patches", "-k", ONE, FARWATCH_HOME=str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (home / "results.db").exists()


@pytest.mark.usefixtures("verified")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_after_a_signal(number: signal.Signals) -> None:
    with started_verify() as process:
        assert run_folder(process).exists()
        process.send_signal(number)
        assert process.wait(timeout=LONG_ENOUGH) == 128 + signal.SIGINT
    assert guests_left() == []
    assert not run_folder(process).exists()
    assert integrity() == "ok"


@pytest.mark.usefixtures("verified")
def test_after_sigkill_the_next_run_cleans_up() -> None:
    with started_verify() as process:
        assert run_folder(process).exists()
        process.kill()
        process.wait(timeout=LONG_ENOUGH)
    assert integrity() == "ok"
    done = farwatch("test", "baseline", "--patches", "--fresh", "-k", ONE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert guests_left() == []
    assert not run_folder(process).exists()


def started_verify() -> subprocess.Popen[bytes]:
    """A verify that has guests running."""
    process = subprocess.Popen(
        command("verify", "--fresh"),
        env=environment(),
        preexec_fn=interruptible,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + LONG_ENOUGH
    while not guests_left():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    return process


def run_folder(process: subprocess.Popen[bytes]) -> Path:
    """Where a farwatch keeps what its guests need while they live, or what is left of it."""
    named = sorted(Home.from_env().runs.glob(f"*-{process.pid}"))
    return named[-1] if named else Home.from_env().runs / "none"


def integrity() -> str:
    with sqlite3.connect(Home.from_env().results) as results:
        [(answer,)] = results.execute("PRAGMA integrity_check")
    return str(answer)


# -- programs that misbehave, in a real guest ------------------------------------------------


@pytest.fixture(scope="module", params=["uml", pytest.param("vng", marks=pytest.mark.nightly)])
def engine(request: pytest.FixtureRequest) -> str:
    need_engine(request.param)
    return str(request.param)


@pytest.fixture(scope="module")
def misbehaved(engine: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, CellResult]:
    """Result of each case of programs/misbehave, all in one column, as few guests as possible."""
    app = App.here()
    setting = setting_for(app, Wish((), engine=engine, edited=False), app.catalog.revision("baseline"))
    program = Path(__file__).parent / "programs" / "misbehave"
    names = [line.split(")")[0] for line in program.read_text().splitlines() if line.startswith("program.")]
    cases = [TestCase("misbehave", "program", "", name.removeprefix("program.")) for name in names]
    work = ColumnWork(
        Column("baseline", "7.3"), setting, deque(Job(case, program, "made up") for case in cases)
    )
    with pytest.MonkeyPatch.context() as patch:
        limits = Limits(test=8.0, event=2.0, end=20.0)
        patch.setattr(Limits, "measured", classmethod(lambda cls, boot: limits))
        patch.setattr("farwatch.guests.marks.CONSOLE_LIMIT", 20_000)
        patch.setattr("farwatch.guests.marks.OUTPUT_LIMIT", 200_000)
        return run_all(app.home, work, tmp_path_factory.mktemp("logs"))


def run_all(home: Home, work: ColumnWork, logs: Path) -> dict[str, CellResult]:
    results: dict[str, CellResult] = {}

    async def main(run: Run) -> None:
        def keep(result: CellResult) -> None:
            results[result.test] = result

        supply = Supply(lambda _work: 1)
        supply.add(work)
        supply.end()
        await Runner(run, logs / "run", keep, "made up").work(supply)

    run_guests(home, main)
    assert guests_left() == []
    return results


@pytest.mark.parametrize(
    ("test", "verdict", "says"),
    [
        ("passes", Verdict.PASS, ""),
        ("fails", Verdict.FAIL, ""),
        ("segfaults", Verdict.CRASH, "SIGSEGV"),
        ("prints_no_plan", Verdict.ERROR, "plan"),
        ("claims_more", Verdict.ERROR, ""),
        ("lies", Verdict.ERROR, ""),
        ("hangs", Verdict.HANG, ""),
        ("panics", Verdict.CRASH, "sysrq"),
        ("resets", Verdict.CRASH, "the guest died: exit status 0"),
        ("splats", Verdict.CRASH, "sleeping function"),
        ("floods", Verdict.CRASH, "console"),
        ("runs_away", Verdict.ERROR, "output"),
    ],
)
def test_misbehaviour_gets_its_own_verdict(
    misbehaved: dict[str, CellResult], test: str, verdict: Verdict, says: str
) -> None:
    result = misbehaved[f"misbehave:program.{test}"]
    assert result.verdict is verdict, result
    assert says in result.title + result.detail


def test_every_misbehaving_case_was_run(misbehaved: dict[str, CellResult]) -> None:
    """A guest that dies takes nothing with it: the rest is run in a fresh one."""
    assert len(misbehaved) == 12


@pytest.mark.parametrize(
    ("server", "says"),
    [
        ("exit 3", "the server ended before the guest was up: exit status 3"),
        ("exec sleep 1000", "the server never took the guest's connection"),
    ],
)
def test_a_server_that_does_not_serve(engine: str, tmp_path: Path, server: str, says: str) -> None:
    program = tmp_path / "server"
    program.write_text(f"#!/bin/sh\n{server}\n")
    program.chmod(0o755)
    app = App.here()
    setting = setting_for(app, Wish((), engine=engine, edited=False), app.catalog.revision("baseline"))
    case = TestCase("misbehave", "program", "", "passes")
    job = Job(case, Path(__file__).parent / "programs" / "misbehave", "made up")
    work = ColumnWork(Column("baseline", "7.3"), replace(setting, server=program), deque([job]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("farwatch.cells.runner.FIRST_BOOT_LIMIT", 5.0)
        result = run_all(app.home, work, tmp_path)[case.name]
    assert result.verdict is Verdict.ERROR and says in result.title


@pytest.mark.usefixtures("verified")
def test_a_patched_kernel_is_another_kernel_and_a_broken_one_names_its_first_error(
    own_checkout: Path,
) -> None:
    old = '#include "fuse_i.h"'
    add_revision(own_checkout, "fine", old, f"{old} /* patched */")
    done = in_checkout(own_checkout, "test", "fine", "-k", ONE)
    assert done.returncode == 0, done.stdout + done.stderr
    add_revision(own_checkout, "broken", old, "this is not C")
    done = in_checkout(own_checkout, "test", "broken", "-k", ONE)
    assert done.returncode == 2
    assert "fs/fuse/dir.c:" in done.stderr and "unknown type name" in done.stderr and ".log" in done.stderr


OPTIONS = {"kasan": "KASAN", "lockdep": "PROVE_LOCKING"}
BUGS = {
    "kasan": (
        "KASAN: slab-use-after-free",
        "{ char *p = kmalloc(8, GFP_KERNEL); kfree(p); OPTIMIZER_HIDE_VAR(p); READ_ONCE(*p); }",
    ),
    "lockdep": (
        "possible circular locking dependency",
        "{ static DEFINE_MUTEX(a); static DEFINE_MUTEX(b); mutex_lock(&a); mutex_lock(&b); mutex_unlock(&b); "
        "mutex_unlock(&a); mutex_lock(&b); mutex_lock(&a); mutex_unlock(&a); mutex_unlock(&b); }",
    ),
}


@pytest.mark.parametrize("flavor", BUGS)
def test_the_options_of_a_flavor_stick(flavor: str) -> None:
    """No kernel is built for it: the config is what such a kernel would get."""
    done = farwatch("config", "baseline", "--flavor", flavor)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"\nCONFIG_{OPTIONS[flavor]}=y\n" in done.stdout


@pytest.mark.nightly
@pytest.mark.parametrize("flavor", BUGS)
def test_a_flavor_reports_the_bug_that_it_is_for(own_checkout: Path, flavor: str) -> None:
    title, bug = BUGS[flavor]
    old = "\tinode->i_op = &fuse_common_inode_operations;"
    add_revision(own_checkout, "buggy", old, f"\t{bug}{old}")
    done = in_checkout(own_checkout, "test", "buggy", "--flavor", flavor, "-k", ONE)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "crash" in done.stdout and title in done.stdout


def test_a_patch_that_does_not_apply_is_named(own_checkout: Path) -> None:
    add_revision(own_checkout, "stale", '#include "fuse_i.h"', "something")
    [patch] = (own_checkout / "patches" / "stale" / "linux").iterdir()
    patch.write_text(patch.read_text().replace('-#include "fuse_i.h"', '-#include "no_such.h"'))
    done = in_checkout(own_checkout, "test", "stale", "-k", ONE)
    assert done.returncode == 2
    assert patch.name in done.stderr and "fs/fuse/dir.c" in done.stderr


def test_a_ten_patch_series_is_mailed_and_proven_on_the_kernel(own_checkout: Path, tmp_path: Path) -> None:
    add_revision(own_checkout, "ten", '#include "fuse_i.h"', '#include "fuse_i.h" /* 0 */')
    folder = own_checkout / "patches" / "ten" / "linux"
    head = next(folder.iterdir()).read_text().partition("diff --git")[0]
    for number in range(2, 11):
        file = f"fs/fuse/made_up_{number}.c"
        change = f"diff --git a/{file} b/{file}\nnew file mode 100644\n--- /dev/null\n+++ b/{file}\n"
        text = head.replace("fuse: made up", f"fuse: made up {number}") + change + "@@ -0,0 +1 @@\n+int i;\n"
        (folder / f"{number:04}-made-up.patch").write_text(text)
    done = in_checkout(own_checkout, "send", "ten", "-o", str(tmp_path / "mails"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 commits are what they were" in done.stdout and "fuse-devel@" in done.stdout
    assert len(list((tmp_path / "mails/linux").glob("*.eml"))) == 11


@pytest.fixture(autouse=True)
def _no_guest_is_left() -> Iterator[None]:
    yield
    assert guests_left() == []
