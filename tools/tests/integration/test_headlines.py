# SPDX-License-Identifier: GPL-2.0-or-later
"""Every headline command on the flagship, v2, as a person runs it: ./farwatch COMMAND in a checkout.

What is built and stored is the home's, so that with a warm one each is a matter of seconds. Commands that
change patches have a home of their own, which borrows all but the checkouts of the real one: those are
somebody's work.
"""

from __future__ import annotations

import json
import mailbox
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import pytest

from farwatch.app import App
from farwatch.revisions.parts import Part, all_parts, parts_of
from farwatch.system.home import Home, checkout_root
from tests.integration.commands import LONG_ENOUGH, ONE
from tests.integration.person import Person
from tests.samples.mail import PERSON

pytestmark = pytest.mark.integration

FLAGSHIP = "v2"
CUT = "v3"
"""One whose kernel patches are several series."""
OTHER_BASE = "linux-7.2"
NOT_BORROWED = ("work", "runs", "mail", "logs-pruned", "pytest")
LEFT_OUT = shutil.ignore_patterns(".git", "__pycache__", ".*_cache")


@dataclass(frozen=True)
class Checkout:
    """A copy of this checkout, under git, and a home for what changes patches."""

    root: Path
    home: Path

    def run(self, *words: str | Path, own_home: bool = False) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.root / "farwatch"), *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            timeout=LONG_ENOUGH,
            cwd=self.root,
            env=self.environment(own_home=own_home),
            stdin=subprocess.DEVNULL,
        )

    def environment(self, *, own_home: bool) -> dict[str, str]:
        home = self.home if own_home else Home.from_env().root
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return {**kept, "FARWATCH_HOME": str(home)}

    def says(self, *words: str | Path, own_home: bool = False) -> str:
        """What a command prints that has nothing to complain about."""
        done = self.run(*words, own_home=own_home)
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
        return done.stdout

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.root, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout

    def put_back(self) -> None:
        self.git("checkout", "--quiet", ".")
        self.git("clean", "--quiet", "-fd", "patches")


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    made = Checkout(tmp_path_factory.mktemp("own") / "farwatch", tmp_path_factory.mktemp("home"))
    shutil.copytree(checkout_root(), made.root, ignore=LEFT_OUT, symlinks=True)
    made.git("init", "--quiet")
    for name, value in (("user.name", PERSON.name), ("user.email", PERSON.email)):
        made.git("config", name, value)
    made.git("add", "--all")
    made.git("commit", "--quiet", "--message", "as it is")
    for path in Home.from_env().root.iterdir():
        if path.name not in NOT_BORROWED and path.suffix != ".lock":
            (made.home / path.name).symlink_to(path)
    return made


@pytest.fixture
def checkout(copied: Checkout) -> Iterator[Checkout]:
    yield copied
    copied.put_back()


