# SPDX-License-Identifier: GPL-2.0-or-later
"""The launcher and the first start, with fake apt-get, sudo, apt-cache and pip."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from farwatch.errors import FarwatchError
from farwatch.system import bootstrap
from farwatch.system.home import checkout_root
from farwatch.system.needs import load_needs, missing, parse_needs, version_in
from tests.processes import script

ROOT = checkout_root()
LIST = "prog:flubber  flubber-web | flubber  # to flub\nprog:sh  dash  # always there\n"
MAIN = """
import json, os, sys
home = os.environ.get("PYTHONHOME")
print(json.dumps({"args": sys.argv[1:], "path": sys.path, "cwd": os.getcwd(), "home": home}))
sys.exit(7 if "--fail" in sys.argv else 0)
"""


def load_launcher() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("launcher", str(ROOT / "farwatch"))
    spec = importlib.util.spec_from_loader("launcher", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = written
    return module


LAUNCHED = (
    "__init__",
    "errors",
    "system/__init__",
    "system/bootstrap",
    "system/home",
    "system/locks",
    "system/needs",
    "system/procfs",
    "system/venv",
)
"""Modules that a first start needs."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a blank in its path, whose farwatch says how it was called."""
    root = tmp_path / "check out"
    package = root / "tools" / "farwatch"
    (package / "system").mkdir(parents=True)
    shutil.copy(ROOT / "farwatch", root)
    for name in LAUNCHED:
        shutil.copy(ROOT / "tools" / "farwatch" / f"{name}.py", package / f"{name}.py")
    (package / "__main__.py").write_text(MAIN)
    (root / "tools" / "system-packages.txt").write_text(LIST)
    (root / "tools" / "requirements.lock").write_text("")
    return root


