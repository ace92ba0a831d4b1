"""The engine on a QEMU that says what it is told to: the steps of one boot, XTF's comparison, the accelerator."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pytest

from tests.verify import images
from tests.verify.elves import hypervisor
from tests.verify.test_evidence import EVIDENCE
from tests.verify.test_qemu import DONE, OFF, SLEEP, UP
from xenbump.dom0 import baseline
from xenbump.errors import Failure, UsageError
from xenbump.verify import by_qemu, image, probe
from xenbump.verify.evidence import Step
from xenbump.verify.nix import Buildable
from xenbump.verify.probe import Accelerator
from xenbump.verify.wanted import Wanted

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.verify.engine import Ran

STEPS = (Step.DOM0, Step.GUESTS)
A, B = "test-pv64-xsa-1", "test-hvm64-xsa-2"
START = "parts(encoder.message({{'kind': 'start', 'xtf': {xtf}, 'checks': [{checks}]}}))\n"
ANNOUNCED = "{{'name': '{0}', 'requirement': 'R.'}}"
CHECK = "parts(encoder.message({{'kind': 'check', 'name': '{0}', 'requirement': 'R.', 'result': '{1}'}}))\n"
TEST = "parts(encoder.message({{'kind': 'test', 'name': '{0}', 'result': '{1}', 'seconds': 0.5}}))\n"
TESTS = "parts(encoder.message({{'kind': 'tests', 'names': [{names}], 'error': '', 'seconds': 2.0}}))\n"


def dom0(checks: dict[str, str], tests: dict[str, str] | None = None) -> str:
    """The console of a dom0 that answers so."""
    announced = ", ".join(ANNOUNCED.format(name) for name in checks)
    said = UP + START.format(xtf=tests is not None, checks=announced)
    said += "".join(CHECK.format(*one) for one in checks.items())
    if tests is not None:
        said += "".join(TEST.format(*one) for one in tests.items())
        said += TESTS.format(names=", ".join(f"'{name}'" for name in tests))
    return said + DONE + OFF


@pytest.fixture
def wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wanted:
    def found(_: Path, *, wanted: Literal["", "kvm", "tcg"] = "") -> Accelerator:
        if wanted == "kvm":
            raise Failure("E-ACCELERATOR", "KVM was asked for")
        return Accelerator("tcg", "max", "10.0.1", wanted)

    monkeypatch.setattr(probe, "probe", found)
    (tmp_path / "xen").write_bytes(hypervisor(b"built"))
    return Wanted(
        package="xen",
        version="4.20.2",
        upstream_version="4.20.2",
        efi=None,
        buildable=Buildable("xen", tmp_path),
        steps=STEPS,
        computed={},
        image=images.folder(tmp_path / "image").folder,
        cache=tmp_path / "cache",
        xtf=None,
        baseline=None,
        logs=tmp_path / "logs",
        limit=60.0,
    )


def ran(wanted: Wanted, code: str, monkeypatch: pytest.MonkeyPatch, *steps: Step) -> Ran:
    folder = wanted.cache.parent
    images.fake_qemu(folder / "bin", monkeypatch, code)
    return by_qemu.Qemu(wanted, folder / "xen", lambda _: None).run(steps or STEPS)


def test_the_steps_of_one_boot(wanted: Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ran(wanted, dom0({"control": "passed", "guest-pv": "failed"}), monkeypatch, *STEPS, Step.XTF)
    assert [(one.step, one.result) for one in found.steps] == [
        (Step.DOM0, "passed"),
        (Step.GUESTS, "failed"),
        (Step.XTF, "skipped"),
    ]
    assert [[check.name for check in one.checks] for one in found.steps] == [["control"], ["guest-pv"], []]
    assert found.steps[2].reason == "no built XTF is at hand ([verify] xtf, or XENBUMP_XTF)"
    assert (found.engine, found.tests, found.compared) == ("QEMU 10.0.1, tcg", (), "")
    assert found.steps[0].log == str(wanted.logs / "xen.console.log")


def test_a_boot_that_did_not_end(wanted: Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ran(wanted, f"parts('(XEN) Panic on CPU 0:\\n(XEN) no\\n')\n{SLEEP}", monkeypatch, *STEPS)
    assert [one.result for one in found.steps] == ["failed", "failed"]
    assert found.steps[0].reason.startswith("the boot ended as panic: ")
    assert found.steps[0].tail


def test_xtf_against_baseline_and_older_version(wanted: Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    built = wanted.cache.parent / "xtf"
    built.mkdir()
    expected = wanted.cache.parent / "baseline"
    # What cannot be run under emulation is not missing.
    expected.write_text(f"{A} SUCCESS\n{B} FAILURE\ntest-hvm32pae-xsa-2 SUCCESS\n")
    before = replace(EVIDENCE, engine="QEMU 10.0.1, tcg", version="4.20.1", tests=((A, "SUCCESS"), (B, "SUCCESS")))
    wanted = replace(wanted, xtf=built, baseline=expected, before=before)
    console = dom0({"control": "passed"}, {A: "SUCCESS", B: "FAILURE"})
    found = ran(wanted, console, monkeypatch, Step.DOM0, Step.XTF)
    assert [(one.step, one.result) for one in found.steps] == [(Step.DOM0, "passed"), (Step.XTF, "passed")]
    assert found.steps[1].reason == "1 test is worse than with 4.20.1, as the baseline expects"
    assert (found.tests, found.compared) == (((A, "SUCCESS"), (B, "FAILURE")), "4.20.1")


def test_a_dom0_that_says_nothing_of_xtf(wanted: Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    (wanted.cache.parent / "xtf").mkdir()
    wanted = replace(wanted, xtf=wanted.cache.parent / "xtf")
    found = ran(wanted, dom0({"control": "passed"}), monkeypatch, Step.XTF)
    assert (found.steps[0].result, found.steps[0].reason) == ("failed", "dom0 said nothing of XTF")


def test_a_baseline_that_is_none_is_found_before_anything_boots(wanted: Wanted) -> None:
    (wanted.cache.parent / "xtf").mkdir()
    (wanted.cache.parent / "baseline").write_text("what")
    wanted = replace(wanted, xtf=wanted.cache.parent / "xtf", baseline=wanted.cache.parent / "baseline")
    with pytest.raises(UsageError, match="the baseline is none"):
        by_qemu.Qemu(wanted, wanted.cache.parent / "xen", lambda _: None).run((Step.XTF,))
    assert not wanted.logs.exists()


def test_the_baseline_of_the_release_of_qemu(wanted: Wanted) -> None:
    engine = by_qemu.Qemu(wanted, "none", lambda _: None)
    choice = engine._choice("tcg")
    assert choice is None
    wanted = replace(wanted, xtf=wanted.cache)
    engine = by_qemu.Qemu(wanted, "none", lambda _: None)
    choice = engine._choice("tcg")
    assert choice is not None
    assert engine._known("QEMU 7.2.22, tcg", choice).baseline == baseline.known("qemu-7-tcg")
    assert engine._known("QEMU 10.0.1, tcg", choice).baseline == baseline.known("qemu-tcg")
    assert engine._known("QEMU 10.0.1, kvm", choice).baseline is None


def test_the_accelerator_that_is_wanted(wanted: Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Failure) as caught:
        ran(replace(wanted, accelerator="kvm"), "", monkeypatch)
    assert caught.value.code == "E-ACCELERATOR"


@pytest.mark.parametrize(("accelerator", "asked"), [("auto", ""), ("tcg", "tcg")])
def test_what_is_asked_of_the_probe(
    accelerator: Any, asked: str, wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Enough(Exception):
        """What was asked is known."""

    def probed(_: Path, *, wanted: str = "") -> Accelerator:
        raise Enough(wanted)

    monkeypatch.setattr(probe, "probe", probed)
    with pytest.raises(Enough) as caught:
        ran(replace(wanted, accelerator=accelerator), "", monkeypatch)
    assert caught.value.args == (asked,)


def test_no_hypervisor_and_no_image(wanted: Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    found = by_qemu.Qemu(wanted, "it is not known where it is", lambda _: None).run(STEPS)
    assert [one.reason for one in found.steps] == ["it is not known where it is"] * 2
    missing = ran(replace(wanted, image=wanted.cache / "none"), "", monkeypatch)
    assert [one.result for one in missing.steps] == ["skipped", "skipped"]
    assert "there is no such folder" in missing.steps[0].reason
    assert missing.engine == ""


def test_an_image_of_the_release_line_is_made(wanted: Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def made(release: str, cache: Path, _: object, built: Path, *, device_model: bool) -> image.Image:
        asked.append((release, cache, built.name, device_model))
        return image.load(wanted.image or cache)

    monkeypatch.setattr(image, "from_debian", made)
    ran(replace(wanted, image=None, hvm=True), dom0({"control": "passed"}), monkeypatch, Step.DOM0)
    assert asked == [("4.20", wanted.cache, "xen", True)]


def test_what_an_hvm_guest_needs(wanted: Wanted) -> None:
    plain = image.load(wanted.image or wanted.cache)
    assert by_qemu._for_hvm(plain) == {}
    described = msgspec.structs.replace(plain.manifest, device_model="/usr/libexec/xen-qemu-system-i386")
    needs = by_qemu._for_hvm(image.Image(plain.folder, described))
    assert needs["hvm_kernel"] == "/opt/xenbump/guest/bzImage"
    assert needs["guest_seconds"] > 60
