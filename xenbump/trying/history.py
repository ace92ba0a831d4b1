"""What a repository knows of the commits between two: which there are, what they descend from, what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xenbump.errors import Failure
from xenbump.trying import source
from xenbump.upstream import git

if TYPE_CHECKING:
    from xenbump.trying.source import Workshop

_FIELDS = ("%H", "%an <%ae>", "%aI", "%B")


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit.

    Attributes:
        sha: in 40 hexadecimal digits.
        parents: those of its parents, the first one first.
        subject: the first line of its message.
    """

    sha: str
    parents: tuple[str, ...]
    subject: str


@dataclass(frozen=True, slots=True)
class Told:
    """All that a commit says.

    Attributes:
        sha: in 40 hexadecimal digits.
        author: name and address.
        date: of the author, as ISO 8601 has it.
        message: all of it, as lines.
        files: what it changes against its first parent: each `M`, `A`, `D` or `T`, and the path.
    """

    sha: str
    author: str
    date: str
    message: tuple[str, ...]
    files: tuple[tuple[str, str], ...]


class History:
    """The history of a repository.

    Args:
        workshop: of the repository; where it has to be fetched, that is done with the first question.
    """

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def resolved(self, rev: str) -> str:
        """The commit that a revision names, as `Workshop.resolved` has it."""
        return self._workshop.resolved(rev)

    def described(self, commit: str) -> str:
        """A commit's name for people, as `Workshop.described` has it."""
        return self._workshop.described(commit)

    def between(self, good: str, bad: str) -> tuple[Commit, ...]:
        """What the commit `bad` has in its history, itself included, and `good` has not; descendants first.

        Raises:
            Failure: E-GIT and others by what git says.
        """
        said = self._ask("log", "-z", "--topo-order", "--format=%H%n%P%n%s", bad, f"^{good}", "--")
        found = []
        for one in filter(None, said.split("\0")):
            sha, parents, subject = one.split("\n", 2)
            found.append(Commit(sha, tuple(parents.split()), subject.strip()))
        return tuple(found)

    def commit(self, sha: str) -> Commit:
        """A single commit.

        Raises:
            Failure: E-GIT and others by what git says.
        """
        _, parents, subject = self._ask("log", "-1", "--format=%H%n%P%n%s", sha, "--").split("\n", 2)
        return Commit(sha, tuple(parents.split()), subject.strip())

    def bases(self, one: str, other: str) -> tuple[str, ...]:
        """The newest commits that are in the history of both; none where the two have nothing in common.

        Raises:
            Failure: E-GIT and others by what git says.
        """
        return tuple(self._ask("merge-base", "--all", one, other, fine=(0, 1)).split())

    def told(self, sha: str) -> Told:
        """All that a commit says.

        Raises:
            Failure: E-GIT and others by what git says.
        """
        _, author, date, message = self._ask("log", "-1", f"--format={'%x00'.join(_FIELDS)}", sha, "--").split("\0", 3)
        parents = self.commit(sha).parents
        against = [parents[0], sha] if parents else ["--root", "--no-commit-id", sha]
        words = self._ask("diff-tree", "-r", "-z", "--no-renames", "--name-status", *against).split("\0")
        files = tuple(zip(words[::2], words[1::2], strict=False))
        return Told(sha, author, date, tuple(message.strip("\n").split("\n")), files)

    def _ask(self, *arguments: str, fine: tuple[int, ...] = (0,)) -> str:
        where = self._workshop.repository
        # Mails of translators apart, nobody's map of names, no notes, no signature's verdict, and no colours.
        done = source.asked(where, "-c", "log.showSignature=false", "-c", "log.mailmap=false", *arguments)
        if done.status not in fine:
            error = git.explained(done, str(where))
            raise Failure(error.code, error.what, where=error.where)
        return done.stdout.decode("utf-8", "replace")
