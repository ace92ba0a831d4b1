"""The sentences by which commits say that they fix an advisory, and those that only mention one."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenbump.upstream.markers import fixes


@pytest.mark.parametrize(
    ("sentence", "numbers"),
    [
        ("This is XSA-480.", {480}),
        ("This is XSA-480", {480}),
        ("This is XSA-480.  ", {480}),
        ("This is XSA-7.", {7}),
        ("This is part of XSA-480.", {480}),
        ("This is CVE-2026-12345 / XSA-480.", {480}),
        ("This is part of CVE-2026-12345 / XSA-480.", {480}),
        ("This is CVE-2026-1234, CVE-2026-1235 / XSA-480.", {480}),
        ("This is XSA-480 / CVE-2026-12345.", {480}),
        ("This is CVE-2026-xxxx / XSA-480.", {480}),
        ("This is the fix to XSA-480.", {480}),
        ("This is XSA-480 and XSA-481.", {480, 481}),
        ("This is part of XSA-480 and XSA-481.", {480, 481}),
        ("This is XSA-480, XSA-481.", {480, 481}),
        ("This is CVE-2026-12345 + CVE-2026-12346 / XSA-480.", {480}),
        ("This is a security issue, XSA-480.", {480}),
        ("This is part of CVE-2026-12345,\nCVE-2026-12346 / XSA-480.", {480}),
        ("This is CVE-2026-12345 /\nXSA-480.", {480}),
        ("This is XSA-480.\nThis is XSA-481.", {480, 481}),
    ],
)
def test_fixes(sentence: str, numbers: set[int]) -> None:
    assert fixes(sentence) == numbers
    assert fixes(f"x86: fix it\n\nSomething was wrong.\n\n{sentence}\n\nReviewed-by: nobody\n") == numbers


@pytest.mark.parametrize(
    "message",
    [
        "",
        "x86: XSA-480",
        "This fixes a regression of XSA-480.",
        "This is a follow-up to XSA-480.",
        "This is not XSA-480.",
        "This is not part of XSA-480.",
        "This is related to XSA-480.",
        "This is like XSA-480.",
        "This is XSA-480 for Arm.",
        "This is XSA-480, but not all of it.",
        "This is XSA-480's other half.",
        "This is XSA-480. It was not enough.",
        "Well, This is XSA-480.",
        "    This is XSA-480.",
        "> This is XSA-480.",
        "this is XSA-480.",
        "Part of XSA-480.",
        "See XSA-480.",
        'Fixes: 0123456789ab ("This is XSA-480.")',
        "This is CVE-2026-12345.",
        "This is a security issue.",
        "This is XSA-.",
        "This is XSA 480.",
        "This is xsa-480.",
        "This is XSA-480x.",
        "This is XSA-\u0664\u0668\u0660.",
        "This is said of XSA-480.",
        "This is part of\nthree lines, of\nwhich the last has XSA-480.",
        "This is XSA-" + "4" * 5000 + ".",
        "This is XSA-480000.",
    ],
)  # fmt: skip
def test_mentions(message: str) -> None:
    assert fixes(message) == frozenset()
    assert fixes(f"x86: change it\n\n{message}\n\nReviewed-by: nobody\n") == frozenset()


def test_a_sentence_does_not_reach_over_an_empty_line() -> None:
    assert fixes("This is part of\n\nXSA-480.") == frozenset()


PIECES = st.sampled_from(
    [
        "This is ",
        "part of ",
        "XSA-480",
        "XSA-",
        "CVE-2026-12345",
        " / ",
        ",",
        ".",
        "\n",
        "\n\n",
        " ",
        "and",
        "not",
        "\0",
    ]
)


@given(st.text(max_size=60) | st.lists(PIECES | st.text(max_size=3), max_size=12).map("".join))
def test_no_text_raises_and_a_fix_is_named_in_it(message: str) -> None:
    for number in fixes(message):
        assert re.search(rf"This is [^.]*XSA-0*{number}\b", message)


@given(st.sets(st.integers(1, 99999), min_size=1, max_size=4), st.booleans(), st.text(max_size=30))
def test_every_number_of_a_sentence_is_found(numbers: set[int], part: bool, before: str) -> None:  # noqa: FBT001
    sentence = "This is " + "part of " * part + ", ".join(f"XSA-{number}" for number in numbers) + "."
    assert fixes(sentence) == numbers
    # What stands before it, and ends with a line, neither hides it nor adds to it beyond what it says itself.
    assert numbers <= fixes(f"{before.replace('This is', '')}.\n\n{sentence}\n")


def test_blanks_in_a_sentence_take_no_time() -> None:
    began = time.process_time()
    for end in (".x", "XSA-1.x", ""):
        assert fixes(f"This is {' ' * 100_000}{end}") == frozenset()
    assert fixes(f"This is {' ' * 100_000}XSA-1{' ' * 100_000}. \t") == {1}
    assert time.process_time() - began < 1
