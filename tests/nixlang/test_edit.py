"""Edits: what they change, what they leave, and which are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nixlang.support import FIXTURES
from xenbump.errors import Refusal
from xenbump.nixlang import Replacement, apply, parse, quote, walk
from xenbump.nixlang.tree import String

if TYPE_CHECKING:
    from random import Random


def test_edits_are_carried_out_in_the_order_of_the_text() -> None:
    edits = [Replacement(4, 5, "X"), Replacement(0, 1, ""), Replacement(0, 1, ""), Replacement(2, 2, "new")]
    assert apply("abcdef", edits) == "bnewcdXf"
    assert apply("abc", [Replacement(1, 2, "X"), Replacement(1, 1, "<"), Replacement(2, 2, ">")]) == "a<X>c"
    assert apply("abc", []) == "abc"


@pytest.mark.parametrize(
    "edits",
    [
        [Replacement(0, 2, ""), Replacement(1, 3, "")],
        [Replacement(0, 3, ""), Replacement(1, 1, "x")],
        [Replacement(1, 1, "x"), Replacement(1, 1, "y")],
        [Replacement(1, 2, "x"), Replacement(1, 2, "y")],
        [Replacement(2, 1, "x")],
        [Replacement(-1, 1, "x")],
        [Replacement(0, 4, "x")],
    ],
)
def test_what_depends_on_order_or_lies_outside_is_refused(edits: list[Replacement]) -> None:
    with pytest.raises(Refusal) as caught:
        apply("abc", edits)
    assert caught.value.code == "E-EDIT-OVERLAP"


@settings(deadline=None)
@given(st.text(max_size=50), st.lists(st.tuples(st.integers(0, 50), st.text(max_size=5)), max_size=9))
def test_what_no_edit_covers_stays(source: str, marks: list[tuple[int, str]]) -> None:
    places = sorted({min(place, len(source)) for place, _ in marks})
    spans = list(zip(places[::2], places[1::2], strict=False))
    edits = [Replacement(start, end, text) for (start, end), (_, text) in zip(spans, marks, strict=False)]
    result = apply(source, reversed(edits))
    position = shift = 0
    for edit in edits:
        assert result[position + shift : edit.start + shift] == source[position : edit.start]
        assert result[edit.start + shift :].startswith(edit.text)
        shift += len(edit.text) - (edit.end - edit.start)
        position = edit.end
    assert result[position + shift :] == source[position:]


@settings(deadline=None)
@given(st.sampled_from(sorted(FIXTURES)), st.randoms(use_true_random=False))
def test_replaced_strings_have_their_new_value_and_the_rest_its_old_text(name: str, random: Random) -> None:
    document = parse(FIXTURES[name])
    strings = [node for node in walk(document) if isinstance(node, String) and not node.indented]
    outer = [one for one in strings if not any(two.start < one.start and one.end < two.end for two in strings)]
    chosen = random.sample(outer, k=min(3, len(outer)))
    edits = [Replacement(node.start, node.end, quote(f"new ${{value}} {node.start}")) for node in chosen]
    edited = apply(document.source, edits)
    values = [node.literal() for node in walk(parse(edited)) if isinstance(node, String)]
    assert {f"new ${{value}} {node.start}" for node in chosen} <= set(values)
    kept = edited
    for edit in edits:
        kept = kept.replace(edit.text, "", 1)
    assert kept == apply(document.source, [Replacement(edit.start, edit.end, "") for edit in edits])


@settings(deadline=None)
@given(st.text(st.characters(exclude_characters="\0")))
def test_quote_and_literal_are_inverse(value: str) -> None:
    root = parse(quote(value)).root
    assert isinstance(root, String)
    assert root.literal() == value
    assert "\n" not in quote(value)


def test_nul_cannot_be_quoted() -> None:
    with pytest.raises(Refusal, match="NUL"):
        quote("a\0")
