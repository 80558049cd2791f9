# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that wait for files, as people have them, in a guest while the host is at work.

Each (client_list.py) watches a folder on a tmpfs of the guest, and then one of the share; an actor does the
same there each time while the program is stopped (programs/stage.py), and what it says has to be the same,
as samples/client_rules.py has it. With stock Linux and stock virtiofsd, tried the same way, it says nothing.

FARWATCH_CLIENTS_REVISION says which revision has to pass (default v3). The table that is printed in the end
is the one in the README.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from farwatch.app import App
from farwatch.errors import FarwatchError
from farwatch.guests.logs import LogSet
from farwatch.guests.run import run_guests
from farwatch.guests.session import Session
from farwatch.guests.trace import Limits, Trace
from farwatch.system import bootstrap
from farwatch.system.children import Run
from tests.integration.client_builds import built
from tests.integration.client_list import CLIENTS, END, END_TEXT, LAST, TOP, Client, there
from tests.integration.forged_stage import setting_of
from tests.samples.client_rules import differences, seen

pytestmark = [pytest.mark.integration, pytest.mark.nightly]

REVISION = os.environ.get("FARWATCH_CLIENTS_REVISION", "v3")
BASELINE = "baseline"
STAGE = Path(__file__).parent / "programs" / "stage.py"
PACKAGES = "system-packages.clients.txt"
MEMORY = 512
"""MB of a guest: Node and Emacs are large."""
LIMITS = Limits(test=600.0, event=10.0, end=60.0)
"""On the slowest machine."""
Steps = tuple[tuple[str, ...], ...]
"""As steps.h has them, without numbers, deadline and actor."""


def script(*lines: str) -> Steps:
    """Done at once."""
    return (("script", "".join(f"{line}\n" for line in lines)), ("play", "."))


def save(name: str) -> tuple[str, ...]:
    """As editors save: all of it is on disk before it takes the name."""
    new = f"w/src/.{name}.new"
    write = (f"create {new} 644", f"open {new} w 0", "pwrite 0 0 saved", "fsync 0", "close 0")
    return (*write, f"rename {new} w/src/{name}")


@dataclass(frozen=True)
class Scenario:
    name: str
    burst: Steps
    after: Steps
    """What is done when the client has seen the burst: it watches what has come, and what was replaced."""


SETUP: Steps = (
    ("run", ".", "git_setup"),
    ("run", ".", "tree", "w/tree:10"),
    ("run", ".", "tree", "come:3"),
    *script(f"mkdir {LAST} 755", f"create {END} 644"),
)
SCENARIOS = (
    Scenario(
        "edit in place",
        script(
            "write w/src/2.c 0 text",
            "append w/src/3.c more",
            "truncate w/src/4.c 0",
            "append w/src/4.c all%20new",
            "write w/tree/d1/f1 0 text",
        ),
        script("append w/src/2.c again"),
    ),
    Scenario("safe save", script(*save("2.c"), *save("3.c"), *save("4.c")), script(*save("3.c"))),
    Scenario("git checkout", (("run", ".", "git_checkout"),), script("append w/doc/1.txt again")),
    Scenario("rm -rf", (("run", ".", "remove_tree", "w/tree"),), script("append w/src/2.c again")),
    Scenario(
        "folder out and in",
        script("rename w/tree gone", "rename come w/came"),
        script("append w/came/d1/f1 again", "append gone/d1/f1 again"),
    ),
)
EACH_CLIENT = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
EACH_SCENARIO = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)


def spec_of(client: Client, scenario: Scenario, revision: str, folder: Path) -> Path:
    """The file that tells stage.py what to do."""
    place = there(built(App.here().home, client.language)) if client.language else ""
    spec = {
        "client": [f"{place}/{word[1:]}" if word.startswith("@") else word for word in client.words],
        "env": {"HOME": "SCRATCH", **client.env},
        "ready": client.ready,
        "setup": SETUP,
        "bursts": [scenario.burst, scenario.after],
        "end": ["write", END, "0", END_TEXT],
        "last": client.last,
        "state": client.state,
        "fence": revision != BASELINE,
    }
    path = folder / "spec.json"
    path.write_text(json.dumps(spec))
    return path


