"""What is brought as a guest: told by its content, read without a mount, and refused where it leads elsewhere."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.verify import guest_sources as sources
from xenbump.errors import Failure, Refusal
from xenbump.verify import cpio, guest_ext4, guest_images
from xenbump.verify.guest_images import Kind
from xenbump.verify.guest_tree import Node, Tree, from_folder

needs_qemu = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")
needs_ext4 = pytest.mark.skipif(shutil.which("mkfs.ext4", path="/usr/sbin:/sbin") is None, reason="no mkfs.ext4")
LONG = "x" * 80


def listed(tree: Tree) -> dict[str, tuple[int, bytes]]:
    return {name: (node.mode, node.data) for name in tree.names() if (node := tree.get(name)) is not None}


def contents(path: Path) -> dict[str, str]:
    """Files of a folder by their hashes: to see that nothing was changed."""
    return {str(one): hashlib.sha256(one.read_bytes()).hexdigest() for one in path.rglob("*") if one.is_file()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = sources.root(tmp_path / "root", b"\x7fELF busybox", "hello")
    (made / "etc").mkdir()
    (made / "etc/large").write_bytes(os.urandom(300_000))
    (made / "etc/empty").touch()
    with (made / "etc/holes").open("wb") as holes:
        holes.seek(200_000)
        holes.write(b"end")
    (made / "etc/long").symlink_to(LONG)
    os.link(made / "etc/large", made / "etc/again")
    for number in range(150):
        (made / f"etc/file-{number:03}").write_text(str(number))
    return made


def test_a_folder_becomes_a_tree_with_links_as_they_are(root: Path) -> None:
    (root / "out").symlink_to("/etc/passwd")
    before = contents(root)
    tree = from_folder(root)
    out, large, again = tree.get("out"), tree.get("etc/large"), tree.get("etc/again")
    assert out is not None
    assert (out.kind, out.data) == ("link", b"/etc/passwd")
    assert large is again
    assert tree.find("/out") is None
    assert tree.find("/bin/sh") == "bin/busybox"
    assert contents(root) == before


def test_a_tree_becomes_an_archive(root: Path) -> None:
    tree = from_folder(root)
    tree.put("dev/null", Node(stat.S_IFCHR | 0o666, 1, 2, b"", (1, 3)))
    data = b"".join(tree.archive())
    assert len(data) % 512 == 0
    entries = {entry.name: entry for entry in cpio.read(data)}
    assert set(entries) == set(tree.names())
    assert entries["bin/busybox"].data == b"\x7fELF busybox"
    assert entries["dev/null"].device == (1, 3)
    # The content comes with the first of two names, and both have the number of one file.
    assert [len(entries[name].data) for name in ("etc/again", "etc/large")] == [300_000, 0]
    at = [data.index(f"{name}\0".encode()) - 110 for name in ("etc/again", "etc/large")]
    assert data[at[0] + 6 : at[0] + 14] == data[at[1] + 6 : at[1] + 14]
    assert data[at[0] + 38 : at[0] + 46] == b"00000002"
    owner = data.index(b"dev/null\0") - 110
    assert data[owner + 22 : owner + 38] == b"0000000100000002"


@pytest.mark.skipif(shutil.which("cpio") is None, reason="cpio is not installed")
def test_an_archive_is_unpacked_by_the_usual_program(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    archive = b"".join(from_folder(root).archive())
    subprocess.run(["cpio", "-idm", "--quiet"], cwd=out, input=archive, check=True)
    assert listed(from_folder(out)) == listed(from_folder(root))
    assert (out / "etc/large").stat().st_nlink == 2


@needs_ext4
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-b", "1024"),
        ("-t", "ext2"),
        ("-t", "ext3", "-b", "1024"),
        ("-O", "^64bit,^metadata_csum"),
        ("-I", "128"),
    ],
)
def test_an_ext4_is_read_as_it_was_made(options: tuple[str, ...], root: Path, tmp_path: Path) -> None:
    made = sources.ext4(root, tmp_path / "disk", *options)
    before = made.read_bytes()
    assert guest_images.kind(made) is Kind.EXT4
    found = guest_images.tree(made, Kind.EXT4, tmp_path)
    assert listed(found) == listed(from_folder(root))
    assert found.get("etc/large") is found.get("etc/again")
    assert made.read_bytes() == before


@needs_ext4
def test_a_partition_is_found(root: Path, tmp_path: Path) -> None:
    inner = sources.ext4(root, tmp_path / "inner").read_bytes()
    table = bytearray(1 << 20)
    table[446 + 4 :][:1] = b"\x83"
    struct.pack_into("<II", table, 446 + 8, 2048, len(inner) // 512)
    table[510:512] = b"\x55\xaa"
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(table) + inner)
    assert guest_images.kind(disk) is Kind.RAW
    assert listed(guest_images.tree(disk, Kind.RAW, tmp_path)) == listed(from_folder(root))
    gpt = bytearray(1 << 20)
    gpt[512:520] = b"EFI PART"
    struct.pack_into("<QII", gpt, 512 + 72, 2, 128, 128)
    struct.pack_into("<QQ", gpt, 1024 + 32, 2048, 2048 + len(inner) // 512)
    gpt[510:512] = b"\x55\xaa"
    disk.write_bytes(bytes(gpt) + inner)
    assert listed(guest_images.tree(disk, guest_images.kind(disk), tmp_path)) == listed(from_folder(root))
    disk.write_bytes(bytes(gpt))
    with pytest.raises(Refusal, match="there is no ext4 file system") as refused:
        guest_images.tree(disk, Kind.RAW, tmp_path)
    assert refused.value.code == "E-GUEST-IMAGE"


@needs_ext4
def test_a_file_system_that_is_in_use_is_refused(root: Path, tmp_path: Path) -> None:
    made = sources.ext4(root, tmp_path / "disk")
    data = bytearray(made.read_bytes())
    data[1024 + 0x60] |= 0x4
    made.write_bytes(data)
    with pytest.raises(Refusal, match="not unmounted cleanly"):
        guest_images.tree(made, Kind.EXT4, tmp_path)
    data[1024 + 0x60] &= ~0x4
    data[1024 + 0x62] |= 0x1
    made.write_bytes(data)
    with pytest.raises(Refusal, match="a feature that is not known here: encrypt"):
        guest_images.tree(made, Kind.EXT4, tmp_path)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("small")
    return sources.ext4(sources.root(folder / "root", b"busybox", "hello"), folder / "disk").read_bytes()


@needs_ext4
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, (1 << 17) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_damaged_file_system_is_refused_or_read(changes: list[tuple[int, int]], small: bytes) -> None:
    data = bytearray(small)
    for place, value in changes:
        data[place] = value
    try:
        guest_ext4.tree(io.BytesIO(bytes(data)), 0, "a disk", 1 << 22)
    except Refusal as error:
        assert error.code in {"E-GUEST-IMAGE", "E-GUEST-SIZE", "E-GUEST-TREE"}  # noqa: PT017 - others are errors


@needs_ext4
def test_a_file_system_is_read_without_a_mount_or_any_other_program(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = sources.ext4(root, tmp_path / "disk")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "etc/large" in guest_images.tree(made, Kind.EXT4, tmp_path)


@needs_ext4
def test_extents_that_lead_to_one_another_do_not_take_for_ever(root: Path, tmp_path: Path) -> None:
    """Four blocks of 340 entries each, the last ones empty: more ways through them than anybody can walk."""
    made = sources.ext4(root, tmp_path / "disk", "-b", "4096")
    data = bytearray(made.read_bytes())
    system = guest_ext4._FileSystem(io.BytesIO(bytes(data)), 0, "a disk")
    (folder_number,) = (number for name, number in system.listed(system.inode(2)) if name == b"etc")
    (number,) = (one for name, one in system.listed(system.inode(folder_number)) if name == b"large")
    inode = system.inode(number)
    first = struct.unpack_from("<I", inode, 0x28 + 12 + 8)[0]

    def node(level: int, entries: int, block: int) -> bytes:
        return (
            struct.pack("<HHHHI", 0xF30A, entries, entries, level, 0) + struct.pack("<IIHH", 0, block, 0, 0) * entries
        )

    place = data.index(inode)
    data[place + 0x28 : place + 0x28 + 60] = node(4, 4, first)
    for level in range(4):
        at = (first + 3 - level) * 4096
        data[at : at + 4096] = node(level, 340 if level else 0, first + 4 - level).ljust(4096, b"\0")
    with pytest.raises(Refusal, match="extents are damaged") as refused:
        guest_ext4.tree(io.BytesIO(bytes(data)), 0, "a disk")
    assert refused.value.code == "E-GUEST-IMAGE"


@needs_ext4
def test_where_a_guest_finds_its_root_file_system(root: Path, tmp_path: Path) -> None:
    whole = sources.ext4(root, tmp_path / "whole")
    assert guest_images.root_device(whole) == "/dev/xvda"
    table = bytearray(1 << 20)
    struct.pack_into("<II", table, 446 + 16 + 8, 2048, 1 << 15)
    table[510:512] = b"\x55\xaa"
    (tmp_path / "parts").write_bytes(bytes(table) + whole.read_bytes())
    assert guest_images.root_device(tmp_path / "parts") == "/dev/xvda2"
    (tmp_path / "parts").write_bytes(table)
    assert guest_images.root_device(tmp_path / "parts") == ""
    assert guest_images.root_device(tmp_path / "none") == ""


@needs_ext4
def test_a_file_system_larger_than_the_limit_is_refused(root: Path, tmp_path: Path) -> None:
    made = sources.ext4(root, tmp_path / "disk")
    for what, path in ((Kind.EXT4, made), (Kind.FOLDER, root)):
        with pytest.raises(Refusal) as refused:
            guest_images.tree(path, what, tmp_path, 100_000)
        assert refused.value.code == "E-GUEST-SIZE"


@needs_ext4
@needs_qemu
def test_a_qcow2_is_read_and_left_as_it_is(root: Path, tmp_path: Path) -> None:
    made = sources.qcow2(sources.ext4(root, tmp_path / "raw"), tmp_path / "disk.qcow2", "-c")
    before = made.read_bytes()
    work = tmp_path / "work"
    work.mkdir()
    assert guest_images.kind(made) is Kind.QCOW2
    assert listed(guest_images.tree(made, Kind.QCOW2, work)) == listed(from_folder(root))
    assert list(work.iterdir()) == []
    raw = guest_images.disk(made, Kind.QCOW2, work)
    assert raw.read_bytes() == (tmp_path / "raw").read_bytes()
    assert made.read_bytes() == before


@needs_qemu
def test_a_qcow2_that_leans_on_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret" * 10_000)
    backed, beside = tmp_path / "backed.qcow2", tmp_path / "beside.qcow2"
    create = ["qemu-img", "create", "-q", "-f", "qcow2"]
    subprocess.run([*create, "-F", "raw", "-b", str(tmp_path / "secret"), str(backed)], check=True)
    subprocess.run([*create, "-o", f"data_file={tmp_path}/data", str(beside), "1M"], check=True)
    for path, what in ((backed, "a backing file"), (beside, "its data in another file")):
        with pytest.raises(Refusal, match=what) as refused:
            guest_images.tree(path, guest_images.kind(path), tmp_path)
        assert refused.value.code == "E-GUEST-IMAGE"
        with pytest.raises(Refusal, match=what):
            guest_images.disk(path, Kind.QCOW2, tmp_path)


def test_qemu_is_told_the_format_and_given_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "qemu-img").write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nulimit -f >> {tmp_path}/asked\nexit 1\n'
    )
    (tmp_path / "qemu-img").chmod(0o755)
    (tmp_path / "disk").write_bytes(header())
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(Failure):
        guest_images.disk(tmp_path / "disk", Kind.QCOW2, tmp_path)
    words, limit = (tmp_path / "asked").read_text().splitlines()
    assert words == f"convert -f qcow2 -O raw -S 4k {tmp_path}/disk {tmp_path}/disk.raw"
    assert int(limit) * 512 == guest_images.MOST_DISK


def header(version: int = 3, *, size: int = 1 << 20, encrypted: int = 0) -> bytes:
    return b"QFI\xfb" + struct.pack(">IQIIQI", version, 0, 0, 16, size, encrypted) + bytes(72)


@pytest.mark.parametrize(
    ("data", "code", "what"),
    [
        (b"QFI\xfb", "E-GUEST-IMAGE", "no qcow2"),
        (header(1), "E-GUEST-IMAGE", "version 1"),
        (header(encrypted=1), "E-GUEST-IMAGE", "encrypted"),
        (header(size=1 << 50), "E-GUEST-SIZE", "the disk has"),
    ],
)
def test_what_is_refused_of_a_qcow2(data: bytes, code: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(data)
    with pytest.raises(Refusal, match=what) as refused:
        guest_images.check_qcow2(tmp_path / "disk")
    assert refused.value.code == code


@needs_qemu
def test_a_damaged_qcow2_is_qemus_word(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(header())
    with pytest.raises(Failure, match="qemu-img: ") as failed:
        guest_images.tree(tmp_path / "disk", Kind.QCOW2, tmp_path)
    assert failed.value.code == "E-GUEST-TOOL"


@needs_ext4
def test_a_folder_becomes_a_disk(root: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    before = contents(root)
    made = guest_images.disk(root, Kind.FOLDER, work)
    assert contents(root) == before
    assert made.stat().st_size == guest_images.ext4_size(from_folder(root))
    assert listed(guest_images.tree(made, Kind.EXT4, work)) == listed(from_folder(root))
    copy = tmp_path / "copy"
    copy.mkdir()
    assert guest_images.disk(made, Kind.EXT4, copy).read_bytes() == made.read_bytes()
    with pytest.raises(Refusal, match="handed over as a disk, and this is: tar"):
        guest_images.disk(made, Kind.TAR, copy)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "no tar, no ext4"),
        (b"KDMV" + bytes(600), "VMDK"),
        (b"conectix" + bytes(600), "VHD"),
        (b"hsqs" + bytes(600), "squashfs"),
        (bytes(2000), "no disk with partitions"),
    ],
)
def test_what_is_nothing_known(data: bytes, what: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(Refusal, match=what) as refused:
        guest_images.kind(tmp_path / "file")
    assert refused.value.code == "E-GUEST-SOURCE"
    with pytest.raises(Refusal, match="cannot be read"):
        guest_images.kind(tmp_path / "none")


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(Refusal, match="neither a file nor a folder"):
            guest_images.kind(path)
    tree = from_folder(tmp_path)
    node = tree.get("pipe")
    assert node is not None
    assert node.kind == "pipe"
