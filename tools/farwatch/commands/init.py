# SPDX-License-Identifier: GPL-2.0-or-later
"""init: a project in a folder of yours, or a copy of an example."""

from __future__ import annotations

import argparse
from pathlib import Path

from farwatch.app import App

_EPILOG = """\
A project is a folder: patches/bases.toml says what its series apply to, patches/REV/ is a revision, and
kernel-tests/*_test.c are its tests. farwatch works on the one that the current folder is in.
"""


def _examples(prefix: str, **_: object) -> list[str]:
    from farwatch.revisions.start import examples

    return [name for name in examples() if name.startswith(prefix)]


def add(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    parser.add_argument("folder", metavar="DIR", type=Path, help="where; it is made if it is not there")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--linux",
        metavar="PATH|BASE",
        help="the kernel: 7.3 or another that `farwatch list` shows, a git repository (its HEAD), a tarball",
    )
    example = kind.add_argument(
        "--example", metavar="NAME", help="a copy of an example, instead of a new project"
    )
    example.completer = _examples  # type: ignore[attr-defined]


def run(args: argparse.Namespace, app: App) -> int:
    from farwatch.revisions.start import example_files, new_files, write_project

    del app
    folder = args.folder.expanduser().absolute()
    write_project(folder, example_files(args.example) if args.example else new_files(args.linux))
    print(folder)
    print(f"next: cd {args.folder}; farwatch verify; README.md says how to go on")
    return 0
