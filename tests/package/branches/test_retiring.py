"""Branches that go, or are marked as ones without security support."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.package.branches.support import (
    NAME,
    STYLES,
    Memory,
    definition,
    entry,
    folder,
    is_insertion,
    listings,
    read_back,
)
from tests.package.support import nix_accepts
from xenbump.errors import Refusal
from xenbump.package import branches
from xenbump.plan.model import Retired

BUILDER = "../generic/default.nix"
LISTING = """{ callPackage }:

rec {
  # Free: a word on all of them.

  # Extended support.
  # Until 2028.
  xen_4_18 = callPackage ./4.18/default.nix { }; # old
  xen_4_18-slim = xen_4_18.override { slim = true; };

  # Of 4.19.
  xen_4_19 = callPackage ./4.19 { };

  xen_4_20 = callPackage ./4.20 { };
  inherit (names) xen_4_18-doc xen_4_19-doc;
  inherit (more) xen_4_18-man;
  all = [
    xen_4_18
    xen_4_20 # the newest
  ];
}
"""
WITHOUT = """{ callPackage }:

rec {
  # Free: a word on all of them.

  # Of 4.19.
  xen_4_19 = callPackage ./4.19 { };

  xen_4_20 = callPackage ./4.20 { };
  inherit (names) xen_4_19-doc;
  all = [
    xen_4_20 # the newest
  ];
}
"""


def gone(*names: str) -> list[Retired]:
    return [Retired(name, "2026-01-01", removed=True) for name in names]


def marked(*names: str) -> list[Retired]:
    return [Retired(name, "2026-01-01", removed=False) for name in names]


def without(text: str, *names: str) -> str:
    """The file that lists the branches when some go."""
    made, warnings = branches.retire(folder(text), NAME, gone(*names), builder=None, changed={})
    assert warnings == ()
    assert {one: None for one, content in made if content is None} == dict.fromkeys(f"../{one}/{NAME}" for one in names)
    content = dict(made).get(f"../{NAME}", text.encode())
    assert content is not None
    read_back(content)
    return content.decode()


def test_a_branch_takes_its_entries_and_their_comments_along() -> None:
    assert without(LISTING, "4.18") == WITHOUT
    assert without(LISTING.replace("\n", "\r\n"), "4.18") == WITHOUT.replace("\n", "\r\n")
    assert nix_accepts(WITHOUT)


@pytest.mark.parametrize(
    ("before", "names", "after"),
    [
        ('[ "4.18" "4.19" "4.20" ]', ["4.18", "4.19"], '[ "4.20" ]'),
        ('{ b = [ "4.18" ]; c = [ "4.20" ]; }', ["4.18"], '{ b = [ ]; c = [ "4.20" ]; }'),
        ("{ x_4_18 = ./4.18; x_4_19 = ./4.19; x_4_20 = ./4.20; }", ["4.18"], "{ x_4_19 = ./4.19; x_4_20 = ./4.20; }"),
        ("{ x_4_18 = ./4.18; x_4_19 = ./4.19; }", ["4.18", "4.19"], "{ }"),
        ("{\n  x_4_18 = 1; x_4_20 = 2;\n}", ["4.18"], "{\n  x_4_20 = 2;\n}"),
        ("{\n  a = 1; x_4_18 = 1; # of 4.18\n  b = 2;\n}", ["4.18"], "{\n  a = 1;\n  b = 2;\n}"),
        ("{\n  x_4_18 = 1; x_4_19 = 2;\n  b = 2;\n}", ["4.18", "4.19"], "{\n  b = 2;\n}"),
        ("let x_4_18 = 1; in\n{ }", ["4.18"], "let in\n{ }"),
        ("{\n  x_4_18 = [ ./4.18 x_4_18 ];\n\n  b = 1;\n}", ["4.18"], "{\n  b = 1;\n}"),
        ("{\n  b = 1;\n\n  x_4_18 = 1;\n}", ["4.18"], "{\n  b = 1;\n}"),
        ("{\n  /* a */ x_4_18 = 1;\n  b = 1;\n}", ["4.18"], "{\n  b = 1;\n}"),
        ("p: {\n  inherit (p)\n    x_4_18\n    x_4_19;\n}", ["4.19"], "p: {\n  inherit (p)\n    x_4_18\n    ;\n}"),
        ("[ { a = ./4.18; b = ./4.19; } ./4.20 ]", ["4.18", "4.19"], "[ ./4.20 ]"),
        ("{ b = f (readDir ./.); }", ["4.18"], "{ b = f (readDir ./.); }"),
    ],
)
def test_what_stands_beside_stays_as_it_is(before: str, names: list[str], after: str) -> None:
    assert without(before, *names) == after


def test_all_files_of_the_folder_go_also_those_of_this_edit() -> None:
    beside = folder("[ ./4.18 ./4.20 ]", ("xen/4.18/patches/a.patch", "-"), ("xen/4.18/b.patch", b"\xff"))
    changed: dict[str, bytes | None] = {"../4.18/new.patch": b"+", f"../{NAME}": b"[ ./4.18 ./4.20 ./4.21 ]"}
    made, _ = branches.retire(beside, NAME, gone("4.18"), builder=None, changed=changed)
    files = (f"../4.18/{NAME}", "../4.18/patches/a.patch", "../4.18/b.patch", "../4.18/new.patch")
    assert dict(made) == {**dict.fromkeys(files), f"../{NAME}": b"[ ./4.20 ./4.21 ]"}


class Unreadable(Memory):
    """A folder with a file that cannot be read."""

    def read(self, name: str) -> bytes | None:
        return None if name.endswith(".patch") else super().read(name)


def test_a_file_that_cannot_be_read_is_not_left_behind() -> None:
    beside = Unreadable({**folder("[ ./4.18 ]").files, "xen/4.18/a.patch": b"-"})
    with pytest.raises(Refusal) as caught:
        branches.retire(beside, NAME, gone("4.18"), builder=None, changed={})
    assert (caught.value.code, caught.value.where) == ("E-BRANCH-RETIRE", "../4.18/a.patch")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{\n  x_4_18 = 1;\n  old = x_4_18;\n}", "line 3, column 9"),
        ("p: {\n  x_4_18 = 1;\n  old = p.x_4_18;\n}", "line 3, column 9"),
        ('{ b = { "4.18" = ./4.18; "4.19" = ./4.19; }; old = b."4.18"; }', "line 1, column 52"),
        ("{\n  b = [ ./4.18 ./4.19 ]; old = f ./4.18 { };\n}", "line 2, column 34"),
        ('{ b = [ "4.18" "4.19" ]; old = "4.18"; }', "line 1, column 26"),
        ("{ x_4_18 }: [ x_4_18 ]", "line 1, column 3"),
    ],
)
def test_what_would_dangle_is_refused_at_its_place_in_the_file_as_it_is(text: str, place: str) -> None:
    with pytest.raises(Refusal) as caught:
        without(text, "4.18")
    assert (caught.value.code, caught.value.where) == ("E-BRANCH-RETIRE", f"../{NAME}, {place}")
    assert "4.18 is to go" in caught.value.what


def test_a_patch_that_another_branch_takes_from_the_folder_is_refused() -> None:
    one, other = f"xen/4.19/{NAME}", "xen/generic/deep/a.nix"
    for file, text in ((one, definition("4.19") + " # \n"), (other, "{ }")):
        used = text.replace("{ }", "{ p = ../4.18/a.patch; }" if file == one else "[ ../../4.18 ]")
        beside = folder("[ ./4.18 ./4.19 ./4.20 ]", (file, used))
        with pytest.raises(Refusal) as caught:
            branches.retire(beside, NAME, gone("4.18"), builder=None, changed={})
        assert caught.value.where.startswith(file.replace("xen/", "../"))
        # A branch that goes, too, may need what it likes.
        if file == one:
            assert branches.retire(beside, NAME, gone("4.18", "4.19"), builder=None, changed={})


@pytest.mark.parametrize(("latest", "code"), [("true", "E-BRANCH-RETIRE"), ("(1 == 1)", "E-NOT-LITERAL")])
def test_the_latest_branch_does_not_go(latest: str, code: str) -> None:
    beside = folder("[ ./4.18 ]", (f"xen/4.18/{NAME}", definition("4.18", latest)))
    with pytest.raises(Refusal) as caught:
        branches.retire(beside, NAME, gone("4.18"), builder=None, changed={})
    assert (caught.value.code, caught.value.where[:28]) == (code, "../4.18/default.nix, line 7,")


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=15)
@given(st.data())
def test_only_the_branch_and_its_comments_go(style: str, data: st.DataObject) -> None:
    chosen = STYLES[style]
    order = data.draw(st.permutations(["4.2", "4.19", "4.20"]))
    name = data.draw(st.sampled_from(order))
    text = data.draw(listings(chosen, order))
    beside = folder(text, branches=order, latest="")
    made, _ = branches.retire(beside, NAME, gone(name), builder=None, changed={})
    document = read_back(dict(made)[f"../{NAME}"])
    kept = [entry(chosen, one) for one in order if one != name]
    bare = document.source.replace("\r", "")
    assert [one for one in kept if one in bare] == kept
    number = order.index(name)
    # What went is one piece, without anything that belongs to the others.
    assert all(f"no. {other}" in bare for other in range(3) if other != number and f"of no. {other}" in text)
    assert f" behind no. {number}" not in bare
    assert ("\r" in document.source) == ("\r" in text)
    assert is_insertion(document.source, text)


# --- marks -----------------------------------------------------------------------------------------------------------


def mark(builder: str, *names: str) -> tuple[str, tuple[str, ...]]:
    """The builder when some branches are marked, and the warnings."""
    beside = folder("[ ./4.18 ./4.19 ./4.20 ]", ("xen/generic/default.nix", builder))
    for path in (BUILDER, "../generic"):
        made, warnings = branches.retire(beside, NAME, marked(*names), builder=path, changed={})
        assert set(dict(made)) <= {BUILDER}
    content = dict(made).get(BUILDER, builder.encode())
    assert content is not None
    return content.decode(), warnings


@pytest.mark.parametrize(
    ("builder", "after"),
    [
        ('let minSupportedVersion = "4.17"; in x', 'let minSupportedVersion = "4.19"; in x'),
        ('{ minSupportedVersion ? "4.18" }: x', '{ minSupportedVersion ? "4.19" }: x'),
        ('{ meta.minSupportedVersion = "4.9"; }', '{ meta.minSupportedVersion = "4.19"; }'),
        ('{ minSupportedVersion = "4.19"; }', '{ minSupportedVersion = "4.19"; }'),
        ('{ minSupportedVersion = "4.20"; }', '{ minSupportedVersion = "4.20"; }'),
    ],
)
def test_a_branch_without_support_is_marked_by_the_lowest_with_it(builder: str, after: str) -> None:
    assert mark(builder, "4.18") == (after, ())


def test_a_branch_above_one_with_support_cannot_be_marked_so() -> None:
    # In 2026 the support of 4.17 was extended beyond the end that some later branch had had.
    text = '{ minSupportedVersion = "4.18"; }'
    told = "branch 4.19 has no security support any more and is not marked so: "
    assert mark(text, "4.19") == (text, (told + "`minSupportedVersion` is 4.18, the lowest branch that is supported",))


@pytest.mark.parametrize(
    "builder",
    ["{ }", "{ broken", '{ minSupportedVersion = "4.17.0"; }', "a: { minSupportedVersion = a; }",
     'let minSupportedVersion = "4.17"; in { minSupportedVersion = "4.17"; }'],
)  # fmt: skip
def test_a_builder_without_such_a_literal_is_told_of(builder: str) -> None:
    after, warnings = mark(builder, "4.18", "4.19")
    assert after == builder
    assert [one.partition(" has ")[0] for one in warnings] == ["branch 4.18", "branch 4.19"]
    assert all(one.endswith("the builder has no one literal `minSupportedVersion`") for one in warnings)


@pytest.mark.parametrize("builder", [None, "../missing.nix"])
def test_without_a_builder_that_is_told_too(builder: str | None) -> None:
    made, warnings = branches.retire(folder(None), NAME, marked("4.18"), builder=builder, changed={})
    assert made == ()
    assert len(warnings) == 1


def test_one_edit_removes_marks_and_keeps_what_was_changed_before() -> None:
    beside = folder("[ ./4.18 ./4.19 ./4.20 ]", ("xen/generic/default.nix", "{ }"))
    changed: dict[str, bytes | None] = {BUILDER: b'{ minSupportedVersion = "4.18"; new = 1; }'}
    retired = [*gone("4.18"), *marked("4.19")]
    made, warnings = branches.retire(beside, NAME, retired, builder=BUILDER, changed=changed)
    assert dict(made) == {
        "../4.18/default.nix": None,
        "../default.nix": b"[ ./4.19 ./4.20 ]",
        BUILDER: b'{ minSupportedVersion = "4.20"; new = 1; }',
    }
    assert warnings == ()
