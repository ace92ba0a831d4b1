"""The steps of a verification in their order, the choice of the engine, and what the evidence says in the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from xenbump.dom0.report import CheckResult
from xenbump.verify import build, meta, outputs, verifier
from xenbump.verify import engine as engines
from xenbump.verify.build import Built, Outcome
from xenbump.verify.engine import Ran
from xenbump.verify.evidence import Step, StepResult
from xenbump.verify.nix import Buildable
from xenbump.verify.outputs import Promises
from xenbump.verify.verifier import Verifier, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xenbump.verify.evidence import Evidence


class Fake:
    """An engine that passes everything, and tells what it was made of."""

    made: list[tuple[str, object]]

    def __init__(self, name: str, given: object) -> None:
        self.name = name
        self.made.append((name, given))

    def run(self, steps: tuple[Step, ...]) -> Ran:
        found = tuple(StepResult(step, "passed") for step in steps)
        return Ran(found, f"engine {self.name}", (("test-pv64-xsa-1", "SUCCESS"),), "4.20.1")


@pytest.fixture
def wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wanted:
    """What is verified, with everything that would start a program put aside."""
    Fake.made = []
    monkeypatch.setattr(verifier, "Qemu", lambda _, given, __: Fake("qemu", given))
    monkeypatch.setattr(verifier, "NixosTest", lambda given, _: Fake("nixos", given.nixos_test))
    built = Built(Outcome.BUILT, {"out": "/nix/store/x-xen", "boot": "/nix/store/x-boot"}, 3.0)
    monkeypatch.setattr(build, "build", lambda *_, **__: built)
    passed = (CheckResult("one", "R.", "passed"),)
    monkeypatch.setattr(outputs, "check", lambda *_, **__: passed)
    monkeypatch.setattr(meta, "check", lambda *_, **__: passed)
    told = Promises("4.20.2", "boot/xen-4.20.2.efi", "boot/xen-4.20.2")
    monkeypatch.setattr(outputs, "promises", lambda *_, **__: told)
    return Wanted(
        package="xen",
        version="4.20.2",
        upstream_version="4.20.2",
        efi=None,
        buildable=Buildable("xen", tmp_path, options=("--store", f"local?root={tmp_path}")),
        steps=tuple(Step),
        computed={},
        image=None,
        cache=tmp_path / "cache",
        xtf=None,
        baseline=None,
        logs=tmp_path / "logs",
        limit=60.0,
        of="a commit",
    )


def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = Built(Outcome.FAILED, reason="it failed", derivation="/nix/store/x-xen.drv", lines=("make: Error 2",))
    monkeypatch.setattr(build, "build", lambda *_, **__: failed)


def verified(wanted: Wanted, say: Callable[[str], None] = lambda _: None) -> Evidence:
    return Verifier(wanted, say).verify()


def results(evidence: Evidence) -> dict[str, str]:
    return {one.step.value: one.result for one in evidence.steps}


def test_all_of_it(wanted: Wanted, tmp_path: Path) -> None:
    said: list[str] = []
    began = datetime.now(UTC).replace(microsecond=0)
    evidence = verified(wanted, said.append)
    assert list(results(evidence)) == [step.value for step in Step]
    assert evidence.complete
    assert said == ["xen: build", "xen: outputs", "xen: meta"]
    assert Fake.made == [("qemu", tmp_path / "nix/store/x-boot/boot/xen-4.20.2")]
    assert (evidence.engine, evidence.tests) == ("engine qemu", (("test-pv64-xsa-1", "SUCCESS"),))
    assert (evidence.compared, evidence.of) == ("4.20.1", "a commit")
    ended = datetime.fromisoformat(evidence.when)
    assert began <= ended <= datetime.now(UTC)
    assert ended.utcoffset() == began.utcoffset()


def test_the_engine_that_is_wanted(wanted: Wanted) -> None:
    evidence = verified(replace(wanted, engine="nixos", nixos_test="nixosTests.xen", steps=(Step.BUILD, Step.DOM0)))
    assert (evidence.engine, Fake.made) == ("engine nixos", [("nixos", "nixosTests.xen")])
    assert list(results(evidence)) == ["build", "dom0"]


@pytest.mark.parametrize("engine", ["qemu", "nixos"])
def test_what_does_not_build_is_not_booted(engine: str, wanted: Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch)
    evidence = verified(replace(wanted, engine=engine))  # type: ignore[arg-type]
    assert results(evidence) == {
        "build": "failed",
        "outputs": "skipped",
        "meta": "passed",
        "dom0": "skipped",
        "guests": "skipped",
        "xtf": "skipped",
    }
    assert evidence.steps[0].tail == ("make: Error 2",)
    assert [reason for name, reason in evidence.not_run if name == "dom0"] == ["nothing was built that could be booted"]
    assert Fake.made == []
    assert (evidence.engine, evidence.tests, evidence.compared) == ("", (), "")


def test_without_the_build(wanted: Wanted) -> None:
    """A boot needs what was built; a test of NixOS builds it itself."""
    only = replace(wanted, steps=(Step.DOM0,))
    assert results(verified(only)) == {"dom0": "skipped"}
    assert results(verified(replace(only, engine="nixos", nixos_test="t"))) == {"dom0": "passed"}


def test_a_hypervisor_whose_place_is_not_known(wanted: Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "promises", lambda *_, **__: "nothing can be evaluated")
    evidence = verified(wanted)
    assert results(evidence)["outputs"] == "failed"
    assert Fake.made == [("qemu", "where the hypervisor lies in what was built is not known")]


def test_nothing_is_asked_for(wanted: Wanted) -> None:
    evidence = verified(replace(wanted, steps=()))
    assert (evidence.steps, evidence.complete, evidence.failed) == ((), False, False)
    assert Fake.made == []


def test_the_defaults_of_what_is_wanted(wanted: Wanted) -> None:
    assert (wanted.engine, wanted.nixos_test, wanted.accelerator) == ("qemu", "", "auto")
    assert (wanted.before, wanted.hvm) == (None, False)
    assert set(engines.STEPS) == {Step.DOM0, Step.GUESTS, Step.XTF}
