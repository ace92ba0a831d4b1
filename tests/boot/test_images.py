"""What images of Debian's packages have in them, and that they are made once."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from xenbump.errors import Failure
from xenbump.verify import bytecode, contents, cpio, elf, image, payload

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.verify.image import Image

pytestmark = pytest.mark.xdist_group("boot")


@pytest.fixture(params=["417", "420"])
def made(request: pytest.FixtureRequest) -> Image:
    found: Image = request.getfixturevalue(f"image_{request.param}")
    return found


def entries(path: Path) -> dict[str, cpio.Entry]:
    return {entry.name: entry for entry in cpio.read(path.read_bytes())}


def test_hypervisor_and_kernel_are_unpacked(made: Image) -> None:
    assert elf.bits(made.hypervisor.read_bytes()) == 32
    assert elf.bits(made.kernel.read_bytes()) == 64
    assert image.load(made.folder) == made


def test_the_manifest_says_what_it_was_made_of(made: Image) -> None:
    described = made.manifest
    assert described.packages[f"xen-utils-{described.xen}"].version == described.tools
    assert all(len(source.sha256) == 64 for source in described.packages.values())
    assert described.xenstored == ("oxenstored", "xenstored")
    assert described.origin == f"Debian {'bookworm' if described.xen == '4.17' else 'trixie'}"


def test_the_root_file_system_has_what_a_dom0_needs_and_little_else(made: Image) -> None:
    root = entries(made.initrd)
    for name in ("init", "usr/sbin/xl", "usr/sbin/xenconsoled", "usr/bin/sh", "usr/bin/python3", "etc/xen/xl.conf"):
        assert name in root
    assert f"boot/config-{made.manifest.kernel}" in root
    assert stat.S_ISCHR(root["dev/console"].mode)
    assert {name for name in root if name.endswith(".ko")} == {
        f"usr/lib/modules/xen/{module}.ko" for module in contents.MODULES
    }
    # Compiled, all of it: that is done once, and not under emulation.
    assert not [name for name in root if name.endswith(".py")]
    assert "usr/lib/x86_64-linux-gnu/libgcc_s.so.1" in root
    assert made.initrd.stat().st_size < 40 << 20
    # What links lead to is there.
    for entry in root.values():
        if entry.is_link and entry.name.startswith("usr/sbin/"):
            assert entry.data.decode().lstrip("/") in root, entry.name


def test_the_agent_is_compiled_by_the_images_python(made: Image) -> None:
    assert payload.has_agent(made)
    agent = entries(made.folder / "agent.cpio")
    assert {"opt/xenbump/dom0/agent.pyc", "opt/xenbump/dom0/frames.pyc"} <= set(agent)
    assert not [name for name in agent if name.endswith(".py")]


def test_it_is_made_once(made: Image) -> None:
    told: list[str] = []
    assert image.from_debian(made.manifest.xen, image.cache_folder(os.environ), told.append) == made
    assert told == []


def test_an_image_without_python() -> None:
    for tree in ({}, {"usr/bin/python3.11": cpio.file("usr/bin/python3.11", b"")}):
        with pytest.raises(Failure) as caught:
            bytecode.prepared(tree)
        assert caught.value.code == "E-IMAGE-CONTENT"
    with pytest.raises(Failure, match="the image has no Python 3"):
        bytecode.compiled({}, {"a.py": b"pass"})
