"""Elements with their comments, and lists without some elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nixlang.support import FIXTURES
from xenbump.nixlang import Document, apply, elements, free_comments, groups, parse, removal, walk
from xenbump.nixlang.tree import List

if TYPE_CHECKING:
    from random import Random


def read(source: str) -> tuple[Document, List]:
    document = parse(source)
    assert isinstance(document.root, List)
    return document, document.root


FULL = """[
  # of a
  # more of a
  a # behind a

  # of b
  b
  c

  # free

  /* of d */ d
  # commented = out
]
"""


def test_comments_and_their_elements() -> None:
    document, node = read(FULL)
    found = elements(document, node)
    assert [[comment.text for comment in element.comments] for element in found] == [
        ["# of a", "# more of a"], ["# of b"], [], ["/* of d */"],
    ]  # fmt: skip
    assert [[comment.text for comment in element.trailing] for element in found] == [["# behind a"], [], [], []]
    assert [element.blank_before for element in found] == [False, True, False, True]
    assert [comment.text for comment in free_comments(document, node)] == ["# free", "# commented = out"]
    assert [FULL[element.start : element.end] for element in found] == [
        "  # of a\n  # more of a\n  a # behind a\n", "  # of b\n  b\n", "  c\n", "  /* of d */ d\n",
    ]  # fmt: skip
    assert all(element.whole_lines for element in found)
    assert [len(group) for group in groups(document, node)] == [1, 2, 1]


def test_comments_beside_brackets() -> None:
    document, node = read("[ # on the bracket\n  a /* behind a */ ]")
    (element,) = elements(document, node)
    assert [comment.text for comment in element.trailing] == ["/* behind a */"]
    assert [comment.text for comment in free_comments(document, node)] == ["# on the bracket"]
    document, node = read("[ /* of nobody */ ]")
    assert [comment.text for comment in free_comments(document, node)] == ["/* of nobody */"]


@pytest.mark.parametrize(
    ("source", "gone", "expected"),
    [
        ("[ a b c ]", "b", "[ a c ]"),
        ("[ a b c ]", "abc", "[ ]"),
        ("[a]", "a", "[]"),
        ("[\n  a\n  b\n]", "a", "[\n  b\n]"),
        ("[\n  a b\n]", "a", "[\n  b\n]"),
        ("[\n  a b\n]", "b", "[\n  a\n]"),
        ("[\n  a b\n]", "ab", "[\n]"),
        ("[\r\n  a\r\n  b # x\r\n]", "b", "[\r\n  a\r\n]"),
        ("[\n  a\n\n  # b\n  b\n\n  c\n]", "b", "[\n  a\n\n  c\n]"),
        ("[\n  a\n\n  # b\n  b\n\n  c\n]", "bc", "[\n  a\n]"),
        ("[\n  a\n\n  # b\n  b\n\n  c\n]", "c", "[\n  a\n\n  # b\n  b\n]"),
        ("[\n  a\n\n  # b\n  b\n\n  c\n]", "a", "[\n  # b\n  b\n\n  c\n]"),
        ("[\n  a\n\n  # b\n  b\n\n  c\n]", "abc", "[\n]"),
        ("[\n  a # x\n  b\n\n  # c\n  c\n  d\n]", "c", "[\n  a # x\n  b\n\n  d\n]"),
        ("[ {\n  x = 1;\n} b ]", "{", "[ b ]"),
        ("[ b {\n  x = 1;\n} ]", "{", "[ b ]"),
        ("[\n  # a\n  a b ]", "a", "[\n  b ]"),
        ("[\n  # free\n\n  a\n]", "a", "[\n  # free\n]"),
        ("[\n  a\n\n\n]", "a", "[\n]"),
    ],
)  # fmt: skip
def test_removal(source: str, gone: str, expected: str) -> None:
    document, node = read(source)
    unwanted = {one for one in node.elements if document.text(one)[0] in gone}
    assert apply(source, removal(document, node, unwanted)) == expected


@settings(deadline=None)
@given(st.sampled_from(sorted(FIXTURES)), st.randoms(use_true_random=False), st.sampled_from(["\n", "\r\n"]))
def test_removal_leaves_all_other_elements(name: str, random: Random, newline: str) -> None:
    document = parse(FIXTURES[name].replace("\n", newline))
    lists = [node for node in walk(document) if isinstance(node, List) and node.elements]
    if not lists:
        return
    node = random.choice(lists)
    unwanted = set(random.sample(node.elements, k=random.randrange(len(node.elements) + 1)))
    edits = removal(document, node, unwanted)
    edited = parse(apply(document.source, edits))
    after = next(one for one in walk(edited) if isinstance(one, List) and one.start == node.start)
    kept = [document.text(one) for one in node.elements if one not in unwanted]
    assert [edited.text(one) for one in after.elements] == kept
    assert edited.source[: node.start] == document.source[: node.start]
    assert edited.source[after.end :] == document.source[node.end :]
    free = [comment.text for comment in free_comments(document, node)]
    assert [comment.text for comment in free_comments(edited, after)] == free


@settings(deadline=None)
@given(
    st.sampled_from(["\n", "\r\n", "\n\n", " ", "  "]),
    st.lists(st.sampled_from(["a", "(b)", "# c\n", "/* d */", " ", "\n", "\n\n"])),
)
def test_every_comment_belongs_to_one_element_or_to_nobody(gap: str, pieces: list[str]) -> None:
    source = "[" + gap + gap.join(pieces) + " ]"
    document, node = read(source)
    found = elements(document, node)
    owned = [comment for element in found for comment in (*element.comments, *element.trailing)]
    owned += free_comments(document, node)
    assert sorted(comment.start for comment in owned) == [
        token.start for token in document.tokens if token.kind.name == "COMMENT"
    ]
    for element in found:
        assert element.start <= element.node.start
        assert element.node.end <= element.end
