"""What there is: the pull requests, the branch and what earlier runs remember, as one value to decide by.

Looking costs the same few requests whenever nothing is left to do, and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xenbump.publish import message as writing
from xenbump.publish import titles
from xenbump.publish.lifecycle import Line, Note, Ours, Situation, Standing, Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.package.rewrite import Edit
    from xenbump.plan.model import Plan
    from xenbump.publish.github import GitHub, PullRequest
    from xenbump.publish.memory import Memory
    from xenbump.publish.message import Message
    from xenbump.publish.place import Place, Tip
    from xenbump.settings import GitHub as Settings
    from xenbump.verify.evidence import Evidence

    # The message, by the labels that could not be set and the addresses to look at besides.
    Words = Callable[[tuple[str, ...], str], Message]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be published.

    Attributes:
        plan: what changes.
        edits: the files before and after.
        words: writes the message.
        branch: the head branch.
        owner: whose repository it is in.
        base: the branch that it is for.
        evidence: what was verified of it; None: nothing.
        again: also where a person closed the pull request for the same change.
    """

    plan: Plan
    edits: tuple[Edit, ...]
    words: Words
    branch: str
    owner: str
    base: str
    evidence: Evidence | None = None
    again: bool = False

    @property
    def head(self) -> str:
        """The head branch, as GitHub names it."""
        return f"{self.owner}:{self.branch}"


@dataclass(frozen=True, slots=True)
class Found:
    """What there is.

    Attributes:
        situation: what to decide by.
        message: what the pull request is to say, as far as that is known before labels are tried.
        see_also: the addresses in it to look at besides.
        refused: the labels that it asks a maintainer for.
        missing: the labels to be tried.
        pull: our open pull request; None: there is none.
        tip: what the branch ends in; None: there is none.
        others: open ones of others for the same change.
    """

    situation: Situation
    message: Message
    see_also: str
    refused: tuple[str, ...]
    missing: tuple[str, ...]
    pull: PullRequest | None
    tip: Tip | None
    others: tuple[PullRequest, ...]


