# SPDX-License-Identifier: GPL-2.0-or-later
"""A stand-in for a kernel with its agent: speaks the agent's protocol and misbehaves on demand.

Called as: fakes/guest.py BEHAVIOUR STEPS_FD CONTROL_FD OUTPUT_FD ERRORS_FD; stdout is the console.
The "program" of a run request is a word that says what the test does.
"""

from __future__ import annotations

import os
import sys
import time

STEPS, CONTROL, OUTPUT, ERRORS = (int(word) for word in sys.argv[2:6])
PRINTED = {OUTPUT: 0, ERRORS: 0}
"""Bytes of a program by hand."""
BEHAVIOUR = sys.argv[1]


def say(fd: int, text: str) -> None:
    data = text.encode() + b"\n"
    while data:
        data = data[os.write(fd, data) :]


def console(text: str) -> None:
    say(1, f"[    0.000000] {text}")


def wait_for_ever() -> None:
    while True:
        time.sleep(1000)


def ktap(name: str, line: str) -> None:
    say(OUTPUT, "TAP version 13")
    say(OUTPUT, "1..1")
    say(OUTPUT, f"#  RUN           {name} ...")
    say(OUTPUT, line)


def ask(line: str) -> str:
    say(STEPS, line)
    answer = b""
    while not answer.endswith(b"\n"):
        answer += os.read(STEPS, 4096)
    return answer.decode().strip()


def show(fd: int, data: bytes) -> None:
    """A program by hand prints."""
    PRINTED[fd] += len(data)
    while data:
        data = data[os.write(fd, data) :]


def read_piece() -> bytes:
    """Ask for a piece of standard input."""
    say(STEPS, "input")
    answer = b""
    while b"\n" not in answer:
        answer += os.read(STEPS, 1)
    left = int(answer)
    piece = b""
    while len(piece) < left:
        piece += os.read(STEPS, left - len(piece))
    return piece


def test(number: str, words: list[str]) -> str:
    """Play one test; returns how it ended."""
    kind, name = words[0].rsplit("/", 1)[-1], words[2]
    if kind == "output":
        for line in words[3:]:
            say(OUTPUT, line)
        if words[1] == "never":
            wait_for_ever()
        return words[1]
    if kind == "panic":
        console("Kernel panic - not syncing: made up")
        sys.exit(1)
    if kind == "vanish":
        os._exit(9)
    if kind == "hang":
        wait_for_ever()
    if kind == "flood":
        while True:
            os.write(1, b"x" * 4095 + b"\n")
    if kind == "output-flood":
        while True:
            os.write(OUTPUT, b"y" * 4095 + b"\n")
    if kind == "splat":
        console("BUG: sleeping function called from invalid context at made/up.c:1")
    if kind == "late-splat":
        ktap(name, f"ok 1 {name}")
        say(OUTPUT, f"farwatch: end {number}")
        console(f"farwatch: end {number}")
        console("BUG: KASAN: slab-use-after-free in made_up+0x1/0x2")
        return "exit 0"
    if kind == "copy":
        while piece := read_piece():
            show(OUTPUT, piece)
        return "exit 0"
    if kind == "print":
        show(OUTPUT, words[3].encode())
        return "exit 3"
    if kind == "complain":
        show(OUTPUT, b"said")
        show(ERRORS, b"complained")
        return "exit 1"
    if kind == "missing":
        return "setup 2 exec%20no%20such"
    if kind == "ask":
        say(OUTPUT, f"# answer: {ask(words[3].replace('~', ' '))}")
    if kind == "signal":
        return "signal 11"
    if kind == "timeout":
        return "timeout"
    if kind == "setup":
        return "setup 19 no%20such%20device"
    if kind == "silent":
        return "exit 0"
    ktap(name, f"not ok 1 {name}" if kind == "fail" else f"ok 1 {name}")
    return "exit 1" if kind == "fail" else "exit 0"


def unescape(field: str) -> str:
    if field == "%":
        return ""
    parts = field.split("%")
    return parts[0] + "".join(chr(int(part[:2], 16)) + part[2:] for part in parts[1:])


PIECES: list[str] = []
"""Of a request that is longer than a line."""


def serve(line: str) -> None:
    if len(line) > 8000:
        wait_for_ever()  # half of that makes a serial line of User Mode Linux deaf
    PIECES.append(line.removesuffix("+"))
    if line.endswith(" +"):
        say(CONTROL, "more")
        return
    verb, *fields = "".join(PIECES).split(" ")
    PIECES.clear()
    if verb == "poweroff":
        if BEHAVIOUR == "no-poweroff":
            wait_for_ever()
        say(CONTROL, "bye")
        sys.exit(0)
    if verb in ("winsize", "take"):
        return
    if verb == "dump":
        say(CONTROL, "dump done")
        return
    if BEHAVIOUR == "refuses":
        say(CONTROL, "error run:%20unusable%20made%20up")
        return
    pairs = [unescape(field).split("=", 1) for field in fields]
    number = next(value for key, value in pairs if key == "id")
    console(f"farwatch: begin {number}")
    say(CONTROL, f"begin {number}")
    lacking = [value.split("=")[0] for key, value in pairs if key == "sysctl" and value.startswith("none.")]
    words = [value for key, value in pairs if key == "arg"]
    ended = f"setup 2 sysctl%20{lacking[0]}" if lacking else test(number, words)
    if ["pipes", "1"] in pairs:
        say(CONTROL, f"printed {number} {PRINTED[OUTPUT]} {PRINTED[ERRORS]}")
    else:
        say(OUTPUT, f"farwatch: end {number}")
    console(f"farwatch: end {number}")
    say(CONTROL, f"end {number} {ended}")


def main() -> None:
    if BEHAVIOUR == "panic-at-boot":
        console("Kernel panic - not syncing: VFS: Unable to mount root fs")
        sys.exit(1)
    if BEHAVIOUR == "hang-at-boot":
        wait_for_ever()
    if BEHAVIOUR == "exit-at-boot":
        sys.exit(3)
    if BEHAVIOUR.startswith("says:"):
        for text in BEHAVIOUR.removeprefix("says:").split("|"):
            console(text)
    if BEHAVIOUR == "garbage":
        os.write(CONTROL, os.urandom(5000) + b"\n")
        os.write(1, os.urandom(5000))
    say(CONTROL, "ready 1")
    rest = b""
    while data := os.read(CONTROL, 4096):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            serve(line.decode())


main()
