"""The log of a NixOS test that failed: its subtests, and no console that pretends to be the driver."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from xenbump.verify import driver_log

# Written after the driver's own code (nixos/lib/test-driver in nixpkgs), with its colours.
LOG = (Path(__file__).parent / "driver" / "failed.txt").read_text()


def test_subtests_and_the_error() -> None:
    told = driver_log.read(LOG.splitlines())
    assert [(one.name, one.result, one.seconds) for one in told.checks] == [
        ("dom0 boots", "passed", 31.2),
        ("guest-pv", "passed", 9.1),
        ("guest-pvh", "failed", 0.0),
    ]
    reason = "command `xl create -F /etc/guests/pvh.cfg` failed (exit code 3)"
    assert told.checks[2].reason == reason
    assert told.complaint == f"test_driver.errors.RequestError: {reason}"


def test_only_the_lines_of_one_derivation_count() -> None:
    lines = [f"vm-test-run-xen> {line}" for line in LOG.splitlines()]
    other = ["xen> subtest: of another", "building '/nix/store/x-vm-test-run-xen.drv'", "subtest: no derivation"]
    assert driver_log.read([*other, *lines], "vm-test-run-xen") == driver_log.read(LOG.splitlines())
    assert driver_log.read(lines, "xen") == driver_log.Told()


def test_one_that_did_not_end() -> None:
    (check,) = driver_log.read(["subtest: waits", "dom0 # (finished: subtest: waits, in 1.00 seconds)"]).checks
    assert (check.result, check.reason) == ("failed", "it did not end")


def test_older_and_nested_ones() -> None:
    lines = [
        "subtest: outer",
        "subtest: inner",
        'Test "inner" failed with error: ""',
        'Test "outer" failed with error: "first',
        'second"',
    ]
    told = driver_log.read(lines)
    assert [(one.name, one.reason) for one in told.checks] == [
        ("outer", "first"),
        ("inner", "it failed without a word"),
    ]
    assert told.complaint == ""


def test_a_failure_stands_whatever_is_said_later() -> None:
    lines = ["subtest: a", '!!! Test "a" failed with error: "no"', "subtest: a"]
    lines.append("(finished: subtest: a, in 0.10 seconds)")
    assert [one.result for one in driver_log.read(lines).checks] == ["failed"]


@given(st.lists(st.text() | st.sampled_from(LOG.splitlines())))
def test_any_lines(lines: list[str]) -> None:
    told = driver_log.read(lines)
    assert len({one.name for one in told.checks}) <= len(told.checks) <= len(lines)
    assert all(one.reason for one in told.checks if one.result == "failed")
