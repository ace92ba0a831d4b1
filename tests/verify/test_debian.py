"""Debian's packages: the sources of another suite, apt's answers, the files in a package, and the choice of them."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verify.elves import library
from xenbump.errors import Failure, Refusal
from xenbump.verify import contents, cpio, deb, debian, recipe

if TYPE_CHECKING:
    from pathlib import Path

TARGETS = """\
Debian|bookworm|bookworm|http://mirror.example/debian/
Debian|bookworm-updates|bookworm-updates|http://mirror.example/debian/
Debian-Security|bookworm-security|bookworm-security|http://security.example/
Node|nodistro|nodistro|https://other.example/
Debian||stable|http://mirror.example/debian/
"""


def test_the_machines_sources_for_another_suite() -> None:
    lines = debian.sources(TARGETS, "trixie").splitlines()
    assert [line.partition("] ")[2] for line in lines] == [
        "http://mirror.example/debian/ trixie main",
        "http://mirror.example/debian/ trixie-updates main",
        "http://security.example/ trixie-security main",
    ]
    assert all(line.startswith("deb [arch=amd64") for line in lines)


@pytest.mark.parametrize("targets", ["", "Ubuntu|noble|noble|http://mirror.example/\n", "nonsense\n", "Debian|||\n"])
def test_a_machine_without_debians_sources(targets: str) -> None:
    with pytest.raises(Refusal) as caught:
        debian.sources(targets, "trixie")
    assert caught.value.code == "E-IMAGE-SOURCES"


APT = r"""#!/bin/sh
case "$*" in
    *indextargets*) printf 'Debian|bookworm|bookworm|http://mirror.example/debian/\n' ;;
    *" update")
        printf 'x' >>"$0.updates"
        [ ! -e "$0.offline" ] || { echo 'E: Failed to fetch lists' >&2; exit 100; } ;;
    *print-uris*) [ -e "$0.uris" ] || { echo 'E: Unable to locate package xen' >&2; exit 100; }; cat "$0.uris" ;;
    *download-only*) echo 'E: Failed to fetch a package' >&2; exit 100 ;;
esac
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "bin" / "apt-get"
    program.parent.mkdir()
    program.write_text(APT)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return program


def test_what_apt_answers(apt: Path, tmp_path: Path) -> None:
    told: list[str] = []
    suite = debian.Suite("trixie", tmp_path / "apt", told.append)
    with pytest.raises(Refusal, match="E: Unable to locate package xen") as caught:
        suite.resolve(["xen"])
    assert caught.value.code == "E-IMAGE-RELEASE"
    uris = (
        "'http://m/xen_1%3a4.20_amd64.deb' xen_1%3a4.20_amd64.deb 12 SHA256:ab\n"
        "'http://m/ab_1_all.deb' ab_1_all.deb 3 \n"
    )
    apt.with_name("apt-get.uris").write_text("Reading package lists...\n" + uris)
    found = suite.resolve(["xen"])
    assert [(package.name, package.version, package.file) for package in found] == [
        ("ab", "1", "ab_1_all.deb"),
        ("xen", "1:4.20", "xen_1%3a4.20_amd64.deb"),
    ]
    # The lists were asked for once: they are not a day old.
    assert apt.with_name("apt-get.updates").read_text() == "x"
    assert told == ["asking for the packages of Debian trixie"]
    with pytest.raises(Failure, match="E: Failed to fetch a package") as failed:
        suite.download(found)
    assert failed.value.code == "E-IMAGE-DEBIAN"
    apt.with_name("apt-get.uris").write_text("nothing\n")
    with pytest.raises(Failure, match="named no package"):
        suite.resolve(["xen"])


