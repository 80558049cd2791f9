# SPDX-License-Identifier: GPL-2.0-or-later
"""When two runs of a watcher count as the same, and what the output of some of them is made into."""

from __future__ import annotations

import pytest

from tests.integration.client_list import CLIENTS
from tests.samples.client_rules import differences, seen

SAVING = ["created w/a", "modified w/a", "moved w/a w/b", "modified w"]


def unlike(came: list[str]) -> list[str]:
    return differences(seen(SAVING), seen(came))


def test_what_is_said_again_is_the_same() -> None:
    assert unlike(["created w/a", "modified w/a", "modified w/a", *SAVING[2:], "modified w"]) == []


def test_different_paths_may_come_in_another_order() -> None:
    assert unlike(["modified w", *SAVING[:3]]) == []


def test_what_is_missing_and_what_is_extra_is_said() -> None:
    assert unlike([*SAVING[:2], "deleted w/a", "modified w"]) == [
        "missing: moved w/a w/b",
        "extra: deleted w/a",
    ]


def test_what_is_true_of_a_path_in_the_end_counts() -> None:
    assert unlike(["moved w/a w/b", "created w/a", "modified w/a", "modified w"]) == [
        "in the end, of w/a: modified w/a"
    ]


def test_only_whole_paths_of_the_folder_are_paths() -> None:
    assert seen(["gone now w/x /w/y"]).last == {("w/x", "gone now w/x /w/y")}


SAYINGS = {
    "watchdog": (
        ["x.py:365: RuntimeWarning: Callback", "  wd = fd.add_callback(path)", "created w/a "],
        ["created w/a "],
    ),
    "entr": (
        [
            "run",
            "2 4 w/a",
            "1 0 w/last/end",
            "entr: unable",
            "run",
            "1 0 w/last/end",
            "3 5 w/z",
            "run",
            "9 3 w/last/end",
        ],
        ["run 2 4 w/a ", "run 3 5 w/z "],
    ),
    "lsyncd": (
        ["22:04:14 Normal: Calling rsync", "/d/a", "/d/", "/"],
        ["sync w/d/a", "sync w/d/"],
    ),
    "GLib, gio monitor": (
        ["w: w/a: created", "w/d: w/d/.a: renamed to w/d/a"],
        ["w/a created", "w/d/.a renamed to w/d/a"],
    ),
}


@pytest.mark.parametrize("name", SAYINGS)
def test_what_an_output_is_made_into(name: str) -> None:
    said, meant = SAYINGS[name]
    client = next(client for client in CLIENTS if client.name == name)
    assert client.saying(said) == meant


def test_each_client_has_a_name_of_its_own() -> None:
    assert len({client.name for client in CLIENTS}) == len(CLIENTS)
