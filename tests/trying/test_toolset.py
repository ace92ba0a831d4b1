"""Tools: built, kept by what they are built of, packed with all that they need, and run from the archive alone."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trying import fake_tree
from xenbump import process
from xenbump.errors import Failure, Refusal
from xenbump.trying import toolset
from xenbump.trying.model import PhaseResult, Trial
from xenbump.trying.source import Workshop
from xenbump.verify import cpio, elf

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_tree.repository(tmp_path_factory.mktemp("toolset") / "xen")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("toolset-try")


@pytest.fixture(scope="module")
def shop(made: Path, base: Path) -> Workshop:
    return Workshop(str(made), base)


@pytest.fixture(scope="module")
def first(shop: Workshop, base: Path) -> toolset.Toolset:
    found = toolset.tools(shop.prepared(Trial("4.22.0-rc3")), 2, base / "tools", base / "log")
    assert isinstance(found, toolset.Toolset), found
    return found


def test_the_archive_has_programs_libraries_and_the_linker(first: toolset.Toolset) -> None:
    entries = {entry.name: entry for entry in cpio.read(first.archive.read_bytes())}
    for name in (
        "xl",
        "xenstored",
        "xenstore",
        "xenstore-control",
        "xenconsoled",
        "xen-init-dom0",
        "libxl-save-helper",
    ):
        found = elf.needs(entries[f"opt/xen-try/bin/{name}"].data)
        assert found.interpreter == "/opt/xen-try/lib/ld.so"
        assert {"libown.so", "libc.so.6"} <= set(found.libraries)
        assert all(f"opt/xen-try/lib/{library}" in entries for library in found.libraries)
        assert entries[f"usr/sbin/{name}"].data == f"/opt/xen-try/bin/{name}".encode()
        # Taken in a library's stead for good, which DT_RUNPATH would not be.
        assert b"/opt/xen-try/lib\0" in entries[f"opt/xen-try/bin/{name}"].data
    assert entries["opt/xen-try/bin/xenstore-ls"].data == b"xenstore"
    assert entries["usr/sbin/oxenstored"].is_link
    assert "opt/xen-try/bin/oxenstored" not in entries
    assert entries["opt/xen-try/lib/xen/boot/hvmloader"].data == b"/usr/lib/xen-4.20/boot/hvmloader"
    assert entries["opt/xen-try/lib/ld.so"].mode & 0o111
    assert (first.kept, first.line, first.described) == (False, "4.22", "built from the source of 4.22.0-rc3")


def test_a_program_of_the_archive_runs_by_its_own_linker(first: toolset.Toolset, tmp_path: Path) -> None:
    for entry in cpio.read(first.archive.read_bytes()):
        path = tmp_path / entry.name
        if entry.name.startswith("opt/") and entry.mode & 0o170000 == 0o100000:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(entry.data)
            path.chmod(0o755)
    lib = tmp_path / "opt" / "xen-try" / "lib"
    command = [str(lib / "ld.so"), "--library-path", str(lib), str(tmp_path / "opt" / "xen-try" / "bin" / "xl")]
    assert process.run(command, env={"LD_LIBRARY_PATH": ""}).status == 0


def test_tools_are_kept_where_only_the_hypervisor_changes(
    first: toolset.Toolset, shop: Workshop, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("xenbump.trying.making.run", lambda *_, **__: pytest.fail("something was run"))
        found = toolset.tools(shop.prepared(Trial("staging~2")), 2, base / "tools", base / "log")
    assert isinstance(found, toolset.Toolset)
    assert (found.archive, found.kept) == (first.archive, True)
    assert found.described.startswith("built from the source of 4.22.0-rc3-1-g")


def test_tools_are_built_on_top_where_they_change(first: toolset.Toolset, shop: Workshop, base: Path) -> None:
    found = toolset.tools(shop.prepared(Trial("staging~1")), 2, base / "tools", base / "log")
    assert isinstance(found, toolset.Toolset)
    assert found.archive != first.archive
    log = found.log.read_text()
    assert "configure" not in log
    assert "own.c" not in log
    assert "-o xl" in log


def test_tools_that_do_not_build_are_a_value(made: Path, shop: Workshop, base: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.patch").write_text(
        fake_tree.mail(made, "4.22.0-rc3", {"tools/hello.c": "int main(void) { return x; }\n"})
    )
    trial = Trial("4.22.0-rc3", (tmp_path / "bad.patch",))
    found = toolset.tools(shop.prepared(trial), 1, base / "tools", tmp_path / "log")
    assert isinstance(found, PhaseResult)
    assert found.reason.startswith("the tools do not build: ../hello.c:1:")
    assert (tmp_path / "log").read_text().count("configured") <= 1


@pytest.mark.parametrize(
    ("said", "package"),
    [
        ("Could not find yajl", "libyajl-dev"),
        ("cannot find a valid uuid library", "uuid-dev"),
        ("Could not find zlib", "zlib1g-dev"),
        ("Unable to find Python development headers", "python3-dev"),
        ("Unable to find iasl, please install iasl", "acpica-tools"),
        ("Unable to find a suitable curses library", "libncurses-dev"),
        ("no acceptable C compiler found in $PATH", "gcc"),
    ],
)
def test_what_a_machine_lacks_is_named(said: str, package: str) -> None:
    assert toolset.packages(f"configure: error: {said}") == [package]


def test_a_machine_that_lacks_a_library_is_refused(made: Path, base: Path, tmp_path: Path) -> None:
    (tmp_path / "x.patch").write_text(
        fake_tree.mail(made, "4.22.0-rc3", {"lacks": "Could not find yajl\n", "m4/x": "\n"})
    )
    prepared = Workshop(str(made), tmp_path / "try").prepared(Trial("4.22.0-rc3", (tmp_path / "x.patch",)))
    with pytest.raises(Refusal) as caught:
        toolset.tools(prepared, 1, base / "tools", tmp_path / "log")
    assert (caught.value.code, caught.value.remedy) == ("E-TRY-TOOLS", "install libyajl-dev")
    assert caught.value.what == "the tools cannot be configured: configure: error: Could not find yajl"


def test_a_missing_program_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="make gave no xl"):
        toolset.pack(tmp_path, "4.22")


def test_what_is_no_program_has_no_closure(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"#!/bin/sh\n")
    with pytest.raises(Failure, match="no program"):
        toolset.closure(tmp_path / "x", tmp_path)


@settings(max_examples=25)
@given(st.binary(max_size=200))
def test_a_damaged_program_is_refused_by_name(content: bytes) -> None:
    with pytest.raises(Failure, match="E-TRY-TOOLS: xl: "):
        toolset.with_interpreter(b"\x7fELF\x02\x01" + content, "/opt/xen-try/lib/ld.so", "xl")


@settings(max_examples=25)
@given(st.integers(1, 60), st.integers(2, 60))
def test_a_linker_s_place_is_put_in_where_there_is_room(old: int, new: int) -> None:
    name, place = b"x" * old + b"\0", "/" + "y" * (new - 1)
    header = b"\x7fELF\x02\x01".ljust(0x20, b"\0") + struct.pack("<Q", 0x40)
    header = header.ljust(0x36, b"\0") + struct.pack("<HH", 56, 1)
    program = struct.pack("<IIQQQQQQ", 3, 4, 0x78, 0, 0, len(name), len(name), 1)
    data = header.ljust(0x40, b"\0") + program + name + b"rest"
    if new > old:
        with pytest.raises(Failure, match="no room"):
            toolset.with_interpreter(data, place, "xl")
    else:
        changed = toolset.with_interpreter(data, place, "xl")
        assert elf.needs(changed).interpreter == place
        assert (len(changed), changed[-4:]) == (len(data), b"rest")
