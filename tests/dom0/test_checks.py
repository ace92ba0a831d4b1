"""The checks, against what a dom0 says that is well, and against what broken ones say."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dom0.support import CONFIG, DMESG, PROCESSES, XL_DMESG, XL_INFO, XL_INFO_DENIED, XL_LIST, Fake, healthy, job
from xenbump.dom0 import checks
from xenbump.dom0.check import Check, Found, clipped, passed, perform
from xenbump.dom0.checks_kernel import DOM0_REQUIRED, options
from xenbump.dom0.checks_log import kernel_errors, xen_errors
from xenbump.dom0.checks_services import processes, units
from xenbump.dom0.checks_xen import domains, fields

if TYPE_CHECKING:
    from xenbump.dom0.job import Job
    from xenbump.dom0.machine import Machine
    from xenbump.dom0.report import CheckResult

UNITS = """\
Id=xenstored.service
LoadState=loaded
ActiveState=active
SubState=running
Result=success

Id=xen-init-dom0.service
LoadState=loaded
ActiveState=active
SubState=exited
Result=success

Id=xenconsoled.service
LoadState=loaded
ActiveState=active
SubState=running
Result=success

Id=xen-qemu-dom0-disk-backend.service
LoadState=loaded
ActiveState=active
SubState=running
Result=success

Id=xen-watchdog.service
LoadState=loaded
ActiveState=active
SubState=running
Result=success

