"""What a bisection was answered so far, in a file that survives a kill, and what the answers on one commit come to.

A file is whole or not at all; one that cannot be read, or is of another bisection, is as good as none: the results of
the trials themselves are kept elsewhere, so that little is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from xenbump import durable
from xenbump.trying.model import Answer  # noqa: TC001 - msgspec reads the types at run time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Role = Literal["good", "bad", "base", "step"]
_FORM = 1


class Try(msgspec.Struct, frozen=True):
    """One trial of a commit.

    Attributes:
        answer: what it answered.
        reason: why, in a sentence; may be empty.
        seconds: how long it took.
        when: the time at which it ended, in UTC as ISO 8601 has it.
        kept: whether it was the result of an earlier trial.
        log: the file with what was said; empty where there is none.
    """

    answer: Answer
    reason: str
    seconds: float
    when: str
    kept: bool = False
    log: str = ""


class Step(msgspec.Struct, frozen=True):
    """A commit that was tried.

    Attributes:
        role: as what: one of the two ends, where their histories part, or a step between.
        commit: in 40 hexadecimal digits.
        subject: the first line of its message.
        tries: all that were made, in order.
    """

    role: Role
    commit: str
    subject: str
    tries: tuple[Try, ...]

    @property
    def seconds(self) -> float:
        """How long all tries took."""
        return sum(one.seconds for one in self.tries)

    @property
    def intermittent(self) -> bool:
        """Whether it was good once and bad another time."""
        return {"good", "bad"} <= {one.answer for one in self.tries}


class _File(msgspec.Struct, frozen=True):
    """A file's content."""

    form: int
    key: str
    steps: list[Step]


def settled(tries: Sequence[Try], repeat: int, flaky: Answer) -> Answer | None:
    """What the tries of a commit come to; None where it is to be tried once more.

    Args:
        tries: those that were made.
        repeat: how often an answer is tried again that may be chance: with `flaky` `good` and `skip` a bad one, since
            a test may fail without a reason; with `bad` a good one, since a fault may fail to show.
        flaky: as what a commit counts that is good once and bad another time.
    """
    if any(one.answer == "skip" for one in tries):
        return "skip"
    good = sum(one.answer == "good" for one in tries)
    bad = len(tries) - good
    doubted, sure = (good, bad) if flaky == "bad" else (bad, good)
    if doubted and sure:
        return flaky
    if sure:
        return "bad" if flaky == "bad" else "good"
    if doubted <= repeat:
        return None
    return "good" if flaky == "bad" else "bad"


class Notes:
    """What one bisection was answered.

    Args:
        path: of the file; its folder must be there.
        key: what tells this bisection from others.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._key = key
        self.steps = _read(path, key)

    def of(self, commit: str) -> Step | None:
        """The step in which a commit was tried; None where it was not."""
        return next((one for one in self.steps if one.commit == commit), None)

    def add(self, role: Role, commit: str, subject: str, one: Try) -> Step:
        """Take a try, and bring it to the disk; the commit with all its tries.

        Raises:
            Failure: E-STATE, E-DISK.
        """
        known = self.of(commit)
        if known is None:
            step = Step(role, commit, subject, (one,))
            self.steps.append(step)
        else:
            step = msgspec.structs.replace(known, tries=(*known.tries, one))
            self.steps[self.steps.index(known)] = step
        self._write()
        return step

    def forget_last(self) -> str:
        """Forget the tries of the last commit, which is named; empty where there is none.

        Raises:
            Failure: E-STATE, E-DISK.
        """
        if not self.steps:
            return ""
        last = self.steps.pop()
        self._write()
        return last.commit

    def forget(self) -> int:
        """Forget all; how many commits were answered.

        Raises:
            Failure: E-STATE, E-DISK.
        """
        count = len(self.steps)
        self.steps = []
        try:
            durable.remove(self._path)
        except OSError as error:
            raise durable.failure(error, self._path, what="the file cannot be removed") from error
        return count

    def _write(self) -> None:
        durable.write(self._path, msgspec.json.encode(_File(_FORM, self._key, self.steps)))


def _read(path: Path, key: str) -> list[Step]:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File)
    except (OSError, msgspec.DecodeError):
        return []
    return found.steps if (found.form, found.key) == (_FORM, key) else []
