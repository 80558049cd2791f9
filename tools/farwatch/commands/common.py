# SPDX-License-Identifier: GPL-2.0-or-later
"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farwatch.app import App
from farwatch.cells.wish import Wish
from farwatch.errors import FarwatchError
from farwatch.model import DEFAULT_SHARE, Revision, ShareSetting

if TYPE_CHECKING:
    from farwatch.cells.crew import Crew
    from farwatch.guests.setting import Setting
    from farwatch.results.table import Table


def _completer(what: str) -> Any:
    def complete(prefix: str, parsed_args: argparse.Namespace, **_: object) -> list[str]:
        app = App.here(parsed_args.project)
        names: dict[str, Callable[[], list[str]]] = {
            "revision": lambda: [revision.name for revision in app.catalog.revisions()],
            "base": lambda: [base.name for base in app.catalog.bases("linux")],
            "share setting": lambda: ["all", *(setting.name for setting in app.catalog.share_settings())],
            "suite": lambda: list(app.catalog.suites()),
        }
        return [name for name in names[what]() if name.startswith(prefix)]

    return complete


def call_of_ours(words: Sequence[str]) -> list[str]:
    """What starts farwatch with these words, as the launcher does."""
    return [sys.executable, "-P", "-m", "farwatch", *words]


def add_revision(parser: argparse.ArgumentParser, many: bool = False) -> None:
    """REV, or [REV ...]."""
    action = (
        parser.add_argument("revisions", metavar="REV", nargs="*", help="default: all of them")
        if many
        else parser.add_argument("revision", metavar="REV")
    )
    action.completer = _completer("revision")  # type: ignore[attr-defined]


def add_series(parser: argparse.ArgumentParser) -> None:
    """[COMPONENT[/SERIES]], of the revision that is named before."""
    action = parser.add_argument(
        "series",
        metavar="COMPONENT[/SERIES]",
        nargs="?",
        help="a component's series, or one of those that it is cut into (default: all)",
    )
    action.completer = _series_names  # type: ignore[attr-defined]


def _series_names(prefix: str, parsed_args: argparse.Namespace, **_: object) -> list[str]:
    from farwatch.revisions.parts import all_parts

    app = App.here(parsed_args.project)
    parts = all_parts(app.catalog.revision(parsed_args.revision), app.catalog.components())
    names = dict.fromkeys(name for part in parts for name in (part.component, part.label))
    return [name for name in names if name.startswith(prefix)]


def add_setting(parser: argparse.ArgumentParser, many: bool = False) -> None:
    """--base, --engine, --flavor: what a column is beside its revision. many: several engines."""
    from farwatch.engines.registry import ENGINES

    base = parser.add_argument(
        "--base", metavar="BASE", help="linux base, e.g. 7.2 (default: the revision's own)"
    )
    base.completer = _completer("base")  # type: ignore[attr-defined]
    parser.add_argument(
        "--base-version",
        choices=("pinned", "newest"),
        default="pinned",
        help="newest: if the pinned version of the linux base is not to be had any more, the newest one of "
        "the same release that the archive offers, in a column of its own (default: %(default)s)",
    )
    several = "; uml,vng: each in a column" if many else ""
    parser.add_argument(
        "--engine",
        default="uml",
        help=f"how the kernel is run: {', '.join(ENGINES)}{several} (default: %(default)s)",
    )
    parser.add_argument("--flavor", default="plain", help="set of config fragments (default: %(default)s)")


def add_share_settings(parser: argparse.ArgumentParser, many: bool = False) -> None:
    """--share-settings: how the share is served, and what it lies on. many: several of them."""
    several = "; NAME,NAME or all: each in a column" if many else ""
    action = parser.add_argument(
        "--share-settings",
        metavar="NAME",
        default=DEFAULT_SHARE.name,
        help=f"how the share is served, and what it lies on; `farwatch list` names them{several} "
        "(default: %(default)s)",
    )
    action.completer = _completer("share setting")  # type: ignore[attr-defined]


def add_suite(parser: argparse.ArgumentParser, many: bool = True) -> None:
    """--suite: tests that others have written. many: several of them."""
    several = "; NAME,NAME: several" if many else ""
    action = parser.add_argument(
        "--suite",
        metavar="NAME",
        help=f"instead of our own tests those of a suite (kselftest, kunit, ...), "
        f"as `farwatch list` names them{several}",
    )
    action.completer = _completer("suite")  # type: ignore[attr-defined]


def suite_names(args: argparse.Namespace) -> tuple[str, ...]:
    """What --suite names; nothing where it is not given."""
    names = (name.strip() for name in (args.suite or "").split(","))
    return tuple(dict.fromkeys(name for name in names if name))


