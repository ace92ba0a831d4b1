"""What a report says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.trying.reports import HOSTILE, MACHINE, SIGNED, bad, told
from tests.trying.verdicts import GOOD, OTHER, TEST, check, failing, skipped, verdict
from xenbump.dom0.report import FAILED, PASSED, SKIPPED
from xenbump.trying import judging, report
from xenbump.trying.compare import Difference
from xenbump.trying.model import Phase


def row(rows: report.Rows, name: str) -> str:
    """What stands beside a name; empty where it is not there."""
    return " / ".join(dict(rows).get(name, ()))


def test_the_subject_says_what_and_how() -> None:
    assert report.subject(told()) == "[TESTDAY] Test report: Xen 4.22.0-rc3: passed"
    assert report.subject(bad()).endswith("4.22.0-rc3 with 2 patches, DEBUG=y: FAILED in guests")
    assert report.subject(told(verdict=verdict(rev="staging"))) == "Test report: Xen staging: passed"
    assert report.outcome(verdict(skipped(Phase.BUILD, ""))) == "nothing was run"


def test_what_was_tested() -> None:
    found = report.tested(told())
    assert row(found, "Revision") == "4.22.0-rc3"
    assert row(found, "Commit") == "0123456789" * 4
    assert row(found, "Described") == ""
    assert row(found, "Version") == "Xen 4.20.2, it calls itself 4.20.2"
    assert row(found, "Signature").startswith("good, ")
    assert (row(found, "Patches"), row(found, "Options")) == ("none", "those of the default configuration")
    more = report.tested(bad(repository="", signed=replace(SIGNED, state="bad", words="it does not fit")))
    assert row(more, "Signature") == "NOT GOOD: it does not fit"
    assert row(more, "Source") == "a checkout on the machine of the tester"
    assert row(more, "Patches").startswith("1. x86: the first / 2. x86: ")
    assert row(more, "Options") == "DEBUG=y"
    assert row(report.tested(told(verdict=verdict(described="x-1-gabc"))), "Described") == "x-1-gabc"
    assert row(report.tested(told(verdict=verdict(kept=True))), "When").endswith("(a result that was kept)")


def test_what_failed_early_has_fewer_facts() -> None:
    found = report.tested(told(verdict=verdict(failing(Phase.PATCHES), version="", booted="", tools="", tree="")))
    assert not {"Version", "Tools"} & dict(found).keys()


def test_the_machine_is_told_with_what_was_booted_on() -> None:
    found = report.machine(told())
    assert (row(found, "Processor"), row(found, "Used of it")) == ("A processor", "2 processors")
    assert row(found, "Machine") == "QEMU 10.0.2, TCG: the processor was emulated"
    assert row(found, "KVM") == "there is no /dev/kvm that can be opened"
    there = report.machine(told(machine=replace(MACHINE, kvm=True, processors=1)))
    assert (row(there, "KVM"), row(there, "Used of it")) == ("there is a /dev/kvm", "1 processor")
    kvm = report.machine(told(verdict=verdict(engine="QEMU 10.0.2, kvm")))
    assert (row(kvm, "KVM"), row(kvm, "Machine")) == ("", "QEMU 10.0.2, KVM: Xen ran nested in this machine's kernel")
    none = report.machine(told(verdict=verdict(GOOD[0], engine="")))
    assert (row(none, "KVM"), row(none, "Machine")) == ("", "none was booted")


def test_bad_results_are_told_apart_from_those_that_were_expected() -> None:
    found = bad().verdict
    assert report.unexpected(found) == ((TEST, "SUCCESS before, FAILURE now"),)
    assert report.unknown(found) == (("test-hvm64-new", "not in the baseline: SUCCESS"),)
    assert report.expected(found) == (("test-hvm32-known", "ERROR"),)
    assert report.counts(found) == (("SUCCESS", 1), ("SKIP", 1), ("ERROR", 1), ("FAILURE", 1))


def test_a_bad_result_that_nothing_was_expected_of_is_unexpected() -> None:
    new, gone = check("test-pv64-new", SKIPPED, "not in the baseline: CRASH"), check(OTHER, FAILED, "it has no result")
    phase = replace(GOOD[3], checks=(check("baseline"), new, gone, check(TEST, PASSED, "better: CRASH before")))
    found = verdict(*GOOD[:3], phase, tests=((TEST, "SUCCESS"), ("test-pv64-new", "CRASH")))
    assert [name for name, _ in report.unexpected(found)] == ["test-pv64-new", OTHER]
    assert [name for name, _ in report.unknown(found)] == [TEST]
    assert report.expected(found) == ()


def test_without_a_baseline_all_that_is_bad_is_unexpected() -> None:
    tests = ((TEST, "FAILURE"), (OTHER, "SKIP"))
    found = verdict(*GOOD[:3], skipped(Phase.XTF, "there is no baseline"), tests=tests)
    assert report.unexpected(found) == ((TEST, "FAILURE"),)
    assert report.expected(found) == ()


def test_without_xtf_nothing_is_unexpected() -> None:
    found = verdict(*GOOD[:3], skipped(Phase.XTF, judging.NO_XTF), tests=())
    assert (report.unexpected(found), report.unknown(found), report.expected(found)) == ((), (), ())


def test_checks_are_told_apart() -> None:
    phase = bad().verdict.phases[1]
    assert [one.name for one in report.passed(phase)] == ["tools"]
    assert [one.name for one in report.others(phase)] == ["dmesg", "vif"]
    assert report.of_all(phase) == "2 of 3"
    assert (report.of_all(GOOD[0]), report.of_all(GOOD[3]), report.others(GOOD[3])) == ("", "", ())


def test_what_a_failure_rests_on_is_said_once() -> None:
    lines = ("one", "two")
    inner = (check("dmesg", FAILED, "why", *lines), check("tools", FAILED, "why"))
    assert report.evidence(failing(Phase.DOM0, checks=inner)) == (("dmesg", lines),)
    assert report.evidence(failing(Phase.DOM0, checks=inner, tail=lines)) == ()


def test_the_end_of_a_log_keeps_the_blanks_that_point() -> None:
    found = report.tail(failing(Phase.BUILD, tail=("a\tb", "    ^ here\x1b", " " * 90 + "x", *["y"] * 18)))
    assert found[:3] == ("    ^ here�", " " * 40 + "x", "y")
    assert len(found) == report.LISTED
    assert report.log(failing(Phase.BUILD, log="/home/me/logs/build.log")) == "build.log"
    assert report.log(failing(Phase.BUILD)) == ""


@pytest.mark.parametrize(("number", "words"), [(0, "no result is"), (1, "1 result is"), (2, "2 results are")])
def test_how_many(number: int, words: str) -> None:
    assert report.many(number) == words


def test_differences_are_sentences() -> None:
    one = Difference("test", TEST, "SUCCESS", "FAILURE", "worse", "why")
    assert report.difference(one) == f"worse: test {TEST}: SUCCESS before, FAILURE now (why)"
    assert report.difference(Difference("check", "x", "", PASSED, "other")) == "check x: not there before, passed now"


def test_what_was_not_tested_is_told_with_the_reason() -> None:
    assert report.left(told()) == (
        "real hardware: dom0 ran in a machine that QEMU makes",
        "HVM guests with a device model",
        "tests of XTF in pv32pae, hvm32pae, hvm32pse, hvm32",
        "other architectures than x86-64",
    )
    assert "vif (dom0): none" in report.left(bad())
    built = report.left(told(verdict=verdict(GOOD[0], skipped(Phase.DOM0), engine="", tests=())))
    assert built == ("guests: not asked for", "XTF: not asked for", "dom0: it did not come to that")
    hvm = replace(GOOD[2], checks=(check("guest-hvm"), check("guest-pv", SKIPPED)))
    found = report.left(told(verdict=verdict(*GOOD[:2], hvm, GOOD[3])))
    assert found[0] == "guest-pv (guests): skipped"
    assert "HVM guests with a device model" not in found


def test_text_from_outside_is_one_plain_line() -> None:
    assert report.cleaned(f" a\n {HOSTILE}") == "a <script>alert(1)</script>��[31m"
    assert len(report.cleaned("x" * 5000)) == 600
