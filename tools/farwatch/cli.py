# SPDX-License-Identifier: GPL-2.0-or-later
# PYTHON_ARGCOMPLETE_OK
"""The command line. Exit status: 0 as expected, 1 a surprise, 2 usage or environment."""

from __future__ import annotations

import argparse
import importlib
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from farwatch.errors import STATUS_USAGE, FarwatchError, nearest, unknown

COMMANDS = {
    "verify": "build, boot, test every revision and print the table: the main job",
    "check": "this project's own tests: lint, types, unit tests, integration tests",
    "test": "part of the suite on one revision: the inner loop",
    "boot": "a shell, or a command, in the guest with the share mounted",
    "build": "build kernel, server and tests of a revision",
    "config": "the kernel config of a revision; why an option is not what was asked for",
    "table": "the regression table from stored results",
    "matrix": "the jobs of a CI service, as JSON: one for each column",
    "merge": "one table of the results of several machines",
    "trace": "one event from the host to a program in the guest: which layer has lost it",
    "serve": "a view of the results in a browser, and of what is under way",
    "show": "one cell: its merged timeline of host, server, guest and test",
    "init": "start a project in a folder of yours",
    "list": "revisions, bases, tests, and what is cached",
    "doctor": "what this machine can run, and what to install",
    "prune": "free disk: what farwatch keeps outside the checkout",
    "new": "start a revision from another one",
    "import": "a revision from somebody's mails or patch files",
    "checkout": "the series of a revision as commits in a worktree",
    "save": "the commits of a checkout back into patch files",
    "rebase": "a series onto another base, with remembered conflict resolutions",
    "diff": "what changed between two revisions: range-diff, cover letter, expectations",
    "lint": "what reviewers and their robots would say about a series",
    "bisectable": "does every patch build, boot, and do what it claims",
    "trailers": "Reviewed-by and others, from an mbox into the patches",
    "adopt": "a person becomes the author of a series and signs it off",
    "send": "a series as mails, proven to arrive as it was written",
    "bench": "measure: how long the steps of daily work take; what watching costs",
    "worker": "lend this machine to the cluster of another one",
    "completion": "print the line that makes your shell complete farwatch",
}
"""Command -> one line of help; commands.<name> has add(parser) and run(args, app)."""

TAKE_MORE = {
    "boot": "a command for the guest stands behind it",
    "trace": "what the host does stands behind it",
}
"""Command -> what there is to say of the -- of it, behind which stands something of another language."""
WITHOUT_PROJECT = ("init", "doctor", "prune", "worker", "completion", "check")
PROJECT = "--project"
FOREIGN_VALUES = ("--server-option",)
"""Options whose value looks like one of ours, but is somebody else's."""


