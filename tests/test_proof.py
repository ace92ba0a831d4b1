"""Evidence of a change: made by a real Nix, kept, found again for the same contents, and shown in the pull request."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests.support.worlds import BRANCH, shared, stage
from tests.verify.conftest import nix_folder, nix_machine
from xenbump.demo.world import FILE
from xenbump.journal import Journal
from xenbump.outcomes import Planned, Published, Rejected, Stopped, Verified, Written
from xenbump.pipeline import Pipeline, Wish
from xenbump.verify import verifier
from xenbump.verify.evidence import Evidence, Step

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.worlds import Stage
    from xenbump.outcomes import Outcome

__all__ = ["nix_folder", "nix_machine", "shared", "stage"]

pytestmark = pytest.mark.usefixtures("nix_machine")
PROVE = Wish(prove=True)
# What is built is made of the package file, and fails where that has the word that stands for a fault.
FLAKE = """{
  outputs = { self }: {
    packages.x86_64-linux.xen = builtins.derivation {
      name = "xen";
      system = "x86_64-linux";
      builder = "/bin/sh";
      text = builtins.readFile ./FILE;
      args = [ "-c" ''
        case $text in *FAULT*) echo it cannot be built >&2; exit 1;; esac
        echo built >$out
      '' ];
    };
  };
}
"""


@pytest.fixture
def place(stage: Stage) -> Stage:
    """A checkout whose flake builds something out of the package file."""
    configure(stage, steps='["build"]')
    return stage


def configure(stage: Stage, fault: str = "never", **settings: str) -> None:
    """Commit a flake, in which a text is the fault, and a table `verify`."""
    flake = FLAKE.replace("FILE", FILE).replace("FAULT", fault)
    (stage.world.checkout / "flake.nix").write_text(flake)
    lines = "\n".join(f"{key} = {value}" for key, value in settings.items())
    path = stage.world.checkout / "xenbump.toml"
    before, _, after = path.read_text().partition("[verify]\n")
    path.write_text(f"{before}[verify]\n{lines}\n\n[github]" + after.partition("[github]")[2])
    stage.commit("flake: change")


def do(stage: Stage, work: Callable[[Pipeline], Outcome]) -> tuple[Outcome, list[str]]:
    """What a command comes to for the first package, and what was said."""
    said: list[str] = []
    config = stage.config()
    with Journal(config.state).run("run") as run, contextlib.closing(Pipeline(config, run, said.append)) as pipeline:
        return work(pipeline), said


def publish(stage: Stage, wish: Wish = PROVE) -> tuple[Outcome, list[str]]:
    return do(stage, lambda pipeline: pipeline.publish(stage.config().packages[0], wish))


def kept(stage: Stage) -> list[Evidence]:
    with Journal(stage.config().state).run("look") as run:
        return [noted.evidence for noted in run.proofs("xen", Evidence)]


def built(outcome: Outcome) -> Evidence:
    assert isinstance(outcome, Published | Rejected | Verified), outcome
    assert outcome.evidence is not None
    return outcome.evidence


def test_a_run_builds_once_and_says_so_in_the_pull_request(place: Stage) -> None:
    outcome, _ = publish(place)
    assert isinstance(outcome, Published)
    evidence = built(outcome)
    assert [(one.step, one.result) for one in evidence.steps] == [(Step.BUILD, "passed")], evidence
    assert evidence.of.startswith(place.world.in_checkout("rev-parse", "master")[:12])
    assert (evidence.version, evidence.when != "") == ("4.20.4", True)
    assert "| build | passed" in (place.pull.body or "")
    # Everything that was made for it is gone, and the checkout is as it was.
    assert not list((place.config().state / "trees").iterdir())
    assert place.world.in_checkout("status", "--porcelain") == ""
    place.forget()
    again, said = publish(place)
    assert isinstance(again, Published)
    assert again.action == "unchanged"
    assert place.writes() == []
    assert len(kept(place)) == 1
    assert any("verified before" in one for one in said)


def test_what_was_built_is_the_change(place: Stage) -> None:
    """The version that it comes to cannot be built; the one that is there can."""
    configure(place, fault="4.20.4", steps='["build"]')
    outcome, _ = publish(place)
    assert isinstance(outcome, Rejected), outcome
    (step,) = built(outcome).steps
    assert (step.result, any("it cannot be built" in line for line in step.tail)) == ("failed", True)
    assert (place.pulls, place.tip(BRANCH), place.pushes) == ([], "", 0)
    # It stands for a day: nothing is built, and nothing is published.
    outcome, said = publish(place)
    assert isinstance(outcome, Rejected)
    assert any("verified before" in one for one in said)
    assert len(kept(place)) == 1


def test_a_failure_is_tried_again_after_a_day(place: Stage) -> None:
    configure(place, fault="4.20.4", steps='["build"]')
    publish(place)
    with contextlib.closing(sqlite3.connect(place.config().state / "journal.sqlite3")) as db, db:
        db.execute("UPDATE evidence SET at = at - 86401")
    outcome, _ = publish(place)
    assert isinstance(outcome, Rejected)
    assert len(kept(place)) == 2


def test_what_was_verified_in_the_working_tree_is_at_hand(place: Stage) -> None:
    outcome, _ = do(place, lambda pipeline: pipeline.bump(place.config().packages[0], "", commit=False))
    assert isinstance(outcome, Written)
    outcome, _ = do(place, lambda pipeline: pipeline.verify(place.config().packages[0]))
    assert not built(outcome).failed
    assert built(outcome).of == "the working tree"
    outcome, _ = publish(place, Wish())
    assert isinstance(outcome, Published)
    assert built(outcome).of == "the working tree"
    assert "| build | passed" in (place.pull.body or "")


def test_other_contents_have_no_evidence(place: Stage) -> None:
    """What was verified of the version before, and of a file that another one lies beside, counts for nothing."""
    outcome, _ = do(place, lambda pipeline: pipeline.verify(place.config().packages[0]))
    assert not built(outcome).failed
    outcome, _ = publish(place, Wish())
    assert isinstance(outcome, Published)
    assert outcome.evidence is None
    assert "| build |" not in (place.pull.body or "")


def test_other_conditions_are_verified_anew(place: Stage) -> None:
    publish(place)
    configure(place, steps='["build", "meta"]')
    outcome, _ = publish(place)
    assert [one.step for one in built(outcome).steps] == [Step.BUILD, Step.META]
    assert len(kept(place)) == 2


def test_a_dry_run_builds_nothing(place: Stage) -> None:
    outcome, _ = publish(place, Wish(prove=True, dry_run=True))
    assert isinstance(outcome, Planned)
    assert kept(place) == []


def test_without_nix_the_draft_says_why(place: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("git", "gpgv", "sh"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    monkeypatch.setenv("PATH", str(tmp_path))
    outcome, _ = publish(place)
    assert isinstance(outcome, Published), outcome
    evidence = built(outcome)
    assert (evidence.failed, evidence.complete, outcome.pull.draft) == (False, False, True)
    assert "E-PROGRAM-MISSING" in evidence.steps[0].reason
    assert "E-PROGRAM-MISSING" in (place.pull.body or "")
    assert str(tmp_path) not in (place.pull.body or "")
    # What may be tried again is tried again.
    assert kept(place) == []


def test_a_flake_that_lies_elsewhere_proves_nothing(place: Stage) -> None:
    configure(place, steps='["build"]', flake=f'"path:{place.world.checkout}"')
    outcome, _ = publish(place)
    assert isinstance(outcome, Published)
    assert [one.result for one in built(outcome).steps] == ["skipped"]
    assert "is not in the tree that changes" in built(outcome).steps[0].reason


def test_a_file_that_changes_meanwhile(place: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is verified must be what was read."""
    real = verifier.Verifier.verify

    def changing(self: verifier.Verifier) -> Evidence:
        path = place.world.package
        path.write_text(path.read_text() + "# more\n")
        return real(self)

    monkeypatch.setattr(verifier.Verifier, "verify", changing)
    outcome, said = do(place, lambda pipeline: pipeline.verify(place.config().packages[0]))
    assert isinstance(outcome, Verified)
    assert kept(place) == []
    assert any("changed meanwhile" in one for one in said)


def test_a_tree_that_a_killed_run_left_is_taken_away(place: Stage) -> None:
    left = place.config().state / "trees" / "xen" / "left"
    left.parent.mkdir(parents=True)
    left.write_text("x")
    outcome, _ = publish(place)
    assert not built(outcome).failed
    assert not os.path.lexists(left)


def test_evidence_in_the_body_is_enough_for_a_run_without_a_journal(place: Stage) -> None:
    """A job that keeps no state does not build each time, and does not take the evidence out of the body."""
    publish(place)
    body = place.pull.body
    for wish in (PROVE, Wish()):
        for path in place.config().state.glob("journal.sqlite3*"):
            path.unlink()
        place.forget()
        outcome, said = publish(place, wish)
        assert isinstance(outcome, Published)
        assert (outcome.action, outcome.evidence, place.writes()) == ("unchanged", None, [])
        assert not any("building" in one for one in said)
        assert place.pull.body == body


def test_nothing_is_built_for_what_a_person_closed(place: Stage) -> None:
    publish(place, Wish())
    place.close_pull(merged=False)
    outcome, _ = publish(place)
    assert isinstance(outcome, Stopped)
    assert outcome.error.code == "E-PULL-CLOSED"
    assert kept(place) == []
