"""The document of `xenbump guest run`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from xenbump.dom0.report import CheckResult, Report
from xenbump.verify import guest_document, qemu
from xenbump.verify.guest_document import GuestDocument
from xenbump.verify.guest_run import Outcome

PLACE = Path("/logs")


def outcome(*checks: CheckResult, kind: qemu.Kind = "off") -> Outcome:
    report = Report(checks=checks, xtf=None, started=True, finished=True, missing=(), error="", seconds=1.0)
    booted = qemu.Booted(kind, "gone", report, "4.20.1", ("a",), 1.0, 2.00049, PLACE / "dom0.log", ("the end",))
    return Outcome(booted, report if checks else None)


def test_what_came_out_is_said_of_each_guest() -> None:
    one = CheckResult("guest:dom0", "it passes", "passed", "why", ("a line",), 1.5)
    two = CheckResult("guest:two", "it is read", "skipped", "it is not to be started", (), 0.1)
    found = guest_document.document(outcome(one, two), "an engine", PLACE)
    assert found.passed
    assert (found.xen, found.engine, found.dom0.ended, found.dom0.seconds) == ("4.20.1", "an engine", "off", 2.0)
    assert [(guest.name, guest.result, guest.log) for guest in found.guests] == [
        ("dom0", "passed", "/logs/guest-dom0.log"),
        ("two", "skipped", "/logs/guest-two.log"),
    ]
    # A guest may be called as it likes, and dom0's own file stays dom0's.
    assert found.dom0.console == "/logs/dom0.log"
    assert msgspec.json.decode(msgspec.json.encode(found), type=GuestDocument) == found


def test_a_dom0_that_did_not_come_up_has_no_guests() -> None:
    found = guest_document.document(outcome(kind="panic"), "an engine", PLACE)
    assert (found.passed, found.guests, found.dom0.ended, found.dom0.tail) == (False, (), "panic", ("the end",))
    assert msgspec.json.decode(msgspec.json.encode(found), type=GuestDocument) == found
