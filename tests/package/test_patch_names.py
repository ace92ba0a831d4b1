"""Patches that are listed by the names that a collection gives them: how they are read, and how they come and go."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.package.folders import FILE, PATCHES, TEXT, WITH, differing, entry, folder, named, patched, said, shared
from tests.package.support import nix_accepts, sri
from xenbump.errors import Refusal
from xenbump.plan.model import Patch

START, END = TEXT.index("      patches = [\n"), TEXT.index("    qemu = {")
LOCAL = "      patches = [ ./l.patch ] ++ @;\n    };\n"
IDS = ("478", "480", "482-01", "482-02", "490-4.20", "1000")
NAMES = [named(one).name or "" for one in IDS]
FULL = shared(*(entry(one) for one in IDS))


def text_of(value: str, *, bound: str = "") -> str:
    """The package file with this after its local patches; with `bound` as the value of `upstreamPatchList`."""
    text = TEXT[:START] + LOCAL.replace("@", value) + TEXT[END:]
    line = text[text.index("  upstreamPatchList = ") : text.index("in\n\ncallPackage")]
    return text.replace(line, f"  upstreamPatchList = {bound};\n" if bound else "")


def value_of(text: str) -> str:
    return text[text.index("++ ") + 3 : text.index(";\n    };\n    qemu")]


def lines(*inner: str) -> str:
    """A list of names with these lines."""
    return "(with upstreamPatches; [\n" + "".join(f"        {one}\n" if one else "\n" for one in inner) + "      ])"


def names_in(listed: tuple[Patch, ...]) -> list[str | None]:
    return [patch.name for patch in listed]


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        ("[ upstreamPatches.XSA_480 upstreamPatches.XSA_482_01 ]", ""),
        ("(with upstreamPatches; [ XSA_480 XSA_482_01 ])", ""),
        ("(with lib; with upstreamPatches; [ XSA_480 (XSA_482_01) ])", ""),
        ('lib.flatten [ upstreamPatches."XSA_480" (upstreamPatches.XSA_482_01) ]', ""),
        ("(lib.lists.flatten (with upstreamPatches; [ XSA_480 XSA_482_01 ]))", ""),
        ("(with upstreamPatches; flatten [ XSA_480 ] ++ [ XSA_482_01 ])", ""),
        ("(with upstreamPatches; lib.optionals (lib.versionOlder lib.version x) [ XSA_480 XSA_482_01 ])", ""),
        ("lib.optionals x (with upstreamPatches; [ XSA_480 XSA_482_01 ])", ""),
        ("upstreamPatchList", "with upstreamPatches; [ XSA_480 XSA_482_01 ]"),
        ("lib.flatten upstreamPatchList", "with upstreamPatches; [ XSA_480 XSA_482_01 ]"),
        ("(upstreamPatchList)", "[ upstreamPatches.XSA_480 ] ++ [ upstreamPatches.XSA_482_01 ]"),
        ("[ XSA_480 XSA_482_01 ]", "0;\n  inherit (upstreamPatches) XSA_480 XSA_482_01"),
    ],
)
def test_names_are_read(value: str, bound: str) -> None:
    subject = said(folder(text_of(value, bound=bound)))
    assert names_in(subject.patches) == [None, "XSA_480", "XSA_482_01"]
    assert [(patch.url, patch.hash, patch.fetcher) for patch in subject.patches[1:]] == [
        (one.url, one.hash, one.fetcher) for one in (named("480"), named("482-01"))
    ]
    assert subject.warnings == ()


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        ("others", ""),
        ("lib.flatten [ [ upstreamPatches.XSA_480 ] ]", ""),
        ("lib.flatten [ (upstreamPatches.XSA_480) ([ ] ++ [ ]) ]", ""),
        ("(with others; [ XSA_480 ])", ""),
        ("lib.flatten [ upstreamPatchList ./a.patch ]", "with upstreamPatches; [ XSA_480 ]"),
        ("upstreamPatchList", "another"),
        ("upstreamPatchList", "again;\n  again = [ upstreamPatches.XSA_480 ]"),
        ("upstreamPatchList", "upstreamPatchList"),
        ("map f [ ]", ""),
        ("lib.attrValues upstreamPatches", ""),
    ],
)
def test_what_is_two_steps_away_or_computed_is_a_warning(value: str, bound: str) -> None:
    subject = said(folder(text_of(value, bound=bound)))
    assert names_in(subject.patches) == [None]
    (warning,) = subject.warnings
    assert re.search(r"not a list that can be read \(line \d+, column \d+\)$", warning)


def test_in_an_unknown_with_what_is_written_out_is_read() -> None:
    call = f'(fetchpatch {{ url = "https://xenbits.xen.org/xsa/xsa480.patch"; hash = "{sri(1)}"; }})'
    subject = said(folder(text_of(f"(with lib; [ ./a.patch {call} ])")))
    assert [patch.path for patch in subject.patches] == ["l.patch", "a.patch", None]
    assert subject.patches[2].hash == sri(1)
    assert subject.warnings == ()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("[ upstreamPatches.XSA_999 ]", "XSA_999"),
        ("(with upstreamPatches; [ XSA_480 XSA_999 ])", "XSA_999"),
        ("(with lib; with upstreamPatches; [ xsa_480 ])", "xsa_480"),
    ],
)
def test_a_name_that_the_collection_lacks_is_refused_with_its_place(value: str, name: str) -> None:
    text = text_of(value)
    with pytest.raises(Refusal) as caught:
        said(folder(text))
    assert (caught.value.code, caught.value.what) == ("E-PATCH-NAME", f"../generic/patches.nix has no `{name}`")
    written = name if "with" in value else f"upstreamPatches.{name}"
    line, column = text[: text.index(written)].count("\n") + 1, 0
    column = text.index(written) - text.rindex("\n", 0, text.index(written))
    assert caught.value.where == f"{FILE}, line {line}, column {column}"


# --- names come and go ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ("[ upstreamPatches.XSA_480 ]", "[ upstreamPatches.XSA_480 upstreamPatches.XSA_490_4_20 ]"),
        ("(with upstreamPatches; [ XSA_480 ])", "(with upstreamPatches; [ XSA_480 XSA_490_4_20 ])"),
        ("(with upstreamPatches; [ ])", "(with upstreamPatches; [ XSA_490_4_20 ])"),
        ("(with upstreamPatches; [ XSA_1000 ])", "(with upstreamPatches; [ XSA_490_4_20 XSA_1000 ])"),
        (
            "[\n        upstreamPatches.XSA_480\n      ]",
            "[\n        upstreamPatches.XSA_480\n        upstreamPatches.XSA_490_4_20\n      ]",
        ),
        (
            lines("# one", "XSA_480", "", "XSA_1000"),
            lines("# one", "XSA_480", "", "XSA_490_4_20", "", "XSA_1000"),
        ),
        (
            lines("XSA_480 # one", "XSA_1000"),
            lines("XSA_480 # one", "XSA_490_4_20", "XSA_1000"),
        ),
        (
            lines("# XSA 480", "XSA_480", "# XSA 1000", "XSA_1000"),
            lines("# XSA 480", "XSA_480", "# XSA 490", "XSA_490_4_20", "# XSA 1000", "XSA_1000"),
        ),
    ],
)
def test_a_name_comes_in_the_lists_style_and_goes(less: str, more: str) -> None:
    before = folder(text_of(less), **{PATCHES: FULL})
    listed = said(before).patches
    behind = next((place for place, patch in enumerate(listed) if (patch.xsa or 0) > 490), len(listed))
    after = patched(before, [*listed[:behind], named("490-4.20"), *listed[behind:]])
    assert value_of(after.files[FILE].decode()) == more
    assert differing(before, after) == {FILE}
    assert nix_accepts(after.files[FILE].decode())
    back = patched(after, listed)
    assert back.files[FILE] == before.files[FILE]


def test_names_that_do_not_fit_a_line_get_lines_of_their_own() -> None:
    before = folder(text_of("[ upstreamPatches.XSA_478 ]"), **{PATCHES: FULL})
    wanted = [*said(before).patches, *(named(one) for one in IDS[1:])]
    after = patched(before, wanted).files[FILE].decode()
    own = "".join(f"        upstreamPatches.{name}\n" for name in NAMES)
    assert value_of(after) == f"[\n{own}      ]"
    two = patched(folder(text_of("(with upstreamPatches; [ ])"), **{PATCHES: FULL}), [wanted[0], *wanted[1:3]])
    assert value_of(two.files[FILE].decode()) == "(with upstreamPatches; [\n        XSA_478\n        XSA_480\n      ])"


def test_without_a_list_there_is_one_of_names() -> None:
    text = TEXT[:START] + "    };\n" + TEXT[END:]
    text = text.replace(WITH, "[ ]").replace("  upstreamPatchList = [ ];\n", "")
    after = patched(folder(text, **{PATCHES: FULL}), [named("480")])
    assert "\n\n      patches = [ upstreamPatches.XSA_480 ];\n    };\n" in after.files[FILE].decode()


def test_names_come_into_the_list_of_names_and_calls_into_the_other() -> None:
    before = folder(**{PATCHES: FULL})
    listed = list(said(before).patches)
    call = Patch("https://xenbits.xen.org/xsa/xsa470.patch", 470, sri(1), "fetchpatch")
    after = patched(before, [*listed[:2], call, named("478"), *listed[2:]]).files[FILE].decode()
    assert '/xsa470.patch";\n' in after[after.index("      patches = [") : after.index("] ++ upstreamPatchList")]
    assert "    [\n      XSA_478\n      # Only the newest branches are affected\n      XSA_480\n" in after


def test_a_list_whose_name_is_used_twice_is_not_edited() -> None:
    text = TEXT.replace("patches = [ ];", "patches = upstreamPatchList;", 1)
    before = folder(text, **{PATCHES: FULL})
    listed = said(before).patches
    with pytest.raises(Refusal) as caught:
        patched(before, [*listed, named("490-4.20")])
    assert caught.value.code == "E-PATCH-LIST"
    assert "several places" in caught.value.what


# --- entries of several patches ---------------------------------------------------------------------------------------

SEVERAL = (
    shared(entry("478"))
    .replace("= xsaPatch {", "= [ (xsaPatch {", 1)
    .replace(
        "  };\n}",
        f'  }}) (fetchpatch {{ url = "https://xenbits.xen.org/xsa/xsa478-2.patch"; hash = "{sri(7)}"; }}) ];\n}}',
    )
)


def test_an_entry_of_several_patches_comes_and_goes_as_a_whole() -> None:
    both = "(with upstreamPatches; [ XSA_478 XSA_480 ])"
    text = SEVERAL.replace("  }) (fetch", "  }) (fetch")[:-2] + "\n" + entry("480") + entry("490-4.20") + "}\n"
    before = folder(text_of(both), patches=text, older=None)
    listed = said(before).patches
    assert names_in(listed) == [None, "XSA_478", "XSA_478", "XSA_480"]
    more = patched(before, [*listed, named("490-4.20")])
    assert "[ XSA_478 XSA_480 XSA_490_4_20 ]" in more.files[FILE].decode()
    less = patched(before, [listed[0], listed[3]])
    assert "[ XSA_480 ]" in less.files[FILE].decode()
    assert "478" not in less.files[PATCHES].decode()
    with pytest.raises(Refusal) as caught:
        patched(before, [*listed[:2], listed[3]])
    assert caught.value.code == "E-PATCH-LIST"
    assert "`XSA_478` has several patches" in caught.value.what


# --- whatever the list looks like -------------------------------------------------------------------------------------

GAPS = st.sampled_from(
    [" ", "\n        ", "\n\n        ", "\n        # prose\n        ", " /* x */ ", " # behind\n        "]
)


@st.composite
def lists(draw: st.DrawFn) -> tuple[str, list[str], str]:
    chosen = [one for one in IDS if draw(st.booleans())]
    prefix = draw(st.sampled_from(["", "upstreamPatches."]))
    gaps = [draw(GAPS) for _ in range(len(chosen) + 1)]
    inner = "".join(f"{gap}{prefix}{named(one).name}" for gap, one in zip(gaps, chosen, strict=False)) + gaps[-1]
    return f"[{inner}]" if prefix else f"(with upstreamPatches; [{inner}])", chosen, prefix


@settings(max_examples=40, deadline=None, database=None)
@given(lists(), st.lists(st.sampled_from(IDS), unique=True))
def test_any_names_come_and_go_and_nothing_else_changes(case: tuple[str, list[str], str], wanted: list[str]) -> None:
    value, _, prefix = case
    text = text_of(value)
    before = folder(text, **{PATCHES: FULL, "xen/4.19/other.nix": f"[ {' '.join(NAMES)} ]"})
    listed = said(before).patches
    series = [listed[0], *(named(one) for one in IDS if one in wanted)]
    after = patched(before, series)
    assert differing(before, after) <= {FILE}
    new = after.files[FILE].decode()
    start, end = text.index("++ "), len(text) - text.index(";\n    };\n    qemu")
    assert new.startswith(text[:start])
    assert new.endswith(text[-end:])
    written = re.sub(r"/\*.*?\*/|#[^\n]*", "", new[start : len(new) - end])
    assert re.findall(r"\S*XSA_\w+", written) == [f"{prefix}{named(one).name}" for one in IDS if one in wanted]
    if series == list(listed):
        assert after.files == before.files