def add_guest_options(parser: argparse.ArgumentParser) -> None:
    """--patches, --server-option: of one guest."""
    parser.add_argument(
        "--patches", action="store_true", help="boot the patch files even if a checkout differs"
    )
    parser.add_argument(
        "--server-option",
        action="append",
        default=[],
        metavar="OPT",
        help="for the server, as in --server-option --cache=auto; replaces the same option "
        "of farwatch's or the revision's (may be given again)",
    )


def add_running(parser: argparse.ArgumentParser) -> None:
    """-k, --fresh, --jobs."""
    parser.add_argument(
        "-k", dest="expression", default="", metavar="EXPR", help="tests, e.g. 'rename and not local'"
    )
    parser.add_argument("--fresh", action="store_true", help="run again what the store already knows")
    add_guests(parser)
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="run the cells elsewhere: local:N (so many processes), ssh:HOST,HOST or tcp://HOST:PORT "
        "(a Dask scheduler, with workers by `farwatch worker`)",
    )


def crew_from(args: argparse.Namespace, app: App) -> Crew | None:
    """Who runs the cells instead of this machine's own guests; FarwatchError if --cluster names nobody."""
    if args.cluster is None:
        return None
    if args.suite:
        raise FarwatchError(
            "--cluster and --suite exclude each other", cause="suites are run on this machine alone"
        )
    from farwatch.cluster.address import cluster_address
    from farwatch.cluster.crew import ClusterCrew

    return ClusterCrew(cluster_address(args.cluster), app.home, app.reporter.say, args.jobs)


def add_guests(parser: argparse.ArgumentParser) -> None:
    """--jobs."""
    parser.add_argument(
        "-j", "--jobs", type=_jobs, metavar="N", help="guests at once (default: what the machine carries)"
    )


