"""Every state and transition by a table, and what holds in all situations that there can be."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from xenbump.publish.lifecycle import Action, Decision, Line, Note, Ours, Situation, Standing, State, Work, decide

if TYPE_CHECKING:
    from collections.abc import Iterator

NUMBER, OLD, NEW = 7, 3, 9


def ours(standing: Standing = Standing.OPEN, **facts: object) -> Ours:
    return replace(Ours(NUMBER, f"pull/{NUMBER}", standing), **facts)  # type: ignore[arg-type]


def found(*pulls: Ours, work: Work = Work.FITS, **facts: object) -> Situation:
    return replace(Situation("xenbump/xen-4.20", "master", pulls, work), **facts)  # type: ignore[arg-type]


OLDER = Line(OLD, f"pull/{OLD}", newer=False)
NEWER = Line(NEW, f"pull/{NEW}", newer=True)
OPEN, CLOSED, MERGED = Standing.OPEN, Standing.CLOSED, Standing.MERGED
THEIRS = "https://github.example/pull/1"
OPENING: dict[str, object] = {"open": True, "label": True, "ask": True}

# What is found; the state, the action, and what is done besides.
TABLE: dict[str, tuple[Situation, State, Action, dict[str, object]]] = {
    "nothing": (found(work=Work.NONE), State.NOTHING, Action.OPENED, {"push": True, **OPENING}),
    "ready at once": (
        found(work=Work.NONE, ready=True),
        State.NOTHING,
        Action.OPENED,
        {"push": True, "draft": False, **OPENING},
    ),
    "killed between push and opening": (found(), State.BRANCH_LEFT, Action.OPENED, OPENING),
    "killed before, and then a newer release": (
        found(work=Work.BEHIND),
        State.BRANCH_LEFT,
        Action.OPENED,
        {"push": True, **OPENING},
    ),
    "as it is to be": (found(ours()), State.STANDING, Action.UNCHANGED, {}),
    "the base moved elsewhere": (found(ours(), moved=True), State.STANDING, Action.UNCHANGED, {}),
    "the base moved in the files": (
        found(ours(), work=Work.BEHIND, moved=True),
        State.BASE_MOVED,
        Action.UPDATED,
        {"push": True},
    ),
    "another target": (
        found(ours(same_target=False, same_words=False), work=Work.BEHIND, moved=True),
        State.OUTDATED,
        Action.UPDATED,
        {"push": True, "words": True},
    ),
    "other words": (found(ours(same_words=False)), State.OUTDATED, Action.UPDATED, {"words": True}),
    "other work": (found(ours(), work=Work.BEHIND), State.OUTDATED, Action.UPDATED, {"push": True}),
    "labels are missing": (found(ours(unlabelled=True)), State.STANDING, Action.UPDATED, {"label": True}),
    "nobody was asked yet": (found(ours(asked=False)), State.STANDING, Action.UNCHANGED, {"ask": True}),
    "the evidence is complete": (
        found(ours(), ready=True),
        State.STANDING,
        Action.UPDATED,
        {"ready": True, "ask": True},
    ),
    "a person made it a draft again": (
        found(ours(was_ready=True), ready=True),
        State.STANDING,
        Action.UNCHANGED,
        {},
    ),
    "ready stays ready": (found(ours(draft=False)), State.STANDING, Action.UNCHANGED, {}),
    "edited, with nothing new to say": (found(ours(edited=True)), State.STANDING, Action.UNCHANGED, {}),
    "edited": (
        found(ours(edited=True, same_words=False), work=Work.BEHIND),
        State.EDITED,
        Action.UPDATED,
        {"push": True, "note": Note.EDITED},
    ),
    "edited, and said so": (
        found(ours(edited=True, same_words=False), noted=frozenset({Note.EDITED})),
        State.EDITED,
        Action.UNCHANGED,
        {},
    ),
    "a person's commit": (
        found(ours(same_words=False, unlabelled=True), work=Work.FOREIGN, ready=True, lines=(OLDER,)),
        State.HANDS_OFF,
        Action.HANDS_OFF,
        {"note": Note.HANDS_OFF},
    ),
    "a person's commit, and said so": (
        found(ours(), work=Work.FOREIGN, noted=frozenset({Note.HANDS_OFF})),
        State.HANDS_OFF,
        Action.HANDS_OFF,
        {},
    ),
    "a person's branch": (found(work=Work.FOREIGN), State.BRANCH_FOREIGN, Action.REFUSED, {}),
    "a person's branch, whatever is asked": (
        found(ours(CLOSED), work=Work.FOREIGN, again=True),
        State.BRANCH_FOREIGN,
        Action.REFUSED,
        {},
    ),
    "a deleted branch": (
        found(ours(), work=Work.NONE),
        State.BRANCH_DELETED,
        Action.REFUSED,
        {"remember": f"pull/{NUMBER}"},
    ),
    "a deleted branch, again": (
        found(ours(), work=Work.NONE, again=True),
        State.BRANCH_DELETED,
        Action.UPDATED,
        {"push": True},
    ),
    "a deleted branch, another target": (
        found(ours(same_target=False, same_words=False), work=Work.NONE),
        State.BRANCH_DELETED,
        Action.UPDATED,
        {"push": True, "words": True},
    ),
    "closed by a person": (found(ours(CLOSED)), State.CLOSED, Action.REFUSED, {"remember": f"pull/{NUMBER}"}),
    "closed by a person, as an earlier run saw": (
        found(closed_before="pull/5"),
        State.CLOSED,
        Action.REFUSED,
        {"remember": "pull/5"},
    ),
    "closed by a person, again": (found(ours(CLOSED), again=True), State.CLOSED, Action.OPENED, OPENING),
    "closed for another target": (
        found(ours(CLOSED, same_target=False), work=Work.BEHIND),
        State.CLOSED_FOR_ANOTHER,
        Action.OPENED,
        {"push": True, **OPENING},
    ),
    "closed by us": (found(ours(CLOSED, by_us=True)), State.CLOSED_BY_US, Action.OPENED, OPENING),
    "merged": (found(ours(MERGED)), State.MERGED, Action.REFUSED, {}),
    "merged, again": (found(ours(MERGED), again=True), State.MERGED, Action.REFUSED, {}),
    "merged for another target": (
        found(ours(MERGED, same_target=False), work=Work.NONE),
        State.MERGED_FOR_ANOTHER,
        Action.OPENED,
        {"push": True, **OPENING},
    ),
    "open beside a closed one": (found(ours(), ours(CLOSED)), State.STANDING, Action.UNCHANGED, {}),
    "an older line": (found(ours(), lines=(OLDER,)), State.STANDING, Action.UNCHANGED, {"supersede": (OLD,)}),
    "an older line, and nothing of this one": (
        found(work=Work.NONE, lines=(OLDER,)),
        State.NOTHING,
        Action.OPENED,
        {"push": True, "supersede": (OLD,), **OPENING},
    ),
    "an older line that a person opened again": (
        found(ours(), lines=(replace(OLDER, reopened=True),)),
        State.STANDING,
        Action.UNCHANGED,
        {},
    ),
    "a newer line": (found(ours(), lines=(NEWER,)), State.NEWER_LINE, Action.REFUSED, {}),
    "another's": (found(work=Work.NONE, others=(THEIRS,)), State.ANOTHERS, Action.DEFERRED, {}),
    "another's, beside ours": (found(ours(), others=(THEIRS,)), State.STANDING, Action.UNCHANGED, {}),
}
CODES = {
    State.NEWER_LINE: "E-PULL-NEWER",
    State.BRANCH_DELETED: "E-PULL-CLOSED",
    State.CLOSED: "E-PULL-CLOSED",
    State.MERGED: "E-PULL-CLOSED",
    State.BRANCH_FOREIGN: "E-BRANCH-FOREIGN",
}


@pytest.mark.parametrize("case", TABLE)
def test_the_table(case: str) -> None:
    situation, state, action, more = TABLE[case]
    decision = decide(situation)
    plain = replace(decision, reason="", stop=None)
    assert plain == replace(Decision(state, action), **more)  # type: ignore[arg-type]
    assert (decision.stop is not None) == (action is Action.REFUSED)
    if decision.stop is not None:
        assert decision.stop.code == CODES[state]
        assert decision.stop.where


def test_the_table_has_every_state() -> None:
    assert {state for _, state, _, _ in TABLE.values()} == set(State)
    assert {action for _, _, action, _ in TABLE.values()} == set(Action)


def test_a_refusal_says_which_pull_request_it_is_about() -> None:
    stop = decide(found(ours(MERGED, number=4, url="pull/4"), ours(CLOSED))).stop
    assert stop is not None
    assert (stop.where, "pull request 4 for the same change was merged" in stop.what) == ("pull/4", True)
    stop = decide(found(closed_before="pull/5")).stop
    assert stop is not None
    assert (stop.where, stop.what) == ("pull/5", "a pull request for the same change was closed without being merged")


# --- what holds in all situations
# ---------------------------------------------------------------------------------------------


def flags(*names: str) -> Iterator[dict[str, bool]]:
    for values in itertools.product((False, True), repeat=len(names)):
        yield dict(zip(names, values, strict=True))


def histories() -> Iterator[tuple[Ours, ...]]:
    """No pull request, one in every state that it can be in, and an open one before a closed one."""
    yield ()
    for facts in flags("same_target", "draft", "same_words", "edited", "unlabelled", "asked", "was_ready"):
        yield (ours(OPEN, **facts),)
    for standing, facts in itertools.product((CLOSED, MERGED), flags("same_target", "by_us")):
        yield (ours(standing, **facts),)
        yield (ours(OPEN), ours(standing, number=2, url="pull/2", **facts))
        yield (ours(standing, **facts), ours(CLOSED, number=2, url="pull/2"))


# What is around: lines, others' pull requests, what is remembered, what was said.
AROUND: tuple[tuple[tuple[Line, ...], tuple[str, ...], str, frozenset[Note]], ...] = (
    ((), (), "", frozenset()),
    ((OLDER,), (THEIRS,), "", frozenset()),
    ((replace(OLDER, reopened=True),), (), "", frozenset(Note)),
    ((OLDER,), (), "pull/5", frozenset(Note)),
    ((NEWER,), (), "", frozenset()),
)


def situations() -> Iterator[Situation]:
    for pulls, work, (lines, others, closed, noted) in itertools.product(list(histories()), Work, AROUND):
        for facts in flags("ready", "again"):
            yield Situation(
                "b", "master", pulls, work, moved=work is Work.BEHIND, lines=lines, others=others, closed_before=closed,
                noted=noted, **facts,
            )  # fmt: skip


ALL = [(situation, decide(situation)) for situation in situations()]


def test_the_situations_reach_every_state() -> None:
    assert {decision.state for _, decision in ALL} == set(State)


def test_a_person_s_commit_is_never_pushed_over() -> None:
    for situation, decision in ALL:
        if situation.work is Work.FOREIGN:
            done = replace(decision, note=None)
            assert not done.writes, situation
            assert decision.action in {Action.HANDS_OFF, Action.REFUSED}, situation


def test_what_a_person_closed_is_never_opened_unasked() -> None:
    for situation, decision in ALL:
        if not situation.again and (situation.closed or situation.closed_before):
            assert not decision.open, situation
            assert situation.standing is not None or decision.action is Action.REFUSED, situation


def test_what_a_person_wrote_is_never_written_over() -> None:
    for situation, decision in ALL:
        if situation.standing is not None and situation.standing.edited:
            assert not decision.words, situation


def test_there_is_never_a_second_one() -> None:
    for situation, decision in ALL:
        if situation.standing is not None or situation.others:
            assert not decision.open, situation
        assert decision.open == (decision.action is Action.OPENED), situation


def test_who_refuses_or_defers_writes_nothing() -> None:
    for situation, decision in ALL:
        if decision.action in {Action.REFUSED, Action.DEFERRED}:
            assert not decision.writes, situation
        assert (decision.stop is not None) == (decision.action is Action.REFUSED), situation
        if decision.action in {Action.HANDS_OFF, Action.DEFERRED}:
            assert decision.reason, situation


def test_ready_is_never_taken_back_and_made_once() -> None:
    for situation, decision in ALL:
        pull = situation.standing
        if decision.ready:
            assert pull is not None, situation
            assert (situation.ready, pull.draft, pull.was_ready) == (True, True, False), situation
        if decision.open:
            assert decision.draft != situation.ready, situation


def after(situation: Situation, decision: Decision, steps: int) -> Situation:
    """The situation when the first so many steps of a decision were carried out, in their order."""
    pull = situation.standing
    for done in [step for step in ORDER if getattr(decision, step)][:steps]:
        if done == "open":
            pull = Ours(20, "pull/20", draft=decision.draft, unlabelled=True, asked=False, was_ready=not decision.draft)
            situation = replace(situation, pulls=(pull, *situation.pulls))
        elif done == "push":
            situation = replace(situation, work=Work.FITS, moved=False)
        elif done == "note":
            situation = replace(situation, noted=situation.noted | {*filter(None, [decision.note])})
        elif done == "supersede":
            situation = replace(situation, lines=tuple(one for one in situation.lines if one.number != OLD))
        elif done == "remember":
            situation = replace(situation, closed_before=decision.remember)
        elif pull is not None:
            facts = {
                "label": {"unlabelled": False},
                "words": {"same_words": True, "same_target": True},
                "ready": {"draft": False, "was_ready": True, "asked": False},
                "ask": {"asked": True},
            }[done]
            before, pull = pull, replace(pull, **facts)  # type: ignore[arg-type]
            situation = replace(situation, pulls=tuple(pull if one is before else one for one in situation.pulls))
    return situation


ORDER = ("remember", "push", "open", "label", "words", "ready", "ask", "note", "supersede")


def test_nothing_is_left_to_do_afterwards() -> None:
    """Wherever a run is stopped, the next one finishes; and the one after it finds nothing to do."""
    # Every third: all values of all facts, and all pairs of them, are among these.
    for situation, first in ALL[::3]:
        for steps in range(sum(bool(getattr(first, step)) for step in ORDER) + 1):
            stopped = after(situation, first, steps)
            whole = after(stopped, decide(stopped), len(ORDER))
            last = decide(whole)
            assert not last.writes, (situation, steps)
            assert after(whole, last, len(ORDER)) == whole, (situation, steps)
            opened = [pull for pull in whole.pulls if pull.standing is OPEN]
            assert len(opened) <= 1, (situation, steps)
            if first.action in {Action.OPENED, Action.UPDATED, Action.UNCHANGED}:
                assert last.action is Action.UNCHANGED, (situation, steps)
                assert len(opened) == 1, (situation, steps)
            else:
                assert last.action is first.action, (situation, steps)


def test_a_person_s_act_in_between_is_respected() -> None:
    """After any decision, whatever a person does then wins over what the next run would do."""
    for situation, decision in ALL:
        whole = after(situation, decision, len(ORDER))
        pull = whole.standing
        if pull is None or not decision.writes:
            continue
        committed = decide(replace(whole, work=Work.FOREIGN))
        assert (committed.action, committed.push) == (Action.HANDS_OFF, False), situation
        gone = tuple(replace(one, standing=CLOSED) if one is pull else one for one in whole.pulls)
        # A person who closes what was opened for a target is heard without more ado.
        if pull.same_target and not pull.by_us:
            closed = decide(replace(whole, pulls=gone, again=False))
            assert closed.action is Action.REFUSED, situation
