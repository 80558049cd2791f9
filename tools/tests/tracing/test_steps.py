# SPDX-License-Identifier: GPL-2.0-or-later
"""steps.py: what the host is to do, what has to be there before, and which events come of it."""

from __future__ import annotations

import re

import pytest

from farwatch.errors import FarwatchError
from farwatch.system.home import checkout_root
from farwatch.tracing.steps import VERBS, Step, causes, setup_for, steps_from
from farwatch.tracing.words import EVENTS, USUAL, Key, mask_from

CREATE = Step("create", ("d/f", "644"))


def lines(steps: tuple[Step, ...]) -> list[str]:
    return [step.line for step in steps]


def test_steps_have_commas_between_or_are_words() -> None:
    wanted = (CREATE, Step("rename", ("d/f", "d/g")))
    assert steps_from(["create", "d/f", "644", ",", "rename", "d/f", "d/g"]) == wanted
    assert steps_from(["create d/f 644", "rename d/f d/g"]) == wanted
    assert steps_from(["create 'a b' 644"])[0].line == "create a%20b 644"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "is to do nothing"),
        (["create", "f", "644", ","], "a step is empty"),
        (["creat", "f", "644"], "did you mean 'create'"),
        (["create", "f"], "create takes 2"),
        (["rename", "a", "b", "c", "d"], "rename takes 2 or 3"),
    ],
)
def test_what_is_no_step_is_refused(words: list[str], says: str) -> None:
    with pytest.raises(FarwatchError) as refusal:
        steps_from(words)
    assert says in str(refusal.value)


def test_the_verbs_are_those_of_the_actor() -> None:
    source = (checkout_root() / "kernel-tests" / "verbs.c").read_text(encoding="utf-8")
    known = re.findall(r'\{ "(\w+)",\s*(\d), (\d), do_', source)
    arities = {verb: (int(fewest), int(most)) for verb, fewest, most in known}
    assert {verb: arities[verb] for verb in VERBS} == VERBS


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("create d/f 644", ["mkdir d 777"]),
        ("unlink d/f", ["mkdir d 777", "create d/f 666"]),
        ("mkdir d 755 , create d/f 644", []),
        ("rename a b , create b/f 644", ["mkdir a 777"]),
        ("unlink f , create f 644 , chmod f 600", ["create f 666"]),
        ("rename d/f e/g , append e/g x", ["mkdir d 777", "mkdir e 777", "create d/f 666"]),
        ("clear d f 2", ["mkdir d 777", "create d/f0 666", "create d/f1 666"]),
        ("open d d 0 , rmdir d , close 0", ["mkdir d 777"]),
        ("rename d e , unlink e/f", ["mkdir d 777", "create d/f 666"]),
        ("unlink f , append f x", ["create f 666"]),
        ("mkdir d 755 , unlink d/f", []),
    ],
)
def test_what_the_steps_need_is_there(text: str, before: list[str]) -> None:
    assert lines(setup_for(steps_from(text.split()))) == before


def test_events_come_of_the_steps_that_name_them() -> None:
    assert causes(CREATE, Key("d", EVENTS["create"], "f"))
    assert not causes(CREATE, Key("d", EVENTS["delete"], "f"))
    assert not causes(CREATE, Key("d", EVENTS["create"], "g"))
    rename = Step("rename", ("d/f", "g"))
    assert causes(rename, Key("d", EVENTS["moved_from"], "f"))
    assert causes(rename, Key(".", EVENTS["moved_to"], "g"))
    assert causes(Step("rmdir", ("d",)), Key("d", EVENTS["delete_self"]))
    assert causes(Step("pwrite", ("0", "0", "x")), Key("d", EVENTS["modify"], "any"))
    assert causes(Step("fill", ("d", "f", "3")), Key("d", EVENTS["create"], "f2"))


def test_events_are_named_as_in_inotify() -> None:
    assert mask_from("create,DELETE") == 0x300
    assert mask_from("usual") == USUAL and not USUAL & EVENTS["open"]
    with pytest.raises(FarwatchError, match="unknown event 'creat'"):
        mask_from("creat")
