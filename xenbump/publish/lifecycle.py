"""The life of a pull request: from what was found to what is to be done, as a pure function.

A person's act wins over ours: a branch with a person's commit is not pushed to, a body that a person changed is not
written over, and what a person closed is not opened again. Whoever carries a decision out and looks again finds a
situation in which nothing is left to do; so a run that was killed is finished by the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Standing(StrEnum):
    """Whether a pull request is open, was closed without being merged, or was merged."""

    OPEN = "open"
    CLOSED = "closed"
    MERGED = "merged"


class Work(StrEnum):
    """What the branch has: nothing as there is none, our work as it is to be, older work of ours, a person's commit."""

    NONE = "none"
    FITS = "fits"
    BEHIND = "behind"
    FOREIGN = "foreign"


class State(StrEnum):
    """What was found, by name; in the order in which the first that holds is taken."""

    NEWER_LINE = "newer line"  # a pull request of ours for a newer line of the package is open
    BRANCH_DELETED = "branch deleted"  # the pull request is open, and somebody deleted its branch
    HANDS_OFF = "hands off"  # the branch of the open pull request has a person's commit
    EDITED = "edited"  # a person changed our part of the open pull request's body, which should say something else
    STANDING = "standing"  # the open pull request is as it is to be
    BASE_MOVED = "base moved"  # it is for this target, and its files are others on the base now
    OUTDATED = "outdated"  # it is for another target, or is to say something else
    CLOSED = "closed"  # a person closed the one for this target
    MERGED = "merged"  # the one for this target was merged, and the base lacks it
    BRANCH_FOREIGN = "branch foreign"  # no pull request is open, and the branch has a person's commit
    ANOTHERS = "another's"  # somebody else's pull request for the same change is open
    CLOSED_FOR_ANOTHER = "closed for another"  # the last one was closed for another target
    CLOSED_BY_US = "closed by us"  # the last one was closed by a run, since it was superseded
    MERGED_FOR_ANOTHER = "merged for another"  # the last one was merged for another target
    BRANCH_LEFT = "branch left"  # there is our branch and never was a pull request: a run was killed in between
    NOTHING = "nothing"


class Action(StrEnum):
    """What a run does, in the words of `Publication.action`; `REFUSED` becomes a refusal."""

    OPENED = "opened"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    HANDS_OFF = "hands-off"
    DEFERRED = "deferred"
    REFUSED = "refused"


class Note(StrEnum):
    """What is said in a comment, once for each target; the kinds of `notes`."""

    HANDS_OFF = "hands-off"
    EDITED = "edited-body"


@dataclass(frozen=True, slots=True)
class Ours:
    """A pull request from our branch.

    Attributes:
        number, url: which it is.
        standing: whether it is open.
        same_target: whether it is for the same release and patches.
        by_us: whether its marker says that a run closed it.
        draft: whether it is a draft.
        same_words: whether title and body were written from the same facts.
        edited: whether a person changed our part of its body.
        unlabelled: whether labels are to be tried.
        asked: whether reviewers and assignees were asked since it was opened, and since it became ready.
        was_ready: whether we made it ready, or tried to, before: a person may have made it a draft again.
    """

    number: int
    url: str
    standing: Standing = Standing.OPEN
    same_target: bool = True
    by_us: bool = False
    draft: bool = True
    same_words: bool = True
    edited: bool = False
    unlabelled: bool = False
    asked: bool = True
    was_ready: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """An open pull request of ours for another line of the same package and the same base branch.

    Attributes:
        number, url: which it is.
        newer: whether its line is newer than that of the plan.
        reopened: whether a run closed it before: then a person opened it again.
    """

    number: int
    url: str
    newer: bool
    reopened: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """What was found.

    Attributes:
        branch: the head branch.
        base: the base branch.
        pulls: the pull requests from the head branch, newest first.
        work: what the branch has.
        moved: whether the branch starts from another commit than the base is at.
        lines: the open ones of ours for other lines.
        others: the addresses of open ones of others for the same change.
        closed_before: what an earlier run saw closed by a person for this target: its address; empty: nothing.
        noted: what was said in a comment for this target.
        ready: whether it may be ready for review: configured, and the evidence is complete.
        again: whether what a person closed is to be opened again.
    """

    branch: str
    base: str
    pulls: tuple[Ours, ...] = ()
    work: Work = Work.NONE
    moved: bool = False
    lines: tuple[Line, ...] = ()
    others: tuple[str, ...] = ()
    closed_before: str = ""
    noted: frozenset[Note] = frozenset()
    ready: bool = False
    again: bool = False

    @property
    def standing(self) -> Ours | None:
        """The open pull request from the head branch."""
        return next((pull for pull in self.pulls if pull.standing is Standing.OPEN), None)

    @property
    def closed(self) -> tuple[str, ...]:
        """The addresses of those that a person closed for this target, newest first."""
        return tuple(
            pull.url for pull in self.pulls if pull.standing is Standing.CLOSED and pull.same_target and not pull.by_us
        )


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a person must decide: code, what was found, where, what to do (as in `errors.Refusal`)."""

    code: str
    what: str
    where: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, in this order.

    Attributes:
        state: what was found.
        action: what the run says that it did.
        push: bring the branch to the work.
        open: open a pull request, as a draft or not.
        draft: whether it is opened as a draft.
        label: try the labels that are missing.
        words: write title and our part of the body anew.
        ready: make the draft ready for review.
        ask: ask reviewers and assignees.
        note: say this in a comment.
        supersede: close these older ones, with a link to the one that stands then.
        remember: the address of what a person closed, for later runs.
        reason: why nothing is done, as a sentence's end.
        stop: the refusal, where it is one.
    """

    state: State
    action: Action
    push: bool = False
    open: bool = False
    draft: bool = True
    label: bool = False
    words: bool = False
    ready: bool = False
    ask: bool = False
    note: Note | None = None
    supersede: tuple[int, ...] = ()
    remember: str = ""
    reason: str = ""
    stop: Stop | None = None

    @property
    def writes(self) -> bool:
        """Whether anything is sent that changes something there."""
        return any((self.push, self.open, self.label, self.words, self.ready, self.ask, self.note, self.supersede))


