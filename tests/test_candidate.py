"""Packages that follow candidates: tried by a function of the test, told to the stand-in of GitHub over HTTP."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.support.worlds import shared, stage
from tests.test_watching import Clock, Told
from tests.trying.verdicts import failing, skipped, verdict
from xenbump.alive import Notifier
from xenbump.cli import common
from xenbump.demo.github_server import Fault
from xenbump.demo.signing import SigningKey
from xenbump.demo.world import REPOSITORY
from xenbump.demo.xen_project import Release, _Tag
from xenbump.errors import Failure
from xenbump.events import State, settled
from xenbump.journal import Journal
from xenbump.outcomes import Outcome, Stopped, Tried
from xenbump.pipeline import Pipeline, Wish
from xenbump.publish import marker
from xenbump.report import actions, documents, text
from xenbump.settings import Package
from xenbump.trying import verdict as verdicts
from xenbump.trying.model import Phase
from xenbump.watching import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.worlds import Stage
    from xenbump.demo.github_issues import Issue
    from xenbump.trying.model import Trial, Verdict

__all__ = ["shared", "stage"]

FOLLOWS = Package("xen-candidate", "no/such/file.nix", track="candidate")
ISSUES = f"/repos/{REPOSITORY}/issues"
BAD = failing(Phase.XTF, "1 of 88 are worse or missing", log="")


@dataclass
class Job:
    """A scheduled job: a world with candidates, and a trial that takes no time."""

    stage: Stage
    phases: tuple[Any, ...] = ()
    once: tuple[Any, ...] = ()
    error: Failure | None = None
    tried: list[Trial] = field(default_factory=list)

    def _tried(self, trial: Trial, _setting: object, _progress: object) -> Verdict:
        self.tried.append(trial)
        if self.error is not None:
            raise self.error
        made = verdict(*(self.once or self.phases), rev=trial.rev, commit=trial.rev)
        self.once = ()
        return replace(made, phases=tuple(replace(one, log="") for one in made.phases))

    def candidate(self, name: str, **release: Any) -> str:
        """Publish a candidate of 4.22; the commit that it is."""
        xen = self.stage.world.xen
        commit = xen._branches["master"].commit
        made = Release(name, **release)
        tag = _Tag(name, commit, f"Xen {name}", xen._time, made)
        target = commit if made.lightweight else xen._tag_object(tag, commit)
        xen._git("update-ref", f"refs/tags/{name}", target)
        return commit

    def do(self, work: Callable[[Pipeline], Outcome]) -> Outcome:
        config = msgspec.structs.replace(self.stage.config(), packages=(FOLLOWS,))
        with Journal(config.state).run("test") as run:
            pipeline = Pipeline(config, run, lambda _: None)
            try:
                return work(pipeline)
            finally:
                pipeline.close()

    def check(self) -> Tried:
        found = self.do(lambda pipeline: pipeline.check(FOLLOWS))
        assert isinstance(found, Tried), found
        return found

    def run(self, **wish: Any) -> Outcome:
        """What `xenbump run` does."""
        return self.do(lambda pipeline: pipeline.publish(FOLLOWS, Wish(prove=True, **wish)))

    def ran(self, **wish: Any) -> Tried:
        found = self.run(**wish)
        assert isinstance(found, Tried), found
        return found

    def forget_everything(self) -> None:
        shutil.rmtree(self.stage.world.folder / "state")

    @property
    def issues(self) -> list[Issue]:
        return list(self.stage.repository.issues.values())

    @property
    def issue(self) -> Issue:
        (found,) = self.issues
        return found


@pytest.fixture
def job(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    made = Job(stage)
    monkeypatch.setattr(verdicts, "tried", made._tried)
    yield made
    # Whatever happens with candidates, nothing is pushed and no pull request is opened.
    assert (stage.pushes, stage.pulls) == (0, [])


def code(outcome: Outcome) -> str:
    assert isinstance(outcome, Stopped), outcome
    return outcome.error.code


def test_where_no_release_is_being_tested_there_is_nothing_to_do(job: Job) -> None:
    for found in (job.check(), job.ran()):
        assert found == Tried("xen-candidate", "no/such/file.nix")
        assert common.status([found]) == common.DONE
        assert text.outcome(found) == ["xen-candidate: no release of Xen is being tested"]
    assert (job.tried, job.stage.writes()) == ([], [])


def test_a_check_tells_of_the_newest_and_whether_it_was_tried(job: Job) -> None:
    job.candidate("4.22.0-rc1")
    commit = job.candidate("4.22.0-rc2")
    found = job.check()
    assert (found.tag, found.commit, found.is_new) == ("4.22.0-rc2", commit, True)
    assert found.signed_by == job.stage.world.xen.key.fingerprint
    assert common.status([found]) == common.TO_DO
    assert text.outcome(found)[0] == "xen-candidate: 4.22.0-rc2 is there, and was not tried yet"
    assert job.stage.exchanges() == []
    job.ran()
    again = job.check()
    assert (again.result, again.is_new, common.status([again])) == ("passed", False, common.DONE)
    assert text.outcome(again)[0] == "xen-candidate: 4.22.0-rc2 was tried, and passed"
    entry = documents.check([again]).packages[0]
    assert (entry.outcome, entry.candidate is not None and entry.candidate.result) == ("up-to-date", "passed")
    assert documents.check([found]).packages[0].outcome == "new-candidate"


def test_a_candidate_is_tried_once_and_told_in_one_issue(job: Job) -> None:
    commit = job.candidate("4.22.0-rc3")
    found = job.ran()
    assert (found.result, found.action, found.number) == ("passed", "opened", 1)
    assert common.status([found]) == common.DONE
    # Just what was verified is built, whatever the tag's name stands for by then.
    assert [trial.rev for trial in job.tried] == [commit]
    issue = job.issue
    assert issue.title == "Xen 4.22.0-rc3: passed"
    body = issue.body or ""
    assert "Subject: [TESTDAY] Test report: Xen 4.22.0-rc3: passed" in body
    assert f"  Commit:      {commit}" in body
    assert f", by the pinned key\n               {found.signed_by}" in body
    assert "xenbump try 4.22.0-rc3 --report --again" in body
    assert not marker.edited(body)
    for forget in (False, True):
        if forget:
            job.forget_everything()
        again = job.ran()
        assert (again.action, again.number, again.url) == ("unchanged", 1, found.url)
    assert (len(job.tried), len(job.issues)) == (1, 1)
    # What the issue says is known to a check, too.
    assert job.check().result == "passed"


def test_the_next_candidate_has_an_issue_of_its_own(job: Job) -> None:
    job.candidate("4.22.0-rc1")
    job.ran()
    job.candidate("4.22.0-rc2")
    assert job.ran().number == 2
    assert [one.title for one in job.issues] == ["Xen 4.22.0-rc1: passed", "Xen 4.22.0-rc2: passed"]


def test_a_failed_trial_says_so(job: Job) -> None:
    job.candidate("4.22.0-rc1")
    job.phases = (BAD,)
    found = job.ran()
    assert (found.result, found.action, common.status([found])) == ("failed", "opened", common.REJECTED)
    assert job.issue.title == "Xen 4.22.0-rc1: FAILED in xtf"
    assert "was tried: **FAILED in xtf**" in (job.issue.body or "")
    assert "1 of 88 are worse or missing" in (job.issue.body or "")
    assert len(job.tried) == 2
    again = job.ran()
    assert (again.result, again.action, common.status([again])) == ("failed", "unchanged", common.DONE)
    assert len(job.tried) == 2


def test_a_boot_that_fails_once_is_told_and_counts_as_passed(job: Job) -> None:
    job.candidate("4.22.0-rc1")
    job.once = (failing(Phase.DOM0, "it hangs: nothing for 120 seconds"),)
    assert job.ran().result == "passed"
    assert (len(job.tried), job.issue.title) == (2, "Xen 4.22.0-rc1: passed")
    body = " ".join((job.issue.body or "").split())
    assert "in the second of two tries; the first failed: it hangs: nothing for 120 seconds" in body


def test_what_a_person_closed_is_updated_and_stays_closed(job: Job) -> None:
    job.candidate("4.22.0-rc1")
    job.phases = (BAD,)
    job.ran()
    job.stage.ask("PATCH", f"{ISSUES}/1", {"state": "closed"})
    assert job.ran().closed
    job.phases = ()
    found = job.ran(again=True)
    assert (found.action, found.result, found.closed) == ("updated", "passed", True)
    assert (job.issue.title, job.issue.state) == ("Xen 4.22.0-rc1: passed", "closed")
    assert text.outcome(found)[2].endswith("/issues/1 (closed)")


def test_a_tag_that_was_made_anew_is_tried_anew(job: Job) -> None:
    job.candidate("4.22.0-rc1")
    job.ran()
    job.stage.world.xen.add_commit("master", {}, "One more")
    job.candidate("4.22.0-rc1")
    assert job.check().is_new
    assert (job.ran().action, len(job.tried), len(job.issues)) == ("updated", 2, 1)
    assert "  Signature:   good, of " in (job.issue.body or "")


def test_what_a_person_changed_is_left(job: Job) -> None:
    job.candidate("4.22.0-rc1")
    job.ran()
    body = (job.issue.body or "").replace("was tried", "was tried by me")
    job.stage.ask("PATCH", f"{ISSUES}/1", {"body": body})
    found = job.ran(again=True)
    assert found.action == "hands-off"
    assert job.issue.body == body
    assert "  a person changed what the issue says, so it is left as it is" in text.outcome(found)


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ({"signed": False}, "E-TAG-UNSIGNED"),
        ({"lightweight": True}, "E-TAG-LIGHTWEIGHT"),
        ({"tampered": True}, "E-SIGNATURE-BAD"),
        ({"inner_name": "4.22.0-rc9"}, "E-TAG-MISMATCH"),
    ],
)
def test_a_candidate_that_is_not_signed_well_is_refused_and_never_tried(
    job: Job, release: dict[str, Any], expected: str
) -> None:
    job.candidate("4.22.0-rc1", **release)
    assert code(job.run()) == expected
    assert code(job.do(lambda pipeline: pipeline.check(FOLLOWS))) == expected
    assert (job.tried, job.issues) == ([], [])


def test_neither_is_one_that_somebody_else_has_signed(job: Job) -> None:
    with SigningKey() as other:
        job.candidate("4.22.0-rc1", sign_with=other)
    assert code(job.run()) == "E-SIGNATURE-KEY"
    assert (job.tried, job.issues) == ([], [])


@pytest.mark.parametrize(
    ("phases", "error", "expected"),
    [
        ((), Failure("E-PROGRAM-MISSING", "the program `gcc` is needed"), "E-PROGRAM-MISSING"),
        ((failing(Phase.BUILD, "this machine lacks flex: sh: flex: not found"),), None, "E-TRY-MACHINE"),
        ((failing(Phase.BUILD, "it failed", tail=("x.c: No space left on device",)),), None, "E-TRY-MACHINE"),
        ((skipped(Phase.BUILD),), None, "E-TRY-MACHINE"),
    ],
)
def test_a_trial_that_could_not_be_made_is_no_result(
    job: Job, phases: tuple[Any, ...], error: Failure | None, expected: str
) -> None:
    job.candidate("4.22.0-rc1")
    job.phases, job.error = phases, error
    found = job.run()
    assert (code(found), common.status([found]), job.issues) == (expected, 1, [])
    assert job.check().is_new
    job.phases, job.error = (), None
    assert job.ran().action == "opened"


def test_a_build_that_fails_for_its_own_reasons_is_one(job: Job) -> None:
    job.candidate("4.22.0-rc1")
    job.phases = (failing(Phase.BUILD, "the hypervisor does not build: x.c:1:1: error: no"), skipped(Phase.DOM0))
    assert (job.ran().result, len(job.tried)) == ("failed", 1)
    assert job.issue.title == "Xen 4.22.0-rc1: FAILED in build"


def test_a_run_that_ended_before_the_issue_is_made_good(job: Job) -> None:
    job.candidate("4.22.0-rc1")
    job.stage.world.github.fail_next("POST", ISSUES, Fault.reset())
    assert code(job.run()) == "E-NETWORK"
    assert job.check().is_new
    assert job.ran().action == "opened"
    assert len(job.issues) == 1


def test_nothing_is_tried_where_nothing_could_be_told(job: Job) -> None:
    job.candidate("4.22.0-rc1")
    job.stage.configure(r'repository = "[^"]+"\n', "")
    assert code(job.run()) == "E-CONFIG"
    assert job.tried == []


def test_what_is_for_releases_is_refused(job: Job) -> None:
    job.candidate("4.22.0-rc1")
    for work in (
        lambda pipeline: pipeline.plan(FOLLOWS),
        lambda pipeline: pipeline.bump(FOLLOWS, "", commit=False),
        lambda pipeline: pipeline.verify(FOLLOWS),
        lambda pipeline: pipeline.publish(FOLLOWS, Wish()),
    ):
        found = job.do(work)
        assert code(found) == "E-TRACK-CANDIDATE"
        assert common.status([found]) == 20
    assert (job.tried, job.stage.exchanges()) == ([], [])


def test_a_dry_run_tells_what_a_run_would_try(job: Job) -> None:
    job.candidate("4.22.0-rc1")
    found = job.ran(dry_run=True)
    assert (found.is_new, found.action) == (True, "")
    assert (job.tried, job.stage.exchanges()) == ([], [])


def test_documents_and_actions_tell_of_it(job: Job) -> None:
    job.candidate("4.22.0-rc1")
    found = job.ran()
    entry = documents.run([found]).packages[0]
    assert entry.outcome == "candidate"
    assert entry.candidate is not None
    assert entry.candidate.issue is not None
    assert (entry.candidate.action, entry.candidate.issue.number) == ("opened", 1)
    assert "changed=true\n" in actions.outputs([found], 0)
    assert actions.commands([found]) == [
        f"::notice title=xen-candidate%3A issue 1 opened::Xen 4.22.0-rc1: passed: {found.url}"
    ]
    assert f"`4.22.0-rc1 passed`: [issue 1]({found.url}) opened" in actions.page([found], "run")
    assert actions.commands([job.ran()]) == []
    none = Tried("x", "y")
    assert documents.run([none]).packages[0].outcome == documents.check([none]).packages[0].outcome == "up-to-date"
    assert "| `x` | up-to-date |" in actions.page([none], "run")


@pytest.mark.parametrize("check_only", [False, True])
def test_a_watch_tries_what_is_new(job: Job, *, check_only: bool) -> None:
    config = msgspec.structs.replace(job.stage.config(), packages=(FOLLOWS,))
    told, clock = Told(), Clock()
    watch = Watch(
        config, (FOLLOWS,), check_only=check_only, clock=clock, chance=Random(4),  # noqa: S311 - nothing secret
        asked=lambda: False, tell=told,
        notifier=Notifier(),
    )  # fmt: skip
    watch.look()
    assert (job.tried, told.errors, watch.heart.last_outcome) == ([], [], "nothing")
    job.candidate("4.22.0-rc1")
    for _ in range(2):
        watch.look()
    assert told.errors == []
    assert [one.title for one in job.issues] == ([] if check_only else ["Xen 4.22.0-rc1: passed"])
    assert watch.heart.checked[FOLLOWS.name] is not None


def test_the_commands_tell_of_it(job: Job) -> None:
    job.candidate("4.22.0-rc1")
    job.stage.configure(r'name = "xen"\n', 'name = "xen"\ntrack = "candidate"\n')
    done = job.stage.call("check")
    assert (done.returncode, done.stdout.splitlines()[0]) == (10, "xen: 4.22.0-rc1 is there, and was not tried yet")
    dry = job.stage.call("run", "--dry-run")
    assert (dry.returncode, dry.stdout) == (0, done.stdout)
    for command in ("plan", "bump", "pr", "verify"):
        refused = job.stage.call(command)
        assert (refused.returncode, refused.stdout) == (20, "")
        assert "E-TRACK-CANDIDATE" in refused.stderr
    assert job.stage.exchanges() == []


def test_it_ends_a_trouble_of_the_watch(job: Job) -> None:
    now = job.stage.world.github.state.clock()
    job.candidate("4.22.0-rc1", signed=False)
    troubled = settled(State(begun=True), FOLLOWS.name, job.run(), now)
    assert [event.event for event in troubled.outbox] == ["failure"]
    job.candidate("4.22.0-rc1")
    well = settled(troubled, FOLLOWS.name, job.ran(), now)
    assert [event.event for event in well.outbox] == ["failure", "recovered"]
    assert well.troubles == {}
