"""Nix' log as events: recorded ones of a real Nix, and anything else."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verify.nix_logs import LOGS, NAMES, after, build, events, written
from xenbump.verify import nixlog
from xenbump.verify.nixlog import Line, Message, Phase, Plain, Start
from xenbump.verify.nixstate import State, advance


@pytest.mark.parametrize("name", NAMES)
def test_every_recorded_line_is_known(name: str) -> None:
    found = events(name)
    assert len(found) == len((LOGS / f"{name}.log").read_bytes().splitlines())
    assert not [event for event in found if isinstance(event, (nixlog.Plain, nixlog.Unknown))]


def test_lines_between_and_a_last_one_without_its_end() -> None:
    log = (
        b"warning: before\n"
        + written(action="msg", level=2, msg="a\x1b[1mb\x1b[0m")
        + b"\xff\n\n@nix {\n@nix []\n@nix {"
    )
    assert nixlog.read(log) == [
        Plain("warning: before"),
        Message(2, "ab"),
        Plain("\ufffd"),
        Plain("@nix {"),
        Plain("@nix []"),
        Plain("@nix {"),
    ]


def test_what_is_new_is_passed_over() -> None:
    for fields in (
        {"action": "dance", "id": 1},
        {"action": "result", "id": 1, "type": 999, "fields": []},
        {"action": "result", "id": 1, "type": 105, "fields": [1]},
        {"action": "result", "id": 1, "type": 101, "fields": [{}]},
        {"action": "stop"},
        {"action": "start", "id": "x"},
        {},
    ):
        (event,) = nixlog.read(written(**fields))
        assert isinstance(event, nixlog.Unknown), fields
        assert after([event]) == State()
    known = written(action="start", id=1, type=777, level=3, text="t", parent=0, new={"a": 1})
    assert nixlog.read(known) == [Start(1, 777, 3, "t")]


def test_terminal_sequences_and_carriage_returns() -> None:
    found = build(written(action="result", id=7, type=101, fields=["10%\r\x1b[2K\x1b]0;t\x07100%\x1b[0m\x07\r"]))
    assert isinstance(found[-1], Line)
    assert found[-1].text == "100%"
    assert nixlog.clean("a\udc80\x1b") == "a?"


def test_a_very_long_line_does_not_pile_up() -> None:
    reader = nixlog.Reader()
    assert sum(len(reader.feed(b"x" * 300_000)) for _ in range(8)) == 2


def test_shown_to_people() -> None:
    texts = [text for text in map(nixlog.shown, events("failure")) if text is not None]
    assert "failing-1> make: *** [all] Error 2" in texts
    assert "failing-1: buildPhase" in texts
    assert texts[-1].startswith("error: builder for '")
    assert "\x1b" not in "".join(texts)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15)
@given(data=st.data())
def test_cut_anywhere_it_says_the_same(name: str, data: st.DataObject) -> None:
    log = (LOGS / f"{name}.log").read_bytes()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=6)))
    reader = nixlog.Reader()
    found = [
        event for start, end in zip([0, *cuts], [*cuts, None], strict=True) for event in reader.feed(log[start:end])
    ]
    assert [*found, *reader.close()] == nixlog.read(log)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner), max_leaves=5
)
OBJECTS = st.fixed_dictionaries(
    {"action": st.sampled_from(["start", "stop", "result", "msg"]) | VALUES},
    optional={
        "id": st.integers(0, 3) | VALUES,
        "type": st.sampled_from([0, 100, 101, 103, 104, 105, 106, 107]) | VALUES,
        "fields": st.lists(st.integers(-1, 9) | st.text() | VALUES, max_size=5) | VALUES,
        "level": st.integers(0, 7) | VALUES,
        "text": VALUES,
        "msg": VALUES,
        "raw_msg": VALUES,
        "file": VALUES,
        "line": VALUES,
    },
)


@settings(max_examples=40)
@given(st.lists(st.binary() | st.binary().map(b"@nix ".__add__) | OBJECTS.map(lambda one: written(**one)), max_size=12))
def test_no_bytes_make_it_fail(lines: list[bytes]) -> None:
    state = State()
    for event in nixlog.read(b"\n".join(lines)):
        state = advance(state, event)
        (nixlog.shown(event) or "").encode()
    cause = state.cause()
    assert (cause is None) == (not state.problems)
    assert all("\n" not in problem.message for problem in state.problems)


def test_deep_and_huge_json() -> None:
    for line in (b"@nix " + b"[" * 100_000, b"@nix " + b"9" * 10_000, b'@nix {"id":' + b'{"a":' * 50_000):
        assert [type(event) for event in nixlog.read(line)] == [Plain]


def test_a_phase_has_its_derivation() -> None:
    found = build(written(action="result", id=7, type=104, fields=["checkPhase"]))
    assert isinstance(found[-1], Phase)
    assert nixlog.name_of(found[-1].derivation) == "xen-4.20.3"


def test_an_error_of_many_lines_takes_no_time() -> None:
    began = time.process_time()
    text = "error:" + "\n" * 100_000 + "  error: the last one"
    assert nixlog.read(written(action="msg", level=0, msg=text)) == [Message(0, text, "the last one")]
    assert time.process_time() - began < 1
