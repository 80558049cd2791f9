# SPDX-License-Identifier: GPL-2.0-or-later
"""Queues, guests that are spoiled, and what is tried again, with a guest that is a script."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from farwatch.cells.jobs import ColumnWork, Job
from farwatch.cells.runner import Runner
from farwatch.cells.supply import Supply
from farwatch.guests.run import run_guests
from farwatch.guests.setting import Setting
from farwatch.model import CellResult, Column, ShareKind, TestCase, Verdict
from farwatch.system.children import Run
from farwatch.system.home import Home
from tests.fakes.engine import FakeEngine
from tests.fakes.programs import fake_server


def run(
    home: Home,
    kinds: list[str],
    *behaviours: str,
    server: Path | None = None,
    guests: int = 1,
    sysctls: tuple[str, ...] = (),
) -> dict[str, CellResult]:
    """Run one test of each kind (see fakes/guest.py); its results by kind."""
    share: ShareKind = "virtiofs" if server else "tmpfs"
    setting = Setting(
        FakeEngine(*behaviours),
        Path("/none"),
        Path("/bin/true"),
        Path("/bin/false"),
        share,
        server,
        sysctls=sysctls,
    )
    jobs = deque(Job(TestCase("p", "fixture", "", kind), Path("/") / kind, kind) for kind in kinds)
    results: dict[str, CellResult] = {}

    async def work(run: Run) -> None:
        def keep(result: CellResult) -> None:
            assert result.test not in results, "a cell was filled twice"
            results[result.test] = result

        supply = Supply(lambda _work: guests)
        supply.add(ColumnWork(Column("r", "b"), setting, jobs))
        supply.end()
        await Runner(run, home.logs / "run", keep, "run").work(supply)

    run_guests(home, work)
    return {name.removeprefix("p:fixture."): result for name, result in results.items()}


def verdicts(results: dict[str, CellResult]) -> dict[str, Verdict]:
    return {kind: result.verdict for kind, result in results.items()}


def test_what_a_dead_guest_did_not_get_to_is_run_in_another(home: Home) -> None:
    found = run(home, ["pass", "panic", "fail", "vanish", "signal"])
    assert verdicts(found) == {
        "pass": Verdict.PASS,
        "panic": Verdict.CRASH,
        "fail": Verdict.FAIL,
        "vanish": Verdict.CRASH,
        "signal": Verdict.CRASH,
    }
    assert "made up" in found["panic"].title


def test_several_guests_fill_every_cell_once(home: Home) -> None:
    kinds = ["pass", "fail", "splat", "panic", "late-splat"]
    assert set(run(home, kinds, guests=4)) == set(kinds)


def test_a_splat_spoils_a_pass(home: Home) -> None:
    found = run(home, ["splat", "late-splat", "pass"])
    assert verdicts(found) == {"splat": Verdict.CRASH, "late-splat": Verdict.CRASH, "pass": Verdict.PASS}
    assert "KASAN" in found["late-splat"].title


def test_infrastructure_errors_are_tried_again_and_then_said(home: Home) -> None:
    result = run(home, ["setup"])["setup"]
    assert (result.verdict, result.attempts) == (Verdict.ERROR, 2)
    assert result.title == "set-up failed: no such device: No such device"


def test_a_sysctl_that_the_kernel_lacks_is_an_error_of_the_guest_that_names_it(home: Home) -> None:
    assert run(home, ["pass"], sysctls=("some.remote=1",))["pass"].verdict is Verdict.PASS
    result = run(home, ["pass"], sysctls=("some.remote=1", "none.remote=1"))["pass"]
    assert result.verdict is Verdict.ERROR
    assert result.title == "set-up failed: sysctl none.remote: No such file or directory"


def test_a_column_whose_guest_panics_at_boot(home: Home) -> None:
    found = run(home, ["pass", "fail"], "panic-at-boot")
    assert verdicts(found) == {"pass": Verdict.CRASH, "fail": Verdict.CRASH}
    assert "booting" in found["pass"].title and "mount root fs" in found["pass"].detail


def test_one_failed_boot_is_not_the_columns_verdict(home: Home) -> None:
    assert verdicts(run(home, ["pass"], "panic-at-boot", "normal")) == {"pass": Verdict.PASS}


def test_a_guest_that_boots_without_its_server_does_not_go_round_in_circles(
    home: Home, tmp_path: Path
) -> None:
    found = run(home, ["setup"], server=fake_server(tmp_path, "exits"))
    assert verdicts(found) == {"setup": Verdict.ERROR}


def test_every_cell_says_where_its_logs_are(home: Home) -> None:
    result = run(home, ["pass"])["pass"]
    assert (home.logs / result.logs / "cell.json").is_file()
    assert (home.logs / result.logs / "output.log").is_file()
