"""What programs and libraries need, out of their headers."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verify.elves import hypervisor, library
from xenbump.verify import elf


def test_libraries_and_interpreter() -> None:
    found = elf.needs(library("libc.so.6", "libm.so.6", interpreter="/lib64/ld.so"))
    assert found == elf.Needs("/lib64/ld.so", ("libc.so.6", "libm.so.6"))
    assert elf.needs(library()) == elf.Needs()


def test_this_python() -> None:
    found = elf.needs(Path(sys.executable).resolve().read_bytes())
    assert found.interpreter.startswith("/")
    assert any(name.startswith("libc.") for name in found.libraries)


def test_classes() -> None:
    assert elf.bits(library()) == 64
    assert elf.bits(hypervisor()) == 32
    assert [
        elf.bits(content) for content in (b"", b"\x7fELF", b"\x7fELF\x02\x02", b"#!/bin/sh\n", b"\x7fELF\x09\x01")
    ] == [0] * 5


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh", hypervisor()])
def test_other_files_need_nothing(content: bytes) -> None:
    assert elf.needs(content) == elf.Needs()


@given(st.integers(0, 400), st.integers(0, 255), st.integers(0, 400))
def test_damage_is_an_error_or_harmless(place: int, byte: int, length: int) -> None:
    content = bytearray(library("libc.so.6", interpreter="/lib64/ld.so"))
    content[min(place, len(content) - 1)] = byte
    with contextlib.suppress(ValueError):
        assert isinstance(elf.needs(bytes(content[: len(content) - length])), elf.Needs)


def test_a_file_that_is_cut_off() -> None:
    with pytest.raises(ValueError, match="cut off or damaged"):
        elf.needs(library("libc.so.6")[:100])
    far = bytearray(library("libc.so.6"))
    far[0x27] = 0xFF
    with pytest.raises(ValueError, match="cut off or damaged"):
        elf.needs(bytes(far))
