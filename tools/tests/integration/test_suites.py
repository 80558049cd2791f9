# SPDX-License-Identifier: GPL-2.0-or-later
"""A suite whose programs misbehave, in real guests: each is its own row, and none is another's trouble."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from farwatch.system.home import checkout_root
from tests.integration.commands import guests_left, in_checkout

pytestmark = pytest.mark.integration

REVISION = "suited"
SUITES = """\
[mine]
about = "made up"
kind = "program"
format = "tap"
on = ["share", "tmpfs"]
limit = 5

[mine.run]
good = ["sh", "-c", "echo TAP version 13; echo 1..2; echo ok 1 a; touch b && echo ok 2 b"]
endless = ["sh", "-c", "echo TAP version 13; echo 1..2; echo ok 1 a; while :; do :; done"]
silent = ["true"]
kills = ["sh", "-c", "echo TAP version 13; echo c > /proc/sysrq-trigger; echo 1..1; echo ok 1 a"]

[device]
about = "made up"
kind = "program"
needs = ["/dev/no-such-device"]

[device.run]
all = ["true"]
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(checkout_root() / "patches", tmp_path / "checkout/patches")
    patches = tmp_path / "checkout/patches"
    (patches / "suites.toml").write_text(SUITES)
    (patches / "baseline").rename(patches / REVISION)  # its rows must not be among those of the real one
    (tmp_path / "checkout/kernel-tests").symlink_to(checkout_root() / "kernel-tests")
    return tmp_path / "checkout"


def verdicts(checkout: Path, *words: str) -> dict[str, str]:
    file = checkout / "table.json"
    done = in_checkout(checkout, "verify", REVISION, *words, "--json", str(file))
    assert file.exists(), done.stderr
    return {test["name"]: test["cells"][0]["verdict"] for test in json.loads(file.read_text())["tests"]}


def test_each_program_is_a_row_of_its_own_whatever_the_others_do(checkout: Path) -> None:
    found = verdicts(checkout, "--suite", "mine,device", "--fresh")
    for place in ("share", "tmpfs"):
        own = {name: found.pop(name) for name in list(found) if name.startswith(f"mine:{place}/")}
        assert {name.removeprefix(f"mine:{place}/"): verdict for name, verdict in own.items()} == {
            **{"good": "pass", "good.a": "pass", "good.b": "pass"},
            **{"endless": "hang", "endless.a": "pass"},
            **{"silent": "fail", "kills": "crash"},
        }
    assert found == {"device:all": "skip"}
    assert not guests_left()
    assert verdicts(checkout, "--suite", "mine", "-k", "good")["mine:tmpfs/good.a"] == "pass"