def decide(found: Situation) -> Decision:
    """What is to be done in a situation. Every state has exactly one answer."""
    newer = next((line for line in found.lines if line.newer), None)
    if newer is not None:
        what = f"pull request {newer.number} is open for a newer line of the same package"
        return _refused(State.NEWER_LINE, Stop("E-PULL-NEWER", what, newer.url))
    pull = found.standing
    return _without(found) if pull is None else _with(found, pull)


def _with(found: Situation, pull: Ours) -> Decision:
    """Where our pull request is open."""
    if found.work is Work.NONE and pull.same_target and not found.again:
        what = f"pull request {pull.number} is open, and its branch {found.branch} was deleted"
        return _refused(State.BRANCH_DELETED, Stop("E-PULL-CLOSED", what, pull.url), remember=pull.url)
    if found.work is Work.FOREIGN:
        return Decision(
            State.HANDS_OFF,
            Action.HANDS_OFF,
            note=None if Note.HANDS_OFF in found.noted else Note.HANDS_OFF,
            reason=f"the branch {found.branch} has a commit that is not ours",
        )
    push = found.work is not Work.FITS
    words = not pull.same_words and not pull.edited
    ready = found.ready and pull.draft and not pull.was_ready
    if pull.edited and not pull.same_words:
        state = State.EDITED
    elif found.work is Work.NONE:
        state = State.BRANCH_DELETED
    elif not push and not words:
        state = State.STANDING
    elif found.work is Work.BEHIND and found.moved and pull.same_target:
        state = State.BASE_MOVED
    else:
        state = State.OUTDATED
    return Decision(
        state,
        Action.UPDATED if push or words or ready or pull.unlabelled else Action.UNCHANGED,
        push=push,
        label=pull.unlabelled,
        words=words,
        ready=ready,
        # Whoever becomes ready is looked at by people for the first time.
        ask=ready or not pull.asked,
        note=Note.EDITED if state is State.EDITED and Note.EDITED not in found.noted else None,
        supersede=_older(found),
        reason="a person changed the body, which is left as it is" if state is State.EDITED else "",
    )


def _without(found: Situation) -> Decision:
    """Where no pull request of ours is open."""
    merged = next((pull for pull in found.pulls if pull.standing is Standing.MERGED and pull.same_target), None)
    if merged is not None:
        # Not for `again` either: the same change twice in one branch is for a person to make.
        what = (
            f"pull request {merged.number} for the same change was merged, "
            f"and {found.base} as last fetched does not have it"
        )
        remedy = "fetch it; if it was taken back there, bump the file by hand"
        return _refused(State.MERGED, Stop("E-PULL-CLOSED", what, merged.url, remedy))
    if not found.again and (found.closed or found.closed_before):
        return _closed(found)
    if found.work is Work.FOREIGN:
        what = f"the branch {found.branch} has a commit that is not ours; it is left alone"
        return _refused(State.BRANCH_FOREIGN, Stop("E-BRANCH-FOREIGN", what, found.branch))
    if found.others:
        return Decision(
            State.ANOTHERS, Action.DEFERRED, reason=f"there is a pull request for the same change: {found.others[0]}"
        )
    return Decision(
        _before(found),
        Action.OPENED,
        push=found.work is not Work.FITS,
        open=True,
        draft=not found.ready,
        label=True,
        ask=True,
        supersede=_older(found),
    )


def _closed(found: Situation) -> Decision:
    """Where a person closed the one for this target."""
    closed = next((pull for pull in found.pulls if pull.url in found.closed), None)
    which = "a pull request" if closed is None else f"pull request {closed.number}"
    url = found.closed_before if closed is None else closed.url
    what = f"{which} for the same change was closed without being merged"
    return _refused(State.CLOSED, Stop("E-PULL-CLOSED", what, url), remember=url)


def _before(found: Situation) -> State:
    """What there was before a pull request is opened."""
    if not found.pulls:
        return State.NOTHING if found.work is Work.NONE else State.BRANCH_LEFT
    last = found.pulls[0]
    if last.standing is Standing.MERGED:
        return State.MERGED_FOR_ANOTHER
    if last.by_us:
        return State.CLOSED_BY_US
    return State.CLOSED if last.same_target else State.CLOSED_FOR_ANOTHER


def _older(found: Situation) -> tuple[int, ...]:
    return tuple(line.number for line in found.lines if not line.newer and not line.reopened)


def _refused(state: State, stop: Stop, *, remember: str = "") -> Decision:
    return Decision(state, Action.REFUSED, reason=stop.what, stop=stop, remember=remember)
