# SPDX-License-Identifier: GPL-2.0-or-later
"""From what each layer has said, in real logs and in made up ones, to the layer that lost an event."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.tracing.join import Arrival, Findings, Layer, Material, Played, Story, join
from farwatch.tracing.report import render_json, render_text
from farwatch.tracing.sightings import kernel_trace, server_log, watching
from farwatch.tracing.steps import steps_from
from tests import TESTS

SAMPLES = TESTS / "samples" / "trace"
STEPS = steps_from(["create d/f 644", "chmod d/f 600", "rename d/f 'd/a\"b'", "unlink 'd/a\"b'", "rmdir d"])
EVENTS = [
    *("CREATE d/f", "CLOSE_WRITE d/f", "ATTRIB d/f", "MOVED_FROM d/f", 'MOVED_TO d/a"b', 'DELETE d/a"b'),
    *("DELETE d", "DELETE_SELF d itself"),
]
AHEAD = {"v3": -53873.8509, "v2": -53875.3666}
"""What the clock of the run was ahead of the host's, seconds."""
TIMED = {
    "v3": (53874203033519, (110, 148, 172, 191, 205)),
    "v2": (53875662069079, (279, 305, 326, 375, 386)),
}
"""What the actor had answered."""
Change = Callable[[str], str | None]


def keep(line: str) -> str:
    return line


def without(part: str) -> Change:
    return lambda line: None if part in line else line


def lines(path: Path, change: Change) -> list[tuple[float, str]]:
    stamped = (line.partition(" ") for line in path.read_text(encoding="utf-8").splitlines())
    changed = ((float(stamp), change(text)) for stamp, _, text in stamped)
    return [(stamp, text) for stamp, text in changed if text is not None]


def texts(path: Path, change: Change) -> list[str]:
    return [text for _, text in lines(path, change)]


def evidence(name: str, *, output: Change = keep, server: Change = keep, witness: Change = keep) -> Material:
    """What was seen in a run of the steps above, with some lines of it changed, or left out."""
    begin, ends = TIMED[name]
    start = begin * 1e-9 + AHEAD[name]
    played = Played(STEPS, (0,) * len(STEPS), start, tuple(start + end * 1e-6 for end in ends))
    program = watching(texts(SAMPLES / name / "output.log", output))
    said = server_log(lines(SAMPLES / name / "server.log", server), "/c1", AHEAD[name])
    kernel = kernel_trace(program.trace, said.paths, program.ahead)
    native = watching(texts(SAMPLES / name / "witness.log", witness), AHEAD[name])
    return Material(played, native, said, kernel, program)


def story(findings: Findings, event: str) -> Story:
    [found] = [story for story in findings.stories if str(story.key) == event]
    return found


def outcomes(findings: Findings) -> dict[str, Arrival]:
    return {str(story.key): story.outcome for story in findings.stories}


def test_each_layer_of_v3_has_seen_each_event_that_arrived() -> None:
    """The server was started with --fsnotify-mask=create,delete,move,delete-self."""
    findings = join(evidence("v3"))
    lost = ("CLOSE_WRITE d/f", "ATTRIB d/f")
    assert outcomes(findings) == {
        event: Arrival.LOST if event in lost else Arrival.ARRIVED for event in EVENTS
    }
    for event in findings.stories:
        if event.outcome is Arrival.ARRIVED:
            assert [seen.layer for seen in event.seen] == list(Layer)
            assert all(seen.sighting is not None and not seen.shared for seen in event.seen), event
    assert not findings.good and not findings.silent


def test_what_the_server_does_not_grant_is_lost_there() -> None:
    findings = join(evidence("v3"))
    for event in ("CLOSE_WRITE d/f", "ATTRIB d/f"):
        assert story(findings, event).lost_at is Layer.ASKED
        assert f"not {event.split()[0]}" in story(findings, event).why


def test_layers_come_one_after_the_other() -> None:
    """Each clock is its own: the server's, the guest's, that of the run."""
    event = story(join(evidence("v3")), "CREATE d/f")
    order = [Layer.CALL, Layer.READ, Layer.MADE, Layer.WIRE, Layer.KERNEL, Layer.PROGRAM]
    times = [sighting.time for layer in order if (sighting := event.at(layer)) is not None]
    assert len(times) == len(order) and times == sorted(times)
    assert event.seconds is not None and 0 < event.seconds < 0.001


def test_a_step_is_named_for_each_event() -> None:
    calls = [event.at(Layer.CALL) for event in join(evidence("v2")).stories]
    assert [call.text.split()[0] for call in calls if call] == [
        *("create", "create", "chmod", "rename", "rename", "unlink", "rmdir", "rmdir")
    ]


def test_v2_has_no_tracepoints_and_lost_nothing() -> None:
    findings = join(evidence("v2"))
    assert outcomes(findings) == dict.fromkeys(EVENTS, Arrival.ARRIVED)
    assert findings.good and findings.silent == {Layer.KERNEL: "no tracepoint in this revision"}


def _dropped(line: str) -> str:
    """As if the guest's mark had gone when the event was read (E1: the end was told before it)."""
    return line.replace('in [18] "a\\"b": records 1', 'in [18] "a\\"b": dropped, nobody watches for it')


DELETE = r'DELETE d/a"b'


