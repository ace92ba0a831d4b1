"""Guests that are brought: what dom0 is told of them, what is refused before anything boots, and what comes back."""

from __future__ import annotations

import dataclasses
import gzip
import os
import shutil
import stat
import struct
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.verify import guest_sources as sources
from tests.verify.elves import library
from tests.verify.images import fake_qemu, folder
from xenbump.dom0.guest_bundle import BY_END, BY_LINE, BY_STATUS, Bundle, Guest, token
from xenbump.errors import Failure, Refusal, UsageError, XenbumpError
from xenbump.verify import cpio, guest_file, guest_kernel, guest_ready, guest_run, manifest, payload, probe
from xenbump.verify.guest_ready import Wanted
from xenbump.verify.guest_tree import Node, Tree, file

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.verify.image import Image

TCG = probe.Accelerator("tcg", "max", "7.2.22", "it was asked for")
BUSYBOX = b"\x7fELF busybox"


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Image:
    """An image whose files for guests are as `recipe` makes them."""
    made = folder(tmp_path / "image")
    inner = b"".join(cpio.write([cpio.file("bin/busybox", BUSYBOX)]))
    (made.folder / manifest.GUEST).write_bytes(b"".join(cpio.write([cpio.file(payload.GUEST_INITRD, inner)])))
    monkeypatch.setattr(probe, "preflight", lambda _memory: None)
    return made


def prepared(image: Image, tmp_path: Path, *wanted: Wanted) -> guest_ready.Ready:
    work = tmp_path / "work"
    work.mkdir()
    return guest_ready.prepare(wanted, image, work, lambda _: None)


def test_a_folder_with_an_init_is_judged_by_its_end(image: Image, tmp_path: Path) -> None:
    root = sources.root(tmp_path / "root", BUSYBOX, "hello")
    ready = prepared(image, tmp_path, Wanted("one", str(root), extra="debug"))
    (guest,) = ready.bundle.guests
    assert guest == Guest(
        "one",
        kernel="/opt/xenbump/guest/vmlinux",
        ramdisk="/opt/xenbump/guests/one.initrd",
        memory=128,
        extra="console=hvc0 quiet panic=-1 rdinit=/init debug",
        judged=BY_END,
    )
    ramdisk = ready.files["opt/xenbump/guests/one.initrd"]
    assert isinstance(ramdisk, bytes)
    names = {entry.name for entry in cpio.read(ramdisk)}
    assert {"init", "bin/busybox", "dev/console"} <= names
    assert ready.files[payload.GUEST_KERNEL] == image.kernel


def test_a_command_and_a_container_are_judged_by_the_status(image: Image, tmp_path: Path) -> None:
    root = sources.root(tmp_path / "root", BUSYBOX, "hello")
    layers = [sources.layer(sources.member("bin/sh", b"#!"))]
    archive = sources.archive(tmp_path / "image.tar", sources.layout(layers, {"Cmd": ["/bin/sh"]}))
    ready = prepared(
        image,
        tmp_path,
        Wanted("one", str(root), command=("/bin/busybox", "true")),
        Wanted("two", str(archive)),
        Wanted("three", f"oci-archive:{archive}", expect="x"),
    )
    assert [guest.judged for guest in ready.bundle.guests] == [BY_STATUS, BY_STATUS, BY_LINE]
    for guest in ready.bundle.guests:
        assert "rdinit=/.xenbump/init" in guest.extra
        ramdisk = ready.files[f"opt/xenbump/guests/{guest.name}.initrd"]
        assert isinstance(ramdisk, bytes)
        (init,) = (entry for entry in cpio.read(ramdisk) if entry.name == ".xenbump/init")
        assert token(ready.bundle.nonce, guest.name).encode() in init.data
        assert BUSYBOX in ramdisk


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "a b"}, "E-GUEST-BUNDLE"),
        ({"source": "", "kernel": "own"}, "E-GUEST-BUNDLE"),
        ({"kernel": "none"}, "E-GUEST-BUNDLE"),
        ({"expect": "("}, "E-GUEST-BUNDLE"),
        ({"type": "hvm"}, "E-GUEST-MODEL"),
        ({"disk": True}, "E-GUEST-KERNEL"),
        ({"disk": True, "ramdisk": "/none"}, "E-GUEST-MODEL"),
        ({"disk": True, "command": ("a",)}, "E-GUEST-BUNDLE"),
        ({"vif": ("bridge=xenbr0",)}, "E-GUEST-NETWORK"),
        ({"kernel": "own"}, "E-GUEST-KERNEL"),
        ({"kernel": "/none"}, "E-GUEST-KERNEL"),
        ({"source": "/none"}, "E-GUEST-SOURCE"),
        ({"ramdisk": "/none"}, "E-GUEST-BUNDLE"),
        ({"source": "", "ramdisk": "/none"}, "E-GUEST-SOURCE"),
        ({"source": "docker://a b"}, "E-GUEST-SOURCE"),
        ({"source": "oci:/x", "disk": True, "kernel": "own"}, "E-GUEST-BUNDLE"),
        ({"source": "docker://a/b", "disk": True, "kernel": "own"}, "E-GUEST-BUNDLE"),
        ({"source": "oci:/none"}, "E-GUEST-SOURCE"),
        ({"source": "oci-archive:/dev/null"}, "E-GUEST-SOURCE"),
        ({"source": "/dev/zero"}, "E-GUEST-SOURCE"),
        ({"kernel": "/dev/zero"}, "E-GUEST-KERNEL"),
        ({"source": "", "kernel": "dom0", "ramdisk": "/dev/zero"}, "E-GUEST-SOURCE"),
    ],
)
def test_what_is_refused_before_anything_boots(
    changes: dict[str, Any], code: str, image: Image, tmp_path: Path
) -> None:
    plain = Wanted("one", str(sources.root(tmp_path / "root", BUSYBOX, "hello")))
    with pytest.raises(XenbumpError) as error:
        prepared(image, tmp_path, dataclasses.replace(plain, **changes))
    assert error.value.code == code