async def played(run: Run, revision: str, words: Sequence[str], folder: Path) -> list[str]:
    """What stage.py prints in a guest of a revision."""
    setting = replace(setting_of(revision), memory=MEMORY)
    session = Session(run, setting, 1, folder / "guest", lambda _trace: None)
    trace = Trace("client", 1, LogSet(folder / "trace", run.clock))
    python = there(Path(os.path.realpath(sys.executable)))
    spec, *sides = words
    try:
        await session.boot(60)
        command = [python, "-I", there(STAGE), spec, there(setting.actor), *sides]
        await session.test(trace, command, {})
        await session.power_off()
    finally:
        await session.close()
    lines = [line.decode("utf-8", "replace") for line in trace.output]
    assert trace.ended == "exit 0" and not trace.guest_died, "\n".join([trace.ended, *lines])
    return lines


Told = Mapping[str, list[str]]
"""What stage.py prints of one side."""


def said(client: Client, told: Told) -> list[str]:
    """What the client has said, but for the end, which comes everywhere."""
    return [line for line in client.saying(told["said"]) if LAST not in line]


def made(told: Told) -> list[str]:
    """What it has made of that."""
    lines = [f"{which}: {line}" for which in ("gone", "new") for line in told[which]]
    return [line for line in lines if END.removeprefix(TOP) not in line]


def watched(
    client: Client, scenario: Scenario, revision: str, sides: Sequence[str], folder: Path
) -> dict[str, Told]:
    """Side -> what was told there."""
    words = [there(spec_of(client, scenario, revision, folder)), *sides]
    lines = run_guests(App.here().home, lambda run: played(run, revision, words, folder))
    return {told["side"]: told for told in map(json.loads, lines)}


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    """The programs, and what builds the others."""
    app = App.here()
    try:
        bootstrap.ensure_extra(app.root / "tools" / PACKAGES, app.home)
    except FarwatchError as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Limits, "measured", classmethod(lambda cls, boot: LIMITS))


Table = dict[tuple[str, str, str], str]
"""(client, revision, scenario) -> what came of it, in short"""


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    """Filled by the tests, printed after the last one."""
    found: Table = {}
    yield found
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print("\n\n" + "\n".join(markdown(found)))


def markdown(table: Table) -> Iterator[str]:
    yield f"| client | {' | '.join(scenario.name for scenario in SCENARIOS)} | stock |"
    yield "|---" * (len(SCENARIOS) + 2) + "|"
    for client in CLIENTS:
        row = [table.get((client.name, REVISION, scenario.name), "-") for scenario in SCENARIOS]
        stock = {table.get((client.name, BASELINE, scenario.name), "-") for scenario in SCENARIOS}
        yield f"| {client.name} | {' | '.join(row)} | {', '.join(sorted(stock))} |"


@EACH_SCENARIO
@EACH_CLIENT
def test_it_sees_what_it_sees_natively(
    client: Client, scenario: Scenario, tmp_path: Path, table: Table
) -> None:
    told = watched(client, scenario, REVISION, ("native", "remote"), tmp_path)
    native, remote = (seen([*said(client, told[side]), *made(told[side])]) for side in ("native", "remote"))
    unlike = differences(native, remote)
    table[client.name, REVISION, scenario.name] = "differs" if unlike else "same"
    assert not native.nothing
    assert not unlike, "\n".join(unlike)


@EACH_SCENARIO
@EACH_CLIENT
def test_it_sees_nothing_in_stock(client: Client, scenario: Scenario, tmp_path: Path, table: Table) -> None:
    """So the other test can fail, for each of them.

    What it says counts here. git looks for itself where watchman has nothing to say of the index: the host's
    git has written that anew.
    """
    told = watched(client, scenario, BASELINE, ("remote",), tmp_path)["remote"]
    lines = said(client, told)
    table[client.name, BASELINE, scenario.name] = "something" if lines else "nothing"
    assert not lines, "\n".join(lines)
