"""A report as a mail."""

from __future__ import annotations

import itertools
import shlex
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.trying.reports import bad, told
from tests.trying.verdicts import GOOD, failing, verdict
from xenbump.trying import mail
from xenbump.trying.model import Phase

SECTIONS = ["What was tested", "How to repeat it", "Machine", "Results", "XTF", "Not tested"]
GOOD_RESULTS = """\
Results
-------
  build    passed      30 s
  dom0     passed      20 s   2 of 2 checks
           passed: tools, dmesg
  guests   passed      12 s   2 of 2 checks
           passed: guest-pv, guest-pvh
  xtf      passed      60 s

XTF
---
  2 tests: 1 SUCCESS, 1 SKIP
  No result is unexpected.
"""
BAD_RESULTS = """\
  guests   failed      80 s   1 of 2 checks
           guest-pv: it printed nothing
           passed: guest-pvh
           - guest-pv failed: it printed nothing
  xtf      failed      61 s
           1 of 3 are worse or missing

XTF
---
  4 tests: 1 SUCCESS, 1 SKIP, 1 ERROR, 1 FAILURE
  Not as expected:
    - test-pv64-example: SUCCESS before, FAILURE now
  Better than expected, or not known before:
    - test-hvm64-new: not in the baseline: SUCCESS
  Bad, and expected of this machine:
    - test-hvm32-known: ERROR

Against RELEASE-4.21.0
----------------------
  RELEASE-4.21.0 (commit 012345678901): passed.
  4 results are worse, 6 results are the same.
    - worse: phase guests: passed before, failed now (guest-pv: it
      printed nothing)
"""
LAST_LINES = """\
  The last lines of console.log:
  | (XEN) one
  |     at ^ here
  | (XEN) long long long long long long long long long long long long lo
  |   ng long long long long long long long long long long long long lon
"""


def titles(text: str) -> list[str]:
    """The lines above a rule of their own length."""
    lines = text.splitlines()
    return [one for one, rule in itertools.pairwise(lines) if one and rule == "-" * len(one)]


def test_a_good_one() -> None:
    text = mail.mail(told())
    first, _, rest = text.partition("\n\n")
    assert first == "Subject: [TESTDAY] Test report: Xen 4.22.0-rc3: passed"
    assert rest.startswith("4.22.0-rc3: boots, 2 checks passed, 2 guests ran, XTF 2 as expected.\n")
    assert titles(text) == SECTIONS
    assert GOOD_RESULTS in text
    assert "\n    xenbump try 4.22.0-rc3 --again\n" in text
    assert text.endswith("  - other architectures than x86-64\n")


def test_a_bad_one_has_the_reasons_the_comparison_and_the_ends_of_logs() -> None:
    text = mail.mail(bad())
    assert titles(text) == [*SECTIONS[:-1], "Against RELEASE-4.21.0", "Failures", "Not tested"]
    assert BAD_RESULTS in text
    assert LAST_LINES in text
    assert "guest-pv rests on:\n  | (XEN) d1 crashed <script>" in text
    assert "somebody" not in text
    assert "\x1b" not in text
    assert "\n\n\n" not in text


def test_what_did_not_build_has_no_more_than_there_is() -> None:
    found = verdict(failing(Phase.BUILD, "it does not build", tail=("x.c:1:1: error: no",)), tests=(), engine="")
    text = mail.mail(told(verdict=found, repeat=()))
    assert titles(text) == ["What was tested", "Machine", "Results", "Failures", "Not tested"]
    assert "  | x.c:1:1: error: no" in text


def test_long_lists_are_cut() -> None:
    tests = tuple((f"test-pv64-{number}", "CRASH") for number in range(50))
    phase = replace(GOOD[3], checks=())
    text = mail.mail(told(verdict=verdict(*GOOD[:3], phase, tests=tests)))
    assert "    - test-pv64-19: CRASH\n    - and 30 more\n" in text
    assert "test-pv64-20" not in text


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=90)


@given(words, st.lists(words, max_size=3), words)
def test_lines_are_short_whatever_stands_in_them(reason: str, tail: list[str], name: str) -> None:
    phase = failing(Phase.DOM0, reason, tail=tuple(tail))
    text = mail.mail(told(verdict=verdict(phase, rev=name, described=name, applied=(reason,)), repeat=()))
    assert max(len(line) for line in text.split("\n")[1:]) <= mail.WIDTH
    # What is said behind the end of a line could be read as something else.
    assert text.split("\n") == [line for piece in text.split("\n") for line in (piece.splitlines() or [""])]


@given(st.lists(st.text("abc '\"$`\\-=/~é", max_size=40), min_size=1, max_size=12))
def test_a_command_can_be_given_to_a_shell(given_words: list[str]) -> None:
    text = "\n".join(mail.command(given_words)).replace("\\\n", "")
    assert shlex.split(text) == [" ".join(word.split()) for word in given_words]


def test_a_command_is_broken_between_words() -> None:
    found = mail.command(["xenbump", "try", *(f"--patch={number:030}" for number in range(4))])
    assert [len(line) <= mail.WIDTH for line in found] == [True] * len(found)
    assert all(line.endswith(" \\") for line in found[:-1])
    assert mail.command([]) == []
    assert mail.command(["x" * 200]) == ["    " + "x" * 200]
