"""Where the change is committed and pushed to: a checkout with git, or GitHub's API alone, with the same result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.package.rewrite import Edit
    from xenbump.publish.github import PullRequest


@dataclass(frozen=True, slots=True)
class Tip:
    """The commit that a branch ends in.

    Attributes:
        commit: its identifier.
        parent: its first parent's; empty where it has none.
        ours: whether every commit between the base branch and this one, itself included, is ours alone: the message has
            our trailer, author and committer are we. A person's commit under ours counts as a person's, too.
        text: its whole message.
    """

    commit: str
    parent: str
    ours: bool
    text: str = ""


class Place(Protocol):
    """The repository of packages, as the base branch has it, and the branches in it.

    Its `read` and `names` are those of `package.model.Beside`. What it raises is described at `by_git` and `by_api`.
    """

    @property
    def base(self) -> str:
        """The commit that a pull request starts from."""

    def content(self) -> bytes:
        """The package file as the base has it.

        Raises:
            UsageError: E-FILE-MISSING when it has none.
        """

    def read(self, name: str) -> bytes | None:
        """A file that is named from the package file's folder; None where there is none, or it lies outside."""

    def names(self, folder: str) -> tuple[str, ...]:
        """What is in a folder that is named from the package file's, sorted; nothing where there is none."""

    def refuse_changes(self, edits: tuple[Edit, ...]) -> None:
        """Refuse a working tree with changes that are not committed, other than just these edits.

        Raises:
            Refusal: E-DIRTY.
        """

    def write_out(self, folder: Path, edits: tuple[Edit, ...]) -> str:
        """Write all files of the base, with the edits, into an empty folder.

        Returns:
            A name for what was written; empty where not all files are at hand.
        """

    def commit(self, edits: tuple[Edit, ...], text: str) -> str:
        """Write a commit on the base that makes these edits and nothing else; nothing public names it yet.

        Returns:
            Its identifier.
        """

    def tip(self, branch: str) -> Tip | None:
        """The commit that a branch ends in where the pull request comes from; None where there is no such branch."""

    def same_work(self, commit: str, tip: Tip) -> bool:
        """Whether a commit that `commit` made and a tip have the same tree, parent and message."""

    def fits(self, edits: tuple[Edit, ...], tip: Tip) -> bool:
        """Whether the edits' files are as `after` says at a tip, and as `before` says at its parent.

        Then the branch need not be made anew, wherever else the base has moved to.
        """

    def push(self, branch: str, commit: str, expected: str | None) -> None:
        """Let a branch be a commit, where it is still at `expected` (None: where it does not exist).

        Raises:
            Refusal: E-BRANCH-MOVED when it is at something else by now; E-PUSH-REJECTED.
        """

    def picked(self, pull: PullRequest) -> str:
        """The commit on the base branch that a merged pull request became; empty where it is not to be found."""

    def hold(self, lock: int) -> None:
        """Let whatever may go on when this process was killed, such as a push, hold an open file, too."""

    def close(self) -> None:
        """End connections and helper processes."""
