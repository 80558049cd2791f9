# SPDX-License-Identifier: GPL-2.0-or-later
"""completion: the line for ~/.bashrc, ~/.zshrc or config.fish."""

from __future__ import annotations

import argparse

from farwatch.app import App


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", nargs="?", default="bash", choices=("bash", "zsh", "fish"))


def run(args: argparse.Namespace, app: App) -> int:
    from argcomplete.shell_integration import shellcode

    del app
    shell = "fish" if args.shell == "fish" else "bash"
    prefix = "autoload -U bashcompinit && bashcompinit\n" if args.shell == "zsh" else ""
    names = ["farwatch", "./farwatch"]
    print(prefix + shellcode(names, shell=shell))
    return 0