def test_what_is_said_to_be_a_container_image_has_to_be_one(image: Image, tmp_path: Path) -> None:
    files = sources.layout([sources.layer(sources.member("bin/sh", b"#!"))], {"Cmd": ["/bin/sh"]})
    plain = sources.archive(tmp_path / "plain.tar", {"init": b"#!"})
    packed = tmp_path / "image.tar.gz"
    packed.write_bytes(gzip.compress(sources.archive(tmp_path / "image.tar", files).read_bytes()))
    work = tmp_path / "work"
    for source in (f"oci-archive:{plain}", f"oci:{tmp_path}", f"oci-archive:{packed}", str(packed)):
        with pytest.raises(Refusal) as error:
            prepared(image, tmp_path, Wanted("one", source))
        assert error.value.code == "E-GUEST-OCI"
        assert ("packed" in error.value.what) == (str(packed) in source)
        shutil.rmtree(work)


def test_a_container_image_is_pulled(image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = sources.layout([sources.layer(sources.member("bin/sh", b"#!"))], {"Cmd": ["/bin/sh"]})
    archive = sources.archive(tmp_path / "image.tar", files)
    # As skopeo-copy(1) has it: the destination comes last, a transport, a path and perhaps a name.
    (tmp_path / "skopeo").write_text(f'#!/bin/sh\nfor last; do :; done\ncp {archive} "${{last#oci-archive:}}"\n')
    (tmp_path / "skopeo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    ready = prepared(image, tmp_path, Wanted("one", "docker://registry.example/image:tag"))
    assert ready.bundle.guests[0].judged == BY_STATUS


@pytest.mark.skipif(shutil.which("mkfs.ext4", path="/usr/sbin:/sbin") is None, reason="no mkfs.ext4")
def test_a_disk_with_a_kernel_of_its_own_brings_its_ramdisk(image: Image, tmp_path: Path) -> None:
    described = msgspec.structs.replace(image.manifest, device_model="/dm")
    with_model = type(image)(image.folder, described)
    root = sources.root(tmp_path / "root", BUSYBOX, "hello")
    (root / "boot").mkdir()
    (root / "boot/vmlinuz-6.1").write_bytes(kernel_file(1, 18))
    (root / "boot/initrd.img-6.1").write_bytes(b"a ramdisk")
    ready = prepared(with_model, tmp_path, Wanted("one", str(root), kernel="own", disk=True))
    (guest,) = ready.bundle.guests
    assert (guest.kernel, guest.ramdisk, guest.disks, guest.device_model) == (
        *("/opt/xenbump/guests/one.kernel", "/opt/xenbump/guests/one.initrd"),
        *(("/opt/xenbump/guests/one.disk",), "/dm"),
    )
    assert guest.extra.endswith("root=/dev/xvda rw")
    assert ready.files["opt/xenbump/guests/one.initrd"] == b"a ramdisk"


def test_what_is_written_for_guests_goes(tmp_path: Path) -> None:
    (tmp_path / "state/.work-old").mkdir(parents=True)
    (tmp_path / "state/.work-new").mkdir()
    os.utime(tmp_path / "state/.work-old", (1, 1))
    with guest_ready.workplace(tmp_path / "state") as work:
        (work / "disk").touch()
        assert not (tmp_path / "state/.work-old").exists()
    assert [one.name for one in (tmp_path / "state").iterdir()] == [".work-new"]
    with pytest.raises(Failure) as error, guest_ready.workplace(tmp_path / "state") as work:
        (work / "none/file").touch()
    assert error.value.code == "E-STATE"


def test_a_root_file_system_without_an_init_is_refused(image: Image, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with pytest.raises(Refusal, match="it has no init") as error:
        prepared(image, tmp_path, Wanted("one", str(tmp_path / "root")))
    assert error.value.code == "E-GUEST-ENTRY"


def test_an_image_without_a_busybox_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(Failure) as error:
        guest_ready.busybox(folder(tmp_path / "image"))
    assert error.value.code == "E-IMAGE-CONTENT"


def test_dom0_gets_memory_for_the_files_and_the_machine_for_the_guests(image: Image) -> None:
    one = Guest("one", kernel="/k", memory=200)
    two = dataclasses.replace(one, name="two", memory=300)
    few = guest_run.with_memory(image.manifest, 1 << 20, Bundle("n" * 16, (one, two)))
    assert few.dom0_memory == 64
    together = guest_run.with_memory(image.manifest, 100 << 20, Bundle("n" * 16, (one, two), together=True))
    assert together.dom0_memory == 64 + 300 - 32
    assert together.memory > together.dom0_memory + 500
    assert together.memory - together.dom0_memory > few.memory - few.dom0_memory


# What dom0's program would say: a line of a guest, a result, and that all is done.
_SAYS = """
from xenbump.dom0 import frames, guest_agent, guest_bundle
from xenbump.verify import cpio
archive = open(re.search(r"/proc/self/fd/[0-9]+$", sys.argv[sys.argv.index("-initrd") + 1])[0], "rb").read()
files = {entry.name: entry.data for entry in cpio.read(archive)}
assert b"dom0.guest_agent" in files["job"]
bundle = guest_bundle.from_json(files["opt/xenbump/guests/bundle.json"])
encoder = frames.Encoder(bundle.nonce)
parts("(XEN) Xen version 4.20.1 (a test)\\nxenbump: init\\nxenbump: ready\\n")
guest_agent.shown(parts)("one", "Kernel panic - not syncing: the guest's")
parts(encoder.message({"kind": "start", "checks": [{"name": "guest:one", "requirement": "r"}], "xtf": False}))
"""
_CHECK = """
parts(encoder.message({"kind": "check", "name": "guest:one", "requirement": "r", "result": RESULT, "reason": "why",
                       "evidence": [], "seconds": 1.0}))
parts(encoder.message({"kind": "done", "error": "", "seconds": 1.0}))
"""
_OFF = 'parts("xenbump: job ended with 0\\n(XEN) Entering ACPI S5 state.\\n")'


@pytest.mark.parametrize(
    ("code", "passed", "kind"),
    [
        (_SAYS + _CHECK.replace("RESULT", "'passed'") + _OFF, True, "off"),
        (_SAYS + _CHECK.replace("RESULT", "'failed'") + _OFF, False, "off"),
        (_SAYS + _OFF, False, "lost"),
        (_SAYS.rpartition("parts(encoder")[0] + _OFF, False, "no-agent"),
    ],
    ids=["passed", "failed", "a result is missing", "not a word"],
)
def test_what_comes_back(
    code: str, image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, passed: bool, kind: str
) -> None:
    fake_qemu(tmp_path / "bin", monkeypatch, code)
    ready = prepared(image, tmp_path, Wanted("one", str(sources.root(tmp_path / "root", BUSYBOX, "hello"))))
    told: list[tuple[str, str]] = []
    said: list[str] = []
    outcome = guest_run.run(
        ready,
        image,
        accelerator=TCG,
        console=tmp_path / "console",
        progress=said.append,
        tell=lambda name, line: told.append((name, line)),
    )
    assert (outcome.passed, outcome.booted.kind) == (passed, kind), outcome.booted
    assert told == [("one", "Kernel panic - not syncing: the guest's")]
    assert any(one.startswith("dom0 is up") for one in said)


FILE = """
[[guest]]
name = "one"
source = "root"
memory = 256
expect = "hello"
[[guest]]
name = "two"
source = "oci:image:tag"
type = "hvm"
kernel = "bzImage"
command = ["a", "b c"]
autostart = false
[[guest]]
name = "three"
source = "docker://example.org/a"
kernel = "own"
vif = ["bridge=xenbr0"]
"""


def test_guests_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "guests.toml").write_text(FILE)
    assert guest_file.read(tmp_path / "guests.toml") == (
        Wanted("one", f"{tmp_path}/root", memory=256, expect="hello"),
        Wanted("two", f"oci:{tmp_path}/image:tag", "hvm", f"{tmp_path}/bzImage", command=("a", "b c"), autostart=False),
        Wanted("three", "docker://example.org/a", kernel="own", vif=("bridge=xenbr0",)),
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[[guest]]\nname = 1\n", "`name`"),
        ("[[guest]]\nname = 'a'\nmemroy = 1\n", "`memroy` is not known"),
        ("[guest]\nname = 'a'\n", "a list was expected"),
        ("guests = []\n", "`guests` is not known"),
        ("[[guest\n", "line 1"),
        ("", "`guest` is missing"),
    ],
)
def test_files_that_are_refused(text: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "guests.toml").write_text(text)
    with pytest.raises(UsageError, match=what) as error:
        guest_file.read(tmp_path / "guests.toml")
    assert error.value.code == "E-GUEST-BUNDLE"
    with pytest.raises(UsageError, match="cannot be read"):
        guest_file.read(tmp_path / "none")


def kernel_file(*types: int) -> bytes:
    """An ELF64 file with nothing but Xen's notes of these types."""
    notes = b"".join(struct.pack("<III", 4, 8, one) + b"Xen\0" + bytes(8) for one in types)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 4, 4, 120, 0, 0, len(notes), len(notes), 4) + notes


