"""Repositories of commits without a tree, and trials of them that need no machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.trying import fake_tree
from tests.trying.verdicts import check, verdict
from xenbump.dom0.report import FAILED, PASSED
from xenbump.trying.model import Phase, PhaseResult

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xenbump.trying.model import Trial, Verdict

COUNT = 33


def repository(folder: Path) -> tuple[Path, list[str]]:
    """A bare repository with the branch `main` of commits `c0` to `c32`, and `stable`, one commit behind `c10`.

    `other` has a history of its own. Each commit changes a file of its number.

    Returns:
        Its folder, and the commits of `main`.
    """
    folder.mkdir(parents=True)
    fake_tree.git(folder, "init", "--quiet", "--template=", "--bare", "--initial-branch=main")
    words: list[str] = []
    for mark, branch, of, said in (
        *((number + 1, "main", number, f"c{number}: a change\n\nWith a reason.") for number in range(COUNT)),
        (COUNT + 1, "stable", 11, "stable: a change"),
        (COUNT + 2, "other", 0, "other: a beginning"),
    ):
        words += [f"commit refs/heads/{branch}", f"mark :{mark}"]
        words += [f"author A <a@example.org> {mark} +0000", f"committer C <c@example.org> {mark} +0000"]
        words += [f"data {len(said)}", said, *([f"from :{of}"] if of else [])]
        words += [f"M 100644 inline f{mark}", "data 1", "x", ""]
    fake_tree.git(folder, "fast-import", "--quiet", stdin="\n".join(words).encode())
    commits = fake_tree.git(folder, "rev-list", "--reverse", "main").split()
    for number, commit in enumerate(commits):
        fake_tree.git(folder, "tag", f"c{number}", commit)
    return folder, commits


@dataclass
class Trials:
    """Answers on commits by their number; those that are not named are good before `first`, and bad from there on.

    Attributes:
        commits: all of them.
        first: the number of the first bad one.
        broken: those that do not build.
        said: what a commit answers trial by trial, `True` for good; the last one counts from then on.
        before: called before each trial.
        asked: the numbers of those that were tried, in order, with whether a kept result was not wanted.
    """

    commits: list[str]
    first: int
    broken: set[int] = field(default_factory=set)
    said: dict[int, list[bool]] = field(default_factory=dict)
    before: Callable[[int], None] = lambda _: None
    asked: list[tuple[int, bool]] = field(default_factory=list)

    def tried(self, trial: Trial, again: bool, tell: Callable[[str], None]) -> Verdict:  # noqa: FBT001 - as it is called
        number = self.commits.index(trial.rev) if trial.rev in self.commits else -1
        self.before(number)
        self.asked.append((number, again))
        tell(f"{trial.rev}: build")
        if number in self.broken:
            return verdict(PhaseResult(Phase.BUILD, FAILED, "setup.c:7: error: broken", log="/logs/build.log"))
        given = self.said.get(number, [number < self.first])
        good = given.pop(0) if len(given) > 1 else given[0]
        built = PhaseResult(Phase.BUILD, PASSED)
        if good:
            return verdict(built, PhaseResult(Phase.DOM0, PASSED, "", (check("tools"),), 9.0, "/logs/console.log"))
        return verdict(built, PhaseResult(Phase.DOM0, FAILED, "it panics: a fault", (), 9.0, "/logs/console.log"))

    @property
    def numbers(self) -> list[int]:
        """The numbers of the commits that were tried, in order."""
        return [number for number, _ in self.asked]
