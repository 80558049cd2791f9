# SPDX-License-Identifier: GPL-2.0-or-later
"""boot: try things by hand in the guest of a revision."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from farwatch.app import App
from farwatch.commands import common
from farwatch.engines.engine import DEBUGGER, MOST_CPUS, NETWORK, SMP, SMP_CPUS, SMP_FLAVOR
from farwatch.engines.registry import ENGINES, engine_named
from farwatch.errors import STATUS_USAGE, FarwatchError
from farwatch.guests.keyboard import RELOAD, raw
from farwatch.guests.setting import MOUNT_POINT, TAG, Setting
from farwatch.guests.shares import FORM, shares_from
from farwatch.model import Revision, ShareSetting
from farwatch.system.machine import available_memory

NETWORK_FLAVOR = "network"


def add(parser: argparse.ArgumentParser) -> None:
    common.add_revision(parser)
    common.add_setting(parser)
    common.add_share_settings(parser)
    common.add_guest_options(parser)
    parser.add_argument(
        "--share",
        action="append",
        default=[],
        metavar=FORM,
        help="folder to share (default: a new, empty one; may be given again). TAG: of virtiofs (default: "
        f"{TAG}, share2, share3, ...); MOUNTPOINT: in the guest (default: {MOUNT_POINT} for {TAG}, else "
        "/mnt/TAG). The command starts in the first one",
    )
    parser.add_argument(
        "--env",
        type=_variable,
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="variable of the command's environment; without a VALUE: as it is here (may be given again)",
    )
    parser.add_argument(
        "--memory", type=_megabytes, metavar="MB", help=f"of the guest (default: {Setting.memory})"
    )
    parser.add_argument(
        "--cpus",
        type=_cpus,
        metavar="N",
        help=f"processors of the guest (default: 1; of flavor {SMP_FLAVOR}: {SMP_CPUS})",
    )
    parser.add_argument(
        "--network",
        action="store_true",
        help=f"let the guest reach what the host reaches: flavor {NETWORK_FLAVOR}, engine vng",
    )
    parser.add_argument(
        "--gdb",
        action="store_true",
        help="print the line that attaches gdb to the kernel (--flavor debuginfo: with sources); engine vng",
    )
    parser.add_argument(
        "--reload",
        action="store_true",
        help="Enter ~ r: build what was saved meanwhile, boot that, and begin again; also after a build that "
        "fails, and a panic",
    )
    parser.usage = "farwatch boot [options] REV [-- CMD ...]"
    parser.epilog = (
        "Standard input, output and error are the command's; it has a terminal if input and output are one "
        "here. The exit status is that of the command: 128+N if signal N ended it, 127 if there is no such "
        "program in the guest, 126 if it is none; 2 also if there is no guest, or its kernel panics. What "
        "the command leaves running is ended with it."
    )


def run(args: argparse.Namespace, app: App) -> int:
    return _reloading(args, app) if args.reload else _boot(args, app)


def _reloading(args: argparse.Namespace, app: App) -> int:
    from farwatch.guests.shell import Reload

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise FarwatchError("--reload: nobody can press its key", cause="input and output are no terminal")
    try:
        return _boot(args, app)
    except Reload:
        print("\r", file=sys.stderr)
    except FarwatchError as error:
        print(f"farwatch: {error}\n  r: build and boot again; any other key: leave", file=sys.stderr)
        with raw(sys.stdin.fileno()):
            key = os.read(sys.stdin.fileno(), 1)
        if key != RELOAD:
            return STATUS_USAGE
    return _begin_again()


def _begin_again() -> NoReturn:
    """The same call, so that nothing is taken for true that was looked up before."""
    os.execv(sys.executable, common.call_of_ours(sys.argv[1:]))


def _boot(args: argparse.Namespace, app: App) -> int:
    from farwatch.cells.setting import setting_for
    from farwatch.guests.run import run_guests
    from farwatch.guests.shell import Wanted, converse
    from farwatch.results.old_logs import drop_old_logs

    shares = shares_from(args.share)
    _check_offers(args)
    _check_memory(args)
    _check_cpus(args)
    if args.network:
        args.flavor = NETWORK_FLAVOR
    app = common.settled(args, app)
    revision = app.catalog.revision(args.revision)
    for option, given in (("--server-option", args.server_option), ("--share", args.share)):
        if given and revision.share != "virtiofs":
            raise FarwatchError(
                f"{option}: {revision.name} has no server", cause=f"its share is {revision.share}"
            )
    wish = common.wish_from(args, [revision], edited=not args.patches)
    wish = replace(wish, share_setting=_share_setting(args, app, revision))
    setting = _chosen(args, setting_for(app, wish, revision))
    drop_old_logs(app.home, app.reporter.say)
    logs = Path(tempfile.mkdtemp(prefix="boot-", dir=app.home.logs))
    wanted = Wanted(args.guest_command, args.env, shares, args.reload)
    return run_guests(app.home, lambda run: converse(run, setting, wanted, logs))


def _share_setting(args: argparse.Namespace, app: App, revision: Revision) -> ShareSetting:
    """The one asked for; FarwatchError when it is not one, or not possible here, or not with --share."""
    first = common.one_share_setting(args, app, revision)
    if args.share and first.kind:
        raise FarwatchError(
            f"--share and --share-settings {first.name} exclude each other",
            cause="the share is a tmpfs of the guest's, and served there",
        )
    if args.share and first.file_system:
        raise FarwatchError(
            f"--share and --share-settings {first.name} exclude each other",
            cause=f"with {first.name} the share is a new {first.file_system}",
        )
    common.require_possible(app, first)
    return first


def _variable(text: str) -> str:
    """NAME=VALUE of NAME, or of itself."""
    name, equals, _ = text.partition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"'{text}' has no name")
    if equals:
        return text
    if name not in os.environ:
        raise argparse.ArgumentTypeError(f"there is no variable {name} here: {name}=VALUE")
    return f"{name}={os.environ[name]}"


def _megabytes(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of MB")
    return int(text)


def _cpus(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= MOST_CPUS:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1 to {MOST_CPUS}")
    return int(text)


def _chosen(args: argparse.Namespace, setting: Setting) -> Setting:
    """The setting with what was asked for."""
    return replace(
        common.with_server_options(args, setting),
        network=args.network,
        debugger=args.gdb,
        memory=setting.memory if args.memory is None else args.memory,
        cpus=args.cpus or setting.cpus,
    )


def _check_memory(args: argparse.Namespace) -> None:
    """FarwatchError when no guest runs with that much, or there is not so much."""
    if args.memory is None:
        return
    engine = engine_named(args.engine)
    room = min(available_memory(), engine.memory_room()) >> 20
    if args.memory < engine.least_memory:
        raise FarwatchError(
            f"--memory {args.memory}: a guest of engine {engine.name} has at least {engine.least_memory} MB"
        )
    if args.memory > room:
        raise FarwatchError(f"--memory {args.memory}: there are {room} MB for a guest here")


def _check_cpus(args: argparse.Namespace) -> None:
    """FarwatchError when that kernel can have one only."""
    engine = engine_named(args.engine)
    if (args.cpus or 1) > 1 and SMP not in engine.offers and args.flavor != SMP_FLAVOR:
        raise FarwatchError(
            f"--cpus {args.cpus}: a kernel of flavor {args.flavor} has one processor on engine {engine.name}",
            hint=f"--flavor {SMP_FLAVOR}",
        )


def _check_offers(args: argparse.Namespace) -> None:
    """FarwatchError when the engine cannot do what is asked of it."""
    offers = engine_named(args.engine).offers
    for option, wanted, thing in (("--network", args.network, NETWORK), ("--gdb", args.gdb, DEBUGGER)):
        if wanted and thing not in offers:
            able = ", ".join(name for name in ENGINES if thing in engine_named(name).offers)
            raise FarwatchError(f"{option}: engine {args.engine} has no {thing}", hint=f"--engine {able}")
    if args.network and args.flavor not in ("plain", NETWORK_FLAVOR):
        raise FarwatchError(
            f"--network and --flavor {args.flavor} exclude each other",
            cause=f"a kernel has one flavor, and the network needs {NETWORK_FLAVOR}",
        )
