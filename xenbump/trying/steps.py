"""Which commit is to be tried next, to find the first bad one. Pure: history and answers in, the next step out.

The rules are those of git-bisect(1). What may still be the first bad commit is whatever the commit that is known to be
bad has among its ancestors (itself included) and no good one has. A commit weighs as many of these as it has among its
own ancestors, itself included; the best to be tried is one whose weight is nearest to half of them (git's sources,
Documentation/git-bisect-lk2009.txt). One that is skipped says nothing, and stays among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from xenbump.trying.model import Answer


class ContradictionError(ValueError):
    """The answers exclude each other: a commit is bad that a good one descends from.

    Attributes:
        commit: with whose answer that is so.
    """

    def __init__(self, commit: str) -> None:
        super().__init__(f"the answer on {commit} contradicts those before")
        self.commit = commit


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a bisection is.

    Attributes:
        bad: the earliest commit known to be bad.
        left: the commits that may be the first bad one, `bad` among them, descendants first.
        next: the commit to be tried; None when there is none left.
        steps: how many more are to be tried at most, on a history without merges and if none of them is skipped.
    """

    bad: str
    left: tuple[str, ...]
    next: str | None
    steps: int

    @property
    def found(self) -> str | None:
        """The first bad commit; None as long as it is not known, or where skipped ones hide it."""
        return self.bad if len(self.left) == 1 else None


class Graph:
    """The commits that may be the first bad one, with the lines of descent among them.

    Args:
        parents: of each of them; parents that are none of them are passed over.
        tip: the commit that all of them are ancestors of, itself one of them.

    Raises:
        ValueError: the tip is none of them, or one of them descends from itself.
    """

    def __init__(self, parents: Mapping[str, Iterable[str]], tip: str) -> None:
        if tip not in parents:
            raise ValueError("the tip is not among the commits")
        inner = {name: tuple(dict.fromkeys(one for one in of if one in parents)) for name, of in parents.items()}
        self.order = _sorted(inner)
        self.index = {name: number for number, name in enumerate(self.order)}
        self.tip = self.index[tip]
        # Sets of commits are numbers, with a bit for each commit.
        self.reach: list[int] = []
        self.beside: list[list[int]] = [[] for _ in self.order]
        for number, name in enumerate(self.order):
            found = 1 << number
            for parent in map(self.index.__getitem__, inner[name]):
                found |= self.reach[parent]
                self.beside[number].append(parent)
                self.beside[parent].append(number)
            self.reach.append(found)

    def standing(self, answers: Iterable[tuple[str, Answer]]) -> Standing:
        """How far one is with these answers, in the order in which they were given; those on other commits are nothing.

        Raises:
            ContradictionError: they exclude each other.
        """
        left, bad, skipped, good = self.reach[self.tip], self.tip, 0, 0
        for name, answer in answers:
            number = self.index.get(name)
            if number is None:
                continue
            if answer == "skip":
                skipped |= 1 << number
            elif answer == "good":
                good |= self.reach[number]
                left &= ~good
            elif left >> number & 1:
                left, bad = left & self.reach[number], number
            if good >> bad & 1 or (answer == "bad" and good >> number & 1):
                raise ContradictionError(name)
        names = tuple(self.order[number] for number in _bits(left)[::-1])
        untried = left & ~skipped & ~(1 << bad)
        chosen = self._chosen(left, untried, skipped & left)
        return Standing(
            self.order[bad],
            names,
            None if chosen is None else self.order[chosen],
            most(untried.bit_count() + 1),
        )

    def distances(self, answers: Iterable[tuple[str, Answer]] = ()) -> dict[str, int]:
        """How many commits each that is left excludes at least, as `git rev-list --bisect-all` has it (`dist=…`)."""
        left = sum(1 << self.index[name] for name in self.standing(answers).left)
        return {self.order[number]: self._distance(number, left) for number in _bits(left)}

    def _distance(self, number: int, left: int) -> int:
        weight = (self.reach[number] & left).bit_count()
        return min(weight, left.bit_count() - weight)

    def _chosen(self, left: int, untried: int, skipped: int) -> int | None:
        """The best to be tried of those that are untried; of equals the oldest.

        What cannot be built cannot be built next to it either, more often than not. So a commit counts for the less the
        nearer it is to one that was skipped: by half beside it, by a third one step further, and so on. Git itself goes
        away from there by chance.
        """
        gaps = self._gaps(left, skipped)
        best, value = None, -1.0
        for number in _bits(untried):
            gap = gaps.get(number)
            worth = self._distance(number, left) * (1.0 if gap is None else gap / (gap + 1))
            if worth > value:
                best, value = number, worth
        return best

    def _gaps(self, left: int, skipped: int) -> dict[int, int]:
        """How many steps of descent each commit is away from the nearest that was skipped."""
        found = dict.fromkeys(_bits(skipped), 0)
        edge = list(found)
        while edge:
            further = []
            for number in edge:
                for other in self.beside[number]:
                    if left >> other & 1 and other not in found:
                        found[other] = found[number] + 1
                        further.append(other)
            edge = further
        return found


def most(candidates: int) -> int:
    """How many commits have to be tried at most to find one of so many, each try leaving the better half."""
    return max(candidates - 1, 0).bit_length()


def _bits(number: int) -> list[int]:
    """The places of the bits that are set, from the lowest."""
    found = []
    while number:
        lowest = number & -number
        found.append(lowest.bit_length() - 1)
        number ^= lowest
    return found


def _sorted(parents: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The commits, each behind its parents."""
    children: dict[str, list[str]] = {name: [] for name in parents}
    missing = {name: len(of) for name, of in parents.items()}
    for name, of in parents.items():
        for parent in of:
            children[parent].append(name)
    ready = [name for name, count in missing.items() if not count]
    found = []
    while ready:
        name = ready.pop()
        found.append(name)
        for child in children[name]:
            missing[child] -= 1
            if not missing[child]:
                ready.append(child)
    if len(found) != len(parents):
        raise ValueError("a commit descends from itself")
    return tuple(found)