@pytest.fixture
def ready(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder in which everything that the checkout needs is in place."""
    home = tmp_path / "home"
    launcher = load_launcher()
    for name in ("LISTS", "CODE"):
        monkeypatch.setattr(launcher, name, str(checkout / "tools"))
    names = asked_of_interpreter()
    venv = home / f"venv-{launcher.key('requirements.lock', *names)}"
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", venv], check=True)
    (venv / "ready").touch()
    (home / f"system-{launcher.key('system-packages.txt', os.uname().nodename)}").touch()
    return home


def asked_of_interpreter() -> list[str]:
    """What of the venv's name depends on the Python that the launcher finds."""
    code = (
        "import os, sys; print(sys.implementation.cache_tag, sys.base_prefix, os.uname().machine, sep='\\n')"
    )
    asked = subprocess.run(
        ["/usr/bin/env", "python3", "-IS", "-c", code], capture_output=True, text=True, check=True
    )
    return asked.stdout.split("\n")[:3]


def start(program: Path, home: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "FARWATCH_HOME": str(home), **env}
    return subprocess.run(
        [str(program), *args], env=environment, cwd="/", capture_output=True, text=True, check=False
    )


# Everything in place


def test_hands_over_arguments_and_exit_status(checkout: Path, ready: Path) -> None:
    done = start(checkout / "farwatch", ready, "a b", "--fail")
    assert (done.returncode, done.stderr) == (7, "")
    assert '"args": ["a b", "--fail"]' in done.stdout


def test_works_through_a_symlink_with_a_hostile_environment(
    checkout: Path, ready: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(checkout / "farwatch")
    done = start(link, ready, PYTHONHOME="/junk", PYTHONPATH="/junk")
    assert done.returncode == 0, done.stderr
    assert '"home": null' in done.stdout
    assert '"cwd": "/"' in done.stdout
    assert "/junk" not in done.stdout


def test_writes_nothing_into_the_checkout(checkout: Path, ready: Path) -> None:
    (checkout / "tools" / "system-packages.txt").write_text("prog:sh  dash\n")  # no stamp: to be looked for
    before = sorted(checkout.rglob("*"))
    for _ in range(2):
        assert start(checkout / "farwatch", ready).returncode == 0
    assert sorted(checkout.rglob("*")) == before


def test_bytecode_is_kept_where_a_person_wants_none(checkout: Path, ready: Path) -> None:
    package = checkout / "tools" / "farwatch"
    shutil.copy(ROOT / "tools" / "farwatch" / "__main__.py", package)
    (package / "cli.py").write_text("import os\ndef main(): print(os.environ['PYTHONDONTWRITEBYTECODE'])\n")
    done = start(checkout / "farwatch", ready, PYTHONDONTWRITEBYTECODE="yes")
    assert (done.returncode, done.stdout) == (0, "yes\n"), done.stderr
    assert list(ready.glob("venv-*/pycache/**/cli.*.pyc"))
    assert not list(checkout.rglob("*.pyc"))


def test_a_module_in_the_current_folder_is_not_taken(checkout: Path, ready: Path, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    environment = {**os.environ, "FARWATCH_HOME": str(ready)}
    done = subprocess.run(
        [checkout / "farwatch"], env=environment, cwd=tmp_path, check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr


def test_completion_installs_nothing(checkout: Path, tmp_path: Path) -> None:
    done = start(checkout / "farwatch", tmp_path / "empty", _ARGCOMPLETE="1")
    assert done.returncode == 1
    assert not (tmp_path / "empty").exists()


def test_unusable_home_is_said_in_plain_words(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = start(checkout / "farwatch", tmp_path / "file" / "home")
    assert done.returncode == 2
    assert "FARWATCH_HOME" in done.stderr
    assert "Traceback" not in done.stderr


def test_old_python_is_told_so() -> None:
    ast.parse((ROOT / "farwatch").read_text(), feature_version=(3, 6))
    code = f"import runpy, sys; sys.version_info = (3, 9, 2); runpy.run_path({str(ROOT / 'farwatch')!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "needs Python 3.11" in done.stderr


# System packages


def policy(**versions: str) -> str:
    """What stands in for `apt-cache policy`: it knows these packages."""
    known = "".join(
        f'{name}) printf "{name}:\\n  Candidate: {version}\\n";; ' for name, version in versions.items()
    )
    return f'shift; for name in "$@"; do case "$name" in {known} esac; done'


class Machine:
    """A PATH with nothing on it but fakes."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.calls = folder / "calls"
        self.calls.touch()
        self.log = folder / "log"
        for name in ("sh", "env"):
            (self.bin / name).symlink_to(f"/bin/{name}")
        monkeypatch.setenv("PATH", str(self.bin))
        monkeypatch.delenv("FARWATCH_INSTALL", raising=False)
        monkeypatch.setattr(os, "geteuid", lambda: 0)

    def fake(self, name: str, text: str) -> None:
        script(self.bin / name, f'echo "{name} $@" >>{self.calls}\n{text}')

    def fake_apt(self, install: str = "") -> None:
        flubber = self.bin / "flubber"
        put = f"printf '#!/bin/sh\\n' >{flubber}; /bin/chmod +x {flubber}"
        self.fake(
            "apt-get", f'echo "frontend $DEBIAN_FRONTEND"\ncase "$*" in *install*) {install or put};; esac'
        )
        self.fake("apt-cache", policy(flubber="1.9"))

    def ensure(self, needs: str = LIST) -> str:
        """Calls made, after everything was brought in place."""
        bootstrap.ensure_system(parse_needs(needs, "list"), self.log)
        return self.calls.read_text()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_root_gets_missing_packages_installed(machine: Machine) -> None:
    machine.fake_apt()
    calls = machine.ensure()
    assert re.search(r"apt-get .*update\n", calls)
    assert calls.splitlines()[-1].endswith("install -y --no-install-recommends flubber")
    assert "frontend noninteractive" in machine.log.read_text()


def test_nothing_missing_calls_nothing(machine: Machine) -> None:
    machine.fake_apt()
    script(machine.bin / "flubber", "")
    assert machine.ensure() == ""


def test_sudo_is_used_where_it_asks_nothing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    machine.fake_apt()
    machine.fake("sudo", 'shift; [ "$1" = true ] || exec "$@"')
    assert "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get" in machine.ensure()


def test_without_rights_the_command_is_printed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    machine.fake_apt()
    machine.fake("sudo", "exit 1")
    with pytest.raises(FarwatchError) as caught:
        machine.ensure()
    assert "flubber: to flub" in caught.value.cause
    assert caught.value.hint.endswith("sudo apt-get install -y --no-install-recommends flubber")
    assert "apt-get" not in machine.calls.read_text()


def test_installing_can_be_forbidden(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARWATCH_INSTALL", "no")
    machine.fake_apt()
    with pytest.raises(FarwatchError, match="packages are missing"):
        machine.ensure()
    assert "apt-get" not in machine.calls.read_text()


def test_without_apt_the_list_is_printed(machine: Machine) -> None:
    with pytest.raises(FarwatchError, match="no apt") as caught:
        machine.ensure()
    assert "flubber: to flub" in caught.value.cause


def test_a_failing_apt_shows_its_reason(machine: Machine) -> None:
    machine.fake_apt(install="echo noise; echo 'E: Failed to fetch x'; exit 100")
    with pytest.raises(FarwatchError, match="cannot install") as caught:
        machine.ensure()
    assert caught.value.cause == "E: Failed to fetch x"
    assert "network" in caught.value.hint


def test_packages_that_do_not_help_are_noticed(machine: Machine) -> None:
    machine.fake_apt(install=":")
    with pytest.raises(FarwatchError, match="still missing"):
        machine.ensure()


def test_an_old_program_is_as_good_as_none(machine: Machine) -> None:
    needs = parse_needs("prog:flubber>=1.10  old | flubber", "list")
    script(machine.bin / "flubber", "echo flubber 1.9.3")
    lacking = missing(needs)
    assert [(found.version, found.where) for found in lacking] == [("1.9.3", str(machine.bin / "flubber"))]
    script(machine.bin / "flubber", "echo flubber 1.10.0")
    assert missing(needs) == []


def test_packages_offered_too_old_are_passed_over(machine: Machine) -> None:
    machine.fake("apt-cache", policy(old="0.66", new="1.85.0+dfsg", std="1.85.0", none="(none)"))
    lacking = missing(parse_needs("prog:flubber>=1.85  none | old | new std", "list"))
    assert bootstrap.choose_packages(lacking) == ["new", "std"]


def test_apt_is_asked_once_and_only_where_there_is_a_choice(machine: Machine) -> None:
    machine.fake("apt-cache", policy(b="1.0", d="1.0"))
    lacking = missing(parse_needs("prog:x  a | b\nprog:y  c | d\nprog:z  e\n", "list"))
    assert bootstrap.choose_packages(lacking) == ["b", "d", "e"]
    assert machine.calls.read_text() == "apt-cache policy a b c d\n"
    assert bootstrap.choose_packages(lacking[2:]) == ["e"]
    assert machine.calls.read_text().count("\n") == 1


def test_the_list_names_the_line_that_it_cannot_read() -> None:
    with pytest.raises(FarwatchError, match="list:2: cannot read 'gcc'"):
        parse_needs("# head\ngcc\n", "list")


@pytest.mark.parametrize(
    ("text", "version"), [("cargo 1.85.0 (abc)", (1, 85, 0)), ("GNU Make 4.3", (4, 3)), ("none", ())]
)
def test_version_in(text: str, version: tuple[int, ...]) -> None:
    assert version_in(text) == version


# Python libraries


FAKE_PYTHON = """
echo venv >>"$CALLS"
[ -z "$SLOW" ] || read -r _ <"$SLOW"
/bin/mkdir -p "$4/bin"
pip='echo "pip $*" >>"$CALLS"\necho noise\necho "$PIP_SAYS"\n[ -z "$PIP_SAYS" ]'
printf '#!/bin/sh\\n%s\\n' "$pip" >"$4/bin/python"
/bin/chmod +x "$4/bin/python"
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "calls"
    monkeypatch.setenv("CALLS", str(file))
    monkeypatch.setenv("PIP_SAYS", "")
    monkeypatch.setenv("SLOW", "")
    return file


@pytest.fixture
def python(tmp_path: Path) -> str:
    return str(script(tmp_path / "python", FAKE_PYTHON))


LOCK = """\
--no-binary old
--only-binary :all:
new==1.0 \\
    --hash=sha256:1
    # via -r requirements.in
old==2.0 \\
    --hash=sha256:2
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "lock"
    path.write_text(LOCK)
    return path


def test_libraries_are_installed_by_hash(tmp_path: Path, calls: Path, python: str, lock: Path) -> None:
    venv = tmp_path / "venv"
    bootstrap.make_venv(venv, lock, tmp_path / "log", python)
    assert (venv / "ready").exists()
    _, wheels, sources = calls.read_text().splitlines()
    assert "--require-hashes --no-deps -r" in wheels
    assert "--require-hashes --no-deps --no-build-isolation -r" in sources


def test_what_has_no_wheel_is_installed_after_all_else() -> None:
    wheels, sources = bootstrap.split_lock(LOCK)
    assert wheels == LOCK.partition("old==")[0].removeprefix("--no-binary old\n")
    assert sources == "old==2.0 \\\n    --hash=sha256:2\n"
    real, built = bootstrap.split_lock((ROOT / "tools" / "requirements.lock").read_text())
    assert re.findall(r"^(\S+)==", built, re.MULTILINE) == ["dkimpy"]
    assert {"setuptools", "b4", "rich"} <= set(re.findall(r"^(\S+)==", real, re.MULTILINE))


def test_a_half_made_environment_is_made_anew(tmp_path: Path, calls: Path, python: str, lock: Path) -> None:
    venv = tmp_path / "venv"
    (venv / "lib").mkdir(parents=True)
    (venv / "lib" / "half").touch()
    bootstrap.make_venv(venv, lock, tmp_path / "log", python)
    assert not (venv / "lib").exists()
    assert calls.exists()


def test_a_failing_pip_shows_its_reason(
    tmp_path: Path, calls: Path, python: str, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_SAYS", "ERROR: No matching distribution found for rich")
    with pytest.raises(FarwatchError) as caught:
        bootstrap.make_venv(tmp_path / "venv", lock, tmp_path / "log", python)
    assert caught.value.cause == "ERROR: No matching distribution found for rich"
    assert "network" in caught.value.hint
    assert not (tmp_path / "venv" / "ready").exists()
    assert calls.exists()


def test_two_first_starts_install_once(tmp_path: Path, checkout: Path, calls: Path, python: str) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    (checkout / "tools" / "system-packages.txt").write_text("prog:sh  dash\n")
    home = tmp_path / "home"
    arguments = [str(path) for path in (checkout / "tools", home, home / "system", home / "venv")]
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'tools')!r}); sys.executable = {python!r}\n"
        f"from farwatch.system import bootstrap; sys.exit(bootstrap.prepare(*{arguments!r}))"
    )
    environment = {**os.environ, "SLOW": str(gate)}
    both = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    with gate.open("w") as handle:  # opens once the first one is in the middle of it
        handle.write("go\n")
    said = [process.communicate(timeout=30)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert calls.read_text().splitlines().count("venv") == 1


# The real lists


def test_the_real_list_can_be_read_and_says_why() -> None:
    needs = load_needs(ROOT / "tools" / "system-packages.txt")
    assert {"gcc", "make", "cargo", "git", "seccomp.h"} <= {need.name for need in needs}
    assert all(need.why for need in needs)


@pytest.mark.parametrize("kind", ["", ".dev", ".cluster"])
def test_the_lock_holds_every_requirement_with_hashes_and_no_address(kind: str) -> None:
    lock = (ROOT / "tools" / f"requirements{kind}.lock").read_text()
    text = (ROOT / "tools" / f"requirements{kind}.in").read_text()
    wanted = re.findall(r"^([A-Za-z][\w.-]*)", text, re.MULTILINE)
    pinned = re.findall(r"^([a-z0-9][\w.-]*)==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", lock, re.MULTILINE)
    assert {name.lower() for name in wanted} <= set(pinned)
    assert len(pinned) == len(re.findall(r"^\w", lock, re.MULTILINE))
    assert "://" not in lock
    assert lock.startswith("# SPDX-License-Identifier: GPL-2.0-or-later\n")


def test_what_both_locks_hold_has_one_version_and_only_one_has_the_tools() -> None:
    ours, theirs = (
        dict(re.findall(r"^([a-z0-9][\w.-]*)==(\S+)", (ROOT / "tools" / name).read_text(), re.MULTILINE))
        for name in ("requirements.lock", "requirements.dev.lock")
    )
    assert {name: theirs[name] for name in ours.keys() & theirs} == {
        name: ours[name] for name in ours.keys() & theirs
    }
    assert {"pytest", "mypy", "ruff", "hypothesis", "import-linter"} <= theirs.keys() - ours.keys()


def test_a_wheel_has_every_list_of_packages() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    lists = [path.name for path in (ROOT / "tools").glob("system-packages*.txt")]
    for name in (*lists, "requirements.lock", "requirements.cluster.lock"):
        assert wheel["force-include"].get(f"tools/{name}") == f"farwatch/data/tools/{name}"
    assert all((ROOT / path).exists() for path in wheel["force-include"])
