"""A bisection for people at a terminal, and its log in the words of git."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xenbump.publish.markup import clipped, plain
from xenbump.trying import steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xenbump.trying.bisect import Asked, Outcome
    from xenbump.trying.bisect_notes import Step
    from xenbump.trying.history import Told
    from xenbump.trying.model import Answer

_LONGEST = 300  # characters of a line from outside
_FILES = 40  # that are worth their place
_HASH = 12
_ENDS = {"good": "GOOD", "bad": "BAD", "base": "base"}


def lines(outcome: Outcome, again: str = "", alone: str = "") -> list[str]:
    """The lines that tell a person what came out; the first says all.

    Args:
        outcome: of the bisection.
        again: the command that tries the last commit once more; empty: it is not told.
        alone: the command that tries the first bad commit alone; empty: it is not told.
    """
    first = outcome.first
    if first is not None:
        told = [f"{first.sha[:_HASH]} is the first bad commit: {_cleaned(first.message[0])}", *_commit(first)]
        told += [f"  bad there: {_cleaned(why)}" for why in [_why(outcome, first.sha)] if why]
    else:
        count = len(outcome.suspects)
        told = [f"the first bad commit is one of {count}: those between could not be tried"]
        told += [f"  {one.sha} {_cleaned(one.subject)}" for one in outcome.suspects]
    told += ["", f"  {_counted(outcome)}", *_table(outcome)]
    told += [f"  to try the last one once more: {plain(again)}"] if again else []
    told += [f"  to try this commit alone: {plain(alone)}"] if alone and first is not None else []
    return told


def log(good: str, bad: str, answered: Sequence[tuple[Step, Answer]], first: Told | None = None) -> list[str]:
    """What was answered, in a form that `git bisect replay` reads.

    Args:
        good: the good end's commit.
        bad: the bad end's.
        answered: the commits that were tried, with their answers.
        first: the first bad commit; None where it is not known.
    """
    told = ["git bisect start"]
    there = {step.commit for step, _ in answered}
    told += [f"# {role}: [{sha}] not tried yet" for role, sha in (("good", good), ("bad", bad)) if sha not in there]
    for step, answer in answered:
        told.append(f"# {answer}: [{step.commit}] {_cleaned(step.subject)}")
        if step.intermittent:
            told.append(f"# {_tries(step)}")
        told.append(f"git bisect {answer} {step.commit}")
    if first is not None:
        told.append(f"# first bad commit: [{first.sha}] {_cleaned(first.message[0])}")
    return told


def _commit(first: Told) -> list[str]:
    told = [f"  commit {first.sha}", f"  Author: {_cleaned(first.author)}", f"  Date:   {plain(first.date)}", ""]
    told += [f"      {_as_written(line)}".rstrip() for line in first.message]
    told += ["", *(f"  {plain(kind)} {_cleaned(path)}" for kind, path in first.files[:_FILES])]
    left = len(first.files) - _FILES
    return [*told, f"  (and {left} more files)"] if left > 0 else told


def _counted(outcome: Outcome) -> str:
    """How much was tried."""
    answered = outcome.answered()
    between = [(step, answer) for step, answer in answered if step.role == "step"]
    skipped = sum(answer == "skip" for _, answer in between)
    flaky = sum(step.intermittent for step, _ in answered)
    tries = sum(len(step.tries) for step, _ in answered)
    least = steps.most(outcome.commits)
    told = [
        f"{outcome.commits} commits, {_many(len(between), 'step')} (at most {least} where none is skipped)",
        f"{skipped} skipped" if skipped else "",
        f"{flaky} good once and bad another time, counted as {outcome.asked.flaky}" if flaky else "",
        f"{_many(tries, 'trial')} with those of both ends and those that were repeated",
        f"{minutes(sum(step.seconds for step, _ in answered))} in all",
        f"{outcome.before} answered by earlier runs" if outcome.before else "",
    ]
    return "; ".join(filter(None, told))


def _table(outcome: Outcome) -> list[str]:
    told, number = [], 0
    for step, answer in outcome.answered():
        number += step.role == "step"
        name = _ENDS.get(step.role, f"{number:>4}")
        more = f" ({_tries(step)})" if len(step.tries) > 1 else ""
        why = step.tries[-1].reason if answer == "skip" else ""
        reason = f" ({_cleaned(why)})" if why else ""
        seconds = f"{step.seconds:6.1f} s"
        told.append(f"  {name:<4} {step.commit[:_HASH]}  {answer:<4} {seconds}  {_cleaned(step.subject)}{more}{reason}")
    return told


def _why(outcome: Outcome, commit: str) -> str:
    """Why a commit is bad."""
    step = next((one for one in outcome.steps if one.commit == commit), None)
    if step is None:
        return ""
    last = next((one for one in reversed(step.tries) if one.answer == "bad"), step.tries[-1])
    return f"{last.reason}; log: {last.log}" if last.log else last.reason


def _tries(step: Step) -> str:
    """How often a commit was tried, and what came out."""
    good, bad = (sum(one.answer == word for one in step.tries) for word in ("good", "bad"))
    said = ", ".join([*([f"{good} good"] if good else []), *([f"{bad} bad"] if bad else [])])
    return f"{_many(len(step.tries), 'trial')}: {said}" if said else _many(len(step.tries), "trial")


def alone(asked: Asked, commit: str, repository: str, more: Sequence[str] = ()) -> list[str]:
    """The words of the command that tries a single commit as a bisection does.

    Args:
        asked: what was looked for.
        commit: which.
        repository: that it is of.
        more: options that are to be there, too.
    """
    told = ["xenbump", "try", commit, "--repo", repository]
    told += [word for path in asked.patches for word in ("--patch", str(path))]
    told += [word for name, value in asked.options for word in ("--config", f"{name}={value}")]
    told += ["--tools", asked.tools] if asked.tools != "auto" else []
    return [*told, *more, "--only", asked.question.phase.value, "--again"]


def _many(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def minutes(seconds: float) -> str:
    """A time for people: `20 s`, `5 min 20 s`."""
    whole, left = divmod(round(seconds), 60)
    return f"{whole} min {left} s" if whole else f"{left} s"


def _as_written(text: str) -> str:
    """A line of a message with its blanks, and nothing in it that a terminal would obey."""
    return clipped("".join(one if one.isprintable() else " " for one in text.expandtabs()), _LONGEST)


def _cleaned(text: str) -> str:
    return plain(clipped(text, _LONGEST))
