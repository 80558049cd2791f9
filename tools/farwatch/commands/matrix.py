# SPDX-License-Identifier: GPL-2.0-or-later
"""matrix: the jobs of a CI service."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farwatch.app import App
from farwatch.commands import common

if TYPE_CHECKING:
    from farwatch.cells.matrix import MatrixJob


def add(parser: argparse.ArgumentParser) -> None:
    common.add_revision(parser, many=True)
    common.add_setting(parser, many=True)
    common.add_share_settings(parser, many=True)
    parser.add_argument(
        "--format",
        choices=("github", "gitlab"),
        default="github",
        help="github: the value of strategy.matrix; gitlab: a child pipeline (default: %(default)s)",
    )
    parser.add_argument(
        "--since",
        type=Path,
        metavar="RESULTS",
        help="only the columns of which this result file does not know everything",
    )


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.cells.matrix import affected, jobs
    from farwatch.results.merge import copy_of

    revisions = common.chosen_revisions(app, args.revisions)
    found: list[MatrixJob] = []
    with nullcontext() if args.since is None else copy_of(args.since) as known:
        for one in _each(args):
            here = common.settled(one, app)
            wishes = common.wishes_from(one, here, revisions, edited=False)
            made = jobs(here, wishes, _version_words(args))
            if known is not None:
                columns, said = affected(here, wishes, known)
                made = [job for job in made if job.column in columns]
                for line in said:
                    print(f"farwatch: not looked up, so it is done: {line}", file=sys.stderr)
            found += made
    print(json.dumps(_github(found) if args.format == "github" else _gitlab(found), indent=1))
    return 0


def _each(args: argparse.Namespace) -> Iterator[argparse.Namespace]:
    """One for each base and flavor: several can be named here."""
    bases = [None] if args.base is None else _names(args.base)
    for base, flavor in itertools.product(bases, _names(args.flavor)):
        yield argparse.Namespace(**{**vars(args), "base": base, "flavor": flavor})


def _version_words(args: argparse.Namespace) -> tuple[str, ...]:
    return () if args.base_version == "pinned" else (f"--base-version={args.base_version}",)


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in text.split(",")))


def _github(found: Sequence[MatrixJob]) -> dict[str, Any]:
    """For strategy.matrix; without jobs "include" is empty, which the service refuses: ask before."""
    return {
        "include": [
            {
                "name": job.name,
                "id": f"{number:03}",
                "revision": job.column.revision,
                "base": job.column.base,
                "engine": job.column.engine,
                "flavor": job.column.flavor,
                "share_settings": job.column.share_setting,
                "arguments": job.arguments,
            }
            for number, job in enumerate(found, 1)
        ]
    }


def _gitlab(found: Sequence[MatrixJob]) -> dict[str, Any]:
    """A child pipeline (JSON is YAML). One without jobs is refused, so there is one that says so."""
    made: dict[str, Any] = {
        job.name: {
            "script": [f"./farwatch {job.arguments}"],
            "artifacts": {"paths": [".farwatch-home/results.db"], "when": "always"},
            "variables": {"FARWATCH_HOME": "$CI_PROJECT_DIR/.farwatch-home"},
        }
        for job in found
    }
    return made or {"nothing": {"script": ["echo nothing has changed that a test could see"]}}
