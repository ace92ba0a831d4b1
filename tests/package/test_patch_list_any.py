"""Whatever the list looks like: the plan is what is read afterwards, and no byte changes that is not the plan's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.package.lists import LIBXL, call, line
from tests.package.support import (
    LITERAL,
    changed_to,
    edited,
    nix_accepts,
    patched,
    plan_to,
    read,
    release,
    with_patches,
    xsa,
)
from xenbump.errors import Refusal
from xenbump.nixlang import parse, tokenize, walk
from xenbump.nixlang.find import bindings
from xenbump.nixlang.lexer import Kind
from xenbump.nixlang.tree import AttrSet
from xenbump.package import patches
from xenbump.package.patches import FETCHERS

if TYPE_CHECKING:
    from xenbump.plan.model import Patch

POOL = [LIBXL, *(xsa(number) for number in range(470, 474)), *(xsa(480, part) for part in range(1, 5))]
POOL += [xsa(490, fetcher="fetchpatch2"), xsa(491, fetcher="fetchurl")]
ELEMENTS = st.one_of(
    st.sampled_from(["./a.patch", "./b.patch", "(replaceVars ./c.patch { })", '"${x}/d.patch"', "e", "[ f ]"]),
    st.builds(
        lambda patch, form, indent: form(patch, indent).strip(),
        st.sampled_from(POOL),
        st.sampled_from([call, line]),
        st.sampled_from(["    ", "\t", "  "]),
    ),
)
GAPS = st.sampled_from(
    [
        " ",
        "\n    ",
        "\n\n    ",
        "\n\t",
        "  \n    ",
        "\n    # XSA #480\n    ",
        "\n\n    # XSA 471\n    ",
        "\n    # libxl: prose\n    # more\n    ",
        " # behind\n    ",
        " /* x */ ",
        "\n    /* y\n z */\n    ",
        "\n  # free\n\n    ",
    ]
)


@dataclass(frozen=True)
class Case:
    """A file, and what it is to list: which of its patches stay, and what comes before each of them and at the end."""

    text: str
    wanted: tuple[Patch, ...]


@st.composite
def lists(draw: st.DrawFn) -> str:
    """A list with or without line breaks and comments."""
    found = draw(st.lists(ELEMENTS, max_size=6, unique=True))
    gaps = [draw(GAPS) for _ in range(len(found) + 1)]
    return "[" + "".join(gap + one for gap, one in zip(gaps, found, strict=False)) + gaps[-1] + "]"


@st.composite
def cases(draw: st.DrawFn) -> Case:
    value = draw(lists())
    if draw(st.booleans()):
        around = st.sampled_from(
            [
                "@ ++ %",
                "% ++ @",
                "(@) ++ foo",
                "@\n  ++ lib.optionals x %",
                'optionals (versionOlder finalAttrs.version "4.21") % ++ @',
            ]
        )
        value = draw(around).replace("@", value).replace("%", draw(lists()))
    arguments = draw(st.sampled_from(["", "\n  fetchpatch,", "\n  fetchpatch,\n  fetchpatch2,", "\n  fetchurl, # x"]))
    text = with_patches(value, arguments=arguments, shape=LITERAL)
    text = text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))
    listed = list(read(text).patches)
    kept = [patch for patch in dict.fromkeys(listed) if draw(st.booleans())]
    wanted: list[Patch] = []
    free = [patch for patch in POOL if patch not in listed]
    for patch in (*(one for one in listed if one in kept), None):
        for new in draw(st.lists(st.sampled_from(free), max_size=3, unique=True)) if free else []:
            free.remove(new)
            wanted.append(new)
        wanted += [] if patch is None else [patch]
    return Case(text, tuple(wanted))


def listing(text: str) -> list[tuple[Patch, str]]:
    """What a file lists, each with its element as written."""
    document = parse(text)
    holder = next(node for node in walk(document) if isinstance(node, AttrSet) and bindings(node, ["patches"]))
    return [
        (patch, document.text(element))
        for part in patches.parts(document, holder, ["finalAttrs.version"])
        for found, element in zip(part.patches, part.elements or (), strict=True)
        for patch in found
    ]


def outside(text: str) -> str:
    """The file without the value of `patches` and without the fetchers among the arguments."""
    start, end = text.index("patches = "), text.index("src = ")
    head = re.sub(rf"\s*\b(?:{'|'.join(sorted(FETCHERS, reverse=True))})\b,(?: # x)?", "", text[:start])
    return head + text[end:]


def comments(text: str) -> list[str]:
    return [token.text for token in tokenize(text) if token.kind is Kind.COMMENT]


def planned(case: Case) -> str | None:
    """The file as planned, read again; None where a patch has no place because of a condition."""
    try:
        return patched(case.text, case.wanted)
    except Refusal as error:
        if error.code != "E-PATCH-LIST" or "optionals" not in case.text:
            raise
        return None


@settings(max_examples=80, deadline=None, database=None)
@given(case=cases())
def test_the_plan_is_what_is_read_and_nothing_else_changes(case: Case) -> None:
    after = planned(case)
    if after is None:
        return
    assert outside(after) == outside(case.text)
    before = listing(case.text)
    listed = [patch for patch, _ in before]
    if list(case.wanted) == listed:
        assert after == case.text
    kept = [written for patch, written in before if patch in case.wanted]
    assert [written for patch, written in listing(after) if patch in listed] == kept
    assert len(re.findall(r"(?<!\r)\n", after)) == (0 if "\r" in case.text else after.count("\n"))


@settings(max_examples=40, deadline=None, database=None)
@given(case=cases())
def test_what_only_comes_takes_nothing_away(case: Case) -> None:
    listed = read(case.text).patches
    wanted = (*listed, *(patch for patch in case.wanted if patch not in listed))
    after = planned(Case(case.text, wanted))
    if after is None:
        return
    assert [one for one in listing(after) if one[0] in listed] == listing(case.text)
    left = comments(after)
    for comment in comments(case.text):
        left.remove(comment)
    assert all(re.fullmatch(r"# XSA #?\d+", comment) for comment in left)


@settings(max_examples=40, deadline=None, database=None)
@given(case=cases())
def test_the_second_time_nothing_changes(case: Case) -> None:
    after = planned(case)
    if after is None:
        return
    subject = read(after)
    plan = plan_to(
        subject, release(subject.version), digest=subject.hash, patches=changed_to(subject.patches, case.wanted)
    )
    assert edited(after, plan) == after


def test_nix_reads_what_is_written() -> None:
    written: list[str] = []

    @settings(max_examples=40, deadline=None, database=None, derandomize=True)
    @given(case=cases())
    def collect(case: Case) -> None:
        after = planned(case)
        written.extend([] if after is None else [case.text, after])

    collect()
    assert len(written) > 20
    assert nix_accepts("[\n" + "\n".join(f"(\n{text}\n)" for text in written) + "\n]")
