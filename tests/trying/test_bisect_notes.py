"""What the tries of a commit come to, and that they survive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenbump.trying.bisect_notes import Notes, Try, settled

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.trying.model import Answer

WORDS: dict[str, Answer] = {"g": "good", "b": "bad", "s": "skip"}


def tries(letters: str) -> list[Try]:
    return [Try(WORDS[letter], "", 1.0, "2026-01-02T03:04:05+00:00") for letter in letters]


@pytest.mark.parametrize(
    ("letters", "repeat", "flaky", "answer"),
    [
        ("", 0, "skip", None),
        ("g", 2, "skip", "good"),
        ("b", 0, "skip", "bad"),
        ("b", 1, "skip", None),
        ("bb", 1, "skip", "bad"),
        ("bb", 2, "skip", None),
        ("bg", 2, "skip", "skip"),
        ("bbg", 2, "skip", "skip"),
        ("bg", 2, "good", "good"),
        ("bb", 2, "good", None),
        ("bbb", 2, "good", "bad"),
        # A fault that does not always show: a good one is doubted, and a bad one is sure.
        ("b", 2, "bad", "bad"),
        ("g", 2, "bad", None),
        ("ggg", 2, "bad", "good"),
        ("gb", 2, "bad", "bad"),
        ("s", 2, "bad", "skip"),
        ("bs", 2, "skip", "skip"),
        ("gs", 0, "good", "skip"),
    ],
)
def test_what_tries_come_to(letters: str, repeat: int, flaky: Answer, answer: str | None) -> None:
    assert settled(tries(letters), repeat, flaky) == answer


@given(st.text("gb", max_size=12), st.integers(0, 5), st.sampled_from(["good", "bad", "skip"]))
def test_it_ends_and_is_sure_only_where_all_agree(letters: str, repeat: int, flaky: Answer) -> None:
    answer = settled(tries(letters), repeat, flaky)
    assert (answer is None) <= (len(letters) <= repeat)
    if len(set(letters)) == 1 and answer is not None:
        assert answer == WORDS[letters[0]]
    if len(set(letters)) > 1:
        assert answer == flaky


def test_answers_are_there_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    notes = Notes(path, "key")
    assert notes.steps == []
    notes.add("good", "1" * 40, "one", tries("g")[0])
    notes.add("step", "2" * 40, "two", tries("b")[0])
    step = notes.add("step", "2" * 40, "two", tries("g")[0])
    assert step.intermittent
    assert step.seconds == 2.0
    again = Notes(path, "key")
    assert again.steps == notes.steps
    assert again.of("2" * 40) == step
    assert again.of("3" * 40) is None
    assert again.forget_last() == "2" * 40
    assert [one.commit for one in Notes(path, "key").steps] == ["1" * 40]
    assert Notes(path, "key").forget() == 1
    assert not path.exists()
    assert Notes(path, "key").forget_last() == ""
    assert Notes(path, "key").forget() == 0


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"form":9,"key":"key","steps":[]}', b"\xff"])
def test_what_is_no_answer_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert Notes(path, "key").steps == []


def test_another_bisections_answers_are_none(tmp_path: Path) -> None:
    Notes(tmp_path / "a.json", "key").add("good", "1" * 40, "one", tries("g")[0])
    assert Notes(tmp_path / "a.json", "other").steps == []
