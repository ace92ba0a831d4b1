"""The JSON document of `xenbump bisect`, `xenbump.bisect/1`; `docs/interface.md` describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from xenbump.trying import bisect_words as words
from xenbump.trying import steps
from xenbump.trying.bisect_notes import Try  # noqa: TC001 - msgspec reads the types at run time

if TYPE_CHECKING:
    from xenbump.trying.bisect import Outcome
    from xenbump.trying.bisect_notes import Step
    from xenbump.trying.model import Answer


class ChangedFile(msgspec.Struct, frozen=True):
    """A file that a commit changes: `M`, `A`, `D` or `T`, as `git diff --name-status` has it."""

    status: str
    path: str


class FirstBad(msgspec.Struct, frozen=True):
    """The first bad commit; `date` is its author's, as ISO 8601 has it."""

    commit: str
    author: str
    date: str
    message: str
    files: tuple[ChangedFile, ...]


class BisectStep(msgspec.Struct, frozen=True):
    """A commit that was tried.

    `role` is `good` and `bad` for the two ends, `base` for where their histories part, and `step` for all between.
    `intermittent`: it was good once and bad another time.
    """

    role: Literal["good", "bad", "base", "step"]
    commit: str
    subject: str
    answer: Literal["good", "bad", "skip"]
    seconds: float
    intermittent: bool
    tries: tuple[Try, ...]


class BisectDocument(msgspec.Struct, frozen=True, kw_only=True):
    """`xenbump bisect --json`.

    `commits` is how many could be the first bad one, `at_most` how many steps that takes where none is skipped, `taken`
    how many were taken. `first_bad` is null where skipped commits hide it, and `suspects` are those that it is one of
    then. `log` are the lines that `git bisect replay` reads.
    """

    schema: Literal["xenbump.bisect/1"] = "xenbump.bisect/1"
    outcome: Literal["found", "hidden"]
    good: str
    bad: str
    question: str
    commits: int
    at_most: int
    taken: int
    skipped: int
    steps: tuple[BisectStep, ...]
    first_bad: FirstBad | None
    suspects: tuple[str, ...]
    log: tuple[str, ...]


def document(outcome: Outcome, good: str, bad: str) -> BisectDocument:
    """The document of a bisection.

    Args:
        outcome: what came of it.
        good: the commit of the good end.
        bad: the commit of the bad end.
    """
    answered = outcome.answered()
    between = [answer for step, answer in answered if step.role == "step"]
    first = outcome.first
    return BisectDocument(
        outcome="hidden" if first is None else "found",
        good=good,
        bad=bad,
        question=str(outcome.asked.question),
        commits=outcome.commits,
        at_most=steps.most(outcome.commits),
        taken=len(between),
        skipped=between.count("skip"),
        steps=tuple(_step(step, answer) for step, answer in answered),
        first_bad=None
        if first is None
        else FirstBad(
            first.sha,
            first.author,
            first.date,
            "\n".join(first.message),
            tuple(ChangedFile(status, path) for status, path in first.files),
        ),
        suspects=tuple(one.sha for one in outcome.suspects),
        log=tuple(words.log(good, bad, answered, first)),
    )


def _step(step: Step, answer: Answer) -> BisectStep:
    return BisectStep(step.role, step.commit, step.subject, answer, step.seconds, step.intermittent, step.tries)
