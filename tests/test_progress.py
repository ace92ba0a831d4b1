"""What is told of the work: by whom, to whom, and that nobody who listens can stop it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.verify import images
from tests.verify.nix_logs import build, events, written
from xenbump import progress as telling
from xenbump.dom0.job import Job
from xenbump.errors import Failure, Refusal, UsageError
from xenbump.journal import Journal
from xenbump.progress import (
    Building,
    Checked,
    ConsoleLine,
    Dom0Up,
    Progress,
    RunBegan,
    RunEnded,
    Said,
    StepBegan,
    StepEnded,
    StepsAhead,
    XtfTest,
)
from xenbump.verify import engine, qemu
from xenbump.verify.evidence import Step
from xenbump.verify.nix import Buildable
from xenbump.verify.nixstate import State, advance
from xenbump.verify.probe import Accelerator
from xenbump.verify.verifier import Verifier, Wanted

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.progress import Event
    from xenbump.verify.nixlog import Event as NixEvent

NONCE = "abcdefghijklmnop0123456789"


def test_a_function_gets_sentences_and_a_progress_facts_too() -> None:
    said: list[str] = []
    told: list[Event] = []
    for progress in (said.append, Progress(told.append)):
        progress("one")
        telling.emit(progress, RunEnded())
    Progress()("nobody listens")
    assert said == ["one"]
    assert told == [Said("one"), RunEnded()]


def test_a_listener_that_fails_is_not_told_again() -> None:
    calls = []

    def fails(event: Event) -> None:
        calls.append(event)
        raise OSError("the terminal is gone")

    progress = Progress(fails)
    for _ in range(3):
        progress("one")
    assert calls == [Said("one")]


def test_an_interrupt_passes() -> None:
    def interrupted(_: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Progress(interrupted)("one")


@pytest.mark.parametrize(
    ("error", "result", "reason"),
    [
        (None, "done", ""),
        (Refusal("E-DIRTY", "it has changes"), "refused", "E-DIRTY: it has changes"),
        (Failure("E-DISK", "it is full"), "failed", "E-DISK: it is full"),
        (UsageError("E-CONFIG", "it is none"), "failed", "E-CONFIG: it is none"),
        (KeyboardInterrupt(), "stopped", ""),
        (ValueError("x"), "stopped", ""),
    ],
)
def test_how_a_step_ended(error: BaseException | None, result: str, reason: str) -> None:
    told: list[Event] = []

    def work() -> None:
        with telling.step(Progress(told.append), "xen", "plan"):
            if error is not None:
                raise error

    if error is None:
        work()
    else:
        with pytest.raises(type(error)):
            work()
    began, ended = told
    assert began == StepBegan("xen", "plan")
    assert isinstance(ended, StepEnded)
    assert (ended.package, ended.name, ended.result, ended.reason, ended.detail) == (
        "xen", "plan", result, reason, False,
    )  # fmt: skip
    assert 0 <= ended.seconds < 5


def test_the_journal_tells_of_a_run_and_of_the_steps_that_are_done(tmp_path: Path) -> None:
    told: list[Event] = []
    with Journal(tmp_path).run("plan", Progress(told.append)) as run:
        for _ in range(2):  # the second time it is remembered
            assert run.step("xen", "source", 1, int, lambda: 5) == 5
    assert [type(one) for one in told] == [RunBegan, StepBegan, StepEnded, RunEnded]
    assert told[:2] == [RunBegan("plan"), StepBegan("xen", "source", detail=True)]
    del told[:]

    def refused() -> None:
        with Journal(tmp_path).run("plan", Progress(told.append)) as run:
            run.step("xen", "source", 2, int, lambda: (_ for _ in ()).throw(Refusal("E-DIRTY", "no")))

    with pytest.raises(Refusal):
        refused()
    assert [type(one) for one in told] == [RunBegan, StepBegan, StepEnded, RunEnded]


def built(log: list[NixEvent]) -> list[Building]:
    """What is told of a build with this log."""
    found: list[Event] = []
    teller, state = engine.Told(Progress(found.append)), State()
    for event in log:
        state = advance(state, event)
        teller.tell(state)
    return [one for one in found if isinstance(one, Building)]


def test_how_far_nix_is() -> None:
    found = built(events("failure"))
    assert found[0] == Building(doing=found[0].doing)
    shown = [one for one in found if one.name]
    assert {(one.expected, one.running, one.name, one.builder) for one in shown} >= {(1, 1, "failing-1", "")}
    assert shown[-1].line == "make: *** [all] Error 2"
    assert "buildPhase" in {one.phase for one in shown}
    assert (found[-1].done, found[-1].running, found[-1].failed, found[-1].name) == (0, 0, 1, "")
    assert all(one.done <= other.done for one, other in pairwise(found))


def test_where_nix_builds() -> None:
    drv = "/nix/store/" + "b" * 32 + "-far-1.drv"
    start = written(action="start", id=8, type=105, fields=[drv, "ssh://builder.example", 1, 1])
    last = built(build(start))[-1]
    assert (last.name, last.builder, last.running) == ("far-1", "ssh://builder.example", 2)
    (bad,) = built(build(written(action="start", id=7, type=105, fields=[drv, 5])))[-1:]
    assert (bad.name, bad.builder) == ("far-1", "")


def test_what_a_dom0_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images.fake_qemu(
        tmp_path / "bin",
        monkeypatch,
        'parts("(XEN) Xen version 4.20.1 (x)\\n\\n\\x1b[1mxenbump: init\\x1b[0m\\nxenbump: ready\\n")\n'
        'parts(encoder.message({"kind": "start", "checks": [], "xtf": True}))\n'
        'parts(encoder.message({"kind": "check", "name": "one", "requirement": "R.", "result": "passed"}))\n'
        'parts(encoder.message({"kind": "test", "name": "test-pv64-a", "result": "SKIP"}))\n'
        'parts(encoder.message({"kind": "tests", "names": ["test-pv64-a"], "error": "", "seconds": 1.0}))\n'
        'parts(encoder.message({"kind": "done", "error": "", "seconds": 1.0}))\n'
        'parts("xenbump: job ended with 0\\n(XEN) Entering ACPI S5 state.\\n")\n',
    )
    told: list[Event] = []
    booted = qemu.boot(
        images.folder(tmp_path / "image"),
        Job(nonce=NONCE, version="4.20.1"),
        accelerator=Accelerator("tcg", "max", "10.0", ""),
        console=tmp_path / "console",
        progress=Progress(told.append),
    )
    assert booted.kind == "off", booted
    assert [one.text for one in told if isinstance(one, ConsoleLine)] == [
        "(XEN) Xen version 4.20.1 (x)", "xenbump: init", "xenbump: ready", "xenbump: job ended with 0",
        "(XEN) Entering ACPI S5 state.",
    ]  # fmt: skip
    assert [one for one in told if isinstance(one, Checked | XtfTest)] == [
        Checked("one", "passed"), XtfTest("test-pv64-a", "SKIP"),
    ]  # fmt: skip
    (up,) = [one for one in told if isinstance(one, Dom0Up)]
    assert up.seconds == booted.ready


def test_a_verification_tells_of_its_steps(tmp_path: Path) -> None:
    told: list[Event] = []
    wanted = Wanted(
        package="xen",
        version="4.20.2",
        upstream_version="4.20.2",
        efi=None,
        buildable=Buildable("xen", tmp_path),
        steps=(Step.DOM0, Step.XTF),
        computed={},
        image=None,
        cache=tmp_path / "cache",
        xtf=None,
        baseline=None,
        logs=tmp_path / "logs",
        limit=60.0,
    )
    Verifier(wanted, Progress(told.append)).verify()
    why = "nothing was built that could be booted"
    assert told == [
        StepsAhead("xen", ("dom0", "xtf")),
        StepBegan("xen", "dom0"),
        StepEnded("xen", "dom0", "skipped", 0.0, why),
        StepEnded("xen", "xtf", "skipped", 0.0, why),
    ]
