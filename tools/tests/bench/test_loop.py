# SPDX-License-Identifier: GPL-2.0-or-later
"""bench loop: what is measured once is kept, and virtme-ng is used as a person would."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from farwatch.bench import loop
from farwatch.bench.cold import ColdBuilds, machine_name
from farwatch.bench.plain_vng import PlainVng
from farwatch.cli import main
from farwatch.errors import FarwatchError
from tests.processes import script


def never() -> float:
    raise AssertionError("it was built once more")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cold-builds.json"


def test_a_cold_build_is_taken_once(file: Path) -> None:
    taken = ColdBuilds(file, "ash").take("engine uml", "key", lambda: 151.26)
    assert (taken.machine, taken.seconds) == ("ash", 151.3)
    assert ColdBuilds(file, "ash").take("engine uml", "key", never) == taken


def test_another_machine_measures_for_itself(file: Path) -> None:
    ColdBuilds(file, "ash").take("engine uml", "key", lambda: 150)
    ColdBuilds(file, "elm").take("engine uml", "key", lambda: 90)
    assert [ColdBuilds(file, name).take("engine uml", "key", never).seconds for name in ("ash", "elm")] == [
        150,
        90,
    ]


def test_another_kernel_is_measured_anew_and_replaces_the_old_one(file: Path) -> None:
    store = ColdBuilds(file, "ash")
    store.take("engine uml", "old", lambda: 150)
    store.take("engine vng", "key", lambda: 400)
    store.take("engine uml", "new", lambda: 160)
    assert store.known("engine uml", "old") is None
    assert store.take("engine vng", "key", never).seconds == 400
    assert len(json.loads(file.read_text())) == 2


@pytest.mark.parametrize("content", ["", "half of {", "[7]", '[{"what": "engine uml"}]', "{}", "null"])
def test_a_damaged_file_counts_as_empty(file: Path, content: str) -> None:
    file.write_text(content)
    assert ColdBuilds(file, "ash").take("engine uml", "key", lambda: 150).seconds == 150
    assert ColdBuilds(file, "ash").take("engine uml", "key", never).seconds == 150


def test_a_build_that_fails_is_not_kept(file: Path) -> None:
    with pytest.raises(AssertionError):
        ColdBuilds(file, "ash").take("engine uml", "key", never)
    assert ColdBuilds(file, "ash").known("engine uml", "key") is None


def test_the_machine_has_its_name_and_cores() -> None:
    assert machine_name().startswith(f"{os.uname().nodename}, {len(os.sched_getaffinity(0))} cores")


# -- plain virtme-ng -----------------------------------------------------------


VNG = """
pwd >> "$HOME/calls"; echo "$*" >> "$HOME/calls"
case "$*" in
*--build*) mkdir -p arch/x86/boot; [ -e broken ] || : > arch/x86/boot/bzImage ;;
*fails) echo "not ok 1 $*" ;;
*dies) exit 3 ;;
*) echo "TAP version 13"; echo "ok 1 a.test" ;;
esac
"""


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlainVng:
    program = tmp_path / "venv" / "bin" / "vng"
    program.parent.mkdir(parents=True)
    script(program, VNG)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    (tmp_path / "tree").mkdir()
    return PlainVng(tmp_path / "tree", tmp_path / "home", lambda _text: None, kvm=False)


def test_virtme_ng_builds_in_the_tree_and_runs_a_program(plain: PlainVng, tmp_path: Path) -> None:
    assert not plain.built
    plain.build()
    assert plain.built
    plain.test(Path("/somewhere/inotify_test"), "a.test")
    tree = str(tmp_path / "tree")
    assert (tmp_path / "home" / "calls").read_text().splitlines() == [
        *(tree, "--verbose --build", tree),
        "--append root=/dev/root --disable-kvm -- env FARWATCH_STEPS=process FARWATCH_SHARE=/tmp"
        " /somewhere/inotify_test -r a.test",
    ]


def test_kvm_is_used_where_it_works(tmp_path: Path, plain: PlainVng) -> None:
    del plain
    PlainVng(tmp_path / "tree", tmp_path / "home", lambda _text: None, kvm=True).test(Path("p"), "t")
    assert "--disable-kvm" not in (tmp_path / "home" / "calls").read_text()


@pytest.mark.parametrize(("test", "says"), [("fails", "did not pass"), ("dies", "status 3")])
def test_a_test_that_does_not_pass_is_no_figure(plain: PlainVng, test: str, says: str) -> None:
    with pytest.raises(FarwatchError) as caught:
        plain.test(Path("program"), test)
    assert says in f"{caught.value.what} {caught.value.cause}"
    assert str(plain.tree.parent / "home" / "log") in caught.value.hint


def test_a_build_that_leaves_no_kernel_is_no_figure(plain: PlainVng) -> None:
    (plain.tree / "broken").touch()
    with pytest.raises(FarwatchError, match="left no kernel"):
        plain.build()


def test_dropped_means_from_nothing(plain: PlainVng) -> None:
    plain.build()
    plain.drop()
    assert not plain.built
    assert not plain.tree.exists()


# -- the command -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("loop", "v1"), "bench loop takes no revision"),
        (("loop", "--engine", "vng"), "bench loop takes no setting"),
        (("loop", "-n", "0"), "--runs 0 is too few"),
        (("events", "baseline", "--engine", "vng"), "engine uml alone"),
    ],
)
def test_what_it_does_not_take_it_refuses(
    words: tuple[str, ...],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FARWATCH_HOME", str(tmp_path))
    assert main(["bench", *words]) == 2
    assert says in capsys.readouterr().err


def test_the_edited_file_is_put_back(tmp_path: Path) -> None:
    file = tmp_path / loop.EDIT.file
    file.parent.mkdir(parents=True)
    file.write_bytes(b"int a;\n")
    seen = []
    with pytest.raises(KeyboardInterrupt), loop.edited(tmp_path, loop.EDIT) as touch:
        for _ in range(2):
            touch()
            seen.append(file.read_bytes())
        raise KeyboardInterrupt
    assert seen[0] != seen[1]
    assert all(content.startswith(b"int a;\n\nstatic const") for content in seen)
    assert file.read_bytes() == b"int a;\n"
