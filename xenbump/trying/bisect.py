"""Finds the commit that brought a fault: tries one commit after the other, and goes on where a killed run stood.

How a commit is tried is a function that is given, so that this needs neither a compiler nor a machine that boots.
"""

from __future__ import annotations

import difflib
import statistics
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from xenbump import durable
from xenbump.dom0 import xtf
from xenbump.errors import Failure, Refusal
from xenbump.locks import locked
from xenbump.progress import Progress, RunBegan, RunEnded, Said, StepBegan, StepEnded, StepsAhead, emit
from xenbump.trying import bisect_words as words
from xenbump.trying import kept, machine, steps
from xenbump.trying.bisect_notes import Notes, Step, Try, settled
from xenbump.trying.bisect_question import judged
from xenbump.trying.model import Phase, Trial
from xenbump.trying.verdict import of_this_machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from xenbump.progress import Event
    from xenbump.trying.bisect_notes import Role
    from xenbump.trying.bisect_question import Question
    from xenbump.trying.history import Commit, History, Told
    from xenbump.trying.model import Answer, Tools, Verdict

    # Tries something, with `True` even where a result is kept, and tells what it does.
    Tried = Callable[[Trial, bool, Callable[[str], None]], Verdict]

_LOCK_SECONDS: Final = 30.0
_SHORT: Final = 8
_FORGET: Final = "--again-last tries it once more, --reset forgets all answers"
FOUND_BEFORE: Final = "tried before"
# What is wrong with a commit, and not with the question or this machine.
_SKIPPED: Final = frozenset({"E-TRY-REV", "E-TREE-VERSION", "E-TRY-TOOLS"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for.

    Attributes:
        good: a revision that has not the fault.
        bad: one that has it.
        question: what tells them apart.
        patches: a series that is put upon each commit.
        options: of the hypervisor.
        tools: where dom0's tools come from.
        repeat: how often an answer is tried again that may be chance, as `bisect_notes.settled` has it.
        flaky: as what a commit counts that is good once and bad another time.
    """

    good: str
    bad: str
    question: Question
    patches: tuple[Path, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    tools: Tools = "auto"
    repeat: int = 1
    flaky: Answer = "skip"

    def trial(self, commit: str) -> Trial:
        """A commit, as it is tried."""
        return Trial(commit, self.patches, self.options, self.tools)

    def settled(self, step: Step | None) -> Answer | None:
        """What the tries of a commit come to; None where it is to be tried, or once more."""
        repeat = self.repeat if self.question.varies else 0
        return settled(() if step is None else step.tries, repeat, self.flaky)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        asked: what was looked for.
        commits: how many commits could be the first bad one.
        steps: the commits that were tried, in order, the ends first; those of runs before, too.
        before: how many of them had their answer already when this run began.
        first: the first bad commit; None where skipped ones hide it.
        suspects: those that it is one of then.
    """

    asked: Asked
    commits: int
    steps: tuple[Step, ...]
    before: int
    first: Told | None
    suspects: tuple[Commit, ...] = ()

    def answered(self) -> tuple[tuple[Step, Answer], ...]:
        """The commits that were tried, with what their tries come to."""
        found = ((one, self.asked.settled(one)) for one in self.steps)
        return tuple((one, answer) for one, answer in found if answer is not None)


def check_xtf(question: Question, folder: Path | None) -> None:
    """Refuse a question on XTF that a folder cannot answer.

    Args:
        question: any; those on other things are let pass.
        folder: of a built XTF; None: there is none.

    Raises:
        Refusal: E-TRY-XTF.
    """
    if question.phase is not Phase.XTF:
        return
    if folder is None:
        remedy = "give its folder with --xtf, [verify] xtf or XENBUMP_XTF"
        raise Refusal("E-TRY-XTF", "no built XTF is at hand", where=str(question), remedy=remedy)
    machine.check_xtf(folder)
    there: list[str] = []
    for path in sorted(folder.glob("tests/*/info.json")):
        found = xtf.suite(path.read_text("utf-8", "replace"), path.parent.name)
        there += found.names if found is not None else []
    if question.name and question.name not in there:
        near = difflib.get_close_matches(question.name, there, 3)
        hint = f"; there is {', '.join(near)}" if near else ""
        raise Refusal("E-TRY-XTF", f"it has no test {question.name}{hint}", where=str(folder))


class Bisection:
    """One bisection, which lasts longer than a run.

    Args:
        asked: what is looked for.
        history: of the repository.
        folder: below it lies what is remembered; made when it is missing.
        parts: what, besides the ends, tells it from others, such as the repository and the patches.

    Raises:
        Refusal: E-TRY-REV and others for a revision that cannot be found.
        Failure: E-STATE, E-DISK.
    """

    def __init__(self, asked: Asked, history: History, folder: Path, parts: Iterable[str]) -> None:
        self._asked = asked
        self._history = history
        self.good, self.bad = history.resolved(asked.good), history.resolved(asked.bad)
        self._key = kept.under([self.good, self.bad, str(asked.question), *parts])
        durable.make(folder)
        self._path = folder / f"{self._key[:32]}.json"

    def remembered(self) -> tuple[Step, ...]:
        """The commits that were tried by now."""
        return tuple(Notes(self._path, self._key).steps)

    def forget(self) -> int:
        """Begin anew the next time; how many commits were tried.

        Raises:
            Failure: E-LOCKED, E-STATE, E-DISK.
        """
        with locked(self._path.with_suffix(".lock"), seconds=_LOCK_SECONDS):
            return Notes(self._path, self._key).forget()

    def run(self, tried: Tried, progress: Callable[[str], None], *, again_last: bool = False) -> Outcome:
        """Try commits until it is known which was the first bad one, or that this cannot be told.

        Args:
            tried: tries one.
            progress: told what is done, as facts too.
            again_last: forget what the last commit was answered, and try it anew.

        Raises:
            Refusal: E-BISECT-RANGE where there is nothing between the ends; E-BISECT-GOOD, E-BISECT-BAD, E-BISECT-BASE
                where one of them is not what it was to be; E-BISECT-UNKNOWN where that cannot be told;
                E-BISECT-CONTRADICTION.
            Failure: E-BISECT-MACHINE where this machine did not let something be built; E-LOCKED, E-STATE, E-DISK.
            XenbumpError: as `tried` has it.
        """
        with locked(self._path.with_suffix(".lock"), seconds=_LOCK_SECONDS, progress=progress):
            notes = Notes(self._path, self._key)
            return _Run(self._asked, self._history, tried, notes, progress).made(
                self.good, self.bad, notes.forget_last() if again_last else ""
            )


class _Run:
    """One run of a bisection."""

    def __init__(
        self, asked: Asked, history: History, tried: Tried, notes: Notes, progress: Callable[[str], None]
    ) -> None:
        self._asked = asked
        self._history = history
        self._tried = tried
        self._notes = notes
        self._progress = progress
        self._name = f"{asked.good}..{asked.bad} on {asked.question}"
        self._anew = ""
        self._graph: steps.Graph | None = None

    def made(self, good: str, bad: str, anew: str) -> Outcome:
        self._anew = anew
        commits = {one.sha: one for one in self._history.between(good, bad)}
        bases = self._bases(good, bad, commits)
        before = sum(self._asked.settled(one) is not None for one in self._notes.steps)
        emit(self._progress, StepsAhead(self._name, ("GOOD", *map(_base, bases), "BAD")))
        self._end("GOOD", "good", self._history.commit(good))
        for base in bases:
            self._end(_base(base), "base", self._history.commit(base))
        self._end("BAD", "bad", commits[bad])
        graph = self._graph = steps.Graph({one.sha: one.parents for one in commits.values()}, bad)
        number = 0
        for step in self._notes.steps:
            answer = self._asked.settled(step)
            if step.role == "step" and answer is not None:
                number += 1
                self._told(_named(number, step.commit), step, answer, 0.0, FOUND_BEFORE)
        while (standing := self._standing(graph)).next is not None:
            number += 1
            self._answer(_named(number, standing.next), "step", commits[standing.next])
        first = None if standing.found is None else self._history.told(standing.found)
        suspects = () if first is not None else tuple(commits[sha] for sha in standing.left)
        return Outcome(self._asked, len(commits), tuple(self._notes.steps), before, first, suspects)

    def _bases(self, good: str, bad: str, commits: dict[str, Commit]) -> tuple[str, ...]:
        """Where the histories of the ends part; none where the good one is in the history of the bad one."""
        asked, where = self._asked, f"{self._asked.good}..{self._asked.bad}"
        if not commits:
            what = f"{asked.bad} has no commit that {asked.good} has not"
            hint = "" if good == bad else "; the good one has to be given first, and to be the older one"
            raise Refusal("E-BISECT-RANGE", what + hint, where=where)
        bases = self._history.bases(good, bad)
        if not bases:
            raise Refusal("E-BISECT-RANGE", "the two have no commit in common", where=where)
        return tuple(one for one in bases if one != good)

    def _end(self, name: str, role: Role, commit: Commit) -> None:
        """Try what has to have a known answer, or nothing that follows would mean anything."""
        asked = self._asked
        rev = {"good": asked.good, "bad": asked.bad}.get(role, commit.sha)
        answer, step = self._answer(name, role, commit)
        last = step.tries[-1]
        why = f": {last.reason}" if last.reason else ""
        if answer == "skip" and role != "base":
            what = f"it is not known whether it is {role}{why}"
            if step.intermittent:
                what = "it is good once and bad another time; --flaky says as what that counts"
            raise Refusal("E-BISECT-UNKNOWN", what, where=rev, remedy=_FORGET)
        if role == "good" and answer == "bad":
            raise Refusal("E-BISECT-GOOD", f"it is bad already, on {asked.question}{why}", where=rev, remedy=_FORGET)
        if role == "bad" and answer == "good":
            raise Refusal("E-BISECT-BAD", f"it is good, on {asked.question}", where=rev, remedy=_FORGET)
        if role == "base" and answer == "bad":
            what = f"{asked.good} is good and not in the history of {asked.bad}, and where both come from is bad{why}"
            raise Refusal("E-BISECT-BASE", what, where=rev, remedy=f"look for what mended it: {rev}..{asked.good}")

    def _answer(self, name: str, role: Role, commit: Commit) -> tuple[Answer, Step]:
        """Try a commit until its answer counts."""
        step = self._notes.of(commit.sha)
        answer = self._asked.settled(step)
        if step is not None and answer is not None:
            self._told(name, step, answer, 0.0, FOUND_BEFORE)
            return answer, step
        emit(self._progress, StepBegan(self._name, name))
        self._progress(f"{commit.sha[:_SHORT]}: {commit.subject}")
        while step is None or answer is None:
            if step is not None:
                self._progress(f"{step.tries[-1].answer}; tried once more, {len(step.tries)} of {self._asked.repeat}")
            again = step is not None or commit.sha == self._anew
            one = self._once(role, commit.sha, again=again)
            step = self._notes.add(role, commit.sha, commit.subject, one)
            answer = self._asked.settled(step)
        self._told(name, step, answer, step.seconds, "" if self._graph is None else self._left(self._graph))
        return answer, step

    def _once(self, role: Role, commit: str, *, again: bool) -> Try:
        began = time.monotonic()
        try:
            verdict = self._tried(self._asked.trial(commit), again, _inside(self._progress, commit))
        except Refusal as error:
            if role != "step" or error.code not in _SKIPPED:
                raise
            return Try("skip", error.what, time.monotonic() - began, _now())
        answer, reason = judged(self._asked.question, verdict)
        if verdict.failed is not None and of_this_machine(verdict.failed):
            raise Failure("E-BISECT-MACHINE", reason, where=commit, remedy="mend that, and give the command once more")
        log = next((one.log for one in reversed(verdict.phases) if one.log), "")
        return Try(answer, reason, time.monotonic() - began, _now(), verdict.kept, log)

    def _standing(self, graph: steps.Graph) -> steps.Standing:
        answers = ((one.commit, self._asked.settled(one)) for one in self._notes.steps)
        try:
            return graph.standing((commit, answer) for commit, answer in answers if answer is not None)
        except steps.ContradictionError as error:
            what = "it cannot be bad, or good, after what others were answered"
            raise Refusal("E-BISECT-CONTRADICTION", what, where=error.commit, remedy=_FORGET) from error

    def _told(self, name: str, step: Step, answer: Answer, seconds: float, ahead: str) -> None:
        """Tell what a commit was answered, and how much is left."""
        why = step.tries[-1].reason if answer != "good" else ""
        said = f"{step.subject} ({why})" if why else step.subject
        emit(self._progress, StepEnded(self._name, name, answer, seconds, f"{ahead}; {said}" if ahead else said))

    def _left(self, graph: steps.Graph) -> str:
        """How much is left, in words."""
        standing = self._standing(graph)
        if standing.next is None:
            return "that was the last"
        seconds = self._seconds() * standing.steps
        about = f", about {words.minutes(seconds)}" if seconds >= 1 else ""
        commits = f"{len(standing.left)} commits left"
        return f"{commits}, {standing.steps} {'step' if standing.steps == 1 else 'steps'}{about}"

    def _seconds(self) -> float:
        """How long a step takes: as those took that were made, else as long as the last of the ends."""
        made = [one for one in self._notes.steps if not all(each.kept for each in one.tries)]
        found = [one.seconds for one in made if one.role == "step"] or [one.seconds for one in made[-1:]]
        # Now and then a commit touches what everything includes, and takes many times as long as others.
        return statistics.median(found) if found else 0.0


def _inside(progress: Callable[[str], None], rev: str) -> Progress:
    """Takes what a trial tells, and passes on what is no step of its own: those of a bisection are its commits."""

    def tell(event: Event) -> None:
        if isinstance(event, Said):
            progress(event.sentence.removeprefix(f"{rev}: "))
        elif not isinstance(event, RunBegan | RunEnded | StepsAhead | StepBegan | StepEnded):
            emit(progress, event)

    return Progress(tell)


def _named(number: int, commit: str) -> str:
    return f"{number:>2} {commit[:_SHORT]}"


def _base(commit: str) -> str:
    return f"base {commit[: _SHORT - 2]}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
