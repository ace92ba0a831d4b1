"""A new branch in the files that list the branches."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.package.branches.support import NAME, STYLES, entry, folder, is_insertion, listings, read_back
from tests.package.support import nix_accepts
from xenbump.errors import Refusal
from xenbump.package import branches
from xenbump.plan.model import Retired

ATTRIBUTES = """{ callPackage }:

rec {
  # Extended support.
  xen_4_18 = callPackage ./4.18/default.nix { };
  xen_4_19 = callPackage ./4.19 { }; # until 2029

  # The newest.
  xen_4_20 = callPackage ./4.20 {
    # Needed by nobody.
    withTools = /* too large */ false;
  };
  xen_4_20-slim = callPackage ./4.20 { slim = true; };

  xen = xen_4_20;
  xen-slim = xen_4_20-slim;
  qemu = xen.qemu; # 4.20
}
"""


def added(text: str, old: str = "4.20", new: str = "4.21") -> str:
    """The file with a branch more; nothing else changes."""
    made = dict(branches.listed(folder(text), NAME, old, new))
    assert set(made) <= {f"../{NAME}"}
    content = made.get(f"../{NAME}", text.encode())
    assert content is not None
    read_back(content)
    return content.decode()


def test_each_entry_gets_a_companion_and_names_for_the_newest_move() -> None:
    expected = (
        ATTRIBUTES.replace("xen = xen_4_20;", "xen = xen_4_21;")
        .replace("xen-slim = xen_4_20-slim;", "xen-slim = xen_4_21-slim;")
        .replace(
            "  xen_4_20-slim = callPackage ./4.20 { slim = true; };\n",
            "  xen_4_20-slim = callPackage ./4.20 { slim = true; };\n"
            "\n"
            "  xen_4_21 = callPackage ./4.21 {\n"
            "    withTools = false;\n"
            "  };\n"
            "  xen_4_21-slim = callPackage ./4.21 { slim = true; };\n",
        )
    )
    assert added(ATTRIBUTES) == expected
    assert nix_accepts(expected)
    assert added(ATTRIBUTES.replace("\n", "\r\n")) == expected.replace("\n", "\r\n")
    assert branches.listed(folder(expected), NAME, "4.20", "4.21") == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("p: { xen_4_20 = p.xen_4_20; }", "p: { xen_4_20 = p.xen_4_20; xen_4_21 = p.xen_4_21; }"),
        ('{ branches = [ "4.19" "4.20" ]; }', '{ branches = [ "4.19" "4.20" "4.21" ]; }'),
        ('[ "4.20" "4.19" "4.2" ]', '[ "4.21" "4.20" "4.19" "4.2" ]'),
        ("[ ./4.20 ./4.18 ./4.19 ]", "[ ./4.20 ./4.21 ./4.18 ./4.19 ]"),
        ('{ b = { "4.20" = ./4.20; }; }', '{ b = { "4.20" = ./4.20; "4.21" = ./4.21; }; }'),
        ("{ xen_4_20 = f ./4.20; x = xen_4_20.tools; }",) * 2,
        ("p: { inherit (p) xen_4_19 xen_4_20; }", "p: { inherit (p) xen_4_19 xen_4_20 xen_4_21; }"),
        ('{ x = b."4.20"; b."4.20" = ./4.20; }', '{ x = b."4.21"; b."4.20" = ./4.20; b."4.21" = ./4.21; }'),
        (
            '{ xen_4_20 = f "4.20"; xen = f ./4.20 { }; }',
            '{ xen_4_20 = f "4.20"; xen_4_21 = f "4.21"; xen = f ./4.21 { }; }',
        ),
        (
            '{ xen_4_20 = f "/xen/4.20"; old = xen_4_19; }',
            '{ xen_4_20 = f "/xen/4.20"; xen_4_21 = f "/xen/4.21"; old = xen_4_19; }',
        ),
        (
            '{ a = [ "4.20" ]; t = elem b [ "4.20" ]; o = versionOlder b "4.20"; p = [ ./4.20/fix.patch ]; }',
            '{ a = [ "4.20" "4.21" ]; t = elem b [ "4.20" ]; o = versionOlder b "4.20"; p = [ ./4.20/fix.patch ]; }',
        ),
        (
            '{ a = [ "4.20" ]; XSA_1-4_20 = p "4.20"; h."4.20" = "sha256-x"; u = [ "https://a/4.20" ]; }',
            '{ a = [ "4.20" "4.21" ]; XSA_1-4_20 = p "4.20"; h."4.20" = "sha256-x"; u = [ "https://a/4.20" ]; }',
        ),
        ("[\n  # free\n\n  ./4.20 /* a */\n  ./4.19\n]", "[\n  # free\n\n  ./4.21\n  ./4.20 /* a */\n  ./4.19\n]"),
        ("[\n  # of 4.20\n  ./4.20\n  ./4.19\n]", "[\n  ./4.21\n  # of 4.20\n  ./4.20\n  ./4.19\n]"),
        ("{\n  /* a */ x_4_20 = ./4.20;\n}", "{\n  /* a */ x_4_20 = ./4.20;\n  x_4_21 = ./4.21;\n}"),
        ("[\n  ./4.19\n  ./4.20 ]", "[\n  ./4.19\n  ./4.20\n  ./4.21 ]"),
        ("[\n  ./4.19 ./4.20\n]", "[\n  ./4.19 ./4.20 ./4.21\n]"),
    ],
)
def test_the_place_and_the_style_are_those_of_the_file(before: str, after: str) -> None:
    if before == after:
        after = "{ xen_4_20 = f ./4.20; xen_4_21 = f ./4.21; x = xen_4_20.tools; }"
    assert added(before) == after


def test_a_branch_that_is_not_the_newest_moves_no_name() -> None:
    text = "{ xen_4_19 = f ./4.19; x = xen_4_19; }"
    assert added(text, "4.19", "4.17") == "{ xen_4_17 = f ./4.17; xen_4_19 = f ./4.19; x = xen_4_19; }"
    assert added(text, "4.19", "4.21") == "{ xen_4_19 = f ./4.19; xen_4_21 = f ./4.21; x = xen_4_19; }"


def test_a_name_in_another_file_moves_too() -> None:
    beside = folder("{ xen_4_20 = f ./4.20; }", ("xen/names.nix", "p: { xen = p.xen_4_20; other = q.xen_4_20-odd; }"))
    made = dict(branches.listed(beside, NAME, "4.20", "4.21"))
    assert made["../names.nix"] == b"p: { xen = p.xen_4_21; other = q.xen_4_20-odd; }"
    assert made[f"../{NAME}"] == b"{ xen_4_20 = f ./4.20; xen_4_21 = f ./4.21; }"


def test_a_folder_that_is_read_needs_no_list() -> None:
    beside = folder("{ f }: mapAttrs f (builtins.readDir ./.)")
    assert branches.listed(beside, NAME, "4.20", "4.21") == ()


@pytest.mark.parametrize(
    ("text", "where", "word"),
    [
        (None, "..", "lists branch 4.20"),
        ("{ broken", "..", "lists branch 4.20"),
        ("{ xen_4_19 = f ./4.19; x_14_20 = 1; y = ./4.20.1; }", "..", "lists branch 4.20"),
        ("{\n  xen = f ./4.20 { };\n}", "../default.nix, line 2, column 3", "as `xen` alone"),
        ('{ xen_4_20 = f ./4.20 "4.20.3"; }', "../default.nix, line 1, column 3", "`4.20.3`"),
        ('{ xen_4_20 = f ./4.20 "sha256-AAAA"; }', "../default.nix, line 1, column 3", "`sha256-`"),
        (f'[ {{ p = ./4.20; rev = "{"a" * 40}"; }} ]', "../default.nix, line 1, column 3", "`aaaa"),
        (
            "{ xen_4_20 = f ./4.20 { p = [ ./4.20/a.patch ]; }; }",
            "../default.nix, line 1, column 3",
            "`./4.20/a.patch`",
        ),
        ("{ xen_4_20 = ./4.20; xen_4_21 = null; }", "../default.nix, line 1, column 22", "`xen_4_21` is there"),
        ("{ xen_4_20 }: [ xen_4_20 ]", "../default.nix, line 1, column 3", "handed to the file"),
        (
            '{ b."4.20".path = ./4.20; b."4.20".slim = true; }',
            "../default.nix, line 1, column 27",
            'a part, `b."4.20".slim`',
        ),
    ],
)
def test_what_leaves_room_to_guess_is_refused_with_its_place(text: str | None, where: str, word: str) -> None:
    with pytest.raises(Refusal) as caught:
        branches.listed(folder(text), NAME, "4.20", "4.21")
    assert (caught.value.code, caught.value.where) == ("E-BRANCH-LIST", where)
    assert word in caught.value.what


def test_a_release_in_a_comment_is_no_obstacle() -> None:
    text = "[\n  (f # as of 4.20.3\n    ./4.20)\n]"
    assert added(text) == "[\n  (f # as of 4.20.3\n    ./4.20)\n  (f\n    ./4.21)\n]"
    assert added("[ (f/* 4.20.3 */./4.20) ]") == "[ (f/* 4.20.3 */./4.20) (f ./4.21) ]"


NUMBERS = ("4.2", "4.9", "4.18", "4.19", "4.20")


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=15)
@given(st.data())
def test_what_comes_stands_in_order_and_goes_again_without_a_trace(style: str, data: st.DataObject) -> None:
    chosen = STYLES[style]
    known = data.draw(st.lists(st.sampled_from(NUMBERS), min_size=1, unique=True).map(sorted_branches))
    falls = data.draw(st.booleans()) and len(known) > 1
    order = known[::-1] if falls else known
    text = data.draw(listings(chosen, order))
    beside = folder(text, branches=known, latest=known[-1])
    made = dict(branches.listed(beside, NAME, known[-1], "4.21"))
    content = made[f"../{NAME}"]
    assert content is not None
    read_back(content)
    after = content.decode()
    places = [place_of(after, entry(chosen, one)) for one in (*known, "4.21")]
    assert places == sorted(places, reverse=falls)
    assert is_insertion(text, after)
    back, warnings = branches.retire(
        beside, NAME, [Retired("4.21", "2031-01-01", removed=True)], builder=None, changed=made
    )
    assert dict(back)[f"../{NAME}"] == text.encode()
    assert warnings == ()


def sorted_branches(names: list[str]) -> list[str]:
    return sorted(names, key=lambda name: [int(part) for part in name.split(".")])


def place_of(text: str, part: str) -> int:
    """Where an entry stands, and not one that only begins like it."""
    match = re.search(re.escape(part) + "(?![0-9])", text.replace("\r", ""))
    assert match is not None
    return match.start()


@settings(max_examples=30)
@given(
    st.integers(0, len(ATTRIBUTES)),
    st.integers(0, 60),
    st.sampled_from(["", ";", "xen_4_20", " ./4.20 ", "}", "[", "#"]),
)
def test_a_damaged_file_is_refused_or_edited_to_one_that_is_whole(start: int, length: int, put: str) -> None:
    text = ATTRIBUTES[:start] + put + ATTRIBUTES[start + length :]
    try:
        after = added(text)
    except Refusal as error:
        assert error.code == "E-BRANCH-LIST"  # noqa: PT017 - either is right
    else:
        assert "4.21" in after or "4_21" in after
