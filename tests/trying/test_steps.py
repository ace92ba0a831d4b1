"""The next commit of a bisection: against a count by hand, against git, and on histories of any shape."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trying import fake_tree
from xenbump.trying.steps import ContradictionError, Graph, most

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xenbump.trying.model import Answer

# A history: of each commit, which of those before it are its parents.
History = list[list[int]]


@st.composite
def histories(draw: st.DrawFn, most_commits: int = 24) -> History:
    """Histories with merges, in which everything is an ancestor of the last commit."""
    count = draw(st.integers(1, most_commits))
    parents: History = [[]]
    for number in range(1, count):
        near = st.integers(max(0, number - 5), number - 1)
        parents.append(draw(st.lists(near, min_size=1, max_size=2, unique=True)))
    heads = set(range(count - 1)) - {one for of in parents for one in of}
    parents[-1] = sorted({*parents[-1], *heads})
    return parents


def graph(history: History) -> Graph:
    return Graph({str(number): [str(one) for one in of] for number, of in enumerate(history)}, str(len(history) - 1))


def linear(count: int) -> Graph:
    return graph([[], *([number] for number in range(count - 1))])


def ancestors(history: History, number: int) -> set[int]:
    """A commit and all that it descends from, the slow way."""
    found = {number}
    for one in history[number]:
        found |= ancestors(history, one)
    return found


def answer(history: History, first: int, number: int) -> Answer:
    return "bad" if first in ancestors(history, number) else "good"


@given(histories(16), st.data())
def test_what_is_left_and_what_is_best_are_as_counted_by_hand(history: History, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(history) - 1))
    tried = data.draw(st.lists(st.integers(0, len(history) - 1), max_size=4, unique=True))
    answers = [(str(one), answer(history, first, one)) for one in tried]
    standing = graph(history).standing(answers)
    left = ancestors(history, int(standing.bad))
    for name, said in answers:
        if said == "good":
            left -= ancestors(history, int(name))
    assert {int(one) for one in standing.left} == left
    assert first in left
    assert answer(history, first, int(standing.bad)) == "bad"
    worth = {one: min(len(ancestors(history, one) & left), len(left - ancestors(history, one))) for one in left}
    if standing.next is None:
        assert left == {first}
        assert standing.found == str(first)
    else:
        assert standing.found is None
        assert worth[int(standing.next)] == max(worth.values())
        assert int(standing.next) != int(standing.bad)
    assert {int(one): value for one, value in graph(history).distances(answers).items()} == worth


@given(histories(), st.data())
def test_the_first_bad_one_is_found_or_hidden_by_skipped_ones_only(history: History, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(history) - 1))
    broken = data.draw(st.sets(st.integers(0, len(history) - 1)))
    made, answers = graph(history), list[tuple[str, "Answer"]]()
    while (standing := made.standing(answers)).next is not None:
        number = int(standing.next)
        assert standing.next not in dict(answers)
        answers.append((standing.next, "skip" if number in broken else answer(history, first, number)))
    assert str(first) in standing.left
    if standing.found is None:
        hidden = {int(one) for one in standing.left} - {int(standing.bad)}
        assert hidden
        assert hidden <= broken
    else:
        assert standing.found == str(first)


@given(st.integers(1, 300), st.data())
def test_a_history_without_merges_takes_no_more_steps_than_it_must(count: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, count - 1))
    made, answers = linear(count), list[tuple[str, "Answer"]]()
    ahead = most(count) + 1
    while (standing := made.standing(answers)).next is not None:
        assert standing.steps < ahead
        ahead = standing.steps
        answers.append((standing.next, "bad" if int(standing.next) >= first else "good"))
    assert standing.found == str(first)
    assert len(answers) <= math.ceil(math.log2(count)) == most(count)


def test_one_skipped_in_the_middle_costs_little_and_its_neighbours_are_not_next() -> None:
    made = linear(73)
    middle = made.standing(()).next
    assert middle in {"35", "36"}
    following = made.standing([(middle, "skip")]).next
    assert following is not None
    assert abs(int(following) - int(middle)) > 1
    taken = []
    for first in range(73):
        answers: list[tuple[str, Answer]] = []
        while (standing := made.standing(answers)).next is not None:
            said: Answer = "bad" if int(standing.next) >= first else "good"
            answers.append((standing.next, "skip" if standing.next == middle else said))
        # Nothing but the skipped one itself, and the one behind it, can hide.
        assert standing.found == str(first) or set(standing.left) == {middle, str(int(middle) + 1)}
        taken.append(len(answers))
    # That one, and one more than without it.
    assert max(taken) <= most(73) + 2


def test_answers_that_exclude_each_other_are_told() -> None:
    made = linear(8)
    with pytest.raises(ContradictionError, match="answer on 5"):
        made.standing([("2", "bad"), ("5", "good")])
    with pytest.raises(ContradictionError, match="answer on 2"):
        made.standing([("5", "good"), ("2", "bad")])
    with pytest.raises(ContradictionError):
        made.standing([("7", "good")])
    # That a descendant of a bad one is bad, too, is nothing new.
    assert made.standing([("2", "bad"), ("5", "bad")]) == made.standing([("2", "bad")])
    # Answers on other commits are none on these.
    assert made.standing([("x", "good")]) == made.standing([])


def test_what_is_no_history() -> None:
    with pytest.raises(ValueError, match="descends from itself"):
        Graph({"a": ["b"], "b": ["a"]}, "a")
    with pytest.raises(ValueError, match="tip"):
        Graph({"a": []}, "b")
    # Parents outside are let be, and one that is named twice is one.
    assert Graph({"b": ["a", "a"], "a": ["x"]}, "b").standing([]).left == ("b", "a")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("steps") / "repository"
    folder.mkdir()
    fake_tree.git(folder, "init", "--quiet", "--template=", "--bare")
    return folder


def imported(folder: Path, history: Sequence[Sequence[int]]) -> list[str]:
    """Make a history in a repository; the commits' identifiers."""
    words = ["commit refs/heads/base", "mark :1000", "committer T <t@example.org> 1 +0000", "data 1", "x", ""]
    for number, of in enumerate(history):
        who = f"committer T <t@example.org> {number + 2} +0000"
        words += [f"commit refs/heads/c{number}", f"mark :{number + 1}", who, "data 1", "x"]
        words += [f"from :{of[0] + 1 if of else 1000}", *(f"merge :{one + 1}" for one in of[1:]), ""]
    fake_tree.git(folder, "fast-import", "--quiet", "--force", stdin="\n".join(words).encode())
    said = fake_tree.git(folder, "rev-parse", *(f"c{number}" for number in range(len(history))))
    return said.split()


@settings(max_examples=12)
@given(history=histories(), first=st.integers(0, 100))
def test_distances_are_those_of_git(empty: Path, history: History, first: int) -> None:
    commits = imported(empty, history)
    made = Graph({commits[n]: [commits[one] for one in of] for n, of in enumerate(history)}, commits[-1])
    first %= len(history)
    answers: list[tuple[str, Answer]] = []
    for _ in range(2):
        standing = made.standing(answers)
        good = [f"^{name}" for name, said in answers if said == "good"]
        said = fake_tree.git(empty, "rev-list", "--bisect-all", standing.bad, "^base", *good)
        told = {name: int(value) for name, value in re.findall(r"^([0-9a-f]{40}) \(.*dist=(\d+)\)", said, re.MULTILINE)}
        assert made.distances(answers) == told
        if standing.next is None:
            break
        assert told[standing.next] == max(told.values())
        answers.append((standing.next, answer(history, first, commits.index(standing.next))))
