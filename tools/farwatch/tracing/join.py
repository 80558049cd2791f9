# SPDX-License-Identifier: GPL-2.0-or-later
"""Which layer has lost an event: what each has seen, put together event by event.

What a watcher on the host itself reads, the witness, is what there was. Each layer's sightings are given out
in their order: an event gets the next one that is about it and that no earlier one has got. If there is none
left, it shares the last one: layers join events that are equal, so that they come once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from farwatch.tracing.sightings import Asked, KernelTrace, ServerLog, Sighting, Watching, refused
from farwatch.tracing.steps import Step, causes
from farwatch.tracing.words import EVENTS, Key, name_of, names_of


class Layer(StrEnum):
    """From the host's system call to the program's read."""

    CALL = "host's call"
    HOST = "host's notice"
    ASKED = "server asked"
    READ = "server read"
    MADE = "server made"
    WIRE = "on the wire"
    KERNEL = "guest's kernel"
    PROGRAM = "program read"


class Arrival(StrEnum):
    """What has become of an event."""

    ARRIVED = "arrived"
    MERGED = "merged"
    """It came with an equal one."""
    LOST = "lost"
    EXTRA = "extra"
    """Nothing of the kind was seen on the host."""


_LOST_AT = {
    Layer.ASKED: "the server was not asked for it",
    Layer.READ: "fanotify did not tell the server",
    Layer.MADE: "the server made no record of it",
    Layer.WIRE: "the server's record waits, the guest has not fetched it",
    Layer.KERNEL: "no record of it came",
    Layer.PROGRAM: "no event of it came out of the guest's kernel",
}
_NAMES = EVENTS["create"] | EVENTS["moved_to"], EVENTS["delete"] | EVENTS["moved_from"]
"""Events after which a name is there, and those after which it is not."""


@dataclass(frozen=True)
class Glimpse:
    """What one layer knows of one event."""

    layer: Layer
    sighting: Sighting | None
    shared: bool = False
    """It is an earlier one's, too."""


@dataclass(frozen=True)
class Story:
    """One event, from layer to layer."""

    key: Key
    seen: tuple[Glimpse, ...]
    outcome: Arrival
    lost_at: Layer | None = None
    why: str = ""

    def at(self, layer: Layer) -> Sighting | None:
        return next((seen.sighting for seen in self.seen if seen.layer is layer), None)

    @property
    def seconds(self) -> float | None:
        """From the begin of the host's call, or else its notice, to the program's read."""
        start, end = self.at(Layer.CALL) or self.at(Layer.HOST), self.at(Layer.PROGRAM)
        return None if start is None or end is None else end.time - start.time


@dataclass(frozen=True)
class Played:
    """What the host did."""

    steps: tuple[Step, ...]
    errors: tuple[int, ...]
    """Errno of each, 0 for success."""
    begin: float
    ends: tuple[float, ...]
    """When each had returned."""

    @property
    def end(self) -> float:
        return self.ends[-1] if self.ends else self.begin

    def begin_of(self, number: int) -> float:
        """There is no pause between two steps."""
        return self.ends[number - 1] if number else self.begin


@dataclass(frozen=True)
class Material:
    """All that was seen."""

    played: Played
    witness: Watching
    server: ServerLog
    kernel: KernelTrace
    program: Watching


@dataclass(frozen=True)
class Findings:
    """What has become of all events."""

    stories: tuple[Story, ...]
    silent: Mapping[Layer, str]
    """Layers that say nothing, and why."""
    wrong_ends: tuple[str, ...] = ()
    """Names of which the program believes something that is not so."""

    def count(self, outcome: Arrival) -> int:
        return sum(story.outcome is outcome for story in self.stories)

    @property
    def good(self) -> bool:
        """Nothing was lost, and nothing came that was not so."""
        bad = self.count(Arrival.LOST) + self.count(Arrival.EXTRA)
        return not bad and not self.wrong_ends


