# SPDX-License-Identifier: GPL-2.0-or-later
"""Suites that misbehave, in guests that are scripts: what becomes of them, and of those beside them."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from farwatch.guests.run import run_guests
from farwatch.guests.setting import Setting
from farwatch.model import CellResult, Column, Suite, Verdict
from farwatch.suites.plan import SuitePlan, SuiteWork
from farwatch.suites.runner import SuiteRunner
from farwatch.suites.units import BOOT, Unit
from farwatch.system.children import Run
from farwatch.system.home import Home
from tests.fakes.engine import FakeEngine

SUITE = Suite("mine", "made up", "program", output="tap", limit=40)
TAP = ("TAP version 13", "1..2", "ok 1 a", "ok 2 b")


def prints(*lines: str, ends: str = "exit 0") -> tuple[str, ...]:
    """The argv of a program of fakes/guest.py that prints lines."""
    return ("output", ends, "-", *lines)


def run(
    home: Home,
    programs: dict[str, tuple[str, ...]],
    *behaviours: str,
    suite: Suite = SUITE,
    wants: frozenset[str] = frozenset(),
    absent: frozenset[str] = frozenset(),
    before: dict[str, list[CellResult]] | None = None,
    stop_after: int = 0,
) -> dict[str, CellResult]:
    """The rows of these programs, by what follows the suite's name; the inputs of each are its name."""
    units = [Unit(suite, name, argv, wants=wants) for name, argv in programs.items()]
    inputs = {unit.test: unit.name for unit in units}
    made = cast(Any, SimpleNamespace(suite=suite))
    plan = SuitePlan(made, Column("v3", "7.3"), cast(Any, None), inputs, [], tuple(units), before or {})
    setting = Setting(
        FakeEngine(*behaviours), Path("/none"), Path("/bin/true"), Path("/bin/false"), "tmpfs", None
    )
    work = SuiteWork(plan, setting, absent, deque((unit, 0) for unit in units))
    found: dict[str, CellResult] = {}

    def keep(_plan: SuitePlan, rows: list[CellResult]) -> None:
        assert not {row.test for row in rows} & set(found), "a row was filled twice"
        found.update({row.test: row for row in rows})
        if stop_after and len(found) >= stop_after:
            raise asyncio.CancelledError

    async def main(run: Run) -> None:
        await SuiteRunner(run, home.logs / "run", keep, "run").work([work], 1)

    try:
        run_guests(home, main)
    except KeyboardInterrupt:
        assert stop_after
    return {name.removeprefix(f"{suite.name}:"): row for name, row in found.items()}


def verdicts(found: dict[str, CellResult]) -> dict[str, Verdict]:
    return {name: row.verdict for name, row in found.items()}


def test_a_program_and_its_tests_are_rows_with_one_log_folder(home: Home) -> None:
    found = run(home, {"p": prints(*TAP)})
    assert verdicts(found) == {"p": Verdict.PASS, "p.a": Verdict.PASS, "p.b": Verdict.PASS}
    assert {row.inputs for row in found.values()} == {"p"}
    (folder,) = {row.logs for row in found.values()}
    assert (home.logs / folder / "cell.json").is_file() and (home.logs / folder / "output.log").is_file()


def test_a_program_that_leaves_the_guest_unusable_takes_no_other_with_it(home: Home) -> None:
    found = run(home, {"kills": ("panic", "-", "-"), "p": prints(*TAP), "dies": ("vanish", "-", "-")})
    assert found["kills"].verdict is Verdict.CRASH and "made up" in found["kills"].title
    assert found["dies"].verdict is Verdict.CRASH
    assert found["p"].verdict is Verdict.PASS