Id=xendomains.service
LoadState=loaded
ActiveState=active
SubState=exited
Result=success
"""
SYSTEMD = ("run/systemd", 0, "")


def result(name: str, machine: Fake, **changes: object) -> CheckResult:
    """What one check finds."""
    return next(checks.run(machine, job(checks=(name,), **changes)))


def outcome(name: str, machine: Fake, **changes: object) -> tuple[str, str]:
    found = result(name, machine, **changes)
    return found.result, found.reason


def test_in_a_dom0_in_which_all_is_well_every_check_passes_or_says_why_it_was_left_out() -> None:
    found = {one.name: one for one in checks.run(healthy(), job(guests=()))}
    skipped = {name for name, one in found.items() if one.result == "skipped"}
    assert {name for name, one in found.items() if one.result == "failed"} == set()
    assert skipped == {"units", "guest-pv", "guest-pvh", "guest-hvm", "autostart"}
    assert all(one.reason for one in found.values())
    assert all(one.evidence for one in found.values() if one.result == "passed" and "dmesg" not in one.name)
    assert list(found) == [check.name for check in checks.CHECKS]


def test_where_nothing_works_no_check_passes() -> None:
    found = list(checks.run(Fake(), job()))
    assert {one.result for one in found} == {"failed", "skipped"}
    assert {one.name for one in found if one.result == "skipped"} == {
        "units",
        "kernel-dom0",
        "kernel-domu",
        "guest-hvm",
        "autostart",
    }


@pytest.mark.parametrize(
    ("name", "answer", "said"),
    [
        ("version", ("xl info", 0, XL_INFO.replace(".2\n", ".1\n")), "4.20.1, and the package 4.20.2"),
        ("version", ("xl info", 0, XL_INFO.replace(": 4.20.2", ": 4.20.3")), "contradicts itself"),
        ("version", ("xl info", 1, ""), "status 1: it said nothing"),
        ("version", ("xl info", 0, "no table"), "ended with status 0: no table"),
        ("tools", ("xl info", 1, "xl: command broke\n"), "status 1: xl: command broke"),
        ("tools", ("xl info", -1, ""), "`xl info` did not end in time"),
        ("alone", ("xl list", 0, XL_LIST + "forgotten   3   128   1   -b----   0.2\n"), "other domains too: forgotten"),
        ("alone", ("xl list", 0, ""), "does not begin with Domain-0"),
        ("alone", ("xl list", 0, XL_LIST.replace("Domain-0 ", "Domain-1 ")), "does not begin with Domain-0"),
        ("control", ("capabilities", 0, "\n"), "does not say control_d"),
        ("control", ("capabilities", 1, "cat: no such file\n"), "cat: no such file"),
        ("xenstored", ("cmdline", 0, PROCESSES.replace("oxenstored", "busybox")), "neither oxenstored nor xenstored"),
        ("xenstored", ("xenstore-read", 1, ""), "oxenstored runs and does not answer"),
        ("xenstored", ("xenstore-read", -1, ""), "oxenstored runs and does not answer"),
        ("xenstored", ("cmdline", 0, PROCESSES + "==> /proc/9/cmdline <==\n/sbin/xenstored\0-N"), "both run"),
        ("xenconsoled", ("cmdline", 0, PROCESSES.replace("sbin/xenconsoled", "sbin/x")), "does not run"),
        ("memory", ("xl list", 0, XL_LIST.replace("768", "2047")), "has 2047 MiB and was given 768"),
        ("memory", ("xl list", 0, XL_LIST.replace("768", "512")), "has 512 MiB"),
        ("memory", ("xl list", 0, ""), "`xl list` ended"),
        ("free-memory", ("xl info", 0, XL_INFO.replace("1208", "100")), "100 MiB are free"),
        ("free-memory", ("xl info", 0, XL_INFO.replace("1208", "many")), "`xl info` ended"),
        ("kernel-dom0", ("config", 0, CONFIG.replace("CONFIG_XEN_GNTDEV=m", "")), "lacks CONFIG_XEN_GNTDEV"),
        ("kernel-dom0", ("config", 0, CONFIG.replace("_DOM0=y", "_DOM0=n")), "lacks CONFIG_XEN_DOM0"),
        ("kernel-domu", ("config", 0, CONFIG.replace("CONFIG_XEN_PVH=y", "# CONFIG_XEN_PVH is not set")), "XEN_PVH"),
        ("dmesg", ("dmesg -r", 0, DMESG + "<2>[    3.1] xenbus: trouble\n"), "first: xenbus: trouble"),
        ("dmesg", ("dmesg", 1, "dmesg: not permitted\n"), "`dmesg` ended"),
        ("xl-dmesg", ("xl dmesg", 0, XL_DMESG + "(XEN) Xen WARN at mm.c:12\n"), "first: (XEN) Xen WARN"),
        ("xl-dmesg", ("xl dmesg", 0, ""), "`xl dmesg` ended with status 0"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(name: str, answer: tuple[str, int, str], said: str) -> None:
    found = result(name, healthy(answer))
    assert found.result == "failed"
    assert said in found.reason


def test_tools_of_another_minor_version_are_named_with_both_versions() -> None:
    machine = healthy(
        ("xl info", 1, XL_INFO_DENIED),
        ("/sys/hypervisor", 0, "4.20.2\n"),
        ("/maps", 0, "libxenctrl.so.4.17.0\nlibxenevtchn.so.1.2\nlibxentoollog.so.1\n"),
    )
    found = result("tools", machine)
    assert found.result == "failed"
    assert "tools of Xen 4.17 do not fit the hypervisor, which calls itself 4.20.2" in found.reason
    assert "libxenctrl.so.4.17.0" in found.evidence
    # The kernel knows the version all the same.
    assert outcome("version", machine) == ("passed", "the hypervisor calls itself 4.20.2")


@pytest.mark.parametrize(
    ("libraries", "expected"),
    [
        ("libxenctrl.so.4.17.0\nlibxenstore.so.4.0\n", ("failed", "tools of Xen 4.17 run on a hypervisor of 4.20")),
        ("libxenctrl.so.4.20.0\nlibxenstore.so.4.0\n", ("passed", "`xl info` is answered")),
        ("libxenstore.so.4.0\nlibxenevtchn.so.1.2\n", ("passed", "`xl info` is answered")),
    ],
)
def test_tools_that_answer_all_the_same_are_looked_at(libraries: str, expected: tuple[str, str]) -> None:
    assert outcome("tools", healthy(("/maps", 0, libraries))) == expected


def test_tools_whose_version_is_not_known_are_named_too() -> None:
    found = result("tools", healthy(("xl info", 1, XL_INFO_DENIED), ("/sys/hypervisor", 1, ""), ("/maps", 1, "")))
    assert "the tools do not fit the hypervisor, which calls itself nothing" in found.reason


@pytest.mark.parametrize("version", ["4.21-rc1", "4.20.3-pre"])
def test_a_version_with_a_suffix_is_compared_as_a_whole(version: str) -> None:
    info = (
        XL_INFO.replace("4.20.2\n", f"{version}\n")
        .replace(": .2", f": {version[4:]}")
        .replace(": 20", f": {version[2:4]}")
    )
    assert outcome("version", healthy(("xl info", 0, info)), version=version)[0] == "passed"
    assert outcome("version", healthy(("xl info", 0, info)), version=version[:4])[0] == "failed"


def test_memory_that_is_not_capped_is_not_judged() -> None:
    assert outcome("memory", healthy(), memory=0) == ("skipped", "dom0's memory is not capped in this boot")


def test_without_guests_no_free_memory_is_needed() -> None:
    assert outcome("free-memory", healthy(("xl info", 0, XL_INFO.replace("1208", "0"))), guests=())[0] == "passed"


def test_all_units_active() -> None:
    assert outcome("units", healthy(SYSTEMD, ("systemctl show", 0, UNITS))) == ("passed", "all units are active")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("active\nSubState=exited", "failed\nSubState=failed", "xen-init-dom0.service is failed"),
        ("watchdog.service\nLoadState=loaded", "watchdog.service\nLoadState=masked", "xen-watchdog.service is masked"),
        ("Id=xendomains", "Id=other", "xendomains.service is not-found"),
        ("LoadState=loaded\n", "", "xenstored.service is unknown"),
    ],
)  # fmt: skip
def test_a_unit_that_is_not_active_is_named(before: str, after: str, said: str) -> None:
    machine = healthy(SYSTEMD, ("systemctl show", 0, UNITS.replace(before, after, 1)))
    found = result("units", machine)
    assert found.result == "failed"
    assert said in found.reason


def test_the_disk_backend_is_not_needed_where_there_is_no_device_model() -> None:
    text = UNITS.replace("disk-backend.service\nLoadState=loaded", "disk-backend.service\nLoadState=not-found")
    assert outcome("units", healthy(SYSTEMD, ("systemctl show", 0, text)))[0] == "passed"
    model = ("qemu-system", 0, "/usr/bin/qemu-system-i386\n")
    assert outcome("units", healthy(SYSTEMD, ("systemctl show", 0, text), model))[0] == "failed"


def test_systemctl_that_fails_fails_the_check() -> None:
    assert outcome("units", healthy(SYSTEMD, ("systemctl show", 1, "Failed to connect to bus\n")))[0] == "failed"


def test_a_kernel_config_that_is_not_there_is_a_reason_and_no_failure() -> None:
    assert outcome("kernel-dom0", healthy(("config", 1, ""))) == (
        "skipped",
        "the options of dom0's kernel are not in /proc/config.gz or /boot",
    )
    assert "not in /boot/c" in outcome("kernel-domu", healthy(("boot/c", 1, "")), kernel_config="/boot/c")[1]


def test_a_kernel_without_any_option_of_xen_is_a_failure() -> None:
    found = result("kernel-dom0", healthy(("config", 0, "# CONFIG_XEN is not set\n")))
    names = ", ".join(f"CONFIG_{name}" for name in DOM0_REQUIRED)
    assert found.reason == f"the kernel lacks {names}"[:299] + "…"


def test_optional_options_are_named_when_absent() -> None:
    assert "CONFIG_XEN_PCIDEV_BACKEND is not set, which is allowed" in result("kernel-dom0", healthy()).evidence


@pytest.mark.parametrize("line", ["<3>[    1.0] xen_netback: trouble", "[    1.0] BUG: unable to handle page fault"])
def test_a_kernel_error_is_seen_by_level_or_by_words(line: str) -> None:
    assert kernel_errors(line) == (line.partition("] ")[2],)


@pytest.mark.parametrize(
    "line",
    [
        "<6>[    1.0] fine",
        "[    1.0] fine",
        "",
        "<27>[    1.0] daemon: an error",
        "<3>[    1.0] i8042: No controller found",
    ],
)
def test_a_line_that_is_no_error_or_known_is_passed_over(line: str) -> None:
    assert kernel_errors(line) == ()


def test_dmesg_without_levels_is_judged_by_its_words() -> None:
    machine = healthy(("dmesg -r", 1, "usage"), ("dmesg", 0, "[    0.1] general protection fault\n"))
    assert outcome("dmesg", machine)[0] == "failed"


def test_only_the_hypervisors_own_lines_count() -> None:
    assert xen_errors("d1 crashed\n(XEN) fine\n(XEN) [1.1] Domain 1 (vcpu#0) crashed on cpu#0:\n") == (
        "(XEN) [1.1] Domain 1 (vcpu#0) crashed on cpu#0:",
    )


def test_names_of_checks_are_known_or_refused() -> None:
    assert [check.name for check in checks.select(("dmesg", "control"))] == ["control", "dmesg"]
    assert checks.select(()) == checks.CHECKS
    with pytest.raises(ValueError, match="`nothing` is no check; there are control, "):
        list(checks.run(healthy(), job(checks=("nothing",))))


def test_names_are_unique_and_requirements_are_sentences() -> None:
    assert len({check.name for check in checks.CHECKS}) == len(checks.CHECKS)
    assert all(check.requirement.endswith(".") for check in checks.CHECKS)


def test_an_exception_in_a_check_is_its_failure() -> None:
    def run(_machine: Machine, _job: Job) -> Found:
        raise KeyError("xen_extra")

    found = perform(Check("c", "C.", run), healthy(), job(), seconds=1)
    assert (found.result, found.reason) == ("failed", "the check itself failed: KeyError: 'xen_extra'")


def test_a_check_that_goes_on_past_its_limit_is_failed() -> None:
    def run(machine: Machine, _job: Job) -> Found:
        while True:
            machine.run("xl info", timeout=10)
            time.sleep(0.005)

    found = perform(Check("c", "C.", run), healthy(), job(), seconds=0.05)
    assert (found.result, found.reason) == ("failed", "it was not done within 0.05 seconds")
    assert found.seconds < 2


def test_checks_for_which_no_time_is_left_are_failed_and_not_forgotten() -> None:
    found = list(checks.run(healthy(), job(seconds=1e-9)))
    assert [one.name for one in found] == [check.name for check in checks.CHECKS]
    assert {one.result for one in found} == {"failed"}
    assert found[0].reason == "it was not begun: the 1e-09 seconds of all checks were over"


def test_evidence_is_clipped_and_has_no_control_characters() -> None:
    lines = clipped((*(f"line {number}" for number in range(100)), "\x1b[31mred\x07" + "x" * 1000))
    assert len(lines) == 41
    assert lines[20] == "(61 lines are left out)"
    assert lines[-1].startswith("[31mredxxx")
    assert max(map(len, lines)) == 300

    found = perform(Check("c", "C.", lambda _machine, _job: passed("a\x00b", "c\x9bd")), healthy(), job(), seconds=1)
    assert (found.reason, found.evidence) == ("ab", ("cd",))


@settings(max_examples=40)
@given(st.text())
def test_no_text_breaks_the_parsers(text: str) -> None:
    assert all(name.isidentifier() or name[0].isdigit() for name in fields(text))
    assert all(number >= 0 for _, number, _ in domains(text))
    assert set(options(text).values()) <= {"y", "m"}
    assert all("Id=" in text for _ in units(text))
    assert processes(text, ("xenstored",)) == () or "xenstored" in text
    assert all(line in text for line in kernel_errors(text))
    assert all(line in text for line in xen_errors(text))


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,30}", fullmatch=True), st.integers(0, 32767), st.integers(0, 10**6)
        ),
        max_size=5,
    )
)
def test_the_table_of_domains_is_read_at_any_width(rows: list[tuple[str, int, int]]) -> None:
    table = XL_LIST.splitlines()[0] + "\n"
    table += "".join(
        f"{name:<40} {number:>5} {memory:>5}     1     -b----       0.1\n" for name, number, memory in rows
    )
    assert domains(table) == tuple(rows)


def test_a_program_started_through_its_loader_is_found() -> None:
    text = "==> /proc/7/cmdline <==\n/lib64/ld-linux-x86-64.so.2\0--library-path\0/x\0/opt/xenstored\0-N\0"
    assert processes(text, ("oxenstored", "xenstored"))[0][0] == "xenstored"
    assert processes("==> /proc/8/cmdline <==\ntail\0/var/log/xenstored\0", ("xenstored",)) == ()