def join(evidence: Material) -> Findings:
    """Put it all together."""
    came = [event for event in evidence.program.events if event.time >= evidence.played.begin]
    silent = _silent(evidence)
    hands = {layer: _Hand(sightings) for layer, sightings in _layers(evidence, came).items()}
    wanted = list(_wanted(evidence))
    stories = []
    for event, call in wanted:
        (key,) = event.keys
        seen = [Glimpse(Layer.CALL, call), Glimpse(Layer.HOST, event)]
        if Layer.ASKED not in silent:
            # A watcher reads of it when it is its turn, which is later
            seen.append(Glimpse(Layer.ASKED, _asked(evidence, key, (call or event).time)))
        seen += [hand.give(layer, key) for layer, hand in hands.items() if layer not in silent]
        stories.append(_story(key, tuple(seen)))
    left = hands[Layer.PROGRAM].left()
    stories += [_extra(event, hands, silent) for event in left]
    return Findings(tuple(stories), silent, tuple(_wrong_ends([event for event, _ in wanted], came)))


def _wanted(evidence: Material) -> Iterator[tuple[Sighting, Sighting | None]]:
    """What there was, each with the step that it comes of.

    Of what comes behind the sentinel only the end of objects that a step has removed: as long as the server
    has one open, it does not end on the host.
    """
    calls, witness = _Calls(evidence.played), evidence.witness
    for event in witness.events:
        if event.time >= evidence.played.begin:
            yield event, calls.cause(*event.keys)
    for event in witness.late:
        (key,) = event.keys
        if key.bit == EVENTS["delete_self"] and (call := calls.cause(key)) is not None:
            yield event, call


def _layers(evidence: Material, came: Sequence[Sighting]) -> dict[Layer, Sequence[Sighting]]:
    server = evidence.server
    return {
        Layer.READ: server.read,
        Layer.MADE: server.made,
        Layer.WIRE: server.sent,
        Layer.KERNEL: evidence.kernel.records,
        Layer.PROGRAM: came,
    }


def _silent(evidence: Material) -> dict[Layer, str]:
    silent: dict[Layer, str] = {}
    if not evidence.server.speaks:
        why = "the log of this revision's server says nothing of events"
        silent |= dict.fromkeys((Layer.ASKED, Layer.READ, Layer.MADE, Layer.WIRE), why)
    if evidence.program.tracepoints < 0:
        silent[Layer.KERNEL] = "this kernel has no tracefs (--flavor trace has)"
    elif not evidence.program.tracepoints:
        silent[Layer.KERNEL] = "no tracepoint in this revision"
    return silent


class _Hand:
    """The sightings of one layer, given out in their order."""

    def __init__(self, sightings: Sequence[Sighting]) -> None:
        self._of: dict[Key, list[Sighting]] = {}
        self._last: dict[Key, Sighting] = {}
        for sighting in sightings:
            for key in sighting.keys:
                self._of.setdefault(key, []).append(sighting)

    def give(self, layer: Layer, key: Key) -> Glimpse:
        waiting = self._of.get(key)
        if not waiting:
            return Glimpse(layer, self._last.get(key), shared=True)
        self._last[key] = waiting.pop(0)
        return Glimpse(layer, self._last[key])

    def left(self) -> list[Sighting]:
        """What nobody got, in the order of time."""
        return sorted((each for waiting in self._of.values() for each in waiting), key=lambda one: one.time)


class _Calls:
    """Which step an event comes of: each causes one of a kind, and later events come of later steps."""

    def __init__(self, played: Played) -> None:
        self._played = played
        self._used: set[tuple[int, Key]] = set()

    def cause(self, key: Key) -> Sighting | None:
        for number, step in enumerate(self._played.steps):
            if (number, key) not in self._used and causes(step, key):
                self._used.add((number, key))
                return self._sighting(number, key)
        return None

    def _sighting(self, number: int, key: Key) -> Sighting:
        played = self._played
        error = played.errors[number]
        said = f"{played.steps[number]}: {os.strerror(error)}" if error else str(played.steps[number])
        return Sighting(played.begin_of(number), frozenset([key]), said)


