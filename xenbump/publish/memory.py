"""What later runs are to know and GitHub does not tell: kept in the journal, and no harm done where that is lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xenbump.journal import Run

_CLOSED, _ASKED, _READY, _LABELS, _SUPERSEDED = (
    "pull-closed",
    "pull-asked",
    "pull-ready",
    "pull-labels",
    "pull-superseded",
)


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of the pull requests of one repository, `owner/name`."""

    run: Run
    repository: str

    def closed(self, branch: str, target: str) -> str:
        """The address of what a person closed for a target; empty where nothing is remembered."""
        return self.run.recall(_CLOSED, f"{self.repository} {branch} {target}") or ""

    def was_closed(self, branch: str, target: str, url: str) -> None:
        """A person closed the pull request for a target."""
        self.run.remember(_CLOSED, f"{self.repository} {branch} {target}", url)

    def asked(self, number: int, *, draft: bool) -> bool:
        """Whether reviewers and assignees were asked, of a draft or of one that is ready."""
        return self.run.recall(_ASKED, self._stage(number, draft=draft)) is not None

    def was_asked(self, number: int, *, draft: bool) -> None:
        """Reviewers and assignees were asked."""
        self.run.remember(_ASKED, self._stage(number, draft=draft), "yes")

    def ready(self, number: int) -> bool:
        """Whether a run made a pull request ready for review, or was refused it."""
        return self.run.recall(_READY, self._one(number)) is not None

    def was_ready(self, number: int) -> None:
        """A pull request was made ready for review, or that was refused."""
        self.run.remember(_READY, self._one(number), "yes")

    def refused_labels(self, number: int, target: str) -> frozenset[str]:
        """The labels, in small letters, that could not be set for a target."""
        return frozenset((self.run.recall(_LABELS, f"{self._one(number)} {target}") or "").splitlines())

    def were_refused(self, number: int, target: str, labels: tuple[str, ...]) -> None:
        """Labels could not be set."""
        self.run.remember(_LABELS, f"{self._one(number)} {target}", "\n".join(label.casefold() for label in labels))

    def superseded(self, number: int) -> bool:
        """Whether a run closed a pull request for a newer one."""
        return self.run.recall(_SUPERSEDED, self._one(number)) is not None

    def was_superseded(self, number: int, by: str) -> None:
        """A pull request was closed for a newer one, whose address this is."""
        self.run.remember(_SUPERSEDED, self._one(number), by)

    def _one(self, number: int) -> str:
        return f"{self.repository}#{number}"

    def _stage(self, number: int, *, draft: bool) -> str:
        return f"{self._one(number)} {'draft' if draft else 'ready'}"
