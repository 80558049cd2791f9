# SPDX-License-Identifier: GPL-2.0-or-later
"""v2 with its share served in other ways: one of them at random in each check, all of them at night.

FARWATCH_SHARE_SEED: which one, instead of another one each time.
"""

from __future__ import annotations

import json
import os
import random
import shlex
from pathlib import Path
from typing import Any

import pytest

from farwatch.app import App
from farwatch.cells.setting import lacking_for
from farwatch.model import DEFAULT_SHARE
from tests.integration.commands import farwatch, guests_left

pytestmark = pytest.mark.integration

SEED = os.environ.get("FARWATCH_SHARE_SEED") or str(random.SystemRandom().randrange(10**6))
TELLING = (
    "fresh_test or inotify_rename_test or server_test or (client_test and remote) or "
    "(inotify_lifetime_test and deleted and remote) or (fanotify_test and remote and handle) or given_folder"
)
"""What caches, handles and mounts have a say in."""


def chosen() -> str:
    """A setting that is possible here: other caches are everywhere."""
    settings = [setting for setting in App.here().catalog.share_settings() if setting != DEFAULT_SHARE]
    random.Random(SEED).shuffle(settings)
    return next(setting.name for setting in settings if not lacking_for(App.here(), setting))


def test_one_setting_at_random(tmp_path: Path) -> None:
    setting = chosen()
    words = ["test", "v2", "--patches", "--share-settings", setting, "-k", TELLING]
    again = f"share setting {setting}, of seed {SEED}; once more: ./farwatch {shlex.join(words)} --fresh"
    print(again)
    done = farwatch(*words, "--fresh", "--json", tmp_path / "json")
    assert done.returncode == 0, f"{again}\n{done.stdout}{done.stderr}"
    table: dict[str, Any] = json.loads((tmp_path / "json").read_text())
    [column] = table["columns"]
    assert column["share_setting"] == setting and not column["lacking"]
    assert column["verdicts"]["pass"] > len(table["tests"]) / 3, again
    assert guests_left() == []


def test_a_share_on_a_file_system_of_its_own_by_hand() -> None:
    done = farwatch(
        "boot", "v2", "--share-settings", "on-tmpfs", "--", "sh", "-c", "echo in > f; stat -fc%T f"
    )
    if "cannot have share setting" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0 and done.stdout.strip(), done.stderr


@pytest.mark.nightly
def test_all_settings(tmp_path: Path) -> None:
    done = farwatch("verify", "v2", "--share-settings", "all", "--json", tmp_path / "json")
    assert done.returncode == 0, done.stdout + done.stderr
    columns = json.loads((tmp_path / "json").read_text())["columns"]
    names = [setting.name for setting in App.here().catalog.share_settings()]
    assert [column["share_setting"] for column in columns] == names
    ran = [column for column in columns if not column["lacking"]]
    assert all(column["verdicts"]["pass"] for column in ran) and len(ran) > 1
