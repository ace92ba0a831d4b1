"""A trial from the question to the verdict, which tells what is wrong with the tree, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.trying import fake_tree
from tests.trying.verdicts import OTHER, TEST, booted, check, failing, report
from tests.verify import images
from tests.verify.elves import hypervisor
from xenbump.dom0.report import FAILED, PASSED, SKIPPED
from xenbump.errors import Failure, Refusal, UsageError
from xenbump.progress import Building, Progress, Said, StepBegan, StepEnded, StepsAhead
from xenbump.trying import build, machine, options, toolset, verdict
from xenbump.trying.model import Phase, Trial
from xenbump.trying.setting import Setting
from xenbump.trying.toolset import Toolset
from xenbump.verify.probe import Accelerator

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.trying.model import PhaseResult, Prepared, Verdict
    from xenbump.verify.image import Image
    from xenbump.verify.qemu import Booted

GOOD = report(check("tools"), check("guest-pv"), check("dmesg"))


@dataclass
class Stand:
    """Everything around a trial, with the real work trees: what is built, and how a boot ends."""

    folder: Path
    built: PhaseResult | Exception | None = None
    tools: PhaseResult | None = None
    boot: Booted = field(default_factory=lambda: booted(GOOD, version="4.22.0-rc3"))
    said: list[Any] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    image: Image | None = None

    @property
    def setting(self) -> Setting:
        return Setting(str(self.folder / "xen"), self.folder / "state", self.folder, jobs=1)

    def tried(self, trial: Trial | str = "4.22.0-rc3", **changes: Any) -> Verdict:
        asked = Trial(trial) if isinstance(trial, str) else trial
        return verdict.tried(asked, replace(self.setting, **changes), Progress(self.said.append))

    def ended(self) -> list[tuple[str, str]]:
        return [(one.name, one.result) for one in self.said if isinstance(one, StepEnded)]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_tree.repository(tmp_path_factory.mktemp("repository") / "xen")


@pytest.fixture
def stand(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    (tmp_path / "xen").symlink_to(repository)
    made = Stand(tmp_path)
    base = images.folder(tmp_path / "image")

    def built(prepared: Prepared, _jobs: int, log: Path, progress: Callable[[str], None]) -> build.Built | PhaseResult:
        made.done.append("build")
        progress("building: CC setup.o")
        progress("all is built anew")
        if isinstance(made.built, Exception):
            raise made.built
        path = prepared.folder / "xen" / "xen"
        path.write_bytes(hypervisor(b"tried"))
        log.write_text("a log")
        return made.built or build.Built(path, path, 1.0, log)

    def tools(prepared: Prepared, _jobs: int, _cache: Path, log: Path, _progress: object) -> Toolset | PhaseResult:
        made.done.append("tools")
        (tmp_path / "tools.cpio").write_bytes(b"tools")
        return made.tools or Toolset(tmp_path / "tools.cpio", "0", prepared.line, "", 1.0, log)

    def boot(image: Image, _hypervisor: Path, asked: machine.Asked, *_: object) -> Booted:
        made.done.append("boot")
        made.image = image
        asked.console.write_text("a console")
        return replace(made.boot, console=asked.console)

    monkeypatch.setattr(build, "hypervisor", built)
    monkeypatch.setattr(toolset, "tools", tools)
    monkeypatch.setattr(options, "configured", lambda *_: True)
    monkeypatch.setattr(machine, "base", lambda *_: base)
    monkeypatch.setattr(machine, "accelerator", lambda *_: Accelerator("tcg", "max", "10.0.1", ""))
    monkeypatch.setattr(machine, "with_tools", lambda found, *_: replace(found, folder=tmp_path / "with-tools"))
    monkeypatch.setattr(machine, "boot", boot)
    return made


def results(found: Verdict) -> dict[str, str]:
    return {one.phase.value: one.result for one in found.phases}


def test_a_good_trial(stand: Stand) -> None:
    found = stand.tried()
    assert found.passed
    assert results(found) == {"build": PASSED, "dom0": PASSED, "guests": PASSED, "xtf": SKIPPED}
    assert (found.described, found.version, found.booted) == ("4.22.0-rc3", "4.22.0-rc3", "4.22.0-rc3")
    assert (found.tools, found.engine) == ("built from the source", "QEMU 10.0.1, tcg")
    assert stand.done == ["build", "tools", "boot"]
    assert stand.image is not None
    assert stand.image.folder.name == "with-tools"
    assert stand.said[0] == StepsAhead("4.22.0-rc3", ("build", "dom0", "guests", "xtf"))
    assert stand.ended() == [("build", PASSED), ("dom0", PASSED), ("guests", PASSED), ("xtf", SKIPPED)]
    assert Building(running=1, name="CC setup.o", line="CC setup.o") in stand.said
    assert Said("all is built anew") in stand.said
    began = [one.name for one in stand.said if isinstance(one, StepBegan)]
    assert began == ["build", "dom0"]
    assert Path(found.phases[1].log).read_text() == "a console"


def test_the_same_tree_is_not_tried_twice_but_on_demand(stand: Stand) -> None:
    first = stand.tried()
    stand.said.clear()
    again = stand.tried("staging~3")
    assert again == replace(first, rev="staging~3", kept=True)
    # What is known moves no work tree, whose next build would begin anew.
    assert not [one for one in stand.said if isinstance(one, Said) and "checking out" in one.sentence]
    assert stand.done == ["build", "tools", "boot"]
    assert stand.ended()[-1] == ("xtf", SKIPPED)
    assert not stand.tried(again=True).kept
    # Other phases, other options, another tree: all of them other questions.
    assert not stand.tried(phases=(Phase.BUILD,)).kept
    assert not stand.tried(Trial("4.22.0-rc3", options=(("DEBUG", "y"),))).kept
    assert not stand.tried("staging").kept


@pytest.mark.parametrize(
    ("phases", "done"),
    [
        ((Phase.PATCHES,), []),
        ((Phase.CONFIG,), ["config"]),
        ((Phase.BUILD,), ["config", "build"]),
        ((Phase.GUESTS,), ["config", "build", "tools", "boot"]),
    ],
)
def test_only_what_is_wanted_is_done(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, phases: tuple[Phase, ...], done: list[str]
) -> None:
    monkeypatch.setattr(options, "configured", lambda *_: stand.done.append("config"))
    found = stand.tried(phases=phases)
    assert stand.done == done
    assert set(results(found)) <= {"build", *(phase.value for phase in phases)}


def test_patches_and_options_are_phases_of_their_own(stand: Stand, repository: Path) -> None:
    patch = stand.folder / "one.patch"
    setup = fake_tree.SETUP.replace("return 1", "return 4")
    patch.write_text(fake_tree.mail(repository, "4.22.0-rc3", {"xen/setup.c": setup}, "x86: four"))
    found = stand.tried(Trial("4.22.0-rc3", (patch,), (("DEBUG", "n"),)))
    assert list(results(found))[:3] == ["patches", "config", "build"]
    assert found.applied == ("x86: four",)
    assert found.passed
    # On the branch it does not apply; that is the verdict, and nothing is built.
    stand.done.clear()
    found = stand.tried(Trial("staging", (patch,)))
    assert found.failed is not None
    assert (found.failed.phase, found.tree, found.described[:12]) == (Phase.PATCHES, "", "4.22.0-rc3-3")
    assert "xen/setup.c" in found.failed.reason
    assert results(found) == dict.fromkeys(("build", "dom0", "guests", "xtf"), SKIPPED) | {"patches": FAILED}
    assert stand.done == []
    assert not found.builds


def test_an_option_that_does_not_take(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bool:
        raise Refusal("E-TRY-CONFIG", "it was to be y and is n", where="CONFIG_NEEDY")

    monkeypatch.setattr(options, "configured", refuse)
    found = stand.tried(Trial("4.22.0-rc3", options=(("NEEDY", "y"),)))
    assert found.failed is not None
    assert (found.failed.phase, found.failed.reason) == (Phase.CONFIG, "CONFIG_NEEDY: it was to be y and is n")
    assert stand.done == []
    assert found.failed.log == ""  # make was not asked
    # Without an option it is the tree's own configuration that fails, and that is told all the same.
    plain = stand.tried()
    assert plain.failed is not None
    assert plain.failed.phase is Phase.CONFIG


def test_a_build_that_fails_is_kept(stand: Stand) -> None:
    stand.built = failing(Phase.BUILD, "setup.c:1:1: error: no", tail=("the last line",))
    found = stand.tried()
    assert found.failed is not None
    assert found.failed.tail == ("the last line",)
    assert (found.tools, found.engine, found.builds) == ("", "", False)
    assert results(found) == {"build": FAILED, "dom0": SKIPPED, "guests": SKIPPED, "xtf": SKIPPED}
    assert stand.tried().kept


@pytest.mark.parametrize(
    "said", ["this machine lacks flex: no", "no x.h; it may lack uuid-dev", "cc1: No space left on device", "Killed"]
)
def test_what_the_machine_is_to_blame_for_is_not_kept(stand: Stand, said: str) -> None:
    stand.built = failing(Phase.BUILD, "it failed", tail=(said,))
    assert stand.tried().failed
    assert not stand.tried().kept


def test_an_error_of_the_machine_is_no_verdict(stand: Stand) -> None:
    stand.built = Failure("E-DISK", "the disk is full")
    with pytest.raises(Failure, match="E-DISK"):
        stand.tried()
    stand.built = None
    assert stand.tried().passed


def test_tools_that_do_not_build(stand: Stand) -> None:
    stand.tools = failing(Phase.BUILD, "the tools do not build: why")
    found = stand.tried()
    assert results(found) == {"build": FAILED, "dom0": SKIPPED, "guests": SKIPPED, "xtf": SKIPPED}
    assert found.failed is not None
    assert found.failed.reason == "the tools do not build: why"


@pytest.mark.parametrize("kind", ["panic", "hang", "timeout", "ended"])
def test_a_boot_that_fails_is_a_verdict(stand: Stand, kind: Any) -> None:
    stand.boot = booted(None, kind=kind, detail="why", ready=None)
    found = stand.tried()
    assert results(found) == {"build": PASSED, "dom0": FAILED, "guests": SKIPPED, "xtf": SKIPPED}
    # A machine that has other things to do may be to blame for the others.
    assert stand.tried().kept is (kind == "panic")


@pytest.mark.parametrize("said", ["the guest did not go down within 180 seconds", "SUCCESS before, HANG now"])
def test_a_check_that_failed_by_its_time_is_not_kept(stand: Stand, said: str) -> None:
    stand.boot = booted(report(check("tools"), check("guest-pv", FAILED, said)))
    assert stand.tried().failed
    assert not stand.tried().kept


def test_xtf_with_a_baseline_of_ones_own(stand: Stand) -> None:
    xtf, baseline = stand.folder / "xtf", stand.folder / "baseline"
    xtf.mkdir()
    (xtf / "xtf-runner").write_text("a runner")
    baseline.write_text(f"{TEST} SUCCESS\n")
    stand.boot = booted(replace(GOOD, xtf=report(tests={TEST: "CRASH", OTHER: "SKIP"}).xtf))
    found = stand.tried(xtf=xtf, baseline=baseline)
    assert found.failed is not None
    assert found.failed.phase is Phase.XTF
    assert dict(found.tests) == {TEST: "CRASH", OTHER: "SKIP"}
    baseline.write_text(f"{TEST} CRASH\n")
    found = stand.tried(xtf=xtf, baseline=baseline)
    assert found.passed
    assert not found.kept


def test_what_cannot_be_asked_is_refused(stand: Stand) -> None:
    for trial, code in (
        (Trial("4.22.0-rc3", tools="image"), "E-TRY-TOOLS"),
        (Trial("4.22.0-rc9"), "E-TRY-REV"),
        (Trial("RELEASE-4.16.0"), "E-TRY-REV"),
        (Trial("4.22.0-rc3", (stand.folder / "none.patch",)), "E-TRY-PATCH"),
    ):
        with pytest.raises(Refusal, match=code):
            stand.tried(trial)
    with pytest.raises(UsageError, match="E-CONFIG"):
        stand.tried(baseline=stand.folder / "none")
    assert stand.done == []


def test_a_result_is_kept_under_what_it_was_made_with(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    boot = machine.boot

    def edited(*arguments: Any) -> Booted:
        monkeypatch.setattr(machine, "conditions", lambda _: ("edited meanwhile",))
        return boot(*arguments)

    monkeypatch.setattr(machine, "boot", edited)
    stand.tried()
    assert not stand.tried().kept
    assert stand.tried().kept


def test_logs_are_kept_on_demand(stand: Stand) -> None:
    stand.tried(keep_logs=True)
    (folder,) = (stand.folder / "state" / "kept-logs").iterdir()
    assert (folder / "console.log").is_file()