class Look:
    """Looks at everything that a decision needs.

    Args:
        wanted: what is to be published.
        github: where the pull requests are.
        place: where the branch is.
        settings: the table `github`.
        memory: what earlier runs kept.
    """

    def __init__(self, wanted: Wanted, github: GitHub, place: Place, settings: Settings, memory: Memory) -> None:
        self._wanted = wanted
        self._github = github
        self._place = place
        self._settings = settings
        self._memory = memory

    def find(self) -> Found:
        """What there is. GitHub is asked first: with a token that it rejects, nothing more is done."""
        wanted = self._wanted
        pulls = self._github.find(wanted.head)
        around = self._github.search((f"{wanted.plan.subject.attribute}:",))
        tip = self._place.tip(wanted.branch)
        plain = wanted.words((), "")
        see_also = " ".join(pull.url for pull in pulls if _is_closed(pull, plain))
        pull = next((pull for pull in pulls if pull.state == "open"), None)
        message, refused, missing = self._labelled(pull, plain, see_also)
        others = tuple(one for one in around if self._is_anothers(one))
        situation = Situation(
            branch=wanted.branch,
            base=wanted.base,
            pulls=tuple(self._ours(one, message, missing if one is pull else ()) for one in pulls),
            work=self._work(tip, message),
            moved=tip is not None and tip.parent != self._place.base,
            lines=tuple(line for one in around for line in self._line(one, message)),
            others=tuple(one.url for one in others),
            closed_before=self._memory.closed(wanted.branch, message.key),
            ready=not self._settings.draft and wanted.evidence is not None and wanted.evidence.complete,
            again=wanted.again,
        )
        return Found(situation, message, see_also, refused, missing, pull, tip, others)

    def noted(self, found: Found, number: int) -> Found:
        """The same, with what was said of this target in comments."""
        said = self.notes(number)
        kinds = frozenset(kind for kind in Note if (kind.value, found.message.key) in said)
        return replace(found, situation=replace(found.situation, noted=kinds))

    def notes(self, number: int) -> frozenset[tuple[str, str]]:
        """Kind and key of our comments on a pull request."""
        read = (writing.read_note(comment.body) for comment in self._github.comments(number))
        return frozenset(note for note in read if note is not None)

    def _labelled(
        self, pull: PullRequest | None, plain: Message, see_also: str
    ) -> tuple[Message, tuple[str, ...], tuple[str, ...]]:
        """The message, the labels that it asks for, and those to be tried."""
        labels = self._settings.labels
        all_of_them = (*labels.always, *(labels.security if self._wanted.plan.closes else ()))
        # GitHub takes no account of case in a label's name.
        there = {label.casefold() for label in pull.labels} if pull is not None else set()
        missing = tuple(label for label in dict.fromkeys(all_of_them) if label.casefold() not in there)
        usual = self._wanted.words((), see_also) if see_also else plain
        if pull is None or not missing:
            return usual, (), missing
        asking = self._wanted.words(missing, see_also)
        # A body that already asks for them says that they were refused before; one that a person changed cannot.
        before = self._memory.refused_labels(pull.number, plain.key)
        if writing.says_the_same(pull.body, asking) or {label.casefold() for label in missing} <= before:
            return asking, missing, ()
        return usual, (), missing

    def _ours(self, pull: PullRequest, message: Message, missing: tuple[str, ...]) -> Ours:
        standing = Standing.MERGED if pull.merged else Standing(pull.state)
        settings, memory = self._settings, self._memory
        return Ours(
            pull.number,
            pull.url,
            standing,
            same_target=_is_for(pull, message),
            by_us="closed" in (writing.read_marker(pull.body) or {}),
            draft=pull.draft,
            same_words=writing.says_the_same(pull.body, message),
            edited=writing.edited(pull.body),
            unlabelled=bool(missing),
            asked=not (settings.reviewers or settings.assignees) or memory.asked(pull.number, draft=pull.draft),
            was_ready=memory.ready(pull.number),
        )

    def _work(self, tip: Tip | None, message: Message) -> Work:
        if tip is None:
            return Work.NONE
        if not tip.ours:
            return Work.FOREIGN
        same = tip.text.rstrip("\n") == message.commit.rstrip("\n")
        return Work.FITS if same and self._place.fits(self._wanted.edits, tip) else Work.BEHIND

    def _line(self, pull: PullRequest, message: Message) -> tuple[Line, ...]:
        """An open one of ours for another line of the same package and base."""
        plan, ours = self._wanted.plan, writing.read_marker(message.body) or {}
        # Where each line has a file of its own, one does not come in place of another.
        if plan.adds is not None or plan.subject.branch is not None or pull.base != self._wanted.base:
            return ()
        theirs = writing.read_marker(pull.body) or {}
        same = all(theirs.get(key) == ours.get(key) for key in ("package", "base"))
        if not same or not pull.head.startswith(f"{self._wanted.owner}:") or pull.head == self._wanted.head:
            return ()
        here, there = _numbers(ours.get("branch", "")), _numbers(theirs.get("branch", ""))
        if not there or here == there:
            return ()
        return (Line(pull.number, pull.url, there > here, self._memory.superseded(pull.number)),)

    def _is_anothers(self, pull: PullRequest) -> bool:
        """Whether an open one for the same base brings the same change and is not ours."""
        wanted = self._wanted
        ours = pull.head.startswith(f"{wanted.owner}:") and writing.read_marker(pull.body) is not None
        return (
            pull.head != wanted.head
            and not ours
            and pull.base == wanted.base
            and titles.same_change(pull.title, wanted.plan)
        )


def _is_for(pull: PullRequest, message: Message) -> bool:
    """Whether a pull request is for the same target as a message; without a marker its title tells."""
    # Two sets of patches may have one title; it counts only where there is no marker to go by.
    nameless = writing.read_marker(pull.body) is None and pull.title == message.title
    return nameless or writing.same_target(pull.body, message)


def _is_closed(pull: PullRequest, message: Message) -> bool:
    """Whether a person closed it for the same target."""
    by_us = "closed" in (writing.read_marker(pull.body) or {})
    return pull.state == "closed" and not pull.merged and not by_us and _is_for(pull, message)


def _numbers(line: str) -> tuple[int, ...]:
    """`4.20` as numbers; none for anything else."""
    parts = line.split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else ()
