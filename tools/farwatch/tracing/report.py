# SPDX-License-Identifier: GPL-2.0-or-later
"""What became of each event, for people and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from farwatch.terminal.escape import printable
from farwatch.tracing.join import Arrival, Findings, Glimpse, Layer, Material, Story

SCHEMA = 1
IN_FULL = 12
"""Stories of one outcome that are shown layer by layer."""
LISTED = 40
"""Those that are a line each; the rest is counted."""
_BAD = (Arrival.LOST, Arrival.EXTRA)


def render_text(evidence: Material, findings: Findings, *, everything: bool = False) -> str:
    """everything: each event layer by layer."""
    lines = [*_head(evidence, findings), *_stories(evidence, findings.stories, everything)]
    lines += [f"wrong: {end}" for end in findings.wrong_ends]
    return "\n".join(printable(line) for line in [*lines, *_foot(evidence, findings)]) + "\n"


def _head(evidence: Material, findings: Findings) -> Iterator[str]:
    played, program = evidence.played, evidence.program
    took = _ms(played.end - played.begin).lstrip("+")
    failed = sum(error != 0 for error in played.errors)
    yield f"{_plural(len(played.steps), 'step')} by the host in {took}" + (
        f", {failed} failed" if failed else ""
    )
    yield f"watched: {_some(program.watches)}; the clocks agree to {program.drift * 1000:.2f} ms"
    for why in dict.fromkeys(findings.silent.values()):
        yield ", ".join(layer for layer, its in findings.silent.items() if its == why) + f": {why}"


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return " ".join(names[:6]) + rest


def _stories(evidence: Material, stories: Sequence[Story], everything: bool) -> Iterator[str]:
    shown: Counter[Arrival] = Counter()
    for story in stories:
        shown[story.outcome] += 1
        count = shown[story.outcome]
        if everything or (count <= IN_FULL and (story.outcome in _BAD or len(stories) <= IN_FULL)):
            yield from ("", _headline(story))
            yield from (_line(evidence, seen) for seen in story.seen)
        elif count <= LISTED:
            yield _headline(story)
    for outcome, count in shown.items():
        if count > LISTED and not everything:
            yield f"... and {count - LISTED} more that are {outcome} (--all)"


def _headline(story: Story) -> str:
    if story.outcome is Arrival.ARRIVED:
        return f"{story.key}: arrived in {(story.seconds or 0) * 1000:.2f} ms"
    if story.outcome is Arrival.EXTRA:
        return f"{story.key}: not on the host; from: {story.lost_at}"
    return f"{story.key}: {story.outcome}: {story.lost_at} ({story.why})"


def _line(evidence: Material, seen: Glimpse) -> str:
    if seen.sighting is None:
        return f"  {'':>12}  {seen.layer:15} -"
    time = _ms(seen.sighting.time - evidence.played.begin)
    text = seen.sighting.text
    if seen.sighting.fate and seen.sighting.fate not in text:
        text += f": {seen.sighting.fate}"
    return f"  {time:>12}  {seen.layer:15} {text}" + (" (an earlier one's)" if seen.shared else "")


def _foot(evidence: Material, findings: Findings) -> Iterator[str]:
    yield ""
    counts = [(findings.count(outcome), outcome) for outcome in Arrival]
    stories = [story for story in findings.stories if story.outcome is not Arrival.EXTRA]
    said = ", ".join(f"{count} {outcome}" for count, outcome in counts if count)
    yield (
        f"{_plural(len(stories), 'event')}: {said}"
        if said
        else "no event: nothing that is watched for was done"
    )
    for (at, why), count in _losers(findings).items():
        yield f"  lost: {at} ({why}): {count}"
    if evidence.program.overflows:
        yield f"the program was told {_plural(evidence.program.overflows, 'time')} that events were lost"
    if evidence.server.account:
        yield f"server: {evidence.server.account}"
    if Layer.KERNEL not in findings.silent:
        yield f"kernel: {evidence.kernel.account}"


def _losers(findings: Findings) -> Counter[tuple[str, str]]:
    lost = (story for story in findings.stories if story.outcome is Arrival.LOST)
    return Counter((str(story.lost_at), story.why) for story in lost)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:+.2f} ms"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def render_json(evidence: Material, findings: Findings) -> str:
    """Times are in seconds, from the first step on."""
    return json.dumps(
        {
            "schema": SCHEMA,
            "good": findings.good,
            "counts": {outcome: findings.count(outcome) for outcome in Arrival},
            "steps": [
                {"step": str(step), "errno": error}
                for step, error in zip(evidence.played.steps, evidence.played.errors, strict=False)
            ],
            "clocks_agree_to": evidence.program.drift,
            "silent": dict(findings.silent),
            "events": [_story_json(story, evidence.played.begin) for story in findings.stories],
            "wrong_ends": list(findings.wrong_ends),
            "overflows": evidence.program.overflows,
            "server": evidence.server.account,
            "kernel": evidence.kernel.account,
        },
        indent=1,
    )


def _story_json(story: Story, begin: float) -> dict[str, Any]:
    layers = [
        {
            "layer": seen.layer,
            "time": None if seen.sighting is None else round(seen.sighting.time - begin, 6),
            "text": None if seen.sighting is None else seen.sighting.text,
            "shared": seen.shared,
        }
        for seen in story.seen
    ]
    return {
        "event": str(story.key),
        "outcome": story.outcome,
        "layer": story.lost_at,
        "why": story.why,
        "seconds": None if story.seconds is None else round(story.seconds, 6),
        "layers": layers,
    }
