"""Image folders: read and checked, made with another hypervisor, kept in a cache."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.verify import images
from tests.verify.elves import hypervisor
from xenbump.errors import Failure, Refusal
from xenbump.verify import debian, image, manifest, recipe

if TYPE_CHECKING:
    from xenbump.verify.image import Image


@pytest.fixture
def made(tmp_path: Path) -> Image:
    return images.folder(tmp_path / "image")


def code_of(folder: Path) -> tuple[str, str]:
    with pytest.raises(Refusal) as caught:
        image.load(folder)
    return caught.value.code, caught.value.what


def rewritten(folder: Path, **changes: Any) -> None:
    document = json.loads((folder / manifest.NAME).read_text())
    (folder / manifest.NAME).write_text(json.dumps({**document, **changes}))


def test_a_good_folder(made: Image) -> None:
    assert made.manifest == images.described()
    assert (made.hypervisor.name, made.kernel.name, made.initrd.name) == ("xen", "vmlinux", "initrd.cpio")
    assert made.path("guest.cpio") == made.folder / "guest.cpio"
    assert made.path("agent.cpio") is None
    assert json.loads((made.folder / manifest.NAME).read_text())["dom0-memory"] == 64


def test_no_folder_and_no_manifest(tmp_path: Path, made: Image) -> None:
    assert code_of(tmp_path / "none") == ("E-IMAGE-MISSING", "there is no such folder")
    (made.folder / manifest.NAME).unlink()
    assert code_of(made.folder) == ("E-IMAGE-MISSING", "there is no manifest.json in it")
    (made.folder / manifest.NAME).mkdir()
    assert code_of(made.folder)[0] == "E-IMAGE-MISSING"


def test_damaged_files(made: Image) -> None:
    path = made.folder / "initrd.cpio"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    assert code_of(made.folder) == (
        "E-IMAGE-DAMAGED",
        f"it has {len(content) - 1} bytes and should have {len(content)}",
    )
    path.write_bytes(content[:-1] + b"x")
    assert code_of(made.folder) == ("E-IMAGE-DAMAGED", "its content is not what the manifest says")
    path.unlink()
    assert code_of(made.folder)[0] == "E-IMAGE-DAMAGED"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"schema": 2}, "it is of schema 2; known here is 1"),
        ({"more": 1}, "unknown field `more`"),
        ({"xen": 4.2}, "Expected `str`"),
        ({"files": {}}, "it does not name the file `xen`"),
        ({"memory": 0}, "0 MiB of memory make no machine"),
        ({"dom0-memory": 1 << 30}, "MiB of memory make no machine"),
        ({"kernel-options": "a\nb"}, "characters that cannot be printed"),
    ],
)
def test_manifests_that_are_none(changes: dict[str, Any], what: str, made: Image) -> None:
    rewritten(made.folder, **changes)
    code, said = code_of(made.folder)
    assert code == "E-IMAGE-MANIFEST"
    assert what in said


def test_a_manifest_that_leads_out_of_the_folder(made: Image) -> None:
    files = json.loads((made.folder / manifest.NAME).read_text())["files"]
    rewritten(made.folder, files={**files, "../secret": files["xen"]})
    assert code_of(made.folder) == ("E-IMAGE-MANIFEST", "it names a file `../secret`, which no image has")
    (made.folder / manifest.NAME).write_text("no JSON")
    assert code_of(made.folder)[0] == "E-IMAGE-MANIFEST"


def test_another_hypervisor(made: Image, tmp_path: Path) -> None:
    file = tmp_path / "built"
    file.write_bytes(hypervisor(b"two"))
    other = image.with_hypervisor(made, file, tmp_path)
    assert other.hypervisor.read_bytes() == hypervisor(b"two")
    assert made.hypervisor.read_bytes() == hypervisor(b"one")
    assert other.manifest.hypervisor.startswith("put in, SHA-256 ")
    assert other.kernel.stat().st_ino == made.kernel.stat().st_ino
    assert image.load(other.folder) == other
    assert image.with_hypervisor(made, file, tmp_path) == other
    # One that was damaged since is made again.
    other.hypervisor.write_bytes(b"")
    assert image.with_hypervisor(made, file, tmp_path).hypervisor.read_bytes() == hypervisor(b"two")
    assert not list(tmp_path.glob(".new-*"))


def test_what_is_no_hypervisor(made: Image, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    for name in ("none", "text"):
        with pytest.raises(Refusal) as caught:
            image.with_hypervisor(made, tmp_path / name, tmp_path)
        assert caught.value.code == "E-IMAGE-HYPERVISOR"


def test_a_release_that_debian_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"known are 4\.17 in bookworm, 4\.20 in trixie") as caught:
        image.from_debian("4.99", tmp_path / "cache", print)
    assert caught.value.code == "E-IMAGE-RELEASE"
    assert not (tmp_path / "cache").exists()


def test_a_disk_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "_DISK", 1 << 60)
    monkeypatch.setattr(debian.Suite, "resolve", lambda *_: ())
    with pytest.raises(Failure, match="MiB are free, and making an image takes") as caught:
        image.from_debian("4.20", tmp_path / "cache", print)
    assert caught.value.code == "E-IMAGE-DISK"
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure) as caught:
        image.from_debian("4.20", tmp_path / "file" / "cache", print)
    assert caught.value.code == "E-IMAGE-DISK"


def test_unused_images_go(tmp_path: Path) -> None:
    old, new = images.folder(tmp_path / "debian-old"), images.folder(tmp_path / "debian-new")
    images.folder(tmp_path / "mine")
    for folder in (old.folder, tmp_path / "mine"):
        os.utime(folder / manifest.NAME, (1, 1))
    os.utime(new.folder / manifest.NAME, (time.time() - 3600,) * 2)
    image._prune(tmp_path, keep=tmp_path / "kept")
    assert {path.name for path in tmp_path.iterdir()} == {"debian-new", "mine"}


def test_where_images_are_kept() -> None:
    assert image.cache_folder({"XENBUMP_IMAGES": "/a"}) == Path("/a")
    assert image.cache_folder({"XDG_CACHE_HOME": "/b", "HOME": "/h"}) == Path("/b/xenbump/images")
    assert image.cache_folder({"XDG_CACHE_HOME": "relative", "HOME": "/h"}) == Path("/h/.cache/xenbump/images")


def test_the_name_of_an_image_changes_with_what_it_is_made_of() -> None:
    one = (debian.Package("xen", "1", "xen_1_amd64.deb"), debian.Package("libc6", "2", "libc6_2_amd64.deb"))
    other = (debian.Package("xen", "2", "xen_2_amd64.deb"), one[1])
    assert recipe.fingerprint("4.20", one) == recipe.fingerprint("4.20", one[::-1])
    names = {recipe.fingerprint("4.20", one), recipe.fingerprint("4.20", other), recipe.fingerprint("4.17", one)}
    assert len(names) == 3