class _CommandParser(argparse.ArgumentParser):
    """argparse, but what is unknown gets a suggestion, and usage errors have one form."""

    def error(self, message: str) -> NoReturn:
        raise self._mistake(message)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does it, but what a command does not know is told here, where its options are known."""
        found, rest = super().parse_known_args(args, namespace)
        if rest and self._command in TAKE_MORE and not rest[0].startswith("-"):
            raise self._without_dashes(list(args), rest)
        if rest:
            raise self._mistake(f"unrecognized arguments: {shlex.join(rest)}", self._meant(rest[0]))
        return found, rest

    def _without_dashes(self, words: list[str], rest: list[str]) -> FarwatchError:
        """words: all that follow the name of the command; rest: those of them that nobody knows."""
        places = [place for place, word in enumerate(words) if word == rest[0]]
        place = places[-rest.count(rest[0])]
        error = self._mistake(f"a -- is missing before '{rest[0]}'", TAKE_MORE[self._command])
        error.hint = f"{self.prog} {shlex.join(words[:place])} -- {shlex.join(words[place:])}"
        return error

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            name = "/".join(action.option_strings) or action.metavar or action.dest
            error = unknown(f"value of {name}", str(value), map(str, action.choices))
            raise self._mistake(error.what, error.cause)

    def _meant(self, word: str) -> str:
        names = {option.lstrip("-"): option for option in self._option_string_actions}
        near = nearest(word.partition("=")[0].lstrip("-"), names) if word.startswith("--") else None
        return f"did you mean '{names[near]}'?" if near else ""

    @property
    def _command(self) -> str:
        return self.prog.partition(" ")[2]

    def _mistake(self, what: str, cause: str = "") -> FarwatchError:
        """what: about the command, whose name stands in front of it."""
        return FarwatchError(
            f"{self._command}: {what}" if self._command else what, cause=cause, hint=f"{self.prog} --help"
        )


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """The parser; `only`: the one command whose module has to be loaded (all when None)."""
    parser = _CommandParser(prog="farwatch", description="Carry a kernel feature across several trees.")
    parser.add_argument("--version", action="version", version=_version())
    _add_project(parser, None)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_CommandParser)
    for name, about in COMMANDS.items():
        sub = commands.add_parser(name, help=about, description=about.capitalize() + ".")
        if name not in WITHOUT_PROJECT:
            _add_project(sub, argparse.SUPPRESS)
        if only in (None, name):
            importlib.import_module(f"farwatch.commands.{name}").add(sub)
    return parser


def _add_project(parser: argparse.ArgumentParser, default: str | None) -> None:
    """It may stand before the command, or behind it."""
    parser.add_argument(
        PROJECT,
        metavar="DIR",
        default=default,
        help="the project (default: the one that the current folder is in, else farwatch's own)",
    )


def _version() -> str:
    from farwatch import __version__

    return f"farwatch {__version__}"


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run, and turn every expected error into a message and a status."""
    words = list(sys.argv[1:] if argv is None else argv)
    _fill_streams()
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        return _dispatch(words)
    except FarwatchError as error:
        print(f"farwatch: {error}", file=sys.stderr)
        return STATUS_USAGE
    except KeyboardInterrupt:
        print("farwatch: interrupted; what was stored before stays stored", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


def _fill_streams() -> None:
    """Where the caller has closed standard input, output or error: no file of ours may take its place."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _interrupt(number: int, frame: object) -> NoReturn:
    """SIGTERM and SIGHUP end a run as Ctrl-C does: by unwinding, so that nothing is left running."""
    del number, frame
    raise KeyboardInterrupt


def _dispatch(words: list[str]) -> int:
    command = _command_of(words)
    if "_ARGCOMPLETE" in os.environ:
        return _complete()
    if command is not None and command not in COMMANDS:
        raise unknown("command", command, COMMANDS, hint="farwatch --help")
    args = _parse(command or "", words)
    if args.command is None:
        build_parser("").print_help()
        return STATUS_USAGE
    from farwatch.app import App

    module = importlib.import_module(f"farwatch.commands.{args.command}")
    app = App.of_home() if args.command in WITHOUT_PROJECT else App.here(args.project)
    try:
        status: int = module.run(args, app)
    finally:
        app.close()
    return status


def _command_of(words: Sequence[str]) -> str | None:
    """The first word that is no option, nor the value of one that may stand before it."""
    before = ["", *words]
    return next(
        (word for last, word in zip(before, words, strict=False) if last != PROJECT and word[:1] != "-"), None
    )


def _parse(command: str, words: list[str]) -> argparse.Namespace:
    """What stands behind a -- is not farwatch's: it is the command that `boot` runs in the guest."""
    place = words.index("--") if "--" in words else len(words)
    args = build_parser(command).parse_args(_joined(words[:place]))
    args.guest_command = words[place + 1 :]
    if args.guest_command and command not in TAKE_MORE:
        raise FarwatchError(f"{command} runs no command of yours", hint="farwatch boot REV -- CMD")
    return args


def _joined(words: list[str]) -> list[str]:
    """Each value of FOREIGN_VALUES made one word with its option, lest argparse takes it for an option."""
    joined, rest = [], iter(words)
    for word in rest:
        value = next(rest, None) if word in FOREIGN_VALUES else None
        joined.append(word if value is None else f"{word}={value}")
    return joined


def _complete() -> int:
    import argcomplete

    argcomplete.autocomplete(build_parser(_command_on_line()))
    return 0


def _command_on_line() -> str:
    """The command of the line that is being completed, "" as long as it is typed."""
    from argcomplete.lexers import split_line

    words = split_line(os.environ["COMP_LINE"], int(os.environ["COMP_POINT"]))[3]
    given = words[int(os.environ["_ARGCOMPLETE"]) :]  # those before are how farwatch is called
    first = _command_of(given)
    return first if first in COMMANDS else ""