def test_a_program_that_runs_for_ever_hangs_and_what_it_had_done_is_kept(home: Home) -> None:
    found = run(home, {"p": prints(*TAP[:3], ends="timeout")})
    assert verdicts(found) == {"p": Verdict.HANG, "p.a": Verdict.PASS}


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ((), "printed nothing (exit status 0)"),
        (('<testsuite tests="1"><testcase name="a"/></testsuite>',), "prints JUnit's XML where TAP was"),
    ],
)
def test_a_program_that_prints_nothing_or_something_else_fails(
    home: Home, lines: tuple[str, ...], says: str
) -> None:
    found = run(home, {"p": prints(*lines)})
    assert list(found) == ["p"] and found["p"].verdict is Verdict.FAIL
    assert says in found["p"].title


def test_a_program_that_lacks_an_option_says_which_and_how_to_find_out_why(home: Home) -> None:
    wants, absent = frozenset({"USB", "NET"}), frozenset({"USB", "SCSI"})
    failed = prints("TAP version 13", "1..1", "not ok 1 a", ends="exit 1")
    found = run(home, {"bad": failed, "good": prints(*TAP)}, wants=wants, absent=absent)
    assert found["bad"].title.endswith("(the kernel lacks CONFIG_USB)")
    assert "farwatch config v3 --suite mine --why USB" in found["bad"].detail
    assert found["good"].title == ""


def test_names_that_change_from_run_to_run_are_no_pass(home: Home) -> None:
    first = run(home, {"p": prints("TAP version 13", "1..1", "ok 1 pid 17")})
    before = {"p": list(first.values())}
    found = run(home, {"p": prints("TAP version 13", "1..1", "ok 1 pid 18")}, before=before)
    assert found["p"].verdict is Verdict.FAIL
    assert "change from run to run: only now: mine:p.pid 18; only before: mine:p.pid 17" in found["p"].title
    assert run(home, {"p": prints("TAP version 13", "1..1", "ok 1 pid 17")}, before=before)["p"].verdict is (
        Verdict.PASS
    )


def test_what_is_said_to_be_the_same_does_not_count(home: Home) -> None:
    suite = replace(SUITE, same=("pid [0-9]+",))
    first = run(home, {"p": prints("TAP version 13", "1..1", "ok 1 pid 17")}, suite=suite)
    again = prints("TAP version 13", "1..1", "ok 1 pid 18")
    found = run(home, {"p": again}, suite=suite, before={"p": list(first.values())})
    assert verdicts(found) == {"p": Verdict.PASS, "p.*": Verdict.PASS}


def test_an_infrastructure_error_is_tried_again_and_then_said(home: Home) -> None:
    found = run(home, {"p": ("setup", "-", "-")})
    assert (found["p"].verdict, found["p"].attempts) == (Verdict.ERROR, 2)


def test_a_kernel_that_does_not_boot_gives_every_program_that_verdict(home: Home) -> None:
    found = run(home, {"p": prints(*TAP), "q": prints(*TAP)}, "panic-at-boot")
    assert verdicts(found) == {"p": Verdict.CRASH, "q": Verdict.CRASH}
    assert "booting" in found["q"].title


def test_one_failed_boot_is_nobodys_verdict(home: Home) -> None:
    assert run(home, {"p": prints(*TAP)}, "panic-at-boot", "normal")["p"].verdict is Verdict.PASS


KUNIT = "KTAP version 1|1..1|    KTAP version 1|    # Subtest: s|    1..2|    ok 1 a|    {}ok 2 b|{}ok 1 s"


@pytest.mark.parametrize(("word", "verdict"), [("", Verdict.PASS), ("not ", Verdict.FAIL)])
def test_kunit_rows_are_named_by_suite_and_case(home: Home, word: str, verdict: Verdict) -> None:
    suite = replace(SUITE, kind="kunit")
    found = run(home, {BOOT: ()}, f"says:{KUNIT.format(word, word)}", suite=suite)
    assert verdicts(found) == {"boot": verdict, "s": verdict, "s.a": Verdict.PASS, "s.b": verdict}


def test_what_has_ended_before_an_interruption_is_kept(home: Home) -> None:
    programs = {"p": prints(*TAP), "q": prints(*TAP), "r": prints(*TAP)}
    found = run(home, programs, stop_after=3)
    assert list(found) == ["p", "p.a", "p.b"]
