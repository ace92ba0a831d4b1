"""Folders that look like built outputs of Xen, good ones and bad ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from xenbump.verify.nix import Buildable
from xenbump.verify.nixstate import Problem
from xenbump.verify.outputs import Expected, Promises, check, promises, store_root

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.dom0.report import CheckResult

    Wanted = Callable[..., Buildable]

SAYS = Promises("4.20.3", "boot/xen-4.20.3.efi", "boot/xen-4.20.3")
EXPECTED = Expected("4.20.3", efi=True)
# As Debian's Xen 4.17.7 has them, with its branch in place of 4.20: only some have Xen's version, and of that no Z.
MODULES = {
    "xencall": "1.3",
    "xencontrol": "4.20.0",
    "xenguest": "4.20.0",
    "xenlight": "4.20.0",
    "xenstat": "4.20.0",
    "xenstore": "4.0",
    "xenvchan": "4.20.0",
    "xlutil": "4.20.0",
}


@pytest.fixture
def outputs(tmp_path: Path) -> dict[str, str]:
    """All outputs of a good package."""
    for name in ("out", "boot", "dev", "man", "doc"):
        (tmp_path / name).mkdir()
    (tmp_path / "boot" / "boot").mkdir()
    (tmp_path / "boot" / "boot" / "xen-4.20.3").write_bytes(b"\x7fELF and more")
    (tmp_path / "boot" / "boot" / "xen-4.20.3.efi").write_bytes(b"MZ and more")
    (tmp_path / "out" / "bin").mkdir()
    (tmp_path / "out" / "bin" / "xl").write_bytes(b"\x7fELF")
    (tmp_path / "out" / "bin" / "xl").chmod(0o755)
    folder = tmp_path / "dev" / "lib" / "pkgconfig"
    folder.mkdir(parents=True)
    for name, version in MODULES.items():
        (folder / f"{name}.pc").write_text(f"prefix=/x\nName: {name}\nVersion: {version}\n")
    return {name: str(tmp_path / name) for name in ("out", "boot", "dev", "man", "doc")}


def looked(
    outputs: dict[str, str], told: Promises = SAYS, expected: Expected = EXPECTED, root: Path | None = Path("/")
) -> dict[str, CheckResult]:
    return {one.name: one for one in check(outputs, told, expected, root=root)}


def failed(results: dict[str, CheckResult]) -> dict[str, str]:
    return {name: one.reason for name, one in results.items() if one.result == "failed"}


def test_a_good_package(outputs: dict[str, str]) -> None:
    results = looked(outputs)
    assert {one.result for one in results.values()} == {"passed"}
    assert list(results) == ["outputs", "multiboot", "efi", "pkg-config", "xl"]
    assert results["efi"].evidence[0].endswith("/boot/xen-4.20.3.efi: 11 bytes, PE")
    assert "xenstore.pc: 4.0" in results["pkg-config"].evidence


def test_a_store_below_a_folder(outputs: dict[str, str], tmp_path: Path) -> None:
    moved = {name: path.removeprefix(str(tmp_path)) for name, path in outputs.items()}
    assert not failed(looked(moved, root=tmp_path))
    assert failed(looked(moved))


def test_a_store_on_another_machine(outputs: dict[str, str]) -> None:
    results = looked(outputs, root=None)
    assert {(one.result, one.reason) for one in results.values()} == {("skipped", "the store is on another machine")}


def test_outputs_that_are_not_there(outputs: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "man").rmdir()
    assert failed(looked(outputs)) == {"outputs": "not there: man"}
    assert looked({"out": str(tmp_path / "out")})["outputs"].evidence[-1] == (
        "the package has no output boot, dev, man, doc"
    )
    assert failed(looked({}))["outputs"] == "not there: any output"


def test_a_hypervisor_of_another_version(outputs: dict[str, str]) -> None:
    stale = Promises("4.20.2", "boot/xen-4.20.2.efi", "boot/xen-4.20.2")
    assert failed(looked(outputs, stale)) == {
        "multiboot": "passthru.multiboot is boot/xen-4.20.2, and boot/xen-4.20.3 is expected",
        "efi": "passthru.efi is boot/xen-4.20.2.efi, and boot/xen-4.20.3.efi is expected",
    }
    other = looked(outputs, Promises("4.20.4", "boot/xen-4.20.4.efi", "boot/xen-4.20.4"), Expected("4.20.4"))
    assert failed(other) == {
        "multiboot": "boot/xen-4.20.4 is not there",
        "efi": "boot/xen-4.20.4.efi is not there",
    }
    assert other["efi"].evidence == ("boot/xen-4.20.3", "boot/xen-4.20.3.efi")


@pytest.mark.parametrize("path", ["/boot/xen-4.20.3", "../boot/xen-4.20.3"])
def test_a_path_that_leads_out(path: str, outputs: dict[str, str]) -> None:
    told = Promises("4.20.3", SAYS.efi, path)
    assert failed(looked(outputs, told)) == {
        "multiboot": f"passthru.multiboot is {path}, which is no path in an output"
    }


def test_files_that_are_no_hypervisors(outputs: dict[str, str]) -> None:
    for name in ("xen-4.20.3", "xen-4.20.3.efi"):
        (Path(outputs["boot"]) / "boot" / name).write_bytes(b"")
    assert failed(looked(outputs)) == {
        "multiboot": "boot/xen-4.20.3 is no hypervisor",
        "efi": "boot/xen-4.20.3.efi is no hypervisor",
    }


def test_a_package_without_passthru(outputs: dict[str, str]) -> None:
    results = looked(outputs, Promises())
    assert not failed(results)
    assert results["multiboot"].evidence[-1] == "the package has no passthru.multiboot"
    silent = looked(outputs, Promises(), Expected("4.20.3"))["efi"]
    assert (silent.result, silent.reason) == ("skipped", "the package says nothing of xen.efi")


def test_the_switch_for_efi(outputs: dict[str, str]) -> None:
    off = Expected("4.20.3", efi=False)
    refuses = Promises("4.20.3", None, "boot/xen-4.20.3", refuses_efi=True)
    has = {"efi": "the package is to be without xen.efi and has one"}
    assert failed(looked(outputs, SAYS, off)) == failed(looked(outputs, refuses, Expected("4.20.3"))) == has
    assert failed(looked(outputs, refuses)) == {
        "efi": "the package is to have xen.efi, and passthru.efi says that it has none"
    }
    (Path(outputs["boot"]) / "boot" / "xen-4.20.3.efi").unlink()
    assert not failed(looked(outputs, refuses, off))
    assert not failed(looked(outputs, SAYS, off))
    assert not failed(looked(outputs, refuses, Expected("4.20.3")))
    assert failed(looked(outputs, SAYS, Expected("4.20.3"))) == {"efi": "boot/xen-4.20.3.efi is not there"}


def test_modules_of_another_version(outputs: dict[str, str]) -> None:
    folder = Path(outputs["dev"]) / "lib" / "pkgconfig"
    (folder / "xlutil.pc").write_text("Version: 4.19.0\n")
    (folder / "xencall.pc").write_text("Name: xencall\n")
    assert failed(looked(outputs)) == {"pkg-config": "of another version, or without one: xlutil.pc, xencall.pc"}
    (folder / "xenlight.pc").unlink()
    assert failed(looked(outputs)) == {"pkg-config": "not there: xenlight.pc"}
    del outputs["dev"]
    assert looked(outputs)["pkg-config"].result == "skipped"


def test_programs(outputs: dict[str, str]) -> None:
    xl = Path(outputs["out"]) / "bin" / "xl"
    xl.write_bytes(b"")
    assert failed(looked(outputs)) == {"xl": "it is no program"}
    xl.write_bytes(b"#!/bin/sh\n")
    assert not failed(looked(outputs))
    xl.chmod(0o644)
    assert failed(looked(outputs)) == {"xl": "it is no program"}
    xl.unlink()
    assert failed(looked(outputs)) == {"xl": "it is not there"}


def test_a_hypervisor_alone(tmp_path: Path) -> None:
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot" / "xen-4.20.3").write_bytes(b"\x7fELF")
    results = looked({"out": str(tmp_path)}, Promises("4.20.3"), Expected("4.20.3"))
    assert {name: one.result for name, one in results.items()} == {
        "outputs": "passed",
        "multiboot": "passed",
        "efi": "skipped",
        "pkg-config": "skipped",
        "xl": "skipped",
    }


def test_what_a_package_says(wanted: Wanted) -> None:
    assert promises(wanted("xen"), timeout=60) == SAYS
    assert promises(wanted("lying"), timeout=60) == Promises("4.20.2", refuses_efi=True)
    assert promises(wanted("bare"), timeout=60) == Promises()
    absent = promises(wanted("absent"), timeout=60)
    assert isinstance(absent, Problem)
    assert "does not provide attribute" in absent.message


@pytest.mark.parametrize(
    ("options", "root"),
    [
        ((), "/"),
        (("--store", "daemon"), "/"),
        (("--store", "auto"), "/"),
        (("--store", "unix:///run/x"), "/"),
        (("--store", "local"), "/"),
        (("--store", "/srv/x"), "/srv/x"),
        (("--store", "local?root=/srv/x"), "/srv/x"),
        (("--store", "local://?root=/srv/x"), "/srv/x"),
        (("--store", "here/x"), "/folder/here/x"),
        (("--builders", "", "--option", "store", "/srv/y"), "/srv/y"),
        (("--option", "cores", "/srv/y", "--store"), "/"),
        (("--store", "ssh-ng://builder"), None),
        (("--store", "ssh://builder/x"), None),
        (("--store", "https://cache/x"), None),
    ],
)
def test_where_the_store_is(options: tuple[str, ...], root: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NIX_REMOTE", raising=False)
    found = store_root(Buildable("xen", Path("/folder"), options=options))
    assert found == (None if root is None else Path(root))


def test_a_store_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIX_REMOTE", "ssh://builder")
    assert store_root(Buildable("xen", Path("/folder"))) is None
