"""Patches go and come: what stands where afterwards, to the byte."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.package.lists import LIBXL, call, file_of, line, old, value_of
from tests.package.support import (
    DERIVED,
    FIXTURES,
    LITERAL,
    changed_to,
    nix_accepts,
    patched,
    plan_to,
    read,
    release,
    sri,
    with_patches,
    xsa,
)
from xenbump.errors import Failure, Refusal
from xenbump.package import rewrite
from xenbump.plan.model import Addition, Condition, Drop, Patch, PatchChange

A, B = xsa(480), xsa(482)
B1, B2, B3 = (xsa(482, part) for part in (1, 2, 3))
HEAD_A, HEAD_B = "    # XSA #480\n", "    # XSA #482\n"


def refused(text: str, wanted: list[Patch]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        patched(text, wanted)
    return caught.value


def test_a_bump_as_a_maintainer_would_make_it() -> None:
    heading = "    # XSA #{}\n"
    head = "    ./0001-efi.patch\n    (replaceVars ./0002-scripts.patch { })\n"
    tail = "\n    # libxl: this fix is only in 4.21.\n    # It stays until then.\n" + call(LIBXL)
    landed = [[xsa(472, part) for part in (1, 2, 3)], [xsa(473)], [xsa(475, 1), xsa(475, 2)], [xsa(476)]]
    eighteen = [xsa(480, part) for part in range(1, 19)]
    coming = [[xsa(number)] for number in (477, 478, 479)] + [eighteen]
    coming += [[xsa(number)] for number in (481, 482, 483, 484, 486, 488)]

    def listing(groups: list[list[Patch]]) -> str:
        return "".join(f"\n{heading.format(group[0].xsa)}" + "".join(map(call, group)) for group in groups)

    before = file_of(head, listing(landed), tail)
    kept = old(before)
    wanted = [*kept[:2], *(patch for group in coming for patch in group), kept[-1]]
    assert len(wanted) == 30
    after = patched(before, wanted)
    assert after == file_of(head, listing(coming), tail)
    assert nix_accepts(after)
    assert patched(after, kept) == before


@pytest.mark.parametrize("shape", [LITERAL, DERIVED])
def test_the_fixtures_get_an_advisory_and_lose_it(shape: str) -> None:
    before = FIXTURES[shape]
    listed = old(before)
    after = patched(before, [*listed[:4], B1, B2, *listed[4:]])
    heading = f"\n{HEAD_B}" if shape == LITERAL else "\n"
    end = before.index("  ]", before.index("xsa480.patch"))
    assert after == before[:end] + heading + call(B1) + call(B2) + before[end:]
    assert nix_accepts(after)
    assert patched(after, listed) == before


def test_the_last_fetched_patch_takes_the_fetcher_along() -> None:
    before = FIXTURES[LITERAL]
    after = patched(before, old(before)[:2])
    assert "fetchpatch" not in after
    assert "  fetchFromGitHub,\n  replaceVars,\n" in after
    assert "(replaceVars ./0002-script-paths.patch scriptDeps)\n  ];" in after
    assert nix_accepts(after)
    again = patched(after, [*old(after), A])
    assert "  fetchFromGitHub,\n  fetchpatch,\n  replaceVars,\n" in again


def test_a_fetcher_that_is_used_elsewhere_stays() -> None:
    before = FIXTURES[LITERAL].replace("  outputs = [", "  other = fetchpatch { };\n  outputs = [")
    assert "  fetchpatch,\n" in patched(before, old(before)[:2])


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (0, "@\n    ./a.patch\n    ./b.patch # b\n"),
        (1, "    ./a.patch\n\n@\n    ./b.patch # b\n"),
        (2, "    ./a.patch\n    ./b.patch # b\n\n@"),
    ],
)
def test_the_place_among_local_patches(place: int, expected: str) -> None:
    text = file_of("    ./a.patch\n    ./b.patch # b\n", arguments="")
    listed = old(text)
    after = patched(text, [*listed[:place], A, *listed[place:]])
    assert after == file_of(expected.replace("@", HEAD_A + call(A)))


@pytest.mark.parametrize(
    "value",
    ["[ ]", "[]", "([ ])", "[ /* x */ ]", "[\n  ]", "[\n    # x\n  ]", "[ # x\n  ]", "[\n\n  ]", "lib.a b ++ [ ]"],
)
def test_into_an_empty_list_and_out_of_it(value: str) -> None:
    before = with_patches(value)
    after = patched(before, [A, B1, B2])
    assert nix_accepts(after)
    body = HEAD_A + call(A) + "\n" + HEAD_B + call(B1) + call(B2)
    gap = "\n" if "    # x" in value else ""
    assert gap + body + "  ]" in after
    assert after.count("\n\n\n") <= before.count("\n\n\n") + value.count("\n\n")
    back = patched(after, [])
    assert "".join(back.split()) == "".join(before.split())
    assert patched(back, [A, B1, B2]).replace("\n", "") == after.replace("\n", "")


def test_a_list_that_empties_is_written_as_empty() -> None:
    text = file_of(HEAD_A, call(A))
    assert patched(text, []) == with_patches("[ ]")


def test_a_list_on_one_line_is_opened() -> None:
    text = with_patches("[ ./a.patch /* b */ (replaceVars ./b.patch { }) ]", arguments="\n  fetchpatch,")
    after = patched(text, [old(text)[0], A, old(text)[1]])
    lines = "    ./a.patch\n\n", HEAD_A, call(A), "\n    /* b */ (replaceVars ./b.patch { })\n"
    assert after == file_of(*lines)


def test_a_list_that_begins_behind_its_bracket() -> None:
    text = with_patches("[ ./a.patch\n    ./b.patch ]", arguments="\n  fetchpatch,")
    first, second = old(text)
    assert value_of(patched(text, [first, second, A])) == f"[ ./a.patch\n    ./b.patch\n\n{HEAD_A}{call(A)[:-1]} ]"
    assert value_of(patched(text, [A, first, second])).startswith(f"[ {HEAD_A.lstrip()}{call(A)}\n    ./a.patch\n")


@pytest.mark.parametrize("shape", [LITERAL, DERIVED])
def test_without_a_list_one_is_added_below_the_version(shape: str) -> None:
    after = patched(with_patches("", shape=shape), [A])
    heading = HEAD_A if shape == LITERAL else ""
    body = f"[\n{heading}{call(A)}  ]"
    assert after == with_patches(body, arguments="\n  fetchpatch,", shape=shape)
    assert nix_accepts(after)


def test_a_new_list_stands_below_what_belongs_to_the_version() -> None:
    text = with_patches("").replace('3";\n\n', '3";\n  vendor = "v"; # x\n  meta = { };\n')
    assert '  vendor = "v"; # x\n\n  patches = [\n' in patched(text, [A])
    assert "    })\n  ];\n\n  meta = { };\n" in patched(text, [A])


# --- advisories of several parts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stays", [[B1], [B2], [B3], [B1, B3], [B2, B3], [B1, B2]])
def test_the_heading_stays_while_a_part_does(stays: list[Patch]) -> None:
    full = file_of("    ./a.patch\n\n", HEAD_B, call(B1), call(B2), call(B3), "\n    ./c.patch\n")
    first, *_, last = old(full)
    less = file_of("    ./a.patch\n\n", HEAD_B, *map(call, stays), "\n    ./c.patch\n")
    assert patched(full, [first, *stays, last]) == less
    assert patched(less, [first, B1, B2, B3, last]) == full


def test_the_heading_stays_on_its_line_too() -> None:
    text = with_patches(f"[ # XSA-482\n{line(B1)}    ./c.patch ]", arguments="\n  fetchpatch,")
    assert value_of(patched(text, [old(text)[1]])) == "[ # XSA-482\n    ./c.patch ]"


def test_the_heading_goes_when_only_something_else_is_below_it() -> None:
    text = file_of(HEAD_B, call(B), "    ./c.patch\n")
    assert patched(text, old(text)[1:]) == file_of("    ./c.patch\n", arguments="")


def test_prose_goes_with_its_own_patch_and_a_new_part_stands_above_it() -> None:
    with_prose = file_of(HEAD_A, call(A), "\n    # XSA 482 needs this on Arm\n", call(B2))
    after = patched(with_prose, [A, B1, B2])
    assert after == file_of(HEAD_A, call(A), "\n", HEAD_B, call(B1), "    # XSA 482 needs this on Arm\n", call(B2))
    assert patched(after, [A, B2]) == with_prose
    assert patched(after, [A, B1]) == file_of(HEAD_A, call(A), "\n", HEAD_B, call(B1))


def test_parts_without_a_heading_stay_without_one() -> None:
    text = file_of(call(A), "\n", call(B2))
    assert patched(text, [A, B1, B2, B3]) == file_of(call(A), "\n", call(B1), call(B2), call(B3))


def test_comments_that_belong_to_nobody_stay() -> None:
    free = "    # security, see the wiki\n\n", "\n    # (fetchpatch { url = ./xsa1.patch; })\n"
    text = file_of(free[0], HEAD_A, call(A), free[1])
    assert patched(text, []) == with_patches("[\n" + free[0] + free[1].lstrip("\n") + "  ]")
    after = patched(text, [A, B])
    assert after == file_of(free[0], HEAD_A, call(A), "\n", HEAD_B, call(B), free[1])


# --- parts of the list -----------------------------------------------------------------------------------------------

CONDITION = '(lib.versionOlder finalAttrs.version "4.21")'


def test_never_into_a_conditional_part() -> None:
    text = with_patches(f"lib.optionals {CONDITION} [\n    ./c.patch\n  ] ++ [\n    ./a.patch\n  ]")
    conditional, plain = old(text)
    assert conditional.condition == Condition(CONDITION[1:-1], "versionOlder", "4.21")
    after = patched(text, [conditional, A, plain])
    assert value_of(after).endswith("  ] ++ [\n" + HEAD_A + call(A) + "\n    ./a.patch\n  ]")
    error = refused(text, [A, conditional, plain])
    assert error.code == "E-PATCH-LIST"
    assert error.where.endswith("line 12, column 13")


def test_behind_a_conditional_part_into_a_list_that_is_empty() -> None:
    text = with_patches("lib.optional x ./c.patch ++ [ ] ++ lib.optional y ./d.patch")
    first, second = old(text)
    after = value_of(patched(text, [first, A, second]))
    assert after == f"lib.optional x ./c.patch ++ [\n{HEAD_A}{call(A)}  ] ++ lib.optional y ./d.patch"


@pytest.mark.parametrize(
    ("value", "gone", "expected"),
    [
        ("[ ./a.patch ]\n  ++ optionals x [\n    ./b.patch\n  ]", "b", "[ ./a.patch ]"),
        ("optional x ./a.patch ++ [ ./b.patch ]", "a", "[ ./b.patch ]"),
        ("(optional x ./a.patch) ++ optional y ./b.patch ++ [ ./c.patch ]", "ab", "[ ./c.patch ]"),
        ("[ ./a.patch ] ++ optional x ./b.patch ++ optional y ./c.patch", "bc", "[ ./a.patch ]"),
        ("[ ./a.patch ] ++ optional x ./b.patch ++ [ ./c.patch ]", "b", "[ ./a.patch ] ++ [ ./c.patch ]"),
        ("[ ./a.patch ] ++ optional x ./b.patch ++ [ ./c.patch ]", "ac", "[ ] ++ optional x ./b.patch ++ [ ]"),
        ("[ ./a.patch ] ++ optionals x [ ./b.patch ./c.patch ]", "b", "[ ./a.patch ] ++ optionals x [ ./c.patch ]"),
        ("[ ./a.patch ] /* n */ ++ optionals x [ ./b.patch ]", "b", "[ ./a.patch ] /* n */ ++ optionals x [ ]"),
        # A parenthesis is in the way, so the operand stays and is empty.
        ("[ ./a.patch ] ++ (optional x ./b.patch ++ foo)", "b", "[ ./a.patch ] ++ ([ ] ++ foo)"),
        ("[ ./a.patch ] ++ (foo ++ optional x ./b.patch)", "b", "[ ./a.patch ] ++ (foo)"),
        ("optional x ./a.patch", "a", "[ ]"),
        ("(optionals x [ ./a.patch ])", "a", "(optionals x [ ])"),
        ("[ ./a.patch ] ++ optionals x [ ]", "a", "[ ] ++ optionals x [ ]"),
    ],
)
def test_a_condition_without_patches_goes(value: str, gone: str, expected: str) -> None:
    text = with_patches(value)
    stays = [patch for patch in old(text) if patch.path not in {f"{name}.patch" for name in gone}]
    after = patched(text, stays)
    assert nix_accepts(after)
    assert value_of(after) == expected


@pytest.mark.parametrize(
    "value",
    ["foo", "map f [ 1 ]", "if x then [ ] else [ ]", "lib.optionals x [ ]", "with p; [ a ]", "old.patches ++ foo"],
)
def test_where_there_is_no_list_nothing_can_come(value: str) -> None:
    error = refused(with_patches(value), [A])
    assert (error.code, error.what.startswith(A.url)) == ("E-PATCH-LIST", True)
    assert error.where.endswith("line 12, column 13")


def test_beside_what_cannot_be_read() -> None:
    text = with_patches("lib.take 1 old.patches ++ [\n    ./a.patch\n  ]")
    after = value_of(patched(text, [*old(text), A]))
    assert after == f"lib.take 1 old.patches ++ [\n    ./a.patch\n\n{HEAD_A}{call(A)}  ]"


def test_an_inherited_list_is_refused() -> None:
    text = with_patches("").replace('"4.20.3";\n\n', '"4.20.3";\n  inherit patches;\n', 1)
    error = refused(text, [A])
    assert (error.code, error.where.endswith("column 3")) == ("E-PATCH-LIST", True)
    assert "inherited" in error.what


# --- where the fetcher comes from ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("{ stdenv, fetchgit, replaceVars }:", "{ stdenv, fetchgit, fetchpatch, replaceVars }:"),
        ("{ stdenv\n, fetchgit\n}:", "{ stdenv\n, fetchgit\n, fetchpatch\n}:"),
        ("{ ... }:", "{ fetchpatch, ... }:"),
        ("{ }@args:", "{ fetchpatch }@args:"),
        ("args: { a }:", "args: { a, fetchpatch }:"),
        ("{ a }: { b }:", "{ a, fetchpatch }: { b }:"),
        ("{ a }: let fetchpatch = 1; in", None),
        ("{ a }: fetchpatch:", None),
        ("{ fetchpatch ? x }:", None),
        ("{ a }: let inherit (a) fetchpatch; in", None),
        ("{ pkgs }: with pkgs;", "{ fetchpatch, pkgs }: with pkgs;"),
    ],
)
def test_the_fetcher_becomes_an_argument_where_it_is_not_in_scope(header: str, expected: str | None) -> None:
    text = with_patches("[ ]")
    body = text[text.index("stdenv.mk") :]
    after = patched(f"{header} {body}", [A])
    assert after.startswith(f"{expected or header} stdenv.mkDerivation")
    assert nix_accepts(after)
    assert patched(after, []) == f"{header} {body}" or header.startswith(("{ a }: let f", "{ f", "{ a }: let i"))


def test_a_fetcher_that_a_with_brings_needs_no_argument() -> None:
    text = file_of(HEAD_A, call(A), arguments="").replace("stdenv.mk", "with pkgs;\nstdenv.mk")
    assert patched(text, [A, B]).startswith(text[: text.index("patches")])


def test_an_argument_that_the_list_never_used_stays() -> None:
    text = file_of(HEAD_A, call(A, function="pkgs.fetchpatch"), arguments="\n  fetchpatch,\n  pkgs,")
    assert patched(text, []) == with_patches("[ ]", arguments="\n  fetchpatch,\n  pkgs,")


def test_without_arguments_a_fetcher_cannot_come() -> None:
    text = with_patches("[ ]")
    error = refused("pkgs: " + text[text.index("stdenv.mk") :], [A])
    assert error.code == "E-PATCH-LIST"
    assert "`fetchpatch` is not in scope" in error.what


def test_one_fetcher_goes_and_another_comes() -> None:
    second = xsa(482, fetcher="fetchpatch2")
    text = file_of(HEAD_A, call(A))
    after = patched(text, [second])
    assert after == file_of(HEAD_B, call(second), arguments="\n  fetchpatch2,")
    assert patched(after, [A]) == text
    both = patched(text, [A, second, xsa(483, fetcher="fetchurl")])
    assert "  fetchpatch,\n  fetchpatch2,\n  fetchurl,\n" in both
    assert patched(both, []) == with_patches("[ ]")


# --- plans that do not fit -------------------------------------------------------------------------------------------


def test_a_value_that_would_end_its_string_is_quoted() -> None:
    url = 'https://example.org/"; evil = "${x}\\xsa480.patch'
    after = patched(with_patches("[ ]"), [Patch(url, 480, sri(1), "fetchpatch")])
    assert nix_accepts(after)
    assert [patch.url for patch in old(after)] == [url]


def changes(listed: list[Patch]) -> list[PatchChange]:
    """Changes that are not made of what the file lists."""
    add = Addition(B, "0" * 64)
    full = (*listed, B)
    return [
        PatchChange(keep=tuple(listed), series=()),
        PatchChange(keep=tuple(listed), add=(add,), series=tuple(listed)),
        PatchChange(keep=tuple(listed), series=full),
        PatchChange(keep=tuple(listed), add=(add,), series=(*reversed(listed), B)),
        PatchChange(keep=tuple(listed), drop=(Drop(listed[0], ""),), series=tuple(listed)),
        PatchChange(keep=tuple(listed), add=(add, add), series=full),
        *(
            PatchChange(keep=tuple(listed), add=(Addition(odd, ""),), series=(*listed, odd))
            for odd in (
                replace(B, hash=None),
                replace(B, fetcher=None),
                replace(B, options=("stripLen",)),
                replace(B, condition=Condition("x")),
            )
        ),
    ]


@pytest.mark.parametrize("number", range(10))
def test_a_change_that_is_not_of_this_file_is_a_fault(number: int) -> None:
    text = file_of("    ./a.patch\n    ./b.patch\n")
    subject = read(text)
    change = changes(old(text))[number]
    with pytest.raises(Failure) as caught:
        rewrite.write(text.encode(), plan_to(subject, release("4.20.3"), digest=subject.hash, patches=change))
    assert caught.value.code == "E-EDIT-CHECK"


def test_patches_that_changed_since_are_refused() -> None:
    text = file_of(HEAD_A, call(A))
    plan = plan_to(read(text), release("4.20.3"), patches=changed_to([A], [B]))
    with pytest.raises(Refusal) as caught:
        rewrite.write(file_of(call(B)).encode(), plan)
    assert caught.value.code == "E-FILE-CHANGED"
