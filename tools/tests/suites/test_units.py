# SPDX-License-Identifier: GPL-2.0-or-later
"""What a suite comes to before anything is run: what is missing is said."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest

from farwatch.builds.kselftests import KselftestBuild
from farwatch.builds.subject import Subject
from farwatch.engines.uml import UmlEngine
from farwatch.model import Base, Revision, ShareSetting, Suite, Verdict
from farwatch.suites import units
from farwatch.suites.fill import left_out
from farwatch.suites.plan import column_of
from farwatch.suites.units import Unit, folder_hash, suite_subject
from farwatch.system import bootstrap
from farwatch.verdicts.rows import SKIP_MARK

PROGRAM = Suite("mine", "made up", "program", programs=(("all", ("true", "-a")),))
SELFTESTS = Suite("kselftest", "made up", "kselftest", targets=("fs", "gone"), output="tap")


class Trees:
    """What the trees say of a source."""

    files: ClassVar = {"fs/fuse/.kunitconfig": b"CONFIG_KUNIT=y\nCONFIG_FUSE_TEST=m\n"}

    def base_source(self, base: Base) -> Any:
        return SimpleNamespace(label=f"linux {base.name}", tree="base")

    def tip(self, revision: Revision, component: str, base: Base) -> Any:
        return SimpleNamespace(label=f"{revision.name} on {component} {base.name}", tree=revision.name)

    def content(self, source: Any, name: str) -> bytes | None:
        del source
        return self.files.get(name)


class Selftests:
    """Selftests of one target, of which a program does not build."""

    def __init__(self, folder: Path) -> None:
        record = {
            "tests": [["fs", "a_test"], ["fs", "b.sh"], ["fs", "broken"]],
            "broken": {"fs/broken": "broken.c:3: no such function"},
        }
        self.built = KselftestBuild("key", folder, record)
        self.asked: list[str] = []
        for name in ("fs/a_test", "fs/b.sh", "kselftest/runner.sh"):
            path = self.built.installed / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)

    def targets(self, source: Any, patterns: Any) -> tuple[list[str], list[str]]:
        del patterns
        self.asked.append(source.tree)
        return ["fs"], ["gone"]

    def config(self, source: Any, target: str) -> str:
        del source, target
        return "CONFIG_USB=m\n# CONFIG_NET is not set\n"

    def build(self, source: Any, targets: Any) -> KselftestBuild:
        del source, targets
        return self.built


def subject(**changes: Any) -> Subject:
    linux = Base("linux", "7.3", "tarball")
    revision = Revision("v3", "t", Path("v3"), "virtiofs", {})
    made = Subject(revision, {"linux": linux, "virtiofsd": Base("virtiofsd", "1", "crate")}, UmlEngine())
    return replace(made, **changes)


def made(suite: Suite, selftests: Any = None) -> tuple[Subject, dict[str, Unit]]:
    app = cast(
        Any,
        SimpleNamespace(
            trees=Trees(), builder=SimpleNamespace(kselftests=selftests), root=Path("/"), home=None
        ),
    )
    found = suite_subject(app, suite, subject())
    return found.subject, {unit.name: unit for unit in found.units}


def trouble(suite: Suite) -> tuple[Verdict, str] | None:
    (unit,) = made(suite)[1].values()
    return unit.trouble


def test_a_program_that_is_not_installed_is_said_with_what_brings_it() -> None:
    suite = replace(PROGRAM, programs=(("all", ("no-such-program",)),), package="such")
    assert trouble(suite) == (Verdict.SKIP, "no-such-program is not installed: apt-get install such")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"needs": ("no-such-tool",)}, "no-such-tool is not installed"),
        ({"needs": ("network",)}, "needs a network, and a guest of the tests has none"),
        ({"engines": ("vng",)}, "runs on engine vng only"),
    ],
)
def test_what_a_guest_cannot_have_is_said(changes: dict[str, Any], says: str) -> None:
    assert trouble(replace(PROGRAM, **changes)) == (Verdict.SKIP, says)


def run_script(tmp_path: Path, devices: str, *command: str) -> subprocess.CompletedProcess[str]:
    argv = ("/bin/sh", "-c", units._PROGRAM, "mine", "share", devices, *command)
    env = {"PATH": "/usr/bin:/bin", "FARWATCH_SHARE": str(tmp_path)}
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)


def test_the_guest_looks_for_a_device_first_and_works_where_it_is_to(tmp_path: Path) -> None:
    done = run_script(tmp_path, "/dev/null", "/bin/pwd")
    assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path))
    done = run_script(tmp_path, "/dev/null /dev/none", "/bin/pwd")
    assert (done.returncode, done.stdout) == (
        4, f"{SKIP_MARK}needs /dev/none, which the guest does not have\n"
    )  # fmt: skip


def test_a_program_on_the_share_and_beside_it_is_two_rows() -> None:
    found, programs = made(replace(PROGRAM, places=("share", "tmpfs")))
    assert list(programs) == ["share/all", "tmpfs/all"]
    assert found.has_server
    alone, programs = made(PROGRAM)
    assert list(programs) == ["all"]
    assert not alone.has_server and "virtiofsd" not in alone.bases


def test_selftests_that_are_not_there_or_do_not_build_are_rows_that_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "ensure_extra", lambda *_: None)
    selftests = Selftests(tmp_path)
    found, programs = made(SELFTESTS, selftests)
    assert programs["gone"].trouble == (Verdict.FAIL, "linux 7.3 has no tools/testing/selftests/gone")
    assert programs["fs/broken"].trouble == (
        Verdict.FAIL, "does not build: broken.c:3: no such function"
    )  # fmt: skip
    assert programs["fs/b"].argv[-2:] == ("fs", "b.sh")
    assert programs["fs/a_test"].wants == {"USB"}
    assert [(wish.symbol, wish.value) for wish in found.wishes] == [("USB", "m"), ("NET", "n")]
    assert set(selftests.asked) == {"base"}


def test_selftests_of_the_series_come_from_its_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "ensure_extra", lambda *_: None)
    selftests = Selftests(tmp_path)
    made(replace(SELFTESTS, own_tree=True), selftests)
    assert set(selftests.asked) == {"v3"}


def test_kunit_takes_its_options_from_kunitconfig_files_and_says_which_is_missing() -> None:
    found, programs = made(Suite("kunit", "made up", "kunit", targets=("fs/fuse", "fs/gone")))
    assert [(wish.symbol, wish.value) for wish in found.wishes] == [("KUNIT", "y"), ("FUSE_TEST", "m")]
    assert programs["fs/gone"].trouble == (Verdict.FAIL, "v3 on linux 7.3 has no fs/gone/.kunitconfig")
    assert programs["boot"].argv == ()


def test_what_could_change_a_row_is_part_of_what_it_is_looked_up_by(tmp_path: Path) -> None:
    unit = Unit(PROGRAM, "all", ("a", "b"), ("hash",))
    others = [
        replace(unit, argv=("a", "c")),
        replace(unit, content=("other",)),
        replace(unit, suite=replace(PROGRAM, limit=7)),
        replace(unit, suite=replace(PROGRAM, same=("x",))),
        replace(unit, trouble=(Verdict.SKIP, "no")),
    ]
    keys = {each.key("column") for each in (unit, *others)} | {unit.key("other column")}
    assert len(keys) == 7
    (tmp_path / "a").write_text("1")
    before = folder_hash.__wrapped__(tmp_path)
    (tmp_path / "a").chmod(0o700)
    assert folder_hash.__wrapped__(tmp_path) != before


def test_a_suite_without_a_use_for_the_share_has_one_column_however_that_is_served() -> None:
    cached = subject(share_setting=ShareSetting("cached", server_options=("--cache=always",)))
    assert column_of(PROGRAM, cached) == subject().column()
    assert column_of(replace(PROGRAM, places=("share",)), cached) == cached.column()


def test_a_revision_without_a_column_is_named_with_the_reason() -> None:
    own = subject().revision
    reference, v4 = (replace(own, name=name) for name in ("reference", "v4"))
    plan = cast(Any, SimpleNamespace(made=SimpleNamespace(suite=PROGRAM, subject=subject())))
    assert list(left_out([replace(reference, share="tmpfs"), own, v4], [plan])) == [
        "mine: not on reference: no use for a share, and the kernel is the base's",
        "mine: not on v4: it has none",
    ]
