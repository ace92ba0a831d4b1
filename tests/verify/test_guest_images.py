"""What is brought as a guest: told by its content, read without a mount, and refused where it leads elsewhere."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import stat
import struct
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.verify import guest_sources as sources
from tests.verify.guest_sources import fields, folder_member, layer, member
from xenbump.errors import Failure, Refusal
from xenbump.verify import cpio, guest_ext4, guest_images, guest_tar
from xenbump.verify.guest_images import Kind
from xenbump.verify.guest_tree import Node, Tree, file, folder, from_folder

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


def test_tars_of_each_packing(tmp_path: Path) -> None:
    data = layer(
        member("a/b", b"content", uid=7, gid=8, mode=0o4755), member("c", type=tarfile.LNKTYPE, linkname="a/b")
    )
    (tmp_path / "plain").write_bytes(data)
    for name in ("gzip", "bzip2", "xz", "zstd"):
        if shutil.which(name):
            packed = subprocess.run([name, "-c"], input=data, check=True, capture_output=True).stdout
            (tmp_path / name).write_bytes(packed)
    for path in tmp_path.iterdir():
        assert guest_images.kind(path) is Kind.TAR
        tree = guest_images.tree(path, Kind.TAR, tmp_path)
        node = tree.get("a/b")
        assert node is not None
        assert (node.mode, node.uid, node.gid, node.data) == (stat.S_IFREG | 0o4755, 7, 8, b"content")
        assert tree.get("c") is node
        assert tree.names() == ["a", "a/b", "c"]


@pytest.mark.parametrize(
    ("members", "what"),
    [
        ([member("../a", b"")], "leads upwards"),
        ([member("a/../../b", b"")], "leads upwards"),
        ([member("a", type=tarfile.LNKTYPE, linkname="../etc/passwd")], "leads upwards"),
        ([member("a", type=tarfile.LNKTYPE, linkname="/etc/passwd")], "no file"),
        ([folder_member("d"), member("a", type=tarfile.LNKTYPE, linkname="d")], "no file"),
        ([member("a", type=tarfile.CHRTYPE, devmajor=1 << 15, devminor=0)], "no device"),
    ],
)
def test_hostile_tars_are_refused(members: list[sources.Member], what: str, tmp_path: Path) -> None:
    (tmp_path / "tar").write_bytes(layer(*members))
    with pytest.raises(Refusal, match=what) as refused:
        guest_images.tree(tmp_path / "tar", Kind.TAR, tmp_path)
    assert refused.value.code == "E-GUEST-TREE"


def test_of_two_files_of_a_name_the_last_one_counts(tmp_path: Path) -> None:
    (tmp_path / "tar").write_bytes(
        layer(
            member("a", b"first"),
            member("./a", b"second"),
            member("b", b"a file"),
            folder_member("b"),
            member("c/d", b""),
            member("c", type=tarfile.SYMTYPE, linkname="b"),
            member("/c/e", b"through"),
        )
    )
    tree = guest_images.tree(tmp_path / "tar", Kind.TAR, tmp_path)
    assert tree.names() == ["a", "b", "b/e", "c"]
    assert tree.size == len(b"second" + b"through" + b"b")


def test_devices_and_pipes_stay_in_the_tree(tmp_path: Path) -> None:
    (tmp_path / "tar").write_bytes(
        layer(
            member("dev/sda", type=tarfile.BLKTYPE, devmajor=8, devminor=0, mode=0o4777),
            member("dev/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
            member("pipe", type=tarfile.FIFOTYPE),
            member("unknown", type=b"Z"),
        )
    )
    before = sorted(tmp_path.rglob("*"))
    tree = guest_images.tree(tmp_path / "tar", Kind.TAR, tmp_path)
    kinds = {name: node.kind for name in tree.names() if (node := tree.get(name)) is not None}
    assert kinds == {"dev": "folder", "dev/null": "device", "dev/sda": "device", "pipe": "pipe", "unknown": "file"}
    assert sorted(tmp_path.rglob("*")) == before


def test_bombs_are_stopped(tmp_path: Path) -> None:
    small = gzip.compress(layer(member("a", bytes(8 << 20))))
    (tmp_path / "tar").write_bytes(small)
    assert len(small) < 20_000
    with pytest.raises(Refusal, match="it unpacks to more than 4 MiB") as refused:
        guest_tar.put(Tree("a tar"), tmp_path / "tar", "a tar", most=4 << 20)
    assert refused.value.code == "E-GUEST-SIZE"
    (tmp_path / "tar").write_bytes(gzip.compress(layer(member("a", b"1")) + bytes(8 << 20)))
    with pytest.raises(Refusal, match="it unpacks to more than 4 MiB"):
        guest_tar.put(Tree("a tar"), tmp_path / "tar", "a tar", most=4 << 20)


@pytest.mark.parametrize("size", [1 << 31, 1 << 62])
def test_a_file_that_says_to_be_enormous_is_not_made_room_for(size: int, tmp_path: Path) -> None:
    for kind, code in ((tarfile.REGTYPE, "E-GUEST-SIZE"), (tarfile.GNUTYPE_LONGNAME, "E-GUEST-TAR")):
        (tmp_path / "tar").write_bytes(fields("a", kind, size) + b"little" + bytes(1018))
        with pytest.raises(Refusal) as refused:
            guest_images.tree(tmp_path / "tar", Kind.TAR, tmp_path)
        assert refused.value.code == code


def test_headers_that_announce_one_another_for_ever(tmp_path: Path) -> None:
    one = fields("././@LongLink", tarfile.GNUTYPE_LONGNAME, 2) + b"a\0".ljust(512, b"\0")
    (tmp_path / "tar").write_bytes(one * 3000 + fields("a", tarfile.REGTYPE, 0) + bytes(1024))
    with pytest.raises(Refusal) as refused:
        guest_images.tree(tmp_path / "tar", guest_images.kind(tmp_path / "tar"), tmp_path)
    assert refused.value.code == "E-GUEST-TAR"


@pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is not installed")
def test_what_zstd_did_not_unpack_to_its_end_is_refused(tmp_path: Path) -> None:
    def packed(data: bytes) -> bytes:
        return subprocess.run(["zstd", "-c"], input=data, check=True, capture_output=True).stdout

    whole = layer(member("a", bytes(512)), member("b", b"2"))
    # A frame that ends between two files, and another that is cut off: without zstd's word it would be a tar.
    (tmp_path / "tar").write_bytes(packed(whole[:1024]) + packed(whole[1024:])[:-3])
    with pytest.raises(Refusal) as refused:
        guest_images.tree(tmp_path / "tar", Kind.TAR, tmp_path)
    assert refused.value.code == "E-GUEST-TAR"
    (tmp_path / "tar").write_bytes(packed(whole[:1024]) + b"no frame")
    with pytest.raises(Refusal, match="zstd does not unpack it: exit status 1"):
        guest_images.tree(tmp_path / "tar", Kind.TAR, tmp_path)


def test_folders_in_each_other_as_deeply_as_names_allow(tmp_path: Path) -> None:
    deep = "/".join("a" * 2000)
    tree = Tree("a tree")
    tree.put(deep, file(b"1"))
    assert tree.size == 1
    tree.remove("a")
    assert (len(tree), tree.size) == (0, 0)
    for name in (f"{deep}/{deep}", "b" * 256, "\u20ac" * 86, "a\0b"):
        with pytest.raises(Refusal, match="is no name of a file"):
            tree.put(name, file(b""))
    # What pytest, pathlib and shutil do with folders calls itself for each.
    folders = [f"{tmp_path}{'/a' * depth}" for depth in range(1, 1201)]
    try:
        for one in folders:
            os.mkdir(one)  # noqa: PTH102
        assert len(from_folder(tmp_path)) == len(folders)
    finally:
        for one in reversed(folders):
            os.rmdir(one)  # noqa: PTH106


def test_links_lead_nowhere_but_into_the_tree(tmp_path: Path) -> None:
    (tmp_path / "tar").write_bytes(
        layer(
            member("/absolute", b"1"),
            member("usr/lib/x", b"2"),
            member("lib", type=tarfile.SYMTYPE, linkname="/usr/lib"),
            member("lib/y", b"3"),
            member("up", type=tarfile.SYMTYPE, linkname="../../../usr"),
            member("up/z", b"4"),
            member("loop", type=tarfile.SYMTYPE, linkname="loop"),
            member("loop/a", b"5"),
        )
    )
    tree = guest_images.tree(tmp_path / "tar", Kind.TAR, tmp_path)
    assert [name for name in tree.names() if (node := tree.get(name)) is not None and node.is_file] == [
        "absolute",
        "loop/a",
        "usr/lib/x",
        "usr/lib/y",
        "usr/z",
    ]


def test_a_tar_that_is_too_large_or_cut_off(tmp_path: Path) -> None:
    data = layer(member("a", bytes(100_000)))
    (tmp_path / "tar").write_bytes(data[:50_000])
    with pytest.raises(Refusal) as refused:
        guest_images.tree(tmp_path / "tar", Kind.TAR, tmp_path)
    assert refused.value.code == "E-GUEST-TAR"
    (tmp_path / "tar").write_bytes(data)
    with pytest.raises(Refusal) as refused:
        guest_images.tree(tmp_path / "tar", Kind.TAR, tmp_path, 99_999)
    assert refused.value.code == "E-GUEST-SIZE"
    (tmp_path / "tar").write_bytes(b"\x1f\x8b\x08" + bytes(600))
    with pytest.raises(Refusal) as refused:
        guest_images.tree(tmp_path / "tar", Kind.TAR, tmp_path)
    assert refused.value.code == "E-GUEST-TAR"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(st.binary(max_size=1500), st.integers(0, 1400)), noise=st.binary(max_size=20))
def test_any_bytes_are_a_tar_or_refused(data: bytes | int, noise: bytes, tmp_path: Path) -> None:
    if isinstance(data, int):
        whole = layer(member("a/b", b"content"))
        data = whole[:data] + noise + whole[data + len(noise) :]
    path = tmp_path / "tar"
    path.write_bytes(data)
    try:
        guest_tar.put(Tree("a tar"), path, "a tar")
    except Refusal as error:
        assert error.code in {"E-GUEST-TAR", "E-GUEST-TREE", "E-GUEST-SIZE"}  # noqa: PT017 - others are errors


_NAMES = st.lists(st.sampled_from(["a", "b", "..", ".", "c"]), min_size=1, max_size=4).map("/".join)
_STEPS = st.lists(st.tuples(_NAMES, st.sampled_from(["file", "folder", "link", "join", "remove"]), _NAMES), max_size=12)


@settings(max_examples=40, deadline=None)
@given(steps=_STEPS)
def test_a_tree_stays_a_tree(steps: list[tuple[str, str, str]]) -> None:
    tree = Tree("a tree")
    for name, kind, target in steps:
        try:
            if kind == "join":
                tree.join(name, target)
            elif kind == "remove":
                tree.remove(tree.find(name) or "")
            else:
                nodes = {"file": file(b"1"), "folder": folder(), "link": Node(stat.S_IFLNK, data=target.encode())}
                tree.put(name, nodes[kind])
        except Refusal as error:
            assert error.code == "E-GUEST-TREE"  # noqa: PT017 - others are errors
    for name in tree.names():
        parent, _, _ = name.rpartition("/")
        above = tree.get(parent)
        assert ".." not in name.split("/")
        assert not parent or (above is not None and above.is_folder)
        assert name in tree.children(parent)
    assert tree.size == sum(len(node.data) for name in tree.names() if (node := tree.get(name)) is not None)
    names = [entry.name for entry in cpio.read(b"".join(tree.archive()))]
    assert sorted(names) == sorted(tree.names())
