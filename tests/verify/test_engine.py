"""What engines share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenbump.dom0.report import CheckResult
from xenbump.verify import engine
from xenbump.verify.by_qemu import Qemu
from xenbump.verify.evidence import Step
from xenbump.verify.nixos import NixosTest
from xenbump.verify.nixstate import Build, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.verify.engine import Engine
    from xenbump.verify.wanted import Wanted


def of(wanted: Wanted, progress: Callable[[str], None]) -> tuple[Engine, ...]:
    """Both are engines, as far as types go."""
    return Qemu(wanted, "there is none", progress), NixosTest(wanted, progress)


def test_nothing_was_started() -> None:
    ran = engine.skipped((Step.DOM0, Step.XTF), "there is no image")
    assert [(one.step, one.result, one.reason) for one in ran.steps] == [
        (Step.DOM0, "skipped", "there is no image"),
        (Step.XTF, "skipped", "there is no image"),
    ]
    assert (ran.engine, ran.tests, ran.compared) == ("", (), "")


def test_which_checks_make_up_a_step() -> None:
    checks = tuple(CheckResult(name, "", "passed") for name in ("control", "guest-pv", "autostart", "guest-hvm"))
    assert [one.name for one in engine.checks_of(Step.DOM0, checks)] == ["control", "autostart"]
    assert [one.name for one in engine.checks_of(Step.GUESTS, checks)] == ["guest-pv", "guest-hvm"]


def test_each_derivation_is_told_once() -> None:
    said: list[str] = []
    told = engine.Told(said.append)
    for name in ("a", "a", "b", "", "b", "a"):
        told.tell(State(running=(Build(1, f"/nix/store/{name}.drv"),) if name else ()))
    assert said == ["building a.drv", "building b.drv", "building a.drv"]
