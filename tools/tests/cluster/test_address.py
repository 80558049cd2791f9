# SPDX-License-Identifier: GPL-2.0-or-later
"""What --cluster may name, and what is said of anything else."""

from __future__ import annotations

import pytest

from farwatch.cli import main
from farwatch.cluster.address import SshHost, cluster_address
from farwatch.errors import FarwatchError


def test_each_kind() -> None:
    assert cluster_address("local:2").processes == 2
    assert cluster_address("tcp://10.0.0.1:8786").scheduler_host == "10.0.0.1"
    assert cluster_address("tls://[::1]:8786").scheduler_host == "::1"
    assert cluster_address("ssh:one,me@two:2222,[::1]:22").hosts == (
        SshHost("one", "one"),
        SshHost("me@two:2222", "two", "me", 2222),
        SshHost("[::1]:22", "::1", "", 22),
    )


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "there is no kind ''"),
        ("slurm:4", "there is no kind 'slurm'"),
        ("local", "'' is no number"),
        ("local:0", "'0' is no number"),
        ("local:-1", "'-1' is no number"),
        ("local:100000", "from 1 to 256"),
        ("ssh:", "'' is no list of hosts"),
        ("ssh:one,,two", "is no list of hosts"),
        ("ssh:one two", "is no list of hosts"),
        ("tcp://host", "has a host and a port"),
        ("tcp:host:1", "has a host and a port"),
    ],
)
def test_a_wrong_word(text: str, cause: str) -> None:
    with pytest.raises(FarwatchError, match="is no cluster") as caught:
        cluster_address(text)
    assert cause in caught.value.cause and "local:N" in caught.value.hint


@pytest.mark.parametrize("command", ["verify", "test"])
def test_it_is_a_mistake_of_usage(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "baseline", "--cluster", "moon:2"]) == 2
    assert "--cluster: 'moon:2' is no cluster" in capsys.readouterr().err


def test_suites_are_run_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "baseline", "--cluster", "local:2", "--suite", "kunit"]) == 2
    assert "exclude each other" in capsys.readouterr().err
