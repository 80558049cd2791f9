# SPDX-License-Identifier: GPL-2.0-or-later
"""Engine vng without a guest: QEMU's command line, what is said of a QEMU, when KVM is used."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from farwatch.app import App
from farwatch.builds.selftests import TestsBuild
from farwatch.cells.plan import plan_cases
from farwatch.cells.setting import subject_of
from farwatch.cells.wish import Wish
from farwatch.engines import vng
from farwatch.engines.engine import Engine, GuestSpec, Listeners
from farwatch.engines.uml import UmlEngine
from farwatch.engines.vng import StockVngEngine, VngEngine
from farwatch.errors import FarwatchError
from farwatch.guests import kvm
from farwatch.guests.run import run_guests
from farwatch.guests.setting import Setting
from farwatch.model import Base, Revision
from farwatch.results.store import Results
from farwatch.system import bootstrap
from farwatch.system.children import Run
from farwatch.system.home import Home
from farwatch.system.tools import missing_tool
from farwatch.upkeep import doctor
from tests.processes import script

LIMIT = 20.0


@pytest.fixture
def spec(tmp_path: Path) -> GuestSpec:
    (tmp_path / "vmlinux").touch()
    (tmp_path / "g1").mkdir()
    return GuestSpec(tmp_path / "vmlinux", Path("/agent"), tmp_path / "g1", vmm=script(tmp_path / "qemu", ""))


def after(words: list[str], option: str) -> list[str]:
    """Every value of an option."""
    return [value for word, value in pairwise(words) if word == option]


# -- the command line: virtme-run is the real one


def test_the_agent_is_init_and_the_host_root(spec: GuestSpec) -> None:
    words = VngEngine().command(spec)
    (append,) = after(words, "-append")
    kernel = append.split()
    assert words[0] == str(spec.vmm)
    assert [word for word in kernel if word.startswith("init=")] == ["init=/agent"] == kernel[-1:]
    assert kernel.index("console=ttyS0") < kernel.index("farwatch.steps=/dev/hvc0")
    assert "root=/dev/root" in kernel and "rootfstype=9p" in kernel
    assert [value for value in after(words, "-device") if value.startswith("virtconsole")] == [
        f"virtconsole,bus=farwatch.0,chardev={name}" for name in ("steps", "control", "output", "errors")
    ]


def test_only_its_own_consoles(spec: GuestSpec) -> None:
    """virtme-run would add one that takes the number of ours if it could open our stderr."""
    devices = after(VngEngine().command(spec), "-device")
    assert len([value for value in devices if "virtio-serial" in value]) == 1


def test_emulated_or_not(spec: GuestSpec) -> None:
    emulated = VngEngine().command(spec)
    assert "-enable-kvm" not in emulated and not any("accel=kvm" in word for word in emulated)
    assert after(emulated, "-cpu")[-1] == "Nehalem"
    assert "Nehalem" not in VngEngine(kvm=True).command(spec)


def test_shares_need_memory_that_can_be_shared(spec: GuestSpec) -> None:
    assert "memory-backend=memory" not in VngEngine().command(spec)
    words = VngEngine().command(replace(spec, shares={"myfs": Path("/a,b/sock")}, memory=300))
    assert "memory-backend-memfd,id=memory,size=300M,share=on" in words
    assert "memory-backend=memory" in words
    assert "socket,id=share-myfs,path=/a,,b/sock" in after(words, "-chardev")
    assert "vhost-user-fs-pci,chardev=share-myfs,tag=myfs,notification=on" in words


def test_the_installed_qemu_knows_no_notification_queue(
    spec: GuestSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = script(tmp_path / "qemu-system-x86_64", "")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    words = VngEngine().command(replace(spec, vmm=None, shares={"myfs": Path("/sock")}))
    assert words[0] == str(installed)
    assert "vhost-user-fs-pci,chardev=share-myfs,tag=myfs" in words


def test_processors(spec: GuestSpec) -> None:
    assert after(VngEngine().command(spec), "-smp")[-1] == "1"
    assert after(VngEngine().command(replace(spec, cpus=2)), "-smp")[-1] == "2"
    assert not [word for word in UmlEngine().command(spec, []) if "cpus" in word or "seccomp" in word]
    assert {"ncpus=2", "seccomp=on"} < set(UmlEngine().command(replace(spec, cpus=2), []))


def test_network_and_debugger_only_if_asked_for(spec: GuestSpec) -> None:
    plain = VngEngine().command(spec)
    assert "-netdev" not in plain and "-gdb" not in plain
    words = VngEngine().command(replace(spec, network=True, debugger=Path("/sock")))
    assert after(words, "-netdev") == ["user,id=n0"]
    assert "ip=dhcp" in after(words, "-append")[0]
    assert after(words, "-gdb") == ["chardev:gdb"]


def test_a_virtme_run_that_fails_is_quoted(
    spec: GuestSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    script(tmp_path / "bin" / "virtme-run", "echo it does not want to >&2; exit 1")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(FarwatchError, match="it does not want to"):
        VngEngine().command(replace(spec, memory=77))


def test_a_qemu_that_ends_at_once_leaves_no_one_waiting(spec: GuestSpec, home: Home) -> None:
    script(spec.vmm or Path(), "[ $1 != --version ] || exit 0; echo no such machine; exit 3")
    heard: list[bytes] = []

    def ignore(_line: bytes) -> None:
        pass

    async def work(run: Run) -> str:
        ended = asyncio.Event()
        listeners = Listeners(heard.append, ignore, ignore, ignore, ignore, ended.set)
        guest = await VngEngine().start(run, spec, listeners)
        await asyncio.wait_for(guest.wait(), LIMIT)
        guest.close()
        return guest.child.ending()

    assert run_guests(home, work) == "exit status 3"
    assert heard == [b"no such machine"]


# -- what there is


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)", ""),
        ("QEMU emulator version 10.0.2", ""),
        ("QEMU emulator version 5.2.0 (Debian 1:5.2+dfsg-11+deb11u3)", "too old"),
        ("something else", "too old"),
    ],
)
def test_the_age_of_qemu(said: str, trouble: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script(tmp_path / "qemu-system-x86_64", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(vng, "version_line", lambda _tool: said)
    found = VngEngine().examine()
    assert trouble in found and bool(found) == bool(trouble)


def test_no_qemu(spec: GuestSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert VngEngine().examine() == "qemu-system-x86_64 is not installed"
    with pytest.raises(FarwatchError, match="qemu-system-x86_64 is not installed"):
        VngEngine().command(replace(spec, vmm=None))
    assert "qemu-system-x86" in str(missing_tool("qemu-system-x86_64"))


@pytest.mark.parametrize(("cores", "emulated"), [(1, 1), (2, 1), (8, 7)])
def test_emulated_guests_leave_a_core(cores: int, emulated: int) -> None:
    assert VngEngine().guests(cores) == emulated
    assert VngEngine(kvm=True).guests(cores) > emulated


def test_the_engine_with_the_stock_qemu_never_runs_another() -> None:
    engine = StockVngEngine()
    assert engine.name == "vng-stock" and not engine.runs_vmm and engine.without_vmm
    faster = engine.with_kvm()
    assert isinstance(faster, StockVngEngine) and faster.kvm


def test_packages_of_an_engine_are_looked_for_once(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists: list[int] = []
    monkeypatch.setattr(bootstrap, "ensure_system", lambda needs, _log: lists.append(len(needs)))
    packages = tmp_path / "packages.txt"
    packages.write_text("prog:one one # it\n")
    bootstrap.ensure_extra(packages, home)
    bootstrap.ensure_extra(packages, home)
    assert lists == [1]
    packages.write_text("prog:one one # it\nprog:two two # more\n")
    bootstrap.ensure_extra(packages, home)
    assert lists == [1, 2]


def test_packages_that_cannot_be_had_are_looked_for_again(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise FarwatchError("no such package")

    monkeypatch.setattr(bootstrap, "ensure_system", fail)
    packages = tmp_path / "packages.txt"
    packages.write_text("prog:one one # it\n")
    for _ in range(2):
        with pytest.raises(FarwatchError, match="no such package"):
            bootstrap.ensure_extra(packages, home)


# -- KVM


@pytest.fixture
def boots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine with /dev/kvm. What a boot with it comes to, in turn; a boot takes one away."""
    (tmp_path / "kvm").touch()
    outcomes: list[str] = []
    monkeypatch.setattr(kvm, "DEVICE", tmp_path / "kvm")
    monkeypatch.setattr(kvm, "_boot", lambda _home, _setting: outcomes.pop(0))
    monkeypatch.setattr(vng, "version_line", lambda _tool: "QEMU emulator version 7.2.22")
    return outcomes


