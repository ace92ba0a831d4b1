"""Kernels and hypervisors, in each of the ways in which they are packed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verify.elves import hypervisor, library
from xenbump.errors import Refusal
from xenbump.verify import kernel

if TYPE_CHECKING:
    from collections.abc import Callable

ELF = library("none.so") + bytes(5000)


def image(payload: bytes, *, protocol: int = 0x20F, cut: int = 0) -> bytes:
    """A bzImage with this payload."""
    setup = bytearray(512 * 3)
    setup[0x1F1] = 2
    setup[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", setup, 0x206, protocol)
    struct.pack_into("<II", setup, 0x248, 100, len(payload))
    whole = bytes(setup) + bytes(100) + payload
    return whole[: len(whole) - cut]


def by_program(*argv: str) -> Callable[[bytes], bytes]:
    def pack(data: bytes) -> bytes:
        return subprocess.run(argv, input=data, stdout=subprocess.PIPE, check=True).stdout + struct.pack(
            "<I", len(data)
        )

    return pack


def with_size(pack: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda data: pack(data) + struct.pack("<I", len(data))


@pytest.mark.parametrize(
    ("program", "pack"),
    [
        ("", gzip.compress),
        ("", with_size(lzma.compress)),
        ("", with_size(lambda data: lzma.compress(data, lzma.FORMAT_ALONE))),
        ("", with_size(bz2.compress)),
        ("zstd", by_program("zstd", "-q", "-c")),
        ("lz4", by_program("lz4", "-q", "-l", "-c")),
    ],
    ids=["gzip", "xz", "lzma", "bzip2", "zstd", "lz4"],
)
def test_the_kernel_in_a_bzimage(program: str, pack: Callable[[bytes], bytes]) -> None:
    if program and shutil.which(program) is None:
        pytest.skip(f"there is no {program} here")
    assert kernel.vmlinux(image(pack(ELF)), "vmlinuz") == ELF


def test_an_elf_file_is_a_kernel_already() -> None:
    assert kernel.vmlinux(ELF, "vmlinux") == ELF


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "neither an ELF file nor a bzImage"),
        (bytes(2000), "neither an ELF file nor a bzImage"),
        (image(gzip.compress(ELF, mtime=0), protocol=0x207), r"its boot protocol 2\.07 does not say where the"),
        (image(gzip.compress(ELF, mtime=0), cut=1), "it is cut off"),
        (image(gzip.compress(ELF, mtime=0)[:-9] + b"12345"), "it is damaged"),
        (image(lzma.compress(ELF)[:40]), "what is packed in it is no ELF file"),
        (image(gzip.compress(b"no kernel", mtime=0)), "what is packed in it is no ELF file"),
        (image(b"\x89LZO" + bytes(50)), "it begins with 89 4c 5a 4f"),
    ],
)
def test_what_is_no_kernel(content: bytes, message: str) -> None:
    with pytest.raises(Refusal, match=message) as caught:
        kernel.vmlinux(content, "vmlinuz")
    assert (caught.value.code, caught.value.where) == ("E-IMAGE-KERNEL", "vmlinuz")


def test_a_kernel_that_unpacks_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "LARGEST", 1 << 20)
    for pack in (gzip.compress, with_size(lzma.compress), with_size(bz2.compress)):
        with pytest.raises(Refusal, match="it unpacks to more than 1 MiB"):
            kernel.vmlinux(image(pack(bytes(3 << 20))), "vmlinuz")


@given(st.binary(max_size=300), st.integers(0, 0x300))
def test_no_damage_raises_anything_else(noise: bytes, place: int) -> None:
    good = bytearray(image(gzip.compress(ELF, mtime=0)))
    good[place : place + len(noise)] = noise
    try:
        found = kernel.vmlinux(bytes(good), "vmlinuz")
    except Refusal:
        return
    assert found in {ELF, bytes(good)}


def test_hypervisors() -> None:
    content = hypervisor(b"xen")
    assert kernel.hypervisor(content, "xen") == content
    assert kernel.hypervisor(gzip.compress(content, mtime=0), "xen.gz") == content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is no ELF file"),
        (b"MZ" + bytes(100), "it is no ELF file"),
        (ELF, "it is a 64-bit ELF file, such as xen-syms"),
        (gzip.compress(b"text", mtime=0), "it is no ELF file"),
        (gzip.compress(hypervisor(), mtime=0)[:-9], "it is damaged: it is cut off"),
        (b"\x1f\x8b" + bytes(30), "it is damaged"),
    ],
)
def test_what_is_no_hypervisor(content: bytes, message: str) -> None:
    with pytest.raises(Refusal, match=message) as caught:
        kernel.hypervisor(content, "xen")
    assert caught.value.code == "E-IMAGE-HYPERVISOR"
