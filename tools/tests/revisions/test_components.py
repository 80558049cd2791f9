# SPDX-License-Identifier: GPL-2.0-or-later
"""What bases.toml says of components."""

from __future__ import annotations

from pathlib import Path

import pytest

from farwatch.errors import FarwatchError
from farwatch.revisions.catalog import Catalog
from farwatch.revisions.components import ROLES, Component
from farwatch.system.home import checkout_root

BASE = '\n[{name}.1]\nkind = "git"\nlocation = "/x"\ncommit = "' + "0" * 40 + '"\n'


def load(folder: Path, **components: str) -> Catalog:
    """A project with components, each with what is said of it and one base."""
    (folder / "patches").mkdir()
    text = "".join(
        f'[{name}]\ndefault = "1"\n{said}{BASE.format(name=name)}' for name, said in components.items()
    )
    (folder / "patches" / "bases.toml").write_text(text)
    return Catalog.load(folder)


def test_those_that_everybody_has_need_not_be_described() -> None:
    catalog = Catalog.load(checkout_root())
    found = [[part.name for part in catalog.with_role(role)] for role in ROLES]
    assert found == [["linux"], ["virtiofsd"], ["qemu"], []]
    assert [part.name for part in catalog.with_role("")] == ["linux-man"]


def test_others(tmp_path: Path) -> None:
    catalog = load(
        tmp_path,
        linux="",
        served='build = "script"\nscript = "build"\nrole = "server"\n',
        hammer='build = "make"\nrole = "tool"\nprogram = "bin/hammer"\n',
    )
    assert catalog.with_role("server") == [Component("served", "script", "server", "served", "build")]
    assert catalog.with_role("tool") == [Component("hammer", "make", "tool", "bin/hammer")]


@pytest.mark.parametrize(
    ("said", "what", "cause"),
    [
        ('build = "make"\n', "a build and no role", "kernel, server, vmm, tool"),
        ('role = "tool"\n', "a role and no build", "make"),
        ('role = "tol"\nbuild = "make"\n', "role = 'tol' is unknown", "did you mean 'tool'?"),
        ('biuld = "make"\n', "unknown key 'biuld'", "did you mean 'build'?"),
        ('build = "script"\nrole = "tool"\n', "a script is named, or to be run", "expected both"),
        ('build = "make"\nscript = "x"\nrole = "tool"\n', "a script is named, or to be run", "expected both"),
        (
            'build = "kbuild"\nrole = "tool"\n',
            "cannot be built by kbuild as tool",
            "the kernel is called linux",
        ),
        ('build = "make"\nrole = "kernel"\n', "cannot be built by make as kernel", "nothing else is"),
        ('build = "qemu"\nrole = "tool"\n', "makes a vmm", ""),
    ],
)
def test_mistakes(tmp_path: Path, said: str, what: str, cause: str) -> None:
    with pytest.raises(FarwatchError) as caught:
        load(tmp_path, linux="", thing=said)
    assert "bases.toml:" in caught.value.what and what in caught.value.what
    assert cause in caught.value.cause


def test_a_guest_has_one_server(tmp_path: Path) -> None:
    with pytest.raises(FarwatchError, match="a guest has one server") as caught:
        load(tmp_path, linux="", virtiofsd="", other='build = "make"\nrole = "server"\n')
    assert "virtiofsd and other" in caught.value.cause


def test_a_share_takes_a_server(tmp_path: Path) -> None:
    catalog = load(tmp_path, linux="")
    folder = tmp_path / "patches" / "v1"
    folder.mkdir()
    (folder / "revision.toml").write_text('title = "x"\nshare = "virtiofs"\n[bases]\nlinux = "1"\n')
    with pytest.raises(FarwatchError, match="nothing can serve the share"):
        catalog.revision("v1")
