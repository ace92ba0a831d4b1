"""Tars of root file systems: read in memory, within limits, and refused where they lead elsewhere."""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.verify.guest_sources import fields, folder_member, layer, member
from xenbump.errors import Refusal
from xenbump.verify import cpio, guest_images, guest_tar
from xenbump.verify.guest_images import Kind
from xenbump.verify.guest_tree import Node, Tree, file, folder, from_folder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.verify import guest_sources as sources


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
