"""The style of what comes is the style of what is there, or was there before it went."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.package.lists import LIBXL, call, file_of, line, old
from tests.package.support import DERIVED, nix_accepts, patched, with_patches, xsa

if TYPE_CHECKING:
    from xenbump.plan.model import Patch

A, B, C = xsa(480), xsa(482), xsa(484)
PARTS = [xsa(486, part) for part in (1, 2)]


def there_and_back(less: str, more: str) -> None:
    """Both ways between two files, to the byte; and the style outlasts the last patch that had it."""
    assert nix_accepts(less)
    assert patched(less, old(more)) == more
    assert patched(more, old(less)) == less


HEADINGS = [
    ("# XSA #480", "# XSA #"),
    ("# XSA 480", "# XSA "),
    ("# XSA-480", "# XSA-"),
    ("#XSA-480", "#XSA-"),
    ("# xsa 480", "# xsa "),
    ("# Xen Security Advisory #480: (4.16.6 - 4.19.0)", "# Xen Security Advisory #"),
    ("# Xen Security Advisory 480", "# Xen Security Advisory "),
    ("# Xen Security Advisory XSA-480:", "# Xen Security Advisory XSA-"),
]


@pytest.mark.parametrize(("written", "lead"), HEADINGS)
@pytest.mark.parametrize("blank", ["\n", ""])
def test_headings(written: str, lead: str, blank: str) -> None:
    first = f"    {written}\n" + call(A)
    two = blank + f"    {lead}482\n" + call(B)
    if not blank:
        # That there is no empty line is seen only between two.
        first, two = first + two, f"    {lead}484\n" + call(C)
    parts = blank + f"    {lead}486\n" + "".join(map(call, PARTS))
    there_and_back(file_of(first), file_of(first, two, parts))
    # All go, and others come in one step.
    text = file_of(first, two)
    assert patched(text, PARTS) == file_of(parts.removeprefix("\n"))


@pytest.mark.parametrize(
    "prose",
    [
        "# XSA-480: x86: something",
        "# for XSA-480",
        "# XSA #480 and XSA #481",
        "/* XSA #480 */",
        "# XSA #481",
        "# libxl",
        "# XSA480",
        "## XSA 480",
    ],
)
def test_prose_is_not_imitated(prose: str) -> None:
    text = file_of(f"    {prose}\n", call(A))
    assert patched(text, [A, B]) == file_of(f"    {prose}\n", call(A), "\n", call(B))
    assert patched(text, [B]) == file_of(call(B))


def test_a_heading_below_prose_is_one() -> None:
    text = file_of("    # as on the list\n    # XSA 480\n", call(A))
    assert patched(text, [A, B]).endswith(file_of("\n    # XSA 482\n", call(B)).partition("[\n")[2])


@pytest.mark.parametrize(("headed", "bare", "expected"), [(1, 2, False), (2, 1, True), (1, 1, True)])
def test_what_most_advisories_have_counts(headed: int, bare: int, *, expected: bool) -> None:
    numbers = iter(range(400, 480))
    lines = [f"    # XSA #{number}\n{call(xsa(number))}" for number, _ in zip(numbers, range(headed), strict=False)]
    lines += [call(xsa(number)) for number, _ in zip(numbers, range(bare), strict=False)]
    text = file_of("\n".join(lines))
    assert ("# XSA #480" in patched(text, [*old(text), A])) is expected


def test_where_no_advisory_shows_a_style_the_shape_has_one() -> None:
    lines = "    ./a.patch\n\n    # libxl: needed\n" + call(LIBXL)
    text = file_of(lines)
    assert patched(text, [*old(text), A]) == file_of(lines, "\n    # XSA #480\n", call(A))
    arguments = "\n  fetchpatch,"
    derived = with_patches(f"[\n{lines}  ]", arguments=arguments, shape=DERIVED)
    body = f"[\n{lines}\n{call(A)}  ]"
    assert patched(derived, [*old(derived), A]) == with_patches(body, arguments=arguments, shape=DERIVED)


# --- lines -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "blank"),
    [
        (call(A) + "\n" + call(B), True),
        (call(A) + call(B), False),
        (call(A) + "\n" + call(B) + call(xsa(483)) + "\n" + call(xsa(484)), True),
        ("    ./a.patch\n" + call(A), False),
        ("    ./a.patch\n\n" + call(A), True),
        ("    ./a.patch\n    ./b.patch\n\n" + "".join(map(call, PARTS)), True),
        ("".join(map(call, PARTS)), True),
        ("    ./a.patch\n" + call(A) + "\n" + call(B), True),
    ],
)
def test_empty_lines(before: str, *, blank: bool) -> None:
    text = file_of(before)
    new = xsa(490)
    there_and_back(text, file_of(before, "\n" if blank else "", call(new)))


def test_before_another_fix_as_between_two_advisories() -> None:
    fix = "    # libxl\n" + call(LIBXL)
    there_and_back(file_of(call(A), "\n", fix), file_of(call(A), "\n", call(B), "\n", fix))
    there_and_back(file_of(call(A), fix), file_of(call(A), call(B), fix))


# --- calls -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", ["fetchpatch", "pkgs.fetchpatch", "lib.pkgs.fetchpatch"])
@pytest.mark.parametrize("hash_first", [True, False])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(("indent", "step"), [("    ", "  "), ("\t\t", "\t"), ("  ", "    "), ("      ", " ")])
def test_the_form_of_a_call(function: str, indent: str, step: str, newline: str, *, hash_first: bool) -> None:
    def written(*patches: Patch) -> str:
        calls = [call(one, indent, function=function, step=step, hash_first=hash_first) for one in patches]
        arguments = "" if "." in function else "\n  fetchpatch,"
        return file_of("\n".join(calls), arguments=arguments).replace("\n", newline)

    there_and_back(written(A), written(A, B))
    assert patched(written(A), [B]) == written(B)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_call_on_one_line(newline: str) -> None:
    def written(*patches: Patch) -> str:
        return file_of(*map(line, patches)).replace("\n", newline)

    there_and_back(written(A, B), written(A, B, C))
    compact = written(A, B).replace("{ url", "{url").replace("; })", ";})")
    assert patched(compact, [A, B, C]) == written(A, B, C).replace("{ url", "{url").replace("; })", ";})")


def test_a_list_of_one_call_on_one_line_is_opened_and_the_call_is_not() -> None:
    text = with_patches(f"[ {line(A, '')[:-1]} ]", arguments="\n  fetchpatch,")
    assert patched(text, [A, B]) == file_of(line(A), "\n", line(B))


def test_a_call_behind_the_bracket() -> None:
    text = with_patches(f"[ {call(A).strip()} ]", arguments="\n  fetchpatch,")
    after = patched(text, [A, B])
    assert after == with_patches(f"[ {call(A).strip()}\n\n{call(B)[:-1]} ]", arguments="\n  fetchpatch,")
    assert patched(after, [A]).split() == text.split()


def test_the_advisories_call_counts_and_not_that_of_another_fix() -> None:
    text = file_of(call(A, hash_first=True), "\n", call(LIBXL), "\n", line(xsa(1)).replace("xsa1.", "other."))
    after = patched(text, [*old(text)[:1], B, *old(text)[1:]])
    assert call(A, hash_first=True) + "\n" + call(B, hash_first=True) + "\n" + call(LIBXL) in after


def test_without_a_call_the_style_is_nixfmts_with_the_files_tabs() -> None:
    text = with_patches("[ ./a.patch ]").replace("  ", "\t")
    after = patched(text, [*old(text), A])
    assert after == file_of("    ./a.patch\n\n    # XSA #480\n", call(A)).replace("  ", "\t")


def test_each_fetcher_is_named_as_it_is() -> None:
    second, third = xsa(483, fetcher="fetchpatch2"), xsa(484, fetcher="fetchpatch2")
    lines = call(A, function="pkgs.fetchpatch"), "\n", call(second, function="x.fetchpatch2")
    text = file_of(*lines, arguments="")
    after = patched(text, [A, second, third])
    assert after == file_of(*lines, "\n", call(third, function="x.fetchpatch2"), arguments="")
    other = patched(text, [A, second, xsa(485, fetcher="fetchurl")])
    assert "    (fetchurl {\n" in other
    assert "  fetchFromGitHub,\n  fetchurl,\n" in other


def test_alejandra() -> None:
    one = call(A, "      ")
    value = f"\n    [./a.patch]\n    ++ [\n{one}    ]"
    text = re.sub("= \n", "=\n", with_patches(value, arguments="\n  fetchpatch,"))
    after = patched(text, [*old(text), B])
    new = "\n" + call(B, "      ")
    assert after == text.replace(one, one + new)
    assert patched(after, old(text)) == text
