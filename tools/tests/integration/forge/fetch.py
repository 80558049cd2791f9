# SPDX-License-Identifier: GPL-2.0-or-later
"""What a server of v3 that lies reports, one thing after the other, and what becomes of it."""

from __future__ import annotations

import struct
import sys
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.integration.forge.records import HEAD, at_random, batch, record, verdict

OUT = struct.Struct("<IiQ")
ODD_NUMBER = 53
"""Each so many batches made at random, one has a number that is not the next."""


@dataclass(frozen=True)
class Answer:
    """What is said, and what is claimed falsely about that."""

    body: bytes
    claims: dict[str, Any]

    def message(self, unique: int) -> bytes:
        """With its header, for a request."""
        size = OUT.size + len(self.body)
        error, unique = -self.claims.get("error", 0), unique + self.claims.get("unique", 0)
        return OUT.pack(self.claims.get("len", size), error, unique) + self.body


class Liar:
    """Has things to say, and compares what the kernel makes of them with what it ought to."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self._todo: deque[dict[str, Any]] = deque()
        self._random: Iterator[bytes] | None = None
        self._ending = False
        self.ended = False
        """All that was to be made at random has been judged."""
        self._seq = 0
        """Of the last batch that was accepted."""
        self._sent: bytes | None = None
        """That nobody has said anything about yet."""

    def begin(self) -> None:
        """INIT: numbers begin again."""
        self._sent, self._seq = None, 0

    def add(self, step: dict[str, Any]) -> None:
        self._todo += [dict(answer) for answer in step.get("answers", [])]
        if step.get("stops"):
            self._random = None
        if "random" in step:
            self._random = at_random(**step["random"])

    def next(self) -> Answer | None:
        """What to say now, if there is something."""
        said = self._todo.popleft() if self._todo else self._at_random()
        if said is None:
            return None
        given = said.pop("data", b"")
        data = given if isinstance(given, bytes) else bytes.fromhex(given)
        number = (self._seq + 1 + said.pop("skip", 0)) % 2**64
        if len(data) >= HEAD.size:
            data = struct.pack("<Q", number) + data[8:]
        self._sent = None if said else data
        return Answer(data, said)

    def _at_random(self) -> dict[str, Any] | None:
        if self._random is None:
            return None
        made = next(self._random, None)
        if made is None:
            self._random, self._ending = None, True
            return {"data": batch(record(name=b"last"))}
        return {"data": made, "skip": -2 * (self.count["batches"] % ODD_NUMBER == 1)}

    def judge(self, error: int) -> None:
        """errno of what was sent last, where that is told."""
        sent, self._sent = self._sent, None
        if sent is None:
            return
        self.count["batches"] += 1
        self.count["refused"] += bool(error)
        if not error:
            self._seq, count, _ = HEAD.unpack_from(sent)
            self.count["records"] += count
        if error != verdict(sent):
            self.count["wrong"] += 1
            print(f"wrong: {error} for {sent.hex()}", file=sys.stderr, flush=True)
        if self._ending:
            self._ending, self.ended = False, True
            print(self.summary(), file=sys.stderr, flush=True)

    def fetched(self, seq: int) -> None:
        """A FETCH tells the number of the batch that was accepted last, and no errno."""
        if self._sent is None:
            self._seq = seq
            return
        known = verdict(self._sent)
        number = struct.unpack_from("<Q", self._sent)[0] if len(self._sent) >= HEAD.size else -1
        # Of a number that was the last one before, too, nothing can be told
        accepted = number == seq and not (known and number == self._seq)
        self.judge(0 if accepted else known or -1)

    def summary(self) -> str:
        names = ("batches", "refused", "records", "wrong")
        return "forged: " + " ".join(f"{name}={self.count[name]}" for name in names)
