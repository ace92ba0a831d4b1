"""What a folder of branches says: which there are, and which is the latest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.package.branches.support import NAME, Memory, definition, folder
from xenbump.errors import Refusal
from xenbump.nixlang import parse, walk
from xenbump.nixlang.tree import AttrSet
from xenbump.package import branches

if TYPE_CHECKING:
    from xenbump.nixlang.document import Document


def test_siblings_are_the_folders_with_a_definition_by_number() -> None:
    beside = folder(
        None,
        (f"xen/4.9/{NAME}", definition("4.9")),
        (f"xen/4.21/{NAME}", "{ }: { branch = 1; version = 2; }"),
        (f"xen/4.22/{NAME}", "{ broken"),
        (f"xen/4.23/{NAME}", b"\xff"),
        ("xen/4.24/other.nix", definition("4.24")),
        (f"xen/generic/{NAME}", definition("4.1")),
        (f"xen/04.17/{NAME}", definition("4.17")),
    )
    assert branches.siblings(beside, NAME) == ("4.9", "4.18", "4.19", "4.20")
    assert branches.siblings(beside, "other.nix") == ("4.24",)
    assert branches.siblings(Memory({}), NAME) == ()


def test_a_folder_with_one_latest_branch_is_as_it_should_be() -> None:
    assert branches.not_one_latest(folder(None), NAME) == ()
    silent = Memory({f"xen/{one}/{NAME}": definition(one) for one in ("4.19", "4.20")})
    assert branches.not_one_latest(silent, NAME) == ()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (("false", "false", "false"), ["none of 4.18, 4.19 and 4.20 has `latest = true`"]),
        (("true", None, "true"), ["4.18 and 4.20 have `latest = true`"]),
        (
            ("true", "!true", "false"),
            ["../4.19/default.nix, line 7, column 12: `latest` is `!true`, not true or false"],
        ),
        ((None, "x", None), ["`latest` is `x`, not true or false"]),
    ],
)
def test_several_latest_branches_or_none_are_told(values: tuple[str | None, ...], words: list[str]) -> None:
    names = ("4.18", "4.19", "4.20")
    beside = Memory(
        {f"xen/{one}/{NAME}": definition(one, value) for one, value in zip(names, values, strict=True)},
    )
    told = branches.not_one_latest(beside, NAME)
    assert len(told) == len(words)
    assert all(word in one for word, one in zip(words, told, strict=True))


def test_a_branch_that_cannot_be_read_is_told() -> None:
    told = branches.not_one_latest(folder(None, (f"xen/4.17/{NAME}", "{")), NAME)
    assert told == ("../4.17/default.nix does not define one branch, or cannot be read as Nix",)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{ latest = true; }", "true"),
        ("{ latest = (false); }", "false"),
        ("let l = true; in { latest = l; }", "true"),
        ("let latest = false; in { inherit latest; }", "false"),
        ("{ late = true; }", None),
    ],
)
def test_the_value_of_latest(text: str, found: str | None) -> None:
    document = parse(text)
    value = branches.latest_of(document, _set_of(document))
    assert (None if value is None else value.name) == found
    assert value is None or document.text(value) == found


def _set_of(document: Document) -> AttrSet:
    return next(node for node in walk(document) if isinstance(node, AttrSet))


@pytest.mark.parametrize("text", ["{ latest = 1 == 1; }", "a: { inherit (a) latest; }", '{ latest = "true"; }'])
def test_any_other_value_of_latest_is_refused_with_its_place(text: str) -> None:
    document = parse(text)
    with pytest.raises(Refusal) as caught:
        branches.latest_of(document, _set_of(document))
    assert caught.value.code == "E-NOT-LITERAL"
    assert caught.value.where.startswith("line 1, column ")