@pytest.mark.parametrize(
    ("output", "server", "layer"),
    [
        ((), ("watch 18 for 8", 'event 200 on [] in [18] "a'), Layer.ASKED),
        ((), ('event 200 on [] in [18] "a',), Layer.READ),
        (("event 297753984", "mask 200 flags"), ('record 200 flags 0 node 18 "a',), Layer.MADE),
        (("event 297753984", "mask 200 flags", "mask 40000200"), ("batch 3 fetched",), Layer.WIRE),
        (("event 297753984", "mask 200 flags"), (), Layer.KERNEL),
        (("event 297753984",), (), Layer.PROGRAM),
    ],
)
def test_the_first_layer_without_it_has_lost_it(
    output: Iterable[str], server: Iterable[str], layer: Layer
) -> None:
    """Everything behind that layer is taken away too."""
    gone = {
        Layer.ASKED: (*server, "event 297753984", "mask 200 flags", 'record 200 flags 0 node 18 "a'),
        Layer.READ: (*server, "event 297753984", "mask 200 flags", 'record 200 flags 0 node 18 "a'),
    }.get(layer, (*output, *server))

    def change(line: str) -> str | None:
        return None if any(part in line for part in gone) else line

    findings = join(evidence("v3", output=change, server=change))
    found = story(findings, DELETE)
    assert (found.outcome, found.lost_at) == (Arrival.LOST, layer)


def test_a_reason_that_a_layer_gives_is_the_reason() -> None:
    def output(line: str) -> str | None:
        return None if "event 205103232" in line else line

    def server(line: str) -> str | None:
        return None if 'record 200 flags 0 node 18 "a' in line else _dropped(line)

    found = story(join(evidence("v2", output=output, server=server)), DELETE)
    assert (found.lost_at, found.why) == (Layer.READ, "dropped, nobody watches for it")


def test_an_object_that_the_kernel_does_not_know() -> None:
    def output(line: str) -> str | None:
        if "mask 200 flags" in line:
            return f"{line} (unknown here)"
        return None if "event 297753984" in line else line

    found = story(join(evidence("v3", output=output)), DELETE)
    assert found.lost_at is Layer.KERNEL and "does not know the object" in found.why


def test_without_words_of_the_layers_in_between_they_are_not_accused() -> None:
    findings = join(evidence("v2", output=without("event 205103232"), server=without("fsnotify: ")))
    found = story(findings, DELETE)
    assert found.lost_at is Layer.PROGRAM and "in between says nothing" in found.why
    assert set(findings.silent) == {Layer.ASKED, Layer.READ, Layer.MADE, Layer.WIRE, Layer.KERNEL}


def test_equal_events_that_come_once_are_merged() -> None:
    run = evidence("v2")
    [event] = [event for event in run.witness.events if event.text == "CLOSE_WRITE d/f"]
    twice = replace(run.witness, events=(*run.witness.events, event))
    findings = join(replace(run, witness=twice))
    [merged] = [story for story in findings.stories if story.outcome is Arrival.MERGED]
    assert (str(merged.key), merged.lost_at) == ("CLOSE_WRITE d/f", Layer.READ) and findings.good


def test_what_nobody_did_is_extra_and_traced_back() -> None:
    findings = join(evidence("v2", witness=without("3 40 1576078")))
    extra = story(findings, "MOVED_FROM d/f")
    assert (extra.outcome, extra.lost_at) == (Arrival.EXTRA, Layer.READ)
    assert not findings.good


def test_a_name_that_is_believed_gone_is_told() -> None:
    """E8: CREATE behind DELETE was merged into what came before."""

    def witness(line: str) -> str:
        return line.replace("3 200 0 a%22b", "3 100 0 a%22b")

    findings = join(evidence("v2", witness=witness))
    assert findings.wrong_ends == ('d/a"b: is there, and the last event says that it has gone',)


def test_what_comes_before_the_steps_does_not_count() -> None:
    early = "event 200000000 3 20 0 early"

    def output(line: str) -> str:
        return early if line == "watch 3 d" else line

    assert not join(evidence("v3")).count(Arrival.EXTRA)
    shown = watching(["watch 3 d", early, "begin", "event 300000000 3 20 0 late"])
    assert [str(*event.keys) for event in shown.events] == ["OPEN d/late"]


def test_a_watcher_that_prints_something_else_is_an_error() -> None:
    with pytest.raises(FarwatchError, match="the watcher printed 'event x'"):
        watching(["event x"])


def test_the_report_names_the_layer_and_shows_each() -> None:
    run = evidence("v3")
    text = render_text(run, join(run))
    assert "CREATE d/f: arrived in 0.6" in text
    assert "CLOSE_WRITE d/f: lost: server asked (the server has agreed to tell " in text
    assert '  guest\'s kernel  RENAME "f" in d to "a"b" in d\n' in text
    assert "8 events: 6 arrived, 2 lost\n" in text
    assert "server: seen 7 own 0 merged 0 dropped 1 sent 7 overflows 0\n" in text
    assert "kernel: records 7 unknown 0 overflows 0\n" in text


def test_of_many_events_each_is_a_line_and_losses_are_whole() -> None:
    run = evidence("v3")
    many = replace(join(run), stories=join(run).stories * 10)
    text = render_text(run, many)
    assert text.count("server read") == 12 and "... and 20 more that are arrived (--all)" in text
    assert render_text(run, many, everything=True).count("server read") == 80


def test_json_has_all_of_it() -> None:
    run = evidence("v3")
    content = json.loads(render_json(run, join(run)))
    assert content["counts"] == {"arrived": 6, "merged": 0, "lost": 2, "extra": 0}
    assert [event["event"] for event in content["events"]] == EVENTS
    assert content["events"][1]["layer"] == "server asked"
    assert [layer["layer"] for layer in content["events"][0]["layers"]] == list(Layer)
