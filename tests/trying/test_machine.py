"""What is booted: which image, which tools in it, with which accelerator, and that nothing of a boot stays."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from tests.verify import images
from tests.verify.elves import hypervisor
from tests.verify.test_qemu import OFF, UP
from xenbump.errors import Failure, Refusal, UsageError
from xenbump.trying import machine
from xenbump.verify import cpio, image, payload, probe
from xenbump.verify.probe import Accelerator

if TYPE_CHECKING:
    from pathlib import Path

TCG = Accelerator("tcg", "max", "10.0.1", "it was asked for")
NAMES = ("xl", "xenstored", "xenconsoled", "xen-init-dom0")


def tools(*names: str) -> bytes:
    links = [cpio.link(f"usr/sbin/{name}", f"/opt/xen-try/bin/{name}") for name in names]
    return b"".join(cpio.write(cpio.with_folders(links)))


def test_debians_lines_are_booted_in_their_own_image_and_others_in_the_newest() -> None:
    lines = {line: machine.line_of_image(line) for line in ("4.17", "4.18", "4.20", "4.22", "5.0")}
    assert lines == {"4.17": "4.17", "4.18": "4.20", "4.20": "4.20", "4.22": "4.20", "5.0": "4.20"}
    assert [machine.has_tools(line) for line in ("4.17", "4.22")] == [True, False]


def test_which_image_it_is_is_remembered_for_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def from_debian(line: str, cache: Path, _progress: object) -> image.Image:
        made.append(line)
        return images.folder(cache / f"debian-{line}-{len(made)}", agent=payload.agent_hash())

    monkeypatch.setattr(image, "from_debian", from_debian)
    cache, folder = tmp_path / "cache", tmp_path / "state"
    cache.mkdir()

    def base(line: str = "4.22") -> Path:
        return machine.base(line, cache, folder, print).folder

    first = base()
    assert (base(), base("4.20"), made) == (first, first, ["4.20"])
    (first / "xen").write_bytes(b"damaged")
    assert base() != first
    monkeypatch.setattr(time, "time", lambda: folder.stat().st_mtime + 90000)
    base()
    assert made == ["4.20"] * 3
    (folder / "images.json").write_bytes(b"no json")
    base()
    assert len(made) == 4
    # One of another xenbump is not what a new one is made of.
    monkeypatch.setattr(payload, "agent_hash", lambda: "another")
    base()
    assert len(made) == 5


def test_tools_are_put_behind_the_root_file_system(tmp_path: Path) -> None:
    base, archive = images.folder(tmp_path / "base"), tools(*NAMES)
    found = machine.with_tools(base, archive, "4.22", tmp_path)
    assert found.initrd.read_bytes() == base.initrd.read_bytes() + archive
    assert (found.manifest.xen, found.manifest.tools) == ("4.22", "built from the source")
    assert (found.folder / "vmlinux").samefile(base.folder / "vmlinux")
    assert image.load(found.folder) == found
    assert machine.with_tools(base, archive, "4.22", tmp_path).folder == found.folder
    assert machine.with_tools(base, archive, "4.21", tmp_path).folder != found.folder


def test_images_with_tools_that_nobody_uses_go_after_a_day(tmp_path: Path) -> None:
    base = images.folder(tmp_path / "debian-base")
    old, used = (machine.with_tools(base, tools(*NAMES), line, tmp_path).folder for line in ("4.21", "4.22"))
    for folder in (old, base.folder):
        two_days_ago = time.time() - 2 * 86400
        os.utime(folder / "manifest.json", (two_days_ago, two_days_ago))
    machine.with_tools(base, tools(*NAMES), "4.23", tmp_path)
    assert [folder.is_dir() for folder in (old, used, base.folder)] == [False, True, True]


@pytest.mark.parametrize("archive", [b"nothing of the kind", tools(*NAMES[1:]), tools("xl")])
def test_what_has_no_tools_is_refused(tmp_path: Path, archive: bytes) -> None:
    with pytest.raises(Refusal, match="E-TRY-TOOLS"):
        machine.with_tools(images.folder(tmp_path / "base"), archive, "4.22", tmp_path)


def test_a_boot_leaves_nothing_but_its_console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = images.folder(tmp_path / "base")
    (tmp_path / "xen").write_bytes(hypervisor(b"tried"))
    code = 'assert open(sys.argv[sys.argv.index("-kernel") + 1], "rb").read() == open(PLACE, "rb").read()\n'
    images.fake_qemu(tmp_path / "bin", monkeypatch, code.replace("PLACE", repr(str(tmp_path / "xen"))) + UP + OFF)
    before = sorted(tmp_path.iterdir())
    asked = machine.Asked("4.20.1", TCG, guests=True, xtf=None, console=tmp_path / "console.log")
    found = machine.boot(base, tmp_path / "xen", asked, tmp_path, lambda _: None)
    assert (found.kind, found.version) == ("no-agent", "4.20.1")
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "console.log"])


def test_a_file_that_is_no_hypervisor_is_refused(tmp_path: Path) -> None:
    base = images.folder(tmp_path / "base")
    asked = machine.Asked("4.20.1", TCG, guests=True, xtf=None, console=tmp_path / "console.log")
    for path in (base.kernel, tmp_path / "none"):
        with pytest.raises(Refusal, match="E-IMAGE-HYPERVISOR"):
            machine.boot(base, path, asked, tmp_path, print)


def test_that_kvm_does_not_work_is_found_out_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def found(_: Path, *, wanted: str = "") -> Accelerator:
        asked.append(wanted)
        if wanted == "kvm":
            raise Failure("E-ACCELERATOR", "KVM was asked for")
        return TCG

    monkeypatch.setattr(probe, "probe", found)
    base, folder = images.folder(tmp_path / "base"), tmp_path / "state"
    assert [machine.accelerator(base, "auto", folder).name for _ in range(3)] == ["tcg"] * 3
    assert asked == ["", "tcg", "tcg"]
    (folder / "no-kvm").write_bytes(b"another start of the machine")
    machine.accelerator(base, "auto", folder)
    with pytest.raises(Failure, match="E-ACCELERATOR"):
        machine.accelerator(base, "kvm", folder)
    assert asked[3:] == ["", "kvm"]


def test_the_results_that_xtf_is_to_have(tmp_path: Path) -> None:
    known = machine.expected(TCG, None)
    assert known is not None
    assert not [name for name in known if "hvm32pae" in name]
    path = tmp_path / "baseline"
    path.write_text("test-pv64-example SUCCESS\ntest-hvm32pae-example SUCCESS\n")
    assert machine.expected(TCG, path) == {"test-pv64-example": "SUCCESS"}
    with pytest.raises(UsageError, match="E-CONFIG"):
        machine.expected(TCG, tmp_path / "none")


def test_one_built_xtf_is_told_from_another(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="E-TRY-XTF"):
        machine.digest(tmp_path)
    (tmp_path / "xtf-runner").write_text("runner")
    first = machine.digest(tmp_path)
    assert machine.digest(tmp_path) == first
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "one").write_text("one")
    assert machine.digest(tmp_path) != first
