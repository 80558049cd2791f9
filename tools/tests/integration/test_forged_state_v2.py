# SPDX-License-Identifier: GPL-2.0-or-later
"""v2's kernel and a device whose files change (forge/device.py): what the guest believes, hears and asks for.

What is cached may be believed for an hour, so that only an event, or a watch, can have ended that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from farwatch.guests.setting import Setting
from tests.integration.forge.masks import (
    CLOSE_WRITE,
    CREATE,
    DEAD,
    DELETE,
    ISDIR,
    MODIFY,
    MOVE_SELF,
    OVERFLOW,
    UNLINKED,
)
from tests.integration.forged_stage import Message, Played, Stage, setting_of
from tests.integration.test_forged_v2 import flag, message

pytestmark = pytest.mark.integration

D, F, OTHER, SUB = 40, 50, 51, 60
"""nodeids of the folder d, of d/f, of what replaces it, and of a submount in d."""
ENOSPC, EXDEV = 28, 18
HOUR = 3600
FILE = 0o100666
LATER = "needs versions of names and of data, which v3 has"


def file(node: int = F, data: str = "old", name: str = "d/f", **more: Any) -> dict[str, Any]:
    return {"name": name, "id": node, "mode": FILE, "data": data, "nlink": 1, **more}


def event(mask: int, name: bytes = b"f", **more: Any) -> Message:
    return message(mask, name, nodeid=D, **more)


NODES = [{"name": "d", "id": D}, file()]


@pytest.fixture(scope="module")
def setting() -> Setting:
    return setting_of("v2")


def play(stage: Stage, script: str, steps: dict[str, Any] | None = None, **more: Any) -> Played:
    plan: dict[str, Any] = {"valid": HOUR, "nodes": NODES, "steps": steps or {}, "buf_size": 1024, **more}
    return stage.play(script=script, **plan)


def watches(played: Played, node: int) -> list[str]:
    """Masks that were asked for, for one nodeid."""
    return [words.split()[1] for words in played.watches if words.split()[0] == str(node)]


# -- what is believed


@pytest.mark.parametrize("mask", [MODIFY, CLOSE_WRITE, CREATE, DELETE])
def test_any_event_expires_the_name(stage: Stage, mask: int) -> None:
    """Also one that does not tell of names: whoever asks for MODIFY only looks at the file next."""
    swap = {"nodes": [file(OTHER)], "messages": [event(mask)]}
    played = play(
        stage,
        "os.stat('d/f'); group = inotify(); watch(group, 'd', MODIFY | CLOSE_WRITE | CREATE | DELETE)\n"
        "os.stat('d/f'); do('swap'); read(group); print(os.stat('d/f').st_ino)",
        {"swap": swap},
    )
    assert played.events == [f"1 {mask:x} f", str(OTHER)]


def test_an_expired_name_still_leads_to_what_is_open(stage: Stage) -> None:
    steps = {
        "expire": {"messages": [event(CREATE)]},
        "grow": {"nodes": [file(data="longer")], "messages": [event(MODIFY)]},
    }
    played = play(
        stage,
        "file = os.open('d/f', os.O_RDONLY); group = inotify(); watch(group, 'd', MODIFY | CREATE)\n"
        "do('expire'); read(group); print(os.fstat(file).st_size)\n"
        "do('grow'); read(group); print(os.fstat(file).st_size)",
        steps,
    )
    assert played.events == ["1 100 f", "3", "1 2 f", "6"]


def test_an_event_on_the_object_alone_refreshes_it(stage: Stage) -> None:
    grow = {"nodes": [file(data="longer")], "messages": [message(MODIFY, None, child=F)]}
    played = play(
        stage,
        "group = inotify(); watch(group, 'd/f', MODIFY); print(os.stat('d/f').st_size)\n"
        "do('grow'); read(group); print(os.stat('d/f').st_size)",
        {"grow": grow},
    )
    assert played.events == ["3", "1 2", "6"]


@pytest.mark.parametrize(
    "how", ["watch(inotify(), 'd', CREATE)", "mark(g, 'd', CREATE, MARK_ADD | EVICTABLE)"]
)
def test_a_scan_behind_a_watch_is_fresh(stage: Stage, how: str) -> None:
    script = f"g = fanotify(REPORT_FID); os.stat('d/f'); do('swap'); {how}; print(os.stat('d/f').st_ino)"
    assert play(stage, script, {"swap": {"nodes": [file(OTHER)]}}).events == [str(OTHER)]


def test_an_overflow_expires_names(stage: Stage) -> None:
    swap = {"nodes": [file(OTHER)], "messages": [flag(OVERFLOW)]}
    played = play(
        stage,
        "group = inotify(); watch(group, 'd', CREATE); os.stat('d/f'); do('swap'); read(group)\n"
        "print(os.stat('d/f').st_ino)",
        {"swap": swap},
    )
    assert played.events == ["-1 4000", str(OTHER)]


@pytest.mark.xfail(strict=True, reason=LATER)
def test_a_lookup_under_way_does_not_bring_the_old_name_back(stage: Stage) -> None:
    steps = {
        "hold": {"hold": "lookup f"},
        "swap": {"nodes": [file(OTHER)], "messages": [event(MODIFY)]},
        "release": {"release": True},
    }
    played = play(
        stage,
        "group = inotify(); watch(group, 'd', MODIFY); do('hold')\n"
        "slow = threading.Thread(target=os.stat, args=('d/f',)); slow.start()\n"
        "time.sleep(0.3); do('swap'); read(group); do('release'); slow.join()\n"
        "print(os.stat('d/f').st_ino)",
        steps,
    )
    assert played.events == ["1 2 f", str(OTHER)]


@pytest.mark.xfail(strict=True, reason=LATER)
@pytest.mark.parametrize(
    "steps", [{"edit": {}}, {"edit": {"messages": [flag(OVERFLOW)]}}], ids=["watch", "overflow"]
)
def test_data_from_before_a_watch_is_not_believed(stage: Stage, steps: dict[str, Any]) -> None:
    steps["edit"]["nodes"] = [file(data="new")]
    lost = "messages" in steps["edit"]
    first, then = (
        ("watch(group, 'd/f', MODIFY)", "read(group)") if lost else ("", "watch(group, 'd/f', MODIFY)")
    )
    played = play(
        stage,
        f"group = inotify(); {first}\nopen('d/f').read(); do('edit'); {then}; print(open('d/f').read())",
        steps,
        keep=True,
    )
    assert played.events[-1] == "new"


# -- who hears


def test_who_has_the_name_now_is_not_who_had_it(stage: Stage) -> None:
    """A daemon writes to the file that was replaced; the new one, which is watched, has not changed."""
    played = play(
        stage,
        "group = inotify(); watch(group, 'd', MODIFY); watch(group, 'd/f', MODIFY); os.stat('d/f')\n"
        "do('old'); read(group, count=2)",
        {"old": {"messages": [event(MODIFY), event(MODIFY, b"last")]}},
    )
    assert played.events == ["1 2 f", "1 2 last"]


FID, DFID, NAME, TARGET = 0x200, 0x400, 0x800, 0x1000


@pytest.mark.parametrize("valid", [0, HOUR])
@pytest.mark.parametrize(
    ("flags", "child", "records"),
    [
        (FID | DFID | NAME | TARGET, F, "DFID_NAME=d/f FID=f"),
        (FID | DFID | NAME | TARGET, 0, "DFID_NAME=d/f"),
        (DFID | NAME, 0, "DFID_NAME=d/f"),
        (FID | DFID, F, "DFID=d FID=f"),
        (FID | DFID, 0, "DFID=d"),
        (DFID, F, "FID=d"),
        (DFID, 0, "FID=d"),
        (FID, F, "FID=f"),
        (FID, 0, "silence"),
    ],
)
def test_what_fanotify_says_of_a_child(
    stage: Stage, flags: int, child: int, records: str, valid: int
) -> None:
    """With only DFID the kernel gives a record of the parent the type FID, for local events as well."""
    played = play(
        stage,
        f"pin = os.open('d/f', os.O_PATH); group = fanotify({flags}); mark(group, 'd', MODIFY | ON_CHILD)\n"
        "known = {handle(path): path[-1] for path in ('d', 'd/f')}\n"
        "do('write'); read_fanotify(group, known, 1.0)",
        {"write": {"messages": [event(MODIFY, child=child)]}},
        valid=valid,
    )
    assert played.events == ([records] if records == "silence" else [f"2 pid=0 {records}"])


def test_a_group_for_descriptors_asks_for_nothing(stage: Stage) -> None:
    """It cannot be told of others, so it must not fail for want of room for that."""
    played = play(stage, "mark(fanotify(0), 'd/f', MODIFY); print('marked')", refuse=ENOSPC)
    assert played.events == ["marked"] and watches(played, F) == []


def test_a_name_that_has_gone_hides_no_deletion(stage: Stage) -> None:
    both = event(MODIFY | DELETE, flags=UNLINKED)
    played = play(
        stage,
        "group = inotify(); watch(group, 'd', MODIFY | DELETE | EXCL_UNLINK); do('go'); read(group)",
        {"go": {"messages": [both]}},
    )
    assert played.events == ["1 200 f"]


def test_who_has_deleted_an_unused_file_is_nobody_here(stage: Stage) -> None:
    played = play(
        stage,
        f"group = fanotify({FID}); mark(group, 'd/f', DELETE_SELF); known = {{handle('d/f'): 'f'}}\n"
        "do('die'); read_fanotify(group, known)",
        {"die": {"gone": ["d/f"], "messages": [flag(DEAD, F)]}},
    )
    assert played.events == ["400 pid=0 FID=f"]


def test_the_death_of_what_is_open_is_told_with_its_last_use(stage: Stage) -> None:
    played = play(
        stage,
        "group = inotify(); watch(group, 'd/f', DELETE_SELF); file = os.open('d/f', os.O_RDONLY)\n"
        "do('die'); read(group, 0.5); os.close(file); read(group, count=2)",
        {"die": {"gone": ["d/f"], "messages": [flag(DEAD, F)]}},
    )
    assert played.events == ["silence", "1 400", "1 8000"]


def test_a_death_while_the_watch_is_added(stage: Stage) -> None:
    steps = {"die": {"gone": ["d/f"], "messages": [flag(DEAD, F)]}, "release": {"release": True}}
    played = play(
        stage,
        "group = inotify(); adds = threading.Thread(target=watch, args=(group, 'd/f', DELETE_SELF))\n"
        "adds.start(); time.sleep(0.3); do('die'); time.sleep(0.3); do('release'); adds.join()\n"
        "read(group, count=2)",
        steps,
        hold=f"watch {F} 0x400",
    )
    assert played.events == ["1 400", "1 8000"]


def test_long_names(stage: Stage) -> None:
    """What this kernel takes for a name it also takes in a message."""
    played = play(
        stage,
        "group = inotify(); watch(group, 'd', CREATE); do('make'); read(group)",
        {"make": {"messages": [event(CREATE, b"n" * 700)]}},
    )
    assert played.events == ["1 100 " + "n" * 700]


@pytest.mark.nightly
def test_what_others_do_ends_no_rule_of_audit(tmp_path: Path) -> None:
    """Here the directory would be gone for audit as well; but it is not for others to say so."""
    steps = {
        "move": {"messages": [message(MOVE_SELF, None, child=D)]},
        "die": {"messages": [flag(DEAD, D)]},
        "last": {"messages": [message(CREATE, b"last", nodeid=SUB)]},
    }
    played = play(
        Stage(setting_of("v2", flavor="lockdep"), tmp_path),
        "group = inotify(); watch(group, 'e', CREATE); rules = lambda: print(audit(AUDIT_LIST_RULES))\n"
        "audit_path('/mnt/share/d/f'); rules(); do('move'); do('last'); read(group); rules()\n"
        "do('die'); do('last'); read(group); rules()",
        steps,
        nodes=[*NODES, {"name": "e", "id": SUB}],
    )
    assert played.events == ["1", "1 100 last", "1", "1 100 last", "1"]


# -- submounts

MOUNTED = [*NODES, {"name": "d/sub", "id": SUB, "gen": 5, "submount": True}]
INSIDE = message(CREATE, b"new", nodeid=SUB, generation=5)


@pytest.mark.parametrize("gen", [0, 5])
def test_the_root_of_a_submount_hears(stage: Stage, gen: int) -> None:
    """Its automount point has the same nodeid, and is what a path leads to before anything is mounted."""
    played = play(
        stage,
        "group = inotify(); watch(group, 'd/sub', CREATE); do('make'); read(group)",
        {"make": {"messages": [message(CREATE, b"new", nodeid=SUB, generation=gen)]}},
        nodes=[*NODES, {"name": "d/sub", "id": SUB, "gen": gen, "submount": True}],
    )
    assert played.events == ["1 100 new"] and watches(played, SUB) == ["0x8000100"]


def test_what_is_done_here_is_heard_at_the_root_of_a_submount(stage: Stage) -> None:
    script = "group = inotify(); watch(group, 'd/sub', CREATE); os.mkdir('d/sub/here'); read(group)"
    assert play(stage, script, nodes=MOUNTED).events == [f"1 {CREATE | ISDIR:x} here"]


def test_a_submount_stays_mounted(stage: Stage) -> None:
    """It goes when its nodeid seems to be used again: it does if the generation was not kept."""
    played = play(
        stage,
        "os.stat('d/sub/.'); one = os.stat('d/sub').st_dev\n"
        "os.stat('d/sub/.'); print(os.stat('d/sub').st_dev == one != os.stat('d').st_dev)",
        nodes=MOUNTED,
        valid=0,
    )
    assert played.events == ["True"]


def test_a_submount_in_two_places_hears_in_both(stage: Stage) -> None:
    played = play(
        stage,
        "os.makedirs('/tmp/twice'); checked(LIBC.mount(b'/mnt/share', b'/tmp/twice', b'', 4096, None))\n"
        "group = inotify(); watch(group, 'd/sub', CREATE)\n"
        "two = watch(group, '/tmp/twice/d/sub', CREATE | DELETE)\n"
        "do('make'); read(group, count=2); LIBC.inotify_rm_watch(group, two); read(group); time.sleep(0.5)\n"
        "do('make'); read(group)",
        {"make": {"messages": [INSIDE]}},
        nodes=MOUNTED,
    )
    assert sorted(played.events[:2]) == ["1 100 new", "2 100 new"]
    assert played.events[2:] == ["2 8000", "1 100 new"]
    assert watches(played, SUB) == ["0x8000100", "0x8000300", "0x8000100"]


# -- what is asked for


def test_a_refusal_is_remembered_while_anybody_watches(stage: Stage) -> None:
    played = play(
        stage,
        "group, other = inotify(), inotify()\n"
        "one = watch(group, 'd/f', MODIFY); watch(other, 'd/f', MODIFY); watch(other, 'd/f', ATTRIB)\n"
        "LIBC.inotify_rm_watch(group, one); os.close(other); time.sleep(0.5); watch(group, 'd/f', MODIFY)",
        refuse=EXDEV,
    )
    assert watches(played, F) == ["0x2", "0x4", "0x2"]


@pytest.mark.xfail(
    strict=True, reason="needs watches that opt in, which v3 has: others' room is used up by anybody"
)
def test_a_full_server_breaks_no_local_watch(stage: Stage) -> None:
    played = play(stage, "print(tries(watch, inotify(), 'd/f', MODIFY))", refuse=ENOSPC)
    assert played.events == ["0"]


def test_a_mask_that_comes_back_is_asked_for_again(stage: Stage) -> None:
    """It does while the request that takes it away is on its way.

    What is ignored until a file is modified makes the kernel want MODIFY, and does not wait for the server.
    """
    ignored = "mark(group, 'd/f', CLOSE_WRITE, {} | IGNORED); time.sleep(0.5)\n"
    steps = {"hold": {"hold": f"watch {F} 0x20"}, "release": {"release": True}}
    played = play(
        stage,
        f"group = fanotify({FID}); mark(group, 'd/f', OPEN)\n"
        + ignored.format("MARK_ADD")
        + "do('hold')\n"
        + ignored.format("MARK_REMOVE")
        + ignored.format("MARK_ADD")
        + "do('release'); time.sleep(0.5)",
        steps,
    )
    first, more, less, again, *_ = [*watches(played, F), "", ""]
    assert (first, less) == ("0x20", "0x20") and more == again


def test_a_watch_waits_for_one_that_goes_and_not_for_all(stage: Stage) -> None:
    many = [file(number, name=f"d/f{number}") for number in range(100, 120)]
    played = play(
        stage,
        "many = inotify()\nfor number in range(100, 120): watch(many, f'd/f{number}', MODIFY)\n"
        "group = inotify(); os.close(many); time.sleep(0.3)\n"
        "adds = threading.Thread(target=watch, args=(group, 'd/f', MODIFY)); adds.start(); time.sleep(0.3)\n"
        "do('release'); adds.join(); time.sleep(0.5)",
        {"release": {"release": True}},
        nodes=[*NODES, *many],
        hold="watch 119 0x0",
    )
    gone = [words for words in played.watches if words.endswith(" 0x0")]
    assert len(gone) == 20
    assert played.watches.index(f"{F} 0x2") < played.watches.index(gone[5])


def test_buffers_of_another_size(stage: Stage) -> None:
    """A device that wants more than it gets is used without the queue."""
    played = play(stage, "watch(inotify(), 'd/f', MODIFY); print(os.stat('d/f').st_ino)", buf_size=8192)
    assert played.events == [str(F)] and played.watches == []