def chosen(home: Home, engine: Engine, said: list[str] | None = None) -> Engine:
    setting = Setting(engine, Path("vmlinux"), Path("agent"), Path("actor"), "virtiofs", Path("server"))
    return kvm.accelerated(home, setting, (said if said is not None else list[str]()).append)


def test_without_the_device_nothing_is_booted(home: Home, boots: list[str]) -> None:
    kvm.DEVICE.unlink()
    assert chosen(home, VngEngine()).boot_weight == VngEngine().boot_weight
    assert "there is no" in kvm.not_offered() and boots == []


def test_an_engine_that_has_no_use_for_it(home: Home, boots: list[str]) -> None:
    engine = UmlEngine()
    assert chosen(home, engine) is engine and boots == []


def test_one_boot_tells(home: Home, boots: list[str]) -> None:
    boots.append(kvm.WORKS)
    for _ in range(2):
        engine = chosen(home, VngEngine())
        assert isinstance(engine, VngEngine) and engine.kvm
    assert kvm.remembered(home, VngEngine()) == kvm.WORKS


def test_a_boot_that_fails_is_remembered_with_its_reason(home: Home, boots: list[str]) -> None:
    boots.append("the guest never became ready")
    said: list[str] = []
    for _ in range(2):
        engine = chosen(home, VngEngine(), said)
        assert isinstance(engine, VngEngine) and not engine.kvm
    assert said[-1] == "KVM does not work, guests are emulated: the guest never became ready"
    assert len(said) == 2
    assert kvm.remembered(home, VngEngine()) == "the guest never became ready"