def _asked(evidence: Material, key: Key, time: float) -> Sighting | None:
    """What the server was asked to watch when it happened, if that is what the event is about."""
    before = [asked for asked in evidence.server.asked if asked.path == key.watch and asked.time <= time]
    if not before:
        return None
    last = before[-1]
    fate = refused(key, evidence.kernel.granted) or _not_asked(last, key)
    return Sighting(last.time, frozenset([key]), f"to watch {key.watch}", fate)


def _not_asked(asked: Asked, key: Key) -> str:
    if asked.trouble:
        return f"the server cannot watch {asked.path}: {asked.trouble}"
    if not asked.mask:
        return f"the guest has taken back its watch of {asked.path}"
    if key.bit & asked.mask or key.bit == EVENTS["delete_self"]:
        return ""
    return f"the server was asked for {names_of(asked.mask)}, not {name_of(key.bit)}"


def _story(key: Key, seen: tuple[Glimpse, ...]) -> Story:
    program = seen[-1]
    if program.sighting is not None:
        outcome = Arrival.MERGED if program.shared else Arrival.ARRIVED
        return Story(key, seen, outcome, *(_where_merged(seen) if program.shared else ()))
    at, why = _loser(seen)
    return Story(key, seen, Arrival.LOST, at, why)


def _where_merged(seen: Sequence[Glimpse]) -> tuple[Layer, str]:
    first = next(each for each in seen if each.shared)
    return first.layer, "it came with an equal one"


def _loser(seen: Sequence[Glimpse]) -> tuple[Layer, str]:
    """The first layer that says why it goes no further, or else that behind the last one that had it."""
    own = [place for place, each in enumerate(seen) if each.sighting is not None and not each.shared]
    for place in own:
        sighting = seen[place].sighting
        if sighting is not None and sighting.fate:
            return seen[place].layer, sighting.fate
    behind = seen[own[-1] + 1]
    if list(Layer).index(behind.layer) > list(Layer).index(seen[own[-1]].layer) + 1:
        return behind.layer, f"{_LOST_AT[behind.layer]}, and what is in between says nothing"
    return behind.layer, _LOST_AT[behind.layer]


def _extra(event: Sighting, hands: Mapping[Layer, _Hand], silent: Iterable[Layer]) -> Story:
    (key,) = event.keys
    others = [
        hand.give(layer, key)
        for layer, hand in hands.items()
        if layer not in silent and layer is not Layer.PROGRAM
    ]
    return Story(key, (*others, Glimpse(Layer.PROGRAM, event)), Arrival.EXTRA, *_origin(others))


def _origin(seen: Sequence[Glimpse]) -> tuple[Layer, str]:
    """The first layer that had what nothing on the host has caused."""
    first = next((each for each in seen if each.sighting is not None and not each.shared), None)
    layer = Layer.PROGRAM if first is None else first.layer
    return layer, "the host's own watcher has not seen it"


def _wrong_ends(wanted: Sequence[Sighting], came: Sequence[Sighting]) -> Iterable[str]:
    """Names that are there, or not, where the last event says otherwise."""
    truth, belief = _ends(wanted), _ends(came)
    for place, there in truth.items():
        believed = belief.get(place)
        if believed is not None and believed != there:
            watch, name = place
            yield f"{Key(watch, 0, name).path}: {_is(there)}, and the last event says that it {_is(believed)}"


def _ends(events: Sequence[Sighting]) -> dict[tuple[str, str], bool]:
    ends = {}
    for event in events:
        for key in event.keys:
            for there, mask in zip((True, False), _NAMES, strict=True):
                if key.bit & mask:
                    ends[key.watch, key.name] = there
    return ends


def _is(there: bool) -> str:
    return "is there" if there else "has gone"
