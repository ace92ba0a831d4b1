"""Bisections with trials that are given: what is found, in how many steps, after a kill, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.trying import fake_tree, histories
from tests.trying.histories import COUNT, Trials
from tests.trying.verdicts import failing, verdict
from xenbump.errors import Failure, Refusal, XenbumpError
from xenbump.progress import Progress, Said, StepBegan, StepEnded
from xenbump.trying import bisect_words as words
from xenbump.trying import steps
from xenbump.trying.bisect import Asked, Bisection, Outcome, check_xtf
from xenbump.trying.bisect_question import parsed
from xenbump.trying.history import History
from xenbump.trying.model import Phase
from xenbump.trying.source import Workshop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xenbump.progress import Event

LEAST = steps.most(COUNT - 1)


class Killed(BaseException):
    """What a kill does to a run, as far as the run is concerned."""


@dataclass
class Bench:
    """A repository, and the folder of the state."""

    folder: Path
    commits: list[str]
    state: Path

    def bisection(self, *, parts: tuple[str, ...] = (), **changes: Any) -> Bisection:
        asked = replace(Asked("c0", "main", parsed("dom0")), **changes)
        history = History(Workshop(str(self.folder), self.state / "try"))
        return Bisection(asked, history, self.state / "bisect", parts)

    def run(self, trials: Trials, *, again_last: bool = False, **changes: Any) -> Outcome:
        return self.bisection(**changes).run(trials.tried, lambda _: None, again_last=again_last)

    def trials(self, first: int, **more: Any) -> Trials:
        return Trials(self.commits, first, **more)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    return histories.repository(tmp_path_factory.mktemp("bisect") / "xen.git")


@pytest.fixture
def bench(made: tuple[Path, list[str]], tmp_path: Path) -> Bench:
    return Bench(*made, tmp_path)


def between(outcome: Outcome) -> list[str]:
    return [answer for step, answer in outcome.answered() if step.role == "step"]


@pytest.mark.parametrize("first", [1, 2, 16, 17, 31, 32])
def test_the_first_bad_one_is_found_in_as_few_steps_as_can_be(bench: Bench, first: int) -> None:
    outcome = bench.run(bench.trials(first))
    assert outcome.first is not None
    assert outcome.first.sha == bench.commits[first]
    assert outcome.first.message[0] == f"c{first}: a change"
    assert outcome.commits == COUNT - 1
    assert len(between(outcome)) <= LEAST
    assert outcome.suspects == ()


def test_both_ends_are_tried_first_and_bad_answers_twice(bench: Bench) -> None:
    trials = bench.trials(20)
    bench.run(trials, repeat=1)
    assert trials.asked[:3] == [(0, False), (32, False), (32, True)]
    for number in set(trials.numbers):
        assert trials.numbers.count(number) == (2 if number >= 20 else 1)


@pytest.mark.parametrize("kill", [1, 2, 3, 5, 8, 13])
def test_a_run_that_was_killed_goes_on_where_it_stood(bench: Bench, kill: int) -> None:
    def fatal(_: int) -> None:
        if len(trials.asked) == kill:
            trials.before = lambda _: None
            raise Killed

    whole = bench.trials(20)
    expected = bench.run(whole, parts=("whole",))
    trials = bench.trials(20, before=fatal)
    try:
        bench.run(trials)
    except Killed:
        outcome = bench.run(trials)
        assert outcome.before > 0
    else:
        outcome = bench.run(trials)
        assert outcome.before == len(outcome.steps)
    assert trials.asked == whole.asked
    assert outcome.first == expected.first
    assert [step.commit for step in outcome.steps] == [step.commit for step in expected.steps]


def test_what_does_not_build_is_skipped(bench: Bench) -> None:
    trials = bench.trials(20, broken={16})
    outcome = bench.run(trials)
    assert 16 in trials.numbers
    assert outcome.first is not None
    assert outcome.first.sha == bench.commits[20]
    assert between(outcome).count("skip") == 1
    assert trials.numbers.count(16) == 1


def test_what_skipped_ones_hide_is_told(bench: Bench) -> None:
    outcome = bench.run(bench.trials(20, broken={18, 19, 20, 21}))
    assert outcome.first is None
    assert [one.subject.split(":")[0] for one in outcome.suspects] == ["c22", "c21", "c20", "c19", "c18"]
    told = words.lines(outcome)
    assert told[0] == "the first bad commit is one of 5: those between could not be tried"
    assert all(any(bench.commits[number] in line for line in told) for number in range(18, 23))


def test_a_build_is_asked_once_and_may_be_the_question(bench: Bench) -> None:
    trials = bench.trials(COUNT, broken=set(range(20, COUNT)))
    outcome = bench.run(trials, question=parsed("build"), repeat=3)
    assert outcome.first is not None
    assert outcome.first.sha == bench.commits[20]
    assert len(trials.asked) == len(set(trials.asked))


@pytest.mark.parametrize(("flaky", "found"), [("good", 20), ("skip", 20), ("bad", 16)])
def test_what_is_good_once_and_bad_another_time_is_counted_as_one_says(bench: Bench, flaky: str, found: int) -> None:
    trials = bench.trials(20, said={16: [False, True] if flaky != "bad" else [True, False]})
    outcome = bench.run(trials, flaky=flaky)
    assert outcome.first is not None
    assert outcome.first.sha == bench.commits[found]
    step, answer = next((step, answer) for step, answer in outcome.answered() if step.commit == bench.commits[16])
    assert (step.intermittent, answer, len(step.tries)) == (True, flaky, 2)
    assert f"1 good once and bad another time, counted as {flaky}" in "\n".join(words.lines(outcome))


def test_the_last_step_can_be_repeated_and_what_it_says_then_counts(bench: Bench) -> None:
    trials = bench.trials(20)
    bench.run(trials)
    last, count = trials.numbers[-1], len(trials.asked)
    outcome = bench.run(trials, again_last=True)
    assert {number for number, _ in trials.asked[count:]} == {last}
    assert all(again for _, again in trials.asked[count:])
    assert outcome.first is not None
    assert outcome.first.sha == bench.commits[20]
    # It turns out to have been something else.
    trials.said = {last: [last >= 20]}
    other = bench.run(trials, again_last=True)
    assert other.first != outcome.first


def test_it_can_be_forgotten_and_each_question_has_its_own(bench: Bench) -> None:
    trials = bench.trials(20)
    bench.run(trials)
    count = len(trials.asked)
    bench.run(trials)
    assert len(trials.asked) == count
    assert bench.bisection(parts=("other",)).remembered() == ()
    assert bench.bisection(good="c1").remembered() == ()
    assert bench.bisection(question=parsed("guests")).remembered() == ()
    assert bench.bisection().forget() == len(set(trials.numbers))
    bench.run(trials)
    assert len(trials.asked) == 2 * count


@pytest.mark.parametrize(
    ("changes", "first", "code"),
    [
        ({}, 0, "E-BISECT-GOOD"),
        ({}, COUNT, "E-BISECT-BAD"),
        ({"good": "main", "bad": "c0"}, 20, "E-BISECT-RANGE"),
        ({"good": "main"}, 20, "E-BISECT-RANGE"),
        ({"good": "other"}, 20, "E-BISECT-RANGE"),
        ({"good": "nowhere"}, 20, "E-TRY-REV"),
        # `stable` is good, and comes from c10, which is bad.
        ({"good": "stable"}, 5, "E-BISECT-BASE"),
    ],
)
def test_ends_that_are_none(bench: Bench, changes: dict[str, Any], first: int, code: str) -> None:
    trials = bench.trials(first)
    with pytest.raises(Refusal) as caught:
        bench.run(trials, **changes)
    assert caught.value.code == code
    # That costs nothing a second time.
    count = len(trials.asked)
    with pytest.raises(Refusal, match=code):
        bench.run(trials, **changes)
    assert len(trials.asked) == count


def test_an_end_that_cannot_be_told(bench: Bench) -> None:
    with pytest.raises(Refusal, match="E-BISECT-UNKNOWN") as caught:
        bench.run(bench.trials(20, broken={0}))
    assert "setup.c:7: error: broken" in caught.value.what
    with pytest.raises(Refusal, match="--flaky says as what that counts"):
        bench.run(bench.trials(20, said={32: [False, True]}), parts=("other",))


def test_where_the_histories_part_is_tried_first(bench: Bench) -> None:
    trials = bench.trials(20)
    stable = bench.bisection(good="stable").good
    trials.commits = [*bench.commits, stable]
    trials.said = {COUNT: [True]}
    outcome = bench.run(trials, good="stable")
    assert trials.numbers[:3] == [COUNT, 10, 32]
    assert outcome.commits == 22
    assert outcome.first is not None
    assert outcome.first.sha == bench.commits[20]


def test_answers_that_exclude_each_other_stop_it(bench: Bench) -> None:
    trials = bench.trials(20, said={16: [True, False]})
    bench.run(trials, repeat=0)
    # Read with another rule, 16 is bad, and what follows it was found to be good.
    bisection = bench.bisection(repeat=0)
    step = next(one for one in bisection.remembered() if one.commit == bench.commits[16])
    path = next((bench.state / "bisect").glob("*.json"))
    good = (
        b'"commit":"'
        + bench.commits[16].encode()
        + b'","subject":"'
        + step.subject.encode()
        + b'","tries":[{"answer":"'
    )
    content = path.read_bytes()
    assert content.count(good + b"good") == 1
    path.write_bytes(content.replace(good + b"good", good + b"bad"))
    with pytest.raises(Refusal, match="E-BISECT-CONTRADICTION"):
        bench.run(trials, repeat=0)


def test_what_is_wrong_with_a_commit_skips_it_and_all_else_stops_the_run(bench: Bench) -> None:
    def raising(error: XenbumpError) -> Callable[[int], None]:
        def fatal(number: int) -> None:
            if number == 16:
                raise error

        return fatal

    old = Refusal("E-TRY-REV", "it is Xen 4.16; only Xen 4.17 and later can be tried")
    outcome = bench.run(bench.trials(20, before=raising(old)), parts=("old",))
    step = next(one for one in outcome.steps if one.commit == bench.commits[16])
    assert [(one.answer, one.reason) for one in step.tries] == [("skip", old.what)]
    with pytest.raises(Failure, match="E-DISK"):
        bench.run(bench.trials(20, before=raising(Failure("E-DISK", "the disk is full"))), parts=("disk",))


def test_what_this_machine_did_is_no_answer(bench: Bench) -> None:
    trials = bench.trials(20)

    def tried(*given: Any) -> Any:
        if given[0].rev == bench.commits[16]:
            return verdict(failing(Phase.BUILD, "gcc: error: No space left on device"))
        return trials.tried(*given)

    with pytest.raises(Failure, match="E-BISECT-MACHINE"):
        bench.bisection().run(tried, lambda _: None)
    outcome = bench.run(trials)
    assert outcome.first is not None
    assert between(outcome).count("skip") == 0


def test_every_step_is_told_with_what_is_left(bench: Bench) -> None:
    told: list[Event] = []
    bench.bisection().run(bench.trials(20, broken={16}).tried, Progress(told.append))
    ended = [one for one in told if isinstance(one, StepEnded)]
    assert [one.name for one in ended[:3]] == ["GOOD", "BAD", f" 1 {bench.commits[16][:8]}"]
    assert {one.package for one in ended} == {"c0..main on dom0"}
    assert [one.result for one in ended[:3]] == ["good", "bad", "skip"]
    assert ended[2].reason.startswith("32 commits left, 5 steps; c16: a change (setup.c:7: error: broken)")
    assert "commits left" in ended[-2].reason
    assert ended[-1].reason.startswith("that was the last; ")
    # The phases of a trial are no steps of their own, and its revision is not said in each sentence.
    assert [one.name for one in told if isinstance(one, StepBegan)] == [one.name for one in ended]
    assert "build" in [one.sentence for one in told if isinstance(one, Said)]
    again: list[Event] = []
    bench.bisection().run(bench.trials(20).tried, Progress(again.append))
    assert [one.name for one in again if isinstance(one, StepEnded)] == [one.name for one in ended]
    assert all(one.reason.startswith("tried before") for one in again if isinstance(one, StepEnded))


def test_git_reads_the_log(bench: Bench, tmp_path: Path) -> None:
    outcome = bench.run(bench.trials(20, broken={16}, said={17: [False, True]}))
    bisection = bench.bisection()
    log = words.log(bisection.good, bisection.bad, outcome.answered(), outcome.first)
    assert log[-1] == f"# first bad commit: [{bench.commits[20]}] c20: a change"
    checkout = tmp_path / "checkout"
    fake_tree.git(tmp_path, "clone", "--quiet", "--shared", "--template=", str(bench.folder), str(checkout))
    (tmp_path / "log").write_text("\n".join(log) + "\n")
    fake_tree.git(checkout, "bisect", "replay", str(tmp_path / "log"))
    assert fake_tree.git(checkout, "rev-parse", "refs/bisect/bad") == bench.commits[20]
    assert fake_tree.git(checkout, "rev-parse", f"refs/bisect/skip-{bench.commits[16]}") == bench.commits[16]
    assert "first bad commit" in fake_tree.git(checkout, "bisect", "log")


def test_what_is_said_of_it(bench: Bench) -> None:
    outcome = bench.run(bench.trials(20, broken={16}))
    told = words.lines(outcome, "again", "alone")
    sha = bench.commits[20]
    assert told[0] == f"{sha[:12]} is the first bad commit: c20: a change"
    assert told[1:4] == [f"  commit {sha}", "  Author: A <a@example.org>", "  Date:   1970-01-01T00:00:21+00:00"]
    assert "      With a reason." in told
    assert "  A f21" in told
    assert "  bad there: it panics: a fault; log: /logs/console.log" in told
    assert any(
        f"32 commits, {len(between(outcome))} steps (at most 5 where none is skipped); 1 skipped" in line
        for line in told
    )
    assert told[-2:] == ["  to try the last one once more: again", "  to try this commit alone: alone"]
    table = [line for line in told if bench.commits[16][:12] in line]
    assert "skip" in table[0]
    assert "setup.c:7: error: broken" in table[0]
    assert words.alone(outcome.asked, sha, "/xen", ["--xtf", "x"]) == [
        *("xenbump", "try", sha, "--repo", "/xen", "--xtf", "x", "--only", "dom0", "--again"),
    ]


def test_a_question_on_xtf_needs_a_built_one(tmp_path: Path) -> None:
    question = parsed("xtf:pv64-example")
    check_xtf(parsed("dom0"), None)
    with pytest.raises(Refusal, match="no built XTF is at hand"):
        check_xtf(question, None)
    with pytest.raises(Refusal, match="no xtf-runner"):
        check_xtf(question, tmp_path)
    (tmp_path / "xtf-runner").write_text("")
    info = tmp_path / "tests" / "example" / "info.json"
    info.parent.mkdir(parents=True)
    info.write_text('{"name": "example", "category": "special", "environments": ["pv64"], "variations": []}')
    check_xtf(question, tmp_path)
    check_xtf(parsed("xtf"), tmp_path)
    with pytest.raises(Refusal, match="there is test-pv64-example") as caught:
        check_xtf(parsed("xtf:pv64-exampel"), tmp_path)
    assert caught.value.code == "E-TRY-XTF"