def test_another_kernel_of_the_host_is_tried_again(
    home: Home, boots: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    boots += ["it hangs", kvm.WORKS]
    chosen(home, VngEngine())
    monkeypatch.setattr(platform, "release", lambda: "99.0")
    assert kvm.remembered(home, VngEngine()) is None
    chosen(home, VngEngine())
    assert boots == []


def test_another_qemu_is_tried_again(home: Home, boots: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    boots += ["it hangs", kvm.WORKS]
    chosen(home, VngEngine())
    monkeypatch.setattr(vng, "version_line", lambda _tool: "QEMU emulator version 10.0")
    chosen(home, VngEngine())
    assert boots == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"of": "somebody else", "trouble": ""}'])
def test_an_answer_that_cannot_be_read_is_none(home: Home, boots: list[str], content: str) -> None:
    (home.root / "kvm.json").write_text(content)
    boots.append(kvm.WORKS)
    chosen(home, VngEngine())
    assert boots == []


def test_doctor_says_which_and_why(home: Home, boots: list[str]) -> None:
    assert "the first guest of engine vng tries" in doctor._kvm(home, {}).detail
    boots += ["it hangs"]
    chosen(home, VngEngine())
    assert "does not work, engine vng emulates: it hangs" in doctor._kvm(home, {}).detail
    kvm.DEVICE.unlink()
    assert "there is no" in doctor._kvm(home, {}).detail


def test_what_an_engine_needs_is_there_before_its_version_is_asked_for(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine without QEMU a lookup comes first, and its hashes have QEMU's version in them."""
    order: list[str] = []
    monkeypatch.setattr(bootstrap, "ensure_extra", lambda _packages, _home: order.append("installed"))

    def version(_tool: str) -> str:
        order.append("asked")
        return "QEMU emulator version 7.2.22"

    monkeypatch.setattr(vng, "version_line", version)
    catalog = SimpleNamespace(base_of=lambda *_: Base("linux", "7.3", "deb"), with_role=lambda _: [])
    builder = SimpleNamespace(kernels=SimpleNamespace(key=lambda _: "key"))
    app = cast(App, SimpleNamespace(root=tmp_path, home=home, catalog=catalog, builder=builder))
    reference = Revision("reference", "t", tmp_path, "tmpfs", {})
    wish = Wish((reference,), engine="vng")
    subject = subject_of(app, wish, reference)
    plan_cases(app, cast(Results, None), subject, subject.column(), cast(TestsBuild, None), ())
    assert order == ["installed", "asked"]
