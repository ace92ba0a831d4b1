"""Guests: what they are started with, and by what they are believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dom0.support import NONCE, XL_INFO, XL_LIST, Answer, Fake, healthy, job
from xenbump.dom0 import autostart, checks, guests
from xenbump.dom0.guests import config, device_model, line, name

if TYPE_CHECKING:
    from xenbump.dom0.report import CheckResult

CREATED = """\
Parsing config from /run/xenbump/xb.cfg
Waiting for domain xb (domid 1) to die [pid 301]
Domain 1 has shut down, reason code 0 0x0
Action for shutdown reason code 0 is destroy
Domain 1 needs to be cleaned up: destroying the domain
Done. Exiting now
"""
KERNEL_LINE = "[    0.000000] Kernel command line: console=hvc0 quiet panic=-1 xenbump.line="


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that is not there is waited for a shorter time."""
    monkeypatch.setattr(guests, "_LOG_SECONDS", 0.05)


def started(kind: str, log: str, *, status: int = 0, said: str = CREATED, left: str = "", info: str = XL_INFO) -> Fake:
    return healthy(
        ("xl create", status, said),
        ("tail -(c 65536|n 12)", 0, log),
        ("xl list", 0, XL_LIST + (f"{left}   5   128   1   -b----   0.2\n" if left else "")),
        ("xl info", 0, info),
        *((("qemu-system", 0, "/usr/bin/qemu-system-i386\n"),) if kind == "hvm" else ()),
    )


def result(kind: str, machine: Fake, **changes: object) -> CheckResult:
    return next(checks.run(machine, job(checks=(f"guest-{kind}",), **changes)))


@pytest.mark.parametrize("kind", guests.KINDS)
def test_a_guest_that_prints_its_line_and_goes_down_passes(kind: str) -> None:
    machine = started(kind, f"[   18.0] boot\r\n{line(job(), kind)}\r\n[   18.6] reboot: Power down\r\n")
    found = result(kind, machine)
    assert (found.result, found.reason) == ("passed", "the guest printed its line and went down")
    assert line(job(), kind) in found.evidence
    assert not machine.asked("xl destroy")


@pytest.mark.parametrize(
    ("log", "status", "said", "left", "reason"),
    [
        ("", 0, CREATED, False, "did not print its line (`xl` ended with status 0)"),
        (KERNEL_LINE + "{line}\nKernel panic\n", 0, CREATED, False, "did not print its line"),
        ("{line}\n", 0, CREATED.replace("code 0", "code 3"), False, "printed its line and ended by a crash"),
        ("{line}\n", 0, CREATED.replace("code 0", "code 9"), False, "printed its line and ended by reason 9"),
        ("{line}\n", 0, CREATED, True, "printed its line and is still in `xl list`"),
        ("{line}\n", 134, CREATED, False, "printed its line, and `xl create` ended with status 134"),
        ("{line}\n", -1, "", True, "printed its line and did not go down within 0 seconds"),
        ("", -1, "", True, "did not print its line and did not go down"),
        ("{line}0\n", 0, CREATED, False, "did not print its line"),
    ],
)
def test_a_guest_that_is_not_well_is_named(log: str, status: int, said: str, *, left: bool, reason: str) -> None:
    guest = name(job(), "pv")
    machine = started(
        "pv", log.replace("{line}", line(job(), "pv")), status=status, said=said, left=guest if left else ""
    )
    found = result("pv", machine)
    assert found.result == "failed"
    assert reason in found.reason
    # Nothing is left of it.
    assert machine.asked(f"xl destroy {guest}") == int(left)


@pytest.mark.parametrize(
    ("kind", "info", "changes", "why"),
    [
        ("pv", XL_INFO, {"guests": ("pvh",)}, "no PV guest was asked for"),
        ("pv", XL_INFO, {"guest_kernel": ""}, "no guest kernel and initrd are at hand"),
        ("pvh", XL_INFO, {"guest_initrd": ""}, "no guest kernel and initrd are at hand"),
        ("pvh", XL_INFO.replace(" hvm ", " "), {}, "cannot run PVH guests on this machine (virt_caps: "),
        ("hvm", XL_INFO.replace(" hvm ", " "), {}, "cannot run HVM guests"),
        ("pv", XL_INFO.replace(": pv ", ": "), {}, "cannot run PV guests"),
    ],
)
def test_a_guest_that_cannot_be_started_is_left_out_with_the_reason(
    kind: str, info: str, changes: dict[str, object], why: str
) -> None:
    machine = started(kind, "", info=info)
    found = result(kind, machine, **changes)
    assert found.result == "skipped"
    assert why in found.reason
    assert not machine.asked("xl create")