def test_kernels_for_each_type() -> None:
    both, pv = kernel_file(1, 5, 18), kernel_file(1)
    assert guest_kernel.entries(both) == {1, 5, 18}
    assert guest_kernel.fitted(both, "pvh", "k") == both
    assert guest_kernel.fitted(pv, "pv", "k") == pv
    small = kernel_file(6, 8)
    in_section = bytearray(small)
    # The same notes, told of by a section and not by a segment.
    struct.pack_into("<I", in_section, 64, 1)
    section = struct.pack("<IIQQQQ", 0, 7, 0, 0, 120, len(small) - 120).ljust(64, b"\0")
    struct.pack_into("<Q", in_section, 0x28, len(small))
    struct.pack_into("<HH", in_section, 0x3A, 64, 1)
    assert guest_kernel.entries(bytes(in_section) + section) == {6, 8}
    assert guest_kernel.fitted(small, "pv", "k") == small
    for data, kind in (
        (pv, "pvh"),
        (small, "pvh"),
        (kernel_file(8, 18), "pv"),
        (library("x"), "pv"),
        (both, "hvm"),
        (both[:60], "pv"),
    ):
        with pytest.raises(Refusal) as error:
            guest_kernel.fitted(data, kind, "k")
        assert error.value.code == "E-GUEST-KERNEL"
    with pytest.raises(Refusal) as error:
        guest_kernel.fitted(b"none", "pvh", "k")
    assert error.value.code == "E-IMAGE-KERNEL"


def test_the_kernel_of_the_highest_release_in_a_root_file_system() -> None:
    tree = Tree("a tree")
    tree.put("boot/vmlinux-6.9.1", file(kernel_file(1)))
    tree.put("boot/vmlinux-6.12.1", file(kernel_file(1, 18)))
    tree.put("boot/vmlinux-7-link", Node(stat.S_IFLNK, data=b"none"))
    tree.put("boot/config-8", file(b""))
    assert guest_kernel.from_tree(tree, "pvh") == (kernel_file(1, 18), b"")
    tree.put("boot/initrd.img-6.12.1", file(b"ramdisk"))
    assert guest_kernel.from_tree(tree, "pvh") == (kernel_file(1, 18), b"ramdisk")
    tree.put("usr/boot/vmlinux", file(kernel_file(18)))
    tree.put("usr/boot/initramfs.img", file(b"another"))
    tree.put("boot", Node(stat.S_IFLNK, data=b"usr/boot"))
    assert guest_kernel.from_tree(tree, "pvh") == (kernel_file(18), b"another")
    with pytest.raises(Refusal, match="no kernel in its /boot"):
        guest_kernel.from_tree(Tree("a tree"), "pvh")
