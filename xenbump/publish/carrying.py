"""The steps of one publication, as `lifecycle` decides them: commit, push, open, label, write, ask, say, close.

Each is one that the next run finds done or does anew, so a run may end between any two of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.publish import message as writing
from xenbump.publish.lifecycle import Action, Note, decide
from xenbump.publish.looking import Look

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.publish.github import GitHub, PullRequest
    from xenbump.publish.lifecycle import Decision
    from xenbump.publish.looking import Found, Wanted
    from xenbump.publish.memory import Memory
    from xenbump.publish.message import Message
    from xenbump.publish.place import Place
    from xenbump.settings import GitHub as Settings

_SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Publication:
    """A pull request that stands, and what was done to it.

    Attributes:
        message: what it says, or is to say.
        branch: the head branch.
        commit: what the branch ends in.
        pull: the pull request; for `deferred` another one's.
        action: `opened`, `updated`, `unchanged`, `hands-off` (a person's commit is on the branch) or `deferred` (there
            is another one's pull request for the same change).
        reason: why less was done than might be expected; empty: it was not.
        notes: what else was done, or could not be, a sentence each.
    """

    message: Message
    branch: str
    commit: str
    pull: PullRequest
    action: str
    reason: str = ""
    notes: tuple[str, ...] = ()


class Steps:
    """One publication; whoever makes it holds the lock.

    Args:
        wanted: what is to be published.
        github: where the pull requests are.
        place: where the branch is.
        settings: the table `github`.
        memory: what earlier runs kept, and what later ones are to know.
    """

    def __init__(self, wanted: Wanted, github: GitHub, place: Place, settings: Settings, memory: Memory) -> None:
        self._wanted = wanted
        self._github = github
        self._place = place
        self._settings = settings
        self._memory = memory
        self._look = Look(wanted, github, place, settings, memory)
        self._notes: list[str] = []
        self._progress: Callable[[str], None] = lambda _: None

    def done(self, progress: Callable[[str], None], *, prove: bool) -> Publication:
        """Look, decide, and do it.

        Args:
            progress: told in a sentence what is being done.
            prove: whether another token than the one for writing was used to look, so that GitHub must be asked
                whether that one is good before anything is pushed.
        """
        self._progress = progress
        found = self._look.find()
        decision = decide(found.situation)
        if decision.note is not None and found.pull is not None:
            found = self._look.noted(found, found.pull.number)
            decision = decide(found.situation)
        if decision.remember:
            self._memory.was_closed(self._wanted.branch, found.message.key, decision.remember)
        if decision.stop is not None:
            stop = decision.stop
            raise Refusal(stop.code, stop.what, where=stop.where, remedy=stop.remedy)
        tip = found.tip.commit if found.tip is not None else ""
        if decision.action is Action.DEFERRED:
            return self._publication(found.message, tip, found.others[0], decision, decision.action)
        if decision.writes and prove:
            self._github.viewer()
        return self._carried_out(found, decision, tip)

    def _carried_out(self, found: Found, decision: Decision, tip: str) -> Publication:
        commit = self._pushed(found) if decision.push else tip
        pull, message, changed = found.pull, found.message, commit != tip
        if pull is None:
            pull = self._opened(message, decision)
        if decision.label and found.missing:
            pull, message = self._labelled(pull, found)
            changed = True
        # Labels that were refused just now are asked for in the body, too.
        theirs = decision.action is Action.HANDS_OFF or writing.edited(pull.body)
        if not theirs and not writing.says_the_same(pull.body, message):
            pull = self._written(pull, message)
            changed = True
        if decision.ready:
            pull = self._ready(pull)
            changed = True
        if decision.ask:
            self._asked(pull)
        if decision.note is not None:
            self._noted(pull, found, decision.note)
        for number in decision.supersede:
            self._superseded(number, pull, message)
        action = decision.action
        if action in {Action.UPDATED, Action.UNCHANGED}:
            action = Action.UPDATED if changed else Action.UNCHANGED
        return self._publication(message, commit, pull, decision, action)

    def _publication(
        self, message: Message, commit: str, pull: PullRequest, decision: Decision, action: Action
    ) -> Publication:
        return Publication(
            message, self._wanted.branch, commit, pull, action.value, decision.reason, tuple(self._notes)
        )

    def _pushed(self, found: Found) -> str:
        """Bring the branch to the work; gives what it ends in."""
        branch, tip = self._wanted.branch, found.tip
        self._progress(f"committing to {branch}")
        commit = self._place.commit(self._wanted.edits, found.message.commit)
        if tip is not None and self._place.same_work(commit, tip):
            return tip.commit
        self._progress(f"pushing {branch}")
        self._place.push(branch, commit, tip.commit if tip is not None else None)
        return commit

    def _opened(self, message: Message, decision: Decision) -> PullRequest:
        self._progress(f"opening the pull request in {self._settings.repository}")
        pull = self._github.open(
            title=message.title,
            body=message.body,
            head=self._wanted.head,
            base=self._wanted.base,
            draft=decision.draft,
        )
        if not pull.draft:
            self._memory.was_ready(pull.number)
        return pull

    def _labelled(self, pull: PullRequest, found: Found) -> tuple[PullRequest, Message]:
        """Try the labels that are missing; the message asks for those that are refused."""
        refused = self._github.add_labels(pull.number, found.missing)
        for label in refused:
            self._tell(f"the label {label!r} could not be set; the body asks for it")
        if refused:
            self._memory.were_refused(pull.number, found.message.key, refused)
        taken = tuple(label for label in found.missing if label not in refused)
        message = self._wanted.words(refused, found.see_also) if refused else found.message
        return replace(pull, labels=(*pull.labels, *taken)), message

    def _written(self, pull: PullRequest, message: Message) -> PullRequest:
        """Title and our part of the body anew; what a person wrote around it stays."""
        written = self._github.update(pull.number, title=message.title, body=writing.replaced(pull.body, message))
        return replace(written, labels=pull.labels)

    def _ready(self, pull: PullRequest) -> PullRequest:
        taken = self._github.mark_ready(pull.number)
        self._memory.was_ready(pull.number)
        if not taken:
            self._tell(f"this account may not make pull request {pull.number} ready for review")
        return replace(pull, draft=pull.draft and not taken)

    def _asked(self, pull: PullRequest) -> None:
        settings = self._settings
        if not settings.reviewers and not settings.assignees:
            return
        users = tuple(one for one in settings.reviewers if "/" not in one)
        teams = tuple(one for one in settings.reviewers if "/" in one)
        if settings.reviewers:
            for one in self._github.request_reviewers(pull.number, users, teams):
                self._tell(f"{one!r} could not be asked for a review")
        if settings.assignees:
            for one in self._github.assign(pull.number, settings.assignees):
                self._tell(f"{one!r} could not be assigned")
        self._memory.was_asked(pull.number, draft=pull.draft)

    def _noted(self, pull: PullRequest, found: Found, note: Note) -> None:
        if note is Note.HANDS_OFF:
            commit = found.tip.commit if found.tip is not None else ""
            text = writing.hands_off(found.message, branch=self._wanted.branch, commit=commit)
        else:
            text = writing.edited_body(found.message)
        self._github.comment(pull.number, text)
        self._tell(f"pull request {pull.number} has a comment that says so")

    def _superseded(self, number: int, pull: PullRequest, message: Message) -> None:
        """Close an older one: a comment with a link, a marker that says it was us, and then the end.

        One whose branch has a person's commit gets the comment alone.
        """
        older = self._github.get(number)
        if older.state != "open":
            return
        tip = self._place.tip(older.head.partition(":")[2])
        if not any(kind == _SUPERSEDED for kind, _ in self._look.notes(number)):
            self._github.comment(number, writing.superseded(message, pull.url))
        if tip is not None and not tip.ours:
            self._tell(f"pull request {number}, for an older line, has a commit that is not ours, and stays open")
            return
        if "closed" not in (writing.read_marker(older.body) or {}):
            self._github.update(number, body=writing.with_closed(older.body, _SUPERSEDED))
        self._github.close(number)
        self._memory.was_superseded(number, pull.url)
        self._tell(f"pull request {number}, for an older line, was closed: superseded by {pull.url}")

    def _tell(self, sentence: str) -> None:
        self._notes.append(sentence)
        self._progress(sentence)