def test_no_hvm_guest_without_a_device_model() -> None:
    assert result("hvm", started("pv", "")).reason == "there is no device model"
    wrong = healthy(("test -x", 1, ""))
    assert device_model(wrong, job(device_model="/none")) == ""
    assert device_model(healthy(("test -x", 0, "")), job(device_model="/dm")) == "/dm"


def test_a_file_that_cannot_be_written_is_named() -> None:
    found = result("pv", healthy(("mkdir -p", 1, "sh: read-only file system\n")))
    assert found.reason == "the guest's file could not be written: sh: read-only file system"


def test_what_a_guest_is_started_with() -> None:
    text = config(job(), "pv", "pv")
    assert 'type = "pv"' in text
    assert 'kernel = "/opt/guest/kernel"' in text
    assert f"xenbump.line={line(job(), 'pv')}" in text
    assert 'on_crash = "destroy"' in text
    assert "tsc_mode" not in text
    assert 'tsc_mode = "native"' in config(job(), "pvh", "pvh")
    assert 'tsc_mode = "native"' in config(job(), "hvm", "hvm")
    hvm = config(job(hvm_kernel="/bz"), "hvm", "hvm", "/usr/bin/qemu")
    assert 'kernel = "/bz"' in hvm
    assert 'device_model_override = "/usr/bin/qemu"' in hvm
    assert "device_model_override" not in config(job(), "hvm", "hvm")
    # The key of the frames is not told to guests.
    assert NONCE not in text
    assert len({line(job(), kind) for kind in guests.KINDS} | {line(job(nonce="f" * 32), "pv")}) == 4


@pytest.mark.parametrize("path", ['/a"b', "/a\nb", "/a'b", "/a\\b"])
def test_a_path_that_would_break_the_file_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="cannot be written into a guest's file"):
        config(job(guest_kernel=path), "pv", "pv")
    assert result("pv", healthy(), guest_kernel=path).result == "failed"


def systemd(log: str, *first: tuple[str, int, str], status: int = 0, left: int = 0) -> Fake:
    """A dom0 with systemd, whose guest is in `xl list` for the first `left` times that it is asked for."""
    times = iter(range(100))
    guest = name(job(), "auto")

    def listed(_: str) -> Answer:
        return 0, XL_LIST + (f"{guest}   5   128   1   -b----   0.2\n" if next(times) < left else "")

    return healthy(
        *first,
        ("run/systemd", 0, ""),
        ("systemctl restart xendomains.service", status, "said\n"),
        ("XENDOMAINS_AUTO", 0, "/etc/xen/auto\n"),
        ("tail -(c 65536|n 12)", 0, log),
        ("xl list", listed),
    )


def auto(machine: Fake, **changes: object) -> CheckResult:
    return next(checks.run(machine, job(checks=("autostart",), guest_seconds=0.2, **changes)))


def test_xendomains_starts_the_guest_of_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autostart, "_PAUSE_SECONDS", 0.01)
    machine = systemd(f"{line(job(), 'auto')}\n", left=2)
    found = auto(machine)
    assert (found.result, found.reason) == (
        "passed",
        "xendomains started the guest, which printed its line and went down",
    )
    path = f"/etc/xen/auto/{name(job(), 'auto')}.cfg"
    assert machine.asked(f"> {path}") == 1
    assert machine.asked(f"rm -f {path}") == 1


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (systemd("", status=0), "did not print its line"),
        (systemd("", status=1), "xendomains.service did not start"),
        (systemd(f"{line(job(), 'auto')}\n", left=99), "did not go down"),
    ],
    ids=["no line", "no unit", "stays"],
)
def test_an_autostart_that_does_not_work_is_named(machine: Fake, said: str) -> None:
    found = auto(machine)
    assert found.result == "failed"
    assert said in found.reason
    assert machine.asked("rm -f /etc/xen/auto/") == 1
    assert machine.asked("xl destroy") == int(said == "did not go down")


def test_an_autostart_that_cannot_be_tried_is_left_out_with_the_reason() -> None:
    assert "is not run by systemd" in auto(healthy()).reason
    assert auto(systemd(""), guests=("hvm",)).reason == "no PV guest was asked for"
    fixed = auto(systemd("", ("mkdir -p", 1, "read-only file system")))
    assert (fixed.result, fixed.reason) == (
        "skipped",
        "nothing can be written into /etc/xen/auto: read-only file system",
    )