@pytest.fixture(scope="module")
def mails(copied: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `send` has written for each series, and proven to arrive."""
    folder = tmp_path_factory.mktemp("mails")
    said = copied.says("send", FLAGSHIP, "-o", folder)
    app = App.here()
    has_written(said, FLAGSHIP, all_parts(app.catalog.revision(FLAGSHIP), app.catalog.components()), folder)
    return folder


def has_written(said: str, name: str, parts: tuple[Part, ...], folder: Path) -> None:
    assert said.count("proven: read back by git am and b4 am, ") == len(parts)
    for part in parts:
        count = len(part.patches)
        mails = f"{count + 1} mails" if count > 1 else "1 mail"
        assert f"{name} {part.label}: {mails} in {folder / part.label}\n" in said
        assert len(list((folder / part.label).iterdir())) == (count + 1 if count > 1 else 1)


def patches() -> dict[str, int]:
    """How many the flagship has, by component."""
    app = App.here()
    revision = app.catalog.revision(FLAGSHIP)
    counts = {part: len(revision.patches(part)) for part in app.catalog.components()}
    return {part: count for part, count in counts.items() if count}


def without_date(patch: Path) -> str:
    return re.sub(r"(?m)^Date: .*\n", "", patch.read_text(), count=1)


def test_send_and_import_of_what_it_wrote(checkout: Checkout, mails: Path) -> None:
    count = patches()["linux"]
    said = checkout.says("import", mails / "linux", "mine", "--base", "linux-7.3")
    assert f"mine: {count} patches for linux 7.3" in said
    for patch in sorted((checkout.root / "patches/mine/linux").glob("*.patch")):
        assert without_date(patch) == without_date(checkout.root / f"patches/{FLAGSHIP}/linux/{patch.name}")
    assert re.search(rf"(?m)^  mine +.*\(linux 7.3 \+ {count} patches", checkout.says("list"))


def test_several_series_of_one_component(checkout: Checkout, tmp_path: Path) -> None:
    """They are mailed apart, and what was mailed is read as it was."""
    parts = parts_of(App.here().catalog.revision(CUT), "linux")
    assert len(parts) > 1
    has_written(checkout.says("send", CUT, "linux", "-o", tmp_path), CUT, parts, tmp_path)
    checkout.says("import", tmp_path / "linux", "mine", "--base", "linux-7.3")
    old, new = (checkout.root / "patches" / name for name in (CUT, "mine"))
    for path in sorted((old / "linux").glob("*.*")):
        assert without_date(new / "linux" / path.name) == without_date(path)
    cut = tomllib.loads((old / "revision.toml").read_text())["series"]["linux"]
    again = tomllib.loads((new / "revision.toml").read_text())["series"]["linux"]
    assert list(again) == list(cut)
    assert all(again[name].items() <= cut[name].items() for name in cut)
    done = checkout.run("send", CUT, "linux/nothing")
    assert done.returncode == 2 and "there are: linux/fsnotify, linux/fuse" in done.stderr


def test_trailers_of_answers_to_what_send_wrote(checkout: Checkout, mails: Path, tmp_path: Path) -> None:
    thread = mailbox.mbox(tmp_path / "thread")
    letters = [mailbox.mboxMessage(path.read_bytes()) for path in sorted((mails / "linux").iterdir())]
    for letter in letters:
        thread.add(letter)
    answer = EmailMessage()
    answer["From"] = "A Reviewer <reviewer@example.org>"
    answer["Subject"] = f"Re: {' '.join(letters[2]['Subject'].split())}"
    answer["In-Reply-To"] = answer["References"] = letters[2]["Message-Id"]
    answer["Message-Id"] = "<answer@example.org>"
    answer["Date"] = letters[2]["Date"]
    answer.set_content("Looks good.\n\nReviewed-by: A Reviewer <reviewer@example.org>\n")
    thread.add(answer)
    thread.close()
    given = "Reviewed-by: A Reviewer <reviewer@example.org>"
    shown = checkout.says("trailers", FLAGSHIP, tmp_path / "thread", own_home=True)
    assert given in shown and checkout.git("status", "--short") == ""
    checkout.says("trailers", FLAGSHIP, tmp_path / "thread", "--write", own_home=True)
    (changed,) = checkout.git("diff", "--name-only").split()
    assert changed.startswith(f"patches/{FLAGSHIP}/linux/0002-")
    assert f"+{given}" in checkout.git("diff")


def test_lint(checkout: Checkout) -> None:
    said = checkout.says("lint", FLAGSHIP)
    assert f"\n{FLAGSHIP}: nothing is wrong" in said
    assert all(said.count(f"\n{part}/0") == count for part, count in patches().items())


def test_bisectable_of_the_smaller_part(checkout: Checkout) -> None:
    said = checkout.says("bisectable", FLAGSHIP, "virtiofsd")
    assert said.count("\nvirtiofsd/0") == patches()["virtiofsd"]
    assert f"\n{FLAGSHIP}: every patch builds, boots and does what it claims" in said


def test_diff(checkout: Checkout, tmp_path: Path) -> None:
    said = checkout.says("diff", "v1", FLAGSHIP, "--plain", "--html", tmp_path / "diff.html")
    assert re.search(rf"^linux, on 7.3: \d+ patches, then {patches()['linux']}: \d+ unchanged", said)
    assert "virtiofs: add the notification queue" in said
    assert "virtiofs: add the notification queue" in (tmp_path / "diff.html").read_text()


def test_rebase_there_and_back(checkout: Checkout) -> None:
    folder = checkout.root / f"patches/{FLAGSHIP}/linux"
    before = {path.name: path.read_bytes() for path in folder.glob("*.patch")}
    count = len(before)
    there = checkout.says("rebase", FLAGSHIP, "--onto", OTHER_BASE, own_home=True)
    assert f"{FLAGSHIP} linux is now on {OTHER_BASE}: {count} patches" in there
    assert {path.name: path.read_bytes() for path in folder.glob("*.patch")} != before
    back = checkout.says("rebase", FLAGSHIP, "--onto", "linux-7.3", own_home=True)
    assert f"{FLAGSHIP} linux is now on linux-7.3: {count} patches" in back
    assert {path.name: path.read_bytes() for path in folder.glob("*.patch")} == before
    assert checkout.git("diff", "--stat") == ""


def test_watch(checkout: Checkout) -> None:
    words = [str(checkout.root / "farwatch"), "test", "baseline", "--watch", "-k", ONE]
    person = Person(words, checkout.environment(own_home=False), checkout.root)
    person.sees(b"1 pass; all as expected")
    person.sees(b"waiting for a change in ")
    file = checkout.root / "patches" / "baseline" / "revision.toml"
    (checkout.root / "patches" / "v1" / "note").write_text("decides nothing here")
    file.write_text(file.read_text() + "# saved\n")
    person.sees(b"changed: baseline/revision.toml\r\n")
    person.sees(b"1 pass; all as expected")
    file.write_text(file.read_text() + "nonsense\n")
    person.sees(b"changed: baseline/revision.toml\r\n")
    person.sees(b"no verdict")
    person.types(b"\x03")
    person.leaves(2)


def test_reload_boots_what_was_saved_meanwhile(checkout: Checkout) -> None:
    saved = checkout.root / "patches" / "baseline" / "revision.toml"
    before = saved.read_text()
    words = [str(checkout.root / "farwatch"), "boot", "baseline", "--reload"]
    words += ["--", "sh", "-c", "echo knob $(cat /proc/sys/vm/swappiness); cat"]
    person = Person(words, checkout.environment(own_home=False), checkout.root)
    person.sees(b"knob 60\r\n")
    saved.write_text(before + '\n[guest]\nsysctl = { "vm.swappiness" = 7 }\n')
    person.types(b"\r~r")
    person.sees(b"knob 7\r\n")
    saved.write_text(before + "\nnonsense\n")
    person.types(b"\r~r")
    person.sees(b"r: build and boot again; any other key: leave")
    saved.write_text(before)
    person.types(b"r")
    person.sees(b"knob 60\r\n")
    person.types(b"\r\x04")
    person.leaves(0)


def test_adopt(checkout: Checkout) -> None:
    words = [str(checkout.root / "farwatch"), "adopt", FLAGSHIP]
    person = Person(words, checkout.environment(own_home=True), checkout.root)
    person.sees(b"Developer Certificate of Origin")
    person.sees(b"type your name: ")
    person.types(f"{PERSON.name}\r".encode())
    person.sees(b'Assisted-by: ", or with no: ')
    person.types(b"LLM sparse\r")
    person.leaves(0)
    signed = f"Assisted-by: LLM sparse\nSigned-off-by: {PERSON}\n---\n"
    for part, count in patches().items():
        texts = [path.read_text() for path in (checkout.root / "patches" / FLAGSHIP / part).glob("*.patch")]
        assert sum(signed in text for text in texts) == count
        assert all(f"From: {PERSON}\n" in text for text in texts)
    assert f'by = "{PERSON}"' in checkout.git("diff", f"patches/{FLAGSHIP}/revision.toml")


def test_bench_of_events(checkout: Checkout, tmp_path: Path) -> None:
    target = tmp_path / "figures"
    said = checkout.says("bench", "events", FLAGSHIP, "--quick", "--json", target)
    assert re.search(rf"^ +{FLAGSHIP}\n", said)
    row = r"another's create to our read\(\), us +[\d,]+\.\d"
    assert re.search(row, said), said
    assert re.search(r"burst of 200: events seen +200\n", said), said
    assert {line["column"] for line in json.loads(target.read_text())["lines"]} == {FLAGSHIP}


def test_bench_of_the_loop(checkout: Checkout) -> None:
    done = checkout.run("bench", "loop", "--quick")
    if "the checkout of baseline has changes" in done.stderr:
        pytest.skip("somebody works on the baseline in this home")
    assert done.returncode == 0, done.stderr
    figure = r" +\d+\.\d\d" * 3
    for title in (r"launcher: farwatch --version", r"one test, warm \(.*\)", r"  engine uml"):
        assert re.search(rf"(?m)^{title}{figure}$", done.stdout), done.stdout


def test_config_and_why(checkout: Checkout) -> None:
    assert re.search(r"(?m)^CONFIG_VIRTIO_FS=y", checkout.says("config", FLAGSHIP))
    said = checkout.says("config", FLAGSHIP, "--why", "VIRTIO_FS")
    assert "VIRTIO_FS=y (set by kernel-tests/config:" in said and "defined at fs/fuse/Kconfig:" in said


def test_prune_that_only_shows(checkout: Checkout) -> None:
    said = checkout.says("prune", "-n", own_home=True)
    assert said.startswith(f"{checkout.home}\n")
    assert re.search(r"(?m)^ +\S+ \S+ +results +stored verdicts: always kept$", said)
    assert re.search(r"(?m)^\S+ \S+ would be free$", said)


AS_USER = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
"""A process that is user 1000, and has no privilege, with the files of ours as its own."""


def test_an_ordinary_user_boots_and_tests(checkout: Checkout, tmp_path: Path) -> None:
    if subprocess.run([*AS_USER, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no user namespaces here")

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*AS_USER, str(checkout.root / "farwatch"), *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            timeout=LONG_ENOUGH,
            cwd=checkout.root,
            env=checkout.environment(own_home=False),
            stdin=subprocess.DEVNULL,
        )

    (tmp_path / "mine").write_text("as it was")
    script = "stat -c %u mine && cat mine && echo new > made && chmod 600 made && mkdir d && mv made d"
    done = run("boot", "baseline", "--share", tmp_path, "--", "sh", "-c", script)
    assert (done.returncode, done.stdout) == (0, "1000\nas it was"), done.stderr
    assert (tmp_path / "d/made").read_text() == "new\n"
    tested = run("test", FLAGSHIP, "--patches", "--fresh", "-k", "user and sees_what_it_may_read")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert tested.stdout.rstrip().endswith(f"{FLAGSHIP}:  4 pass; all as expected")


def test_list_and_doctor(checkout: Checkout) -> None:
    said = checkout.says("list")
    assert re.search(rf"(?m)^ +{FLAGSHIP} .*\(linux 7.3 \+ {patches()['linux']} patches", said)
    assert checkout.says("doctor").rstrip().endswith("this machine can run farwatch")


def completed(checkout: Checkout, line: str) -> list[str]:
    """What bash offers at the end of a line, once its user has what `completion` prints."""
    script = (
        'source <(./farwatch completion bash); COMP_LINE="$1"; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9\n'
        'by=$(complete -p ./farwatch) && by=${by##*-F } && "${by%% *}" ./farwatch\n'
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script, "bash", line],
        cwd=checkout.root,
        env=checkout.environment(own_home=False),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.split()


def test_completion_in_a_shell(checkout: Checkout) -> None:
    assert completed(checkout, "./farwatch bi") == ["bisectable"]
    assert set(completed(checkout, "./farwatch boot v")) == {"v1", "v2", "v3"}
    assert "--share" in completed(checkout, "./farwatch boot --sh")
    assert completed(checkout, f"./farwatch send {CUT} linux/fe") == ["linux/fetch"]
