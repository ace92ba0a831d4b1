"""Container images: what is believed of a layout, how its layers lie over each other, and what is run in it."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.verify import guest_sources as sources
from tests.verify.guest_sources import fields, folder_member, layer, layout, member
from xenbump.errors import Failure, Refusal
from xenbump.verify import guest_images, oci
from xenbump.verify.guest_init import Process

if TYPE_CHECKING:
    from pathlib import Path

BASE = layer(
    member("bin/sh", b"#!busybox"),
    member("etc/passwd", b"root:x:0:0:r:/root:/bin/sh\nweb:x:7:8:w:/srv:/bin/sh\n"),
    member("etc/group", b"root:x:0:\nstaff:x:50:\n"),
    member("var/old", b"old"),
    member("var/kept", b"kept"),
)
CONFIG: dict[str, Any] = {"Cmd": ["sh"]}


def loaded(tmp_path: Path, files: dict[str, bytes], **options: Any) -> oci.Container:
    """An image out of an archive, and the same out of a folder."""
    archive = sources.archive(tmp_path / "image.tar", files)
    for name, data in files.items():
        (tmp_path / "image" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "image" / name).write_bytes(data)
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    found = oci.load(archive, work, **options)
    again = oci.load(tmp_path / "image", work, **options)
    assert again.tree.names() == found.tree.names()
    assert again.process == found.process
    assert list(work.iterdir()) == []
    return found


def refused(tmp_path: Path, files: dict[str, bytes], **options: Any) -> str:
    with pytest.raises(Refusal) as error:
        loaded(tmp_path, files, **options)
    assert error.value.code == "E-GUEST-OCI"
    return error.value.what


def test_layers_lie_over_each_other(tmp_path: Path) -> None:
    upper = layer(
        member("var/.wh.old", b""),
        member("var/new", b"new"),
        folder_member("opt"),
        member("opt/fresh", b"1"),
        member("opt/.wh..wh..opq", b""),
        member("var/.wh..wh.plnk", b""),
    )
    middle = layer(member("opt/hidden", b"1"), member("opt/deep/hidden", b"2"), member("var/.wh.new", b""))
    tree = loaded(tmp_path, layout([BASE, middle, upper], CONFIG)).tree
    assert [name for name in tree.names() if name.startswith(("opt", "var"))] == [
        "opt",
        "opt/fresh",
        "var",
        "var/kept",
        "var/new",
    ]


def test_a_whiteout_hides_lower_layers_only_wherever_it_stands(tmp_path: Path) -> None:
    upper = layer(
        member("var/new", b"new"),
        member("var/.wh.new", b""),
        member("var/.wh..wh..opq", b""),
        member("etc/.wh.none", b""),
        member("none/.wh.none", b""),
    )
    tree = loaded(tmp_path, layout([BASE, upper], CONFIG)).tree
    assert tree.children("var") == ("var/new",)


@pytest.mark.parametrize("name", [".wh.", "a/.wh..", "a/.wh...", "../.wh.a/../.."])
def test_a_whiteout_of_nothing_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Refusal) as error:
        loaded(tmp_path, layout([BASE, layer(member(name, b""))], CONFIG))
    assert error.value.code == "E-GUEST-TREE"


def test_what_an_image_runs(tmp_path: Path) -> None:
    config = {"Entrypoint": ["/bin/sh", "-c"], "Cmd": ["a 'b'"], "Env": ["A=b=c"], "WorkingDir": "srv", "User": "web"}
    files = layout([BASE], config)
    assert loaded(tmp_path, files).process == Process(
        ("/bin/sh", "-c", "a 'b'"), (("HOME", "/srv"), ("A", "b=c")), "/srv", 7, 8
    )
    assert loaded(tmp_path, files, command=("sh", "x")).process.words == ("sh", "x")


@pytest.mark.parametrize(
    ("user", "owner"),
    [("", (0, 0)), ("root", (0, 0)), ("7", (7, 8)), ("9", (9, 0)), ("9:9", (9, 9)), ("web:staff", (7, 50))],
)
def test_users(user: str, owner: tuple[int, int], tmp_path: Path) -> None:
    process = loaded(tmp_path, layout([BASE], {**CONFIG, "User": user})).process
    assert (process.uid, process.gid) == owner


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({"User": "nobody"}, "no user `nobody`"),
        ({"User": "0:none"}, "no group `none`"),
        ({"User": "4294967295"}, "no user that there can be"),
        ({"User": 7}, "no text"),
        ({"Env": ["A"]}, "no variable with a value"),
        ({"Env": "A=b"}, "no list of texts"),
        ({"Cmd": [1]}, "no list of texts"),
    ],
)
def test_configurations_that_are_refused(config: dict[str, Any], what: str, tmp_path: Path) -> None:
    assert what in refused(tmp_path, layout([BASE], config))


def changed(files: dict[str, bytes], name: str, change: bytes) -> dict[str, bytes]:
    return {**files, name: change}


def test_a_blob_is_believed_by_its_digest_and_size_only(tmp_path: Path) -> None:
    files = layout([BASE], CONFIG)
    for name in [name for name in files if name.startswith("blobs/")]:
        for change in (files[name] + b"x", files[name][:-1], bytes([files[name][0] ^ 1]) + files[name][1:]):
            assert "is not what its digest and size say" in refused(tmp_path, changed(files, name, change))
        less = {other: data for other, data in files.items() if other != name}
        shutil.rmtree(tmp_path / "image")
        assert "there is no `blobs/" in refused(tmp_path, less)


def test_a_layer_is_believed_by_its_content_too(tmp_path: Path) -> None:
    digest = f"sha256:{hashlib.sha256(b'').hexdigest()}"
    assert "a layer's content is" in refused(tmp_path, layout([BASE], CONFIG, diff_ids=[digest]))
    assert "its configuration names 0" in refused(tmp_path, layout([BASE], CONFIG, diff_ids=[]))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"architecture": "arm64"}, "it is for linux/arm64"),
        ({"platform": {"os": "linux", "architecture": "riscv64"}}, "no image for linux/amd64"),
        ({"platform": None}, ""),
    ],
)
def test_the_platform(changes: dict[str, Any], what: str, tmp_path: Path) -> None:
    files = layout([BASE], CONFIG, **changes)
    if what:
        assert what in refused(tmp_path, files)
    else:
        assert loaded(tmp_path, files).process.words == ("sh",)


def test_one_of_several_images_is_named(tmp_path: Path) -> None:
    files = layout([BASE], CONFIG)
    index = json.loads(files["index.json"])
    index["manifests"] = [
        {**index["manifests"][1], "annotations": {"org.opencontainers.image.ref.name": name}} for name in "ab"
    ]
    files["index.json"] = json.dumps(index).encode()
    assert refused(tmp_path, files) == "it has 2 images for linux/amd64"
    assert refused(tmp_path, files, ref="c") == "it has no image for linux/amd64 called `c`"
    assert loaded(tmp_path, files, ref="b").process.words == ("sh",)


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("oci-layout", b'{"imageLayoutVersion": "2"}', "of version 2"),
        ("oci-layout", b"[]", "is no object"),
        ("index.json", b"{", "is no JSON"),
        ("index.json", b"[" * 100_000, "is no JSON"),
        ("index.json", b"{}", "is no list"),
        ("index.json", b'{"manifests": [{"mediaType": "x"}]}', "no image for linux/amd64"),
    ],
)
def test_layouts_that_are_refused(name: str, data: bytes, what: str, tmp_path: Path) -> None:
    assert what in refused(tmp_path, changed(layout([BASE], CONFIG), name, data))


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ([member("../a", b"")], "E-GUEST-TREE"),
        ([member("a", type=tarfile.LNKTYPE, linkname="/etc/shadow")], "E-GUEST-TREE"),
        ([member("a", type=tarfile.CHRTYPE, devmajor=1 << 15, devminor=0)], "E-GUEST-TREE"),
        ([member("x" * 256, b"")], "E-GUEST-TREE"),
    ],
)
def test_hostile_layers_are_refused(members: list[sources.Member], code: str, tmp_path: Path) -> None:
    with pytest.raises(Refusal) as error:
        loaded(tmp_path, layout([BASE, layer(*members)], CONFIG))
    assert error.value.code == code


def test_layers_write_nothing_through_links(tmp_path: Path) -> None:
    upper = layer(
        member("etc", type=tarfile.SYMTYPE, linkname=str(tmp_path)),
        member("etc/new", b"new"),
        member("/absolute", b"1"),
        member("dev/sda", type=tarfile.BLKTYPE, devmajor=8, devminor=0),
    )
    tree = loaded(tmp_path, layout([BASE, upper], CONFIG)).tree
    assert not (tmp_path / "new").exists()
    assert tree.get("absolute") is not None
    assert tree.get("etc/new") is not None


def test_layers_that_unpack_to_too_much_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = layer(member("bin/sh", bytes(1 << 20)))
    files = layout([large, large, large], CONFIG)
    assert loaded(tmp_path, files).tree.size == 1 << 20
    for name, value in (("oci._MOST_UNPACKED", 3 << 20), ("guest_tar.MOST_UNPACKED", 1 << 20)):
        with monkeypatch.context() as patch:
            patch.setattr(f"xenbump.verify.{name}", value)
            with pytest.raises(Refusal, match="it unpacks to more than") as error:
                loaded(tmp_path, files)
            assert error.value.code == "E-GUEST-SIZE"
    with pytest.raises(Refusal, match="more than 0 MiB") as error:
        loaded(tmp_path, files, limit=1000)
    assert error.value.code == "E-GUEST-SIZE"


def test_archives_that_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = layout([BASE], CONFIG)
    archive = tmp_path / "image.tar"
    whole = layer(*(member(name, data) for name, data in files.items()))
    for data, what in (
        (layer(*(member(name, data) for name, data in files.items()), member("./index.json", b"{}")), "is twice in it"),
        (gzip.compress(whole), "it is packed by gzip"),
        (fields("oci-layout", tarfile.REGTYPE, 1 << 62), "there is no `index.json`|cannot be read|no JSON"),
        (fields("x", tarfile.GNUTYPE_LONGNAME, 1 << 62) + bytes(2000), "cannot be read"),
        (fields("x", tarfile.GNUTYPE_LONGNAME, 2) * 5000, "cannot be read"),
    ):
        archive.write_bytes(data)
        with pytest.raises(Refusal, match=what) as error:
            oci.load(archive, tmp_path)
        assert error.value.code == "E-GUEST-OCI"
    archive.write_bytes(whole)
    monkeypatch.setattr(oci, "_MOST_MEMBERS", 2)
    with pytest.raises(Refusal, match="more than 2 files"):
        oci.load(archive, tmp_path)


def test_a_disk_that_is_full_is_not_the_images_fault(tmp_path: Path) -> None:
    archive = sources.archive(tmp_path / "image.tar", layout([BASE], CONFIG))
    with pytest.raises(Failure) as error:
        oci.load(archive, tmp_path / "none")
    assert error.value.code == "E-VERIFY-DISK"


def test_what_docker_saves(tmp_path: Path) -> None:
    config = json.dumps(
        {
            "os": "linux",
            "architecture": "amd64",
            "config": CONFIG,
            "rootfs": {"diff_ids": [f"sha256:{hashlib.sha256(BASE).hexdigest()}"] * 2},
        }
    ).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    listed = [{"Config": name, "RepoTags": ["docker.io/library/a:1"], "Layers": ["1/layer.tar", "2/layer.tar"]}]
    archive = tmp_path / "saved.tar"
    members = [member("1/layer.tar", BASE), member("2/layer.tar", type=tarfile.SYMTYPE, linkname="../1/layer.tar")]
    archive.write_bytes(layer(*members, member(name, config), member("manifest.json", json.dumps(listed).encode())))
    assert guest_images.kind(archive) is guest_images.Kind.OCI
    assert oci.load(archive, tmp_path, "a:1").tree.get("bin/sh") is not None
    with pytest.raises(Refusal, match="0 images called `b`"):
        oci.load(archive, tmp_path, "b")
    archive.write_bytes(layer(*members, member(name, b"{}"), member("manifest.json", json.dumps(listed).encode())))
    with pytest.raises(Refusal, match="is not what its name says"):
        oci.load(archive, tmp_path)


def test_a_link_in_a_layout_does_not_lead_out_of_it(tmp_path: Path) -> None:
    files = layout([BASE], CONFIG)
    loaded(tmp_path, files)
    outside = tmp_path / "outside"
    (tmp_path / "image/index.json").rename(outside)
    (tmp_path / "image/index.json").symlink_to(outside)
    with pytest.raises(Refusal, match=r"there is no `index\.json`"):
        oci.load(tmp_path / "image", tmp_path / "work")


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_what_skopeo_writes_is_read(tmp_path: Path) -> None:
    files = layout([BASE, layer(member("var/.wh.old", b""))], CONFIG)
    index = json.loads(files["index.json"])
    files["index.json"] = json.dumps({**index, "manifests": index["manifests"][1:]}).encode()
    expected = loaded(tmp_path, files)
    (tmp_path / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    for form, place, ref in (
        ("oci-archive:a.tar", "a.tar", ""),
        ("docker-archive:d.tar:app:1", "d.tar", "app:1"),
        ("oci:folder:tag", "folder", "tag"),
    ):
        argv = ["skopeo", "--policy", "policy.json", "copy", "--quiet", "--override-os", "linux"]
        subprocess.run([*argv, "--override-arch", "amd64", "oci:image", form], cwd=tmp_path, check=True)
        found = oci.load(tmp_path / place, tmp_path / "work", ref)
        assert (found.tree.names(), found.process) == (expected.tree.names(), expected.process)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 9000), noise=st.binary(min_size=1, max_size=30))
def test_a_damaged_archive_is_refused_or_the_same(place: int, noise: bytes, tmp_path: Path) -> None:
    files = layout([BASE], CONFIG)
    archive = sources.archive(tmp_path / "image.tar", files)
    data = archive.read_bytes()
    archive.write_bytes(data[:place] + noise + data[place + len(noise) :])
    try:
        found = oci.load(archive, tmp_path)
    except Refusal as error:
        assert error.code in {"E-GUEST-OCI", "E-GUEST-TAR", "E-GUEST-TREE", "E-GUEST-SIZE"}  # noqa: PT017
    else:
        assert found.tree.get("var/kept") is not None


def test_an_image_is_pulled_by_skopeo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure, match="`skopeo` is needed") as failed:
        oci.pull("docker://example.org/a:1", tmp_path)
    assert failed.value.code == "E-GUEST-PULL"
    program = tmp_path / "skopeo"
    program.write_text('#!/bin/sh\necho "$@" >&2\nexit 1\n')
    program.chmod(0o755)
    with pytest.raises(Failure, match=r"--override-arch amd64 docker://example\.org/a:1 oci-archive:pulled\.tar"):
        oci.pull("docker://example.org/a:1", tmp_path)
    program.write_text("#!/bin/sh\nexit 0\n")
    assert oci.pull("docker://example.org/a:1", tmp_path) == tmp_path / "pulled.tar"
    with pytest.raises(Refusal) as refused_:
        oci.pull("docker://--help x", tmp_path)
    assert refused_.value.code == "E-GUEST-SOURCE"