def test_without_network_older_lists_will_do(apt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    suite = debian.Suite("trixie", tmp_path / "apt", told.append)
    apt.with_name("apt-get.offline").touch()
    with pytest.raises(Failure, match="E: Failed to fetch lists") as caught:
        suite.resolve(["xen"])
    assert caught.value.code == "E-IMAGE-DEBIAN"
    apt.with_name("apt-get.uris").write_text("'http://m/ab_1_all.deb' ab_1_all.deb 3 \n")
    apt.with_name("apt-get.offline").unlink()
    suite.resolve(["ab"])
    apt.with_name("apt-get.offline").touch()
    monkeypatch.setattr(debian, "LISTS_SECONDS", 0.0)
    assert len(suite.resolve(["ab"])) == 1
    assert told[-1] == "the lists of Debian trixie are older than a day, and newer ones cannot be had"


def packed(*files: tuple[str, bytes | str]) -> bytes:
    """A package with these files; a text is a link's target."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as archive:
        for name, content in files:
            member = tarfile.TarInfo(f"./{name}")
            if isinstance(content, str):
                member.type = tarfile.LNKTYPE if content.startswith("./") else tarfile.SYMTYPE
                member.linkname = content
                archive.addfile(member)
            else:
                member.size, member.mode = len(content), 0o755
                archive.addfile(member, io.BytesIO(content))
    parts = (("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), ("data.tar.xz", data.getvalue()))
    written = b"!<arch>\n"
    for name, content in parts:
        written += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content
        written += b"\n" * (len(content) % 2)
    return written


def test_the_files_in_a_package(tmp_path: Path) -> None:
    path = tmp_path / "a.deb"
    path.write_bytes(
        packed(("bin/busybox", b"b"), ("usr/bin/x", "./bin/busybox"), ("lib64/ld.so", "../lib/ld"), ("no", b""))
    )
    found = {entry.name: entry for entry in deb.files(path, lambda name: name != "no")}
    assert set(found) == {"usr/bin/busybox", "usr/bin/x", "usr/lib64/ld.so"}
    assert found["usr/bin/busybox"] == cpio.file("usr/bin/busybox", b"b", executable=True)
    assert found["usr/bin/x"] == cpio.link("usr/bin/x", "/usr/bin/busybox")
    assert found["usr/lib64/ld.so"].data == b"../lib/ld"


@given(place=st.integers(0, 700), noise=st.binary(max_size=20))
def test_a_damaged_package(place: int, noise: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    good = bytearray(packed(("usr/bin/a", b"content" * 50)))
    good[place : place + len(noise)] = noise
    path = tmp_path_factory.getbasetemp() / "damaged.deb"
    path.write_bytes(good)
    try:
        names = [entry.name for entry in deb.files(path, lambda _: True)]
    except Failure as failure:
        names = []
        code = failure.code
    else:
        code = ""
    assert code in {"", "E-IMAGE-PACKAGE"}
    assert len(names) <= 1


def test_what_is_no_package(tmp_path: Path) -> None:
    for content in (b"", b"!<arch>\n", b"!<arch>\nshort", packed()[:150]):
        (tmp_path / "a.deb").write_bytes(content)
        with pytest.raises(Failure, match="cannot be read"):
            list(deb.files(tmp_path / "a.deb", lambda _: True))


def test_what_is_chosen() -> None:
    choice = contents.Choice("4.20")
    for name in (
        "usr/lib/xen-4.20/bin/xl",
        "usr/lib/xen-4.20/boot/hvmloader",
        "usr/bin/xenstore-ls",
        "usr/bin/busybox",
        "usr/bin/python3.13",
        "usr/lib/python3.13/json/decoder.py",
        "usr/lib/python3.13/lib-dynload/_queue.cpython-313-x86_64-linux-gnu.so",
        "usr/lib/modules/6.12/kernel/drivers/xen/xen-privcmd.ko.xz",
        "usr/lib/modules/6.1/kernel/drivers/xen/xenfs/xenfs.ko",
        "etc/xen/xl.conf",
    ):
        assert choice.chooses(name), name
        assert choice.wants(name), name
    for name in (
        "usr/lib/xen-4.17/bin/xl",
        "usr/lib/xen-4.20/bin/xentop",
        "usr/lib/python3.13/test/regrtest.py",
        "usr/lib/python3.13/tkinter/__init__.py",
        "usr/lib/python3.13/lib-dynload/_ssl.cpython-313-x86_64-linux-gnu.so",
        "usr/lib/modules/6.12/kernel/drivers/net/xen-netfront.ko.xz",
        "usr/share/doc/xen/README",
        "etc/xen/xlexample.hvm",
        "boot/xen-4.20-amd64.efi",
    ):
        assert not choice.chooses(name), name


def test_a_device_model_comes_only_when_it_is_asked_for() -> None:
    plain, able = contents.Choice("4.20"), contents.Choice("4.20", device_model=True)
    for name in (
        "usr/libexec/xen-qemu-system-i386",
        "usr/share/seabios/bios-256k.bin",
        "usr/share/qemu/linuxboot_dma.bin",
        "usr/share/qemu/keymaps/en-us",
    ):
        assert (plain.chooses(name), able.chooses(name), able.wants(name)) == (False, True, True), name
    assert not able.chooses("usr/share/qemu/openbios-ppc")
    assert set(recipe.packages("4.20", device_model=True)) - set(recipe.packages("4.20")) == {"qemu-system-xen"}
    busybox = {"usr/bin/busybox": cpio.file("usr/bin/busybox", b"")}
    assert [entry.name for entry in recipe._guest(busybox, b"")] == ["opt/xenbump/guest/initrd.cpio"]
    assert [entry.name for entry in recipe._guest(busybox, b"packed")][1:] == [recipe.HVM_KERNEL]


def test_libraries_come_by_what_needs_them() -> None:
    place = "usr/lib/x86_64-linux-gnu"
    entries = [
        cpio.file("usr/bin/a", library("libb.so.1", interpreter="/lib64/ld.so.2")),
        cpio.link(f"{place}/libb.so.1", "libb.so.1.2"),
        cpio.file(f"{place}/libb.so.1.2", library("libc.so.6")),
        cpio.file(f"{place}/libc.so.6", library()),
        cpio.file(f"{place}/libz.so.1", library()),
        cpio.link("usr/lib64/ld.so.2", "/lib/x86_64-linux-gnu/ld.so.2.real"),
        cpio.file(f"{place}/ld.so.2.real", library()),
    ]
    tree = {entry.name: entry for entry in entries}
    assert set(contents.closed(tree, ["usr/bin/a", "usr/bin/none"])) == set(tree) - {f"{place}/libz.so.1"}
    del tree[f"{place}/libc.so.6"]
    with pytest.raises(Refusal, match=r"it needs libc\.so\.6") as caught:
        contents.closed(tree, ["usr/bin/a"])
    assert (caught.value.code, caught.value.where) == ("E-IMAGE-CONTENT", f"{place}/libb.so.1.2")
    with pytest.raises(Refusal, match="cut off or damaged"):
        contents.closed({"a": cpio.file("a", library("libc.so.6")[:90])}, ["a"])


def test_programs_are_linked_where_a_shell_finds_them() -> None:
    tree = {name: cpio.file(name, b"") for name in ("usr/lib/xen-4.20/bin/xl", "usr/bin/x")}
    assert contents.programs(tree, "4.20") == {"usr/sbin/xl": cpio.link("usr/sbin/xl", "/usr/lib/xen-4.20/bin/xl")}
