# SPDX-License-Identifier: GPL-2.0-or-later
"""v2 with its share served in other ways: one of them at random in each check, all of them at night.

FARWATCH_SHARE_SEED: which one, instead of another one each time.
"""

from __future__ import annotations

import json
import os
import random
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from farwatch.app import App
from farwatch.cells.setting import lacking_for
from farwatch.model import DEFAULT_SHARE
from tests.integration.commands import LONG_ENOUGH, command, environment, farwatch, guests_left

pytestmark = pytest.mark.integration

SEED = os.environ.get("FARWATCH_SHARE_SEED") or str(random.SystemRandom().randrange(10**6))
TELLING = (
    "fresh_test or inotify_rename_test or server_test or (client_test and remote) or "
    "(inotify_lifetime_test and deleted and remote) or (fanotify_test and remote and handle) or given_folder"
)
"""What caches, handles and mounts have a say in."""


def chosen() -> str:
    """A setting of v2's own server that is possible here: other caches are everywhere."""
    every = App.here().catalog.share_settings()
    settings = [setting for setting in every if setting != DEFAULT_SHARE and not setting.kind]
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


def test_what_is_below_an_overlay_comes_up(tmp_path: Path) -> None:
    """Copied up, hidden, and opaque; a folder of both layers has one link until its end, and then, too."""
    overlay = App.here().catalog.share_settings()
    if why := lacking_for(App.here(), next(setting for setting in overlay if setting.name == "on-overlay")):
        pytest.skip(why)
    (work := tmp_path / "work").mkdir()
    user = ["--user", "--map-root-user"] if os.geteuid() else []
    guest = command("boot", "v2", "--share", work / "guest", "--", "sh", "-c")
    script = Path(__file__).with_name("overlay_share.sh")
    words = ["unshare", *user, "--mount", "--propagation=private", "sh", str(script), str(work), *guest]
    subprocess.run(words, check=True, timeout=LONG_ENOUGH, env=environment())
    native, seen = (_seen_by_watch((tmp_path / f"seen-{who}").read_text()) for who in ("native", "guest"))
    assert "DELETE_SELF" in native["gone/"] and seen == native, (tmp_path / "said").read_text()


def _seen_by_watch(said: str) -> dict[str, set[str]]:
    """What was said of each watch while things were done: which, as the same may come joined."""
    lines = said.partition("CREATE ready\n")[2].partition("./ CREATE done")[0].splitlines()
    events = [line.strip().partition(" ") for line in lines]
    return {watch: {event for on, _, event in events if on == watch} for watch, _, _ in events}


@pytest.mark.nightly
def test_all_settings(tmp_path: Path) -> None:
    done = farwatch("verify", "v2", "--share-settings", "all", "--json", tmp_path / "json")
    assert done.returncode == 0, done.stdout + done.stderr
    columns = json.loads((tmp_path / "json").read_text())["columns"]
    names = [setting.name for setting in App.here().catalog.share_settings()]
    assert [column["share_setting"] for column in columns] == names
    ran = [column for column in columns if not column["lacking"]]
    assert all(column["verdicts"]["pass"] for column in ran) and len(ran) > 1