def _jobs(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of guests (1 or more)")
    return int(text)


def add_reports(parser: argparse.ArgumentParser) -> None:
    """Where else the table goes."""
    for option in ("markdown", "html", "junit", "ktap", "json"):
        parser.add_argument(f"--{option}", type=Path, metavar="FILE", help=f"write the table as {option} too")
    kcidb = "write the verdicts as a submission to KCIDB too"
    parser.add_argument("--kcidb", type=Path, metavar="FILE", help=kcidb)
    mail = "write the table as text of 78 columns too, to be pasted below the --- of a mail"
    parser.add_argument("--mail", type=Path, metavar="FILE", help=mail)
    parser.add_argument("--all", action="store_true", help="a line for every test, also where a group agrees")


def add_site(parser: argparse.ArgumentParser) -> None:
    """--site, --site-cells: the table as pages."""
    parser.add_argument(
        "--site",
        type=Path,
        metavar="DIR",
        help="write a folder of pages, too: table with a filter, cells, history of each row, benchmarks",
    )
    parser.add_argument(
        "--site-cells",
        choices=("surprising", "failing", "all"),
        default="failing",
        help="the cells that have a page there; failing: no pass, or changed (default: %(default)s)",
    )


def require_site(args: argparse.Namespace) -> None:
    """FarwatchError when --site cannot be written: better now than when all has been run."""
    if args.site is not None:
        from farwatch.web.write import require_place

        require_place(args.site)


def publish_all(args: argparse.Namespace, app: App, table: Table) -> None:
    """The table to where --html and the others say, and --site."""
    from farwatch.reports.publish import publish

    publish(table, args)
    if args.site is None:
        return
    from farwatch.bench.record import Records
    from farwatch.results.store import Results
    from farwatch.web.site import VERDICTS, Site, every_history
    from farwatch.web.write import write_site

    columns = [heading.column for heading in table.headings]
    with Results.open(app.home.results) as results:
        histories = every_history(results.histories(columns, VERDICTS), columns)
    site = Site(table, app.home.logs, histories, Records(app.home.bench).all(), args.site_cells)
    pages = write_site(site, args.site)
    app.reporter.say(f"{args.site / 'index.html'}: {pages} pages")


def chosen_revisions(app: App, names: Sequence[str]) -> tuple[Revision, ...]:
    """The revisions named, or all of them, in the order of the table."""
    if not names:
        everything = app.catalog.revisions()
        if not everything:
            raise FarwatchError("there are no revisions", cause=f"{app.catalog.patches} has none")
        return tuple(everything)
    named = [app.catalog.revision(name) for name in dict.fromkeys(names)]
    return tuple(sorted(named, key=lambda revision: revision.order))


def settled(args: argparse.Namespace, app: App, *, ask: bool = True) -> App:
    """The app after --base-version: with what stands in for those bases of the command that are gone.

    Only for the bases that the columns name: what stands in for another one would not be seen in them.
    ask: find out what is to be had, and fetch it; otherwise what was found the last time counts
    """
    if args.base_version == "pinned":
        return app
    from farwatch.bases import newest

    names = args.revisions if "revisions" in args else [args.revision]
    revisions = chosen_revisions(app, names)
    bases = dict.fromkeys(app.catalog.base_of(revision, "linux", args.base) for revision in revisions)
    found = [
        newest.settled(base, app.home, app.reporter.say) if ask else newest.known(base, app.home)
        for base in bases
    ]
    stand_ins = tuple(base for base in found if base.stands_for)
    return replace(app, stand_ins=stand_ins) if stand_ins else app


def engine_names(args: argparse.Namespace) -> tuple[str, ...]:
    """What --engine names, of a command that takes several."""
    from farwatch.engines.registry import engine_named

    names = dict.fromkeys(name.strip() for name in args.engine.split(","))
    return tuple(engine_named(name).name for name in names)


def chosen_settings(
    args: argparse.Namespace, app: App, revisions: Sequence[Revision]
) -> tuple[ShareSetting, ...]:
    """What --share-settings names; FarwatchError where no revision has a share to be served."""
    settings = app.catalog.share_settings(args.share_settings)
    if settings != (DEFAULT_SHARE,) and not any(revision.share == "virtiofs" for revision in revisions):
        names = ", ".join(revision.name for revision in revisions)
        raise FarwatchError(
            f"--share-settings: {names} has no server", cause=f"its share is {revisions[0].share}"
        )
    return settings


def one_share_setting(args: argparse.Namespace, app: App, revision: Revision) -> ShareSetting:
    """The one asked for, of a guest; FarwatchError when it is not one."""
    first, *others = chosen_settings(args, app, [revision])
    if others:
        raise FarwatchError(f"--share-settings {args.share_settings}: a guest has one", hint="name one")
    if args.server_option and first.kind:
        raise FarwatchError(
            f"--server-option and --share-settings {first.name} exclude each other",
            cause="the share is a tmpfs of the guest's, and served there",
        )
    return first


def require_possible(app: App, setting: ShareSetting) -> None:
    """FarwatchError when this machine cannot have a share setting."""
    from farwatch.cells.setting import lacking_for

    if why := lacking_for(app, setting):
        raise FarwatchError(f"this machine cannot have share setting {setting.name}", cause=why)


def with_server_options(args: argparse.Namespace, setting: Setting) -> Setting:
    """A guest's setting with --server-option; FarwatchError for options that its server does not know."""
    if not args.server_option:
        return setting
    from farwatch.guests.companion import check_options

    assert setting.server is not None
    check_options(setting.server, args.server_option)
    return replace(setting, server_options=(*setting.server_options, *args.server_option))


def wishes_from(
    args: argparse.Namespace, app: App, revisions: Sequence[Revision], *, edited: bool
) -> list[Wish]:
    """One for each engine and share setting."""
    settings = chosen_settings(args, app, revisions)
    return [
        replace(wish_from(args, revisions, edited=edited, engine=name), share_setting=setting)
        for setting in settings
        for name in engine_names(args)
    ]


def wish_from(
    args: argparse.Namespace, revisions: Sequence[Revision], *, edited: bool, engine: str | None = None
) -> Wish:
    """What was asked for; engine: instead of the one that --engine names."""
    from farwatch.engines.registry import engine_named

    return Wish(
        tuple(revisions),
        args.base,
        engine or engine_named(args.engine).name,
        args.flavor,
        getattr(args, "expression", ""),
        getattr(args, "fresh", False),
        edited,
    )


def with_patches(app: App, revision: Revision, component: str | None = None) -> tuple[str, ...]:
    """The components that a revision has patches for, or the one named; FarwatchError if there are none."""
    having = [part for part in app.catalog.components() if revision.patches(part)]
    if not having or (component and component not in having):
        what = f"{revision.name} has no patches{f' for {component}' if component and having else ''}"
        raise FarwatchError(what, cause=f"it has some for: {', '.join(having)}" if having else "")
    return (component,) if component else tuple(having)


def ask(question: str) -> str:
    """A person's answer; FarwatchError where there is no person to be asked."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise FarwatchError(
            "this has to be confirmed by a person",
            cause="there is no terminal to ask on",
            hint="run it in a terminal",
        )
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline()
