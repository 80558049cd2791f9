# SPDX-License-Identifier: GPL-2.0-or-later
"""boot: a command in a guest behaves as one that is called here."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.integration.commands import LONG_ENOUGH, ONE, command, environment, farwatch, in_checkout
from tests.integration.person import Person

pytestmark = pytest.mark.integration


def boot(*words: str | Path, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """`farwatch boot baseline WORDS` with data in a pipe as its standard input."""
    return subprocess.run(
        command("boot", "baseline", *words),
        input=data,
        capture_output=True,
        check=False,
        timeout=LONG_ENOUGH,
        env=environment(),
    )


def test_standard_input_reaches_the_command_and_ends() -> None:
    done = boot("--", "cat", data=b"hello")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello", b"")


def test_a_megabyte_of_any_bytes_comes_back_as_it_was() -> None:
    data = os.urandom(1 << 20)
    done = boot("--", "cat", data=data)
    assert done.returncode == 0 and done.stdout == data, done.stderr


def test_a_file_and_nothing_as_standard_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(range(256)))
    line = '"$@" < file && "$@" <&- && echo end'
    done = subprocess.run(
        ["sh", "-c", line, "sh", *command("boot", "baseline", "--", "od", "-An", "-tx1", "-w256")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONG_ENOUGH,
        env=environment(),
    )
    assert bytes.fromhex(done.stdout.removesuffix("end\n")) == bytes(range(256))
    assert done.stdout.endswith("\nend\n") and done.stderr == ""


def test_a_command_that_takes_no_input_is_not_kept_by_it() -> None:
    reading, writing = os.pipe()
    try:
        done = subprocess.run(
            command("boot", "baseline", "--", "echo", "done"),
            stdin=reading,
            capture_output=True,
            check=False,
            timeout=LONG_ENOUGH,
            env=environment(),
        )
    finally:
        os.close(reading)
        os.close(writing)
    assert (done.returncode, done.stdout) == (0, b"done\n"), done.stderr


def test_nobody_who_reads_on_ends_it_as_a_pipe_does() -> None:
    with subprocess.Popen(
        command("boot", "baseline", "--", "yes"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"y\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 128 + signal.SIGPIPE


def test_a_shell_reads_its_commands_from_a_pipe() -> None:
    done = boot(data=b"cd /\npwd\nexit 5\n")
    assert (done.returncode, done.stdout) == (5, b"/\n"), done.stderr


def test_a_program_that_is_not_there_or_is_none() -> None:
    done = farwatch("boot", "baseline", "--", "nosuch")
    assert (done.returncode, done.stdout) == (127, "")
    assert done.stderr == "farwatch: no such program in the guest: nosuch\n"
    assert farwatch("boot", "baseline", "--", "/etc/passwd").returncode == 126


def test_a_command_that_is_longer_than_a_line() -> None:
    words = [str(number) * 20 for number in range(200)]
    done = boot("--", "echo", *words)
    assert done.stdout.decode().split() == words, done.stderr


ALL_AT_ONCE = """
test -t 0 || test -t 1 || test -t 2 || echo no terminal
cat <(echo by descriptor)
echo by name > /dev/stdout; echo by name >&2; echo by name > /dev/stderr
cat /dev/stdin
echo variables: $NAMED $HERE ${EMPTY-unset}
pwd; cat /mnt/share/one /mnt/share2/two /srv/../mnt/deep/down/three; touch made
grep -c virtiofs /proc/mounts
echo the last words > >(sleep 0.1; cat)
kill -TERM $$
"""


def test_a_shell_has_what_a_shell_has_elsewhere(tmp_path: Path) -> None:
    """Streams apart, their names in /dev, variables, several shares, and how it ended: one guest for all."""
    shares = []
    for name, rest in (("one", ""), ("two", ""), ("three", ":deep:/mnt/deep/down")):
        (tmp_path / f"{name}:folder").mkdir()
        (tmp_path / f"{name}:folder" / name).write_text(f"in {name}\n")
        shares += ["--share", f"{tmp_path}/{name}:folder{rest}"]
    variables = ["--env", "NAMED=a = b", "--env", "HERE", "--env", "EMPTY="]
    done = subprocess.run(
        command("boot", "baseline", *shares, *variables, "--", "bash", "-c", ALL_AT_ONCE),
        input=b"from a pipe\n",
        capture_output=True,
        check=False,
        timeout=LONG_ENOUGH,
        env=environment(HERE="as here"),
    )
    assert done.stdout.decode().splitlines() == [
        *("no terminal", "by descriptor", "by name", "from a pipe", "variables: a = b as here"),
        *("/mnt/share", "in one", "in two", "in three", "3", "the last words"),
    ]
    assert done.stderr.decode() == "by name\nby name\n"
    assert done.returncode == 128 + signal.SIGTERM
    assert (tmp_path / "one:folder" / "made").exists()


def test_standard_error_in_the_same_place_keeps_its_order() -> None:
    script = "for n in $(seq 200); do echo $n; echo $n >&2; done"
    done = subprocess.run(
        command("boot", "baseline", "--", "sh", "-c", script),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
        timeout=LONG_ENOUGH,
        env=environment(),
    )
    assert done.stdout.split() == [b"%d" % (number // 2) for number in range(2, 402)]


def test_who_reads_slowly_gets_the_end_too() -> None:
    with subprocess.Popen(
        command("boot", "baseline", "--", "sh", "-c", "seq 100000; echo complaint >&2"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"1\n"
        time.sleep(3)  # longer than anything in the guest waits for its host
        assert process.stdout.read().endswith(b"\n100000\n")
        assert process.stderr.read() == b"complaint\n"
    assert process.returncode == 0


def test_a_share_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = farwatch("boot", "baseline", "--share", f"{tmp_path}/file", "--", "true")
    assert done.returncode == 2 and "it is a file\n  next: its folder" in done.stderr
    done = farwatch("boot", "baseline", "--share", f"{tmp_path}:tag:/no/such/place", "--", "true")
    assert done.returncode == 2 and "cannot have a mount point /no/such/place" in done.stderr
    done = farwatch("boot", "reference", "--share", tmp_path, "--", "true")
    assert done.returncode == 2 and "--share: reference has no server" in done.stderr


def test_a_panic_is_named() -> None:
    script = "echo before; read line; echo c > /proc/sysrq-trigger"
    with subprocess.Popen(
        command("boot", "baseline", "--", "sh", "-c", script),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "before\n"  # what is still on its way then would be lost
        output, errors = process.communicate("now\n", timeout=LONG_ENOUGH)
    assert (process.returncode, output) == (2, "")
    assert errors.splitlines()[-3:-1] == [
        "farwatch: the guest ended before the command did",
        "  kernel panic: sysrq triggered crash",
    ]


def person_at(*words: str) -> Person:
    """Somebody who types `farwatch boot baseline WORDS`."""
    return Person(command("boot", "baseline", *words), environment())


def test_a_terminal_as_with_ssh() -> None:
    """Its size, more keys at once than a line holds, Ctrl-C, Ctrl-Z and Ctrl-D, and what is left of it."""
    person = person_at("--", "bash", "--norc", "--noediting", "-i")
    person.sees(b"# ")
    person.types(b"stty size; tty\r")
    person.sees(b"33 99\r\n/dev/pts/")
    person.sees(b"# ")
    person.resizes(44, 55)
    person.types(b"until stty size | grep 44; do :; done\r")
    person.sees(b"44 55")
    person.sees(b"# ")
    person.types(b"echo count; cat | wc -c\r")
    person.sees(b"\ncount")
    person.types((b"x" * 199 + b"\r") * 60 + b"\x04")
    person.sees(b"12000\r\n")
    person.sees(b"# ")
    person.types(b"sh -c 'echo runs; exec sleep 1000'\r")
    person.sees(b"\nruns")
    person.types(b"\x1a")
    person.sees(b"Stopped")
    person.sees(b"# ")
    person.types(b"kill -9 %1; wait; sh -c 'echo again; exec sleep 1000'\r")
    person.sees(b"\nagain")
    person.types(b"\x03")
    person.sees(b"# ")
    person.types(b"(exit 7)\r\x04")
    person.leaves(7)


def test_a_way_out_of_a_guest_that_hangs() -> None:
    person = person_at("--", "sh", "-c", "trap '' INT; echo ready; sleep 1000")
    person.sees(b"ready")
    person.types(b"\x03\r~.")
    person.leaves(128 + signal.SIGINT)


def test_reload_takes_a_person() -> None:
    done = farwatch("boot", "baseline", "--reload", "--", "true")
    assert done.returncode == 2 and "--reload: nobody can press its key" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_the_terminal_as_it_was(number: signal.Signals) -> None:
    person = person_at("--", "sh", "-c", "stty size; sleep 1000")
    person.sees(b"33 99")
    (child,) = Path(f"/proc/{person.pid}/task/{person.pid}/children").read_text().split()
    os.kill(int(child), number)
    person.leaves(128 + signal.SIGINT)


def test_memory_of_the_guest() -> None:
    done = farwatch("boot", "baseline", "--memory", "96", "--", "grep", "MemTotal", "/proc/meminfo")
    assert 64 << 10 < int(done.stdout.split()[1]) < 96 << 10, done.stderr


def test_options_of_the_server() -> None:
    """A server that is told so refuses what it does by itself, and one that is told nonsense says so."""
    words = ["--", "sh", "-c", "touch file; echo $?"]
    assert farwatch("boot", "baseline", *words).stdout == "0\n"
    refused = farwatch("boot", "baseline", "--server-option", "--readonly", *words)
    assert "Read-only file system" in refused.stderr and refused.stdout == "1\n"
    wrong = farwatch("boot", "baseline", "--server-option", "--cache=sometimes", *words)
    assert wrong.returncode == 2 and "invalid value 'sometimes' for '--cache" in wrong.stderr
    unknown = farwatch("boot", "baseline", "--server-option=--no-such-thing", *words)
    assert unknown.returncode == 2 and "unknown option of the server '--no-such-thing'" in unknown.stderr


def test_a_guest_is_set_to_what_the_revision_says(own_checkout: Path) -> None:
    toml = own_checkout / "patches" / "reference" / "revision.toml"
    before = toml.read_text()
    file, shown = "fs.inotify.max_queued_events", "/proc/sys/fs/inotify/max_queued_events"
    toml.write_text(f'{before}[guest]\nsysctl = {{ "{file}" = 4321 }}\n')
    done = in_checkout(own_checkout, "boot", "reference", "--", "cat", shown)
    assert (done.returncode, done.stdout) == (0, "4321\n"), done.stderr
    toml.write_text(f'{before}[guest]\nsysctl = {{ "fs.inotify.no_such" = 1 }}\n')
    done = in_checkout(own_checkout, "boot", "reference", "--", "true")
    assert done.returncode == 2 and "the guest's kernel has no sysctl fs.inotify.no_such" in done.stderr
    done = in_checkout(own_checkout, "test", "reference", "-k", ONE)
    assert done.returncode == 1 and "set-up failed: sysctl fs.inotify.no_such: No such file" in done.stdout
