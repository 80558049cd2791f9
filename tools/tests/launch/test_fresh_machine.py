# SPDX-License-Identifier: GPL-2.0-or-later
"""ci/fresh-machine: what it runs, what it hands on; the machine itself is made by running it."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from farwatch.system.home import checkout_root
from tests.processes import script


@pytest.fixture(scope="module")
def fresh() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader(
        "fresh_machine", str(checkout_root() / "ci" / "fresh-machine")
    )
    spec = importlib.util.spec_from_loader("fresh_machine", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fresh_machine"] = module  # dataclasses look their module up
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = written
    return module


@pytest.mark.parametrize(
    ("only", "names"),
    [
        (None, ["bare", "root", "root", "user", "user"]),
        ("root", ["root", "root"]),
        ("user", ["bare", "packages", "user", "user"]),
    ],
)
def test_steps(fresh: ModuleType, only: str | None, names: list[str]) -> None:
    steps = fresh.steps(only, ["verify", "check"])
    assert [step.name for step in steps] == names
    assert {step.user for step in steps if step.name in ("bare", "user")} <= {fresh.USER}


def test_a_bare_machine_must_say_what_to_install(fresh: ModuleType) -> None:
    bare = fresh.steps(None, ["verify"])[0]
    assert fresh.Outcome(bare, 2, 0.1, said=True).good
    assert not fresh.Outcome(bare, 2, 0.1, said=False).good
    assert not fresh.Outcome(bare, 0, 0.1, said=True).good


@pytest.mark.parametrize(
    ("name", "handed_on"),
    [
        ("http_proxy", True),
        ("NO_PROXY", True),
        ("PIP_FIND_LINKS", True),
        ("CARGO_REGISTRIES_X_INDEX", True),
        ("SSL_CERT_FILE", True),
        ("CARGO_HOME", False),
        ("FARWATCH_HOME", False),
        ("PYTHONPATH", False),
    ],
)
def test_settings_handed_on(fresh: ModuleType, name: str, handed_on: bool) -> None:
    assert bool(fresh.PASSED_ON.fullmatch(name)) is handed_on


def test_paths_that_settings_name_are_mounted(fresh: ModuleType, tmp_path: Path) -> None:
    wheels, there = tmp_path / "wheels", tmp_path / "there"
    machine = tmp_path / "machine"
    for folder in (wheels, there, machine / str(there)[1:]):
        folder.mkdir(parents=True)
    settings = {"PIP_FIND_LINKS": f"{wheels} {there} /nowhere", "NO_PROXY": "localhost"}
    assert fresh.mount_points(machine, settings) == [str(wheels)]
    assert (machine / str(wheels)[1:]).is_dir()


def test_mirror_is_this_machines_own(
    fresh: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = fresh.re.search(
        r"^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text(), fresh.re.MULTILINE
    )
    if own is None:
        pytest.skip("this system has no code name")
    lines = [f"mirror:/x {own[1]}{part} main" for part in ("", "-updates", "-backports")]
    script(tmp_path / "apt-get", "\n".join(f"echo {line}" for line in [*lines, "other:/y nodistro main"]))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fresh.mirror_lines() == [
        "deb mirror:/x bookworm main",
        "deb mirror:/x bookworm-updates main",
    ]
