"""Bodies of pull requests: as they were, never too long, and with nothing from outside that is more than text."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.publish import plans
from tests.publish.plans import GOLDEN, HOSTILE, golden, hostile
from xenbump import __version__
from xenbump.plan.model import Drop, Plan, Verdict
from xenbump.publish import message

REFUSED = ("6.topic: xen-project", "a `b`")
LIMIT = 65_536  # of GitHub, in characters
TAGS = {"<details>", "</details>", "<summary>", "</summary>"}


def body(plan: Plan, operator: str = "octo-operator", labels: tuple[str, ...] = ()) -> str:
    return message.write(plan, operator=operator, refused_labels=labels).body


@pytest.mark.parametrize("name", [*GOLDEN, "refused"])
def test_the_body_is_as_it_was(name: str) -> None:
    written = body(plans.bump(), "", REFUSED) if name == "refused" else body(GOLDEN[name]())
    # The digest in the marker depends on the program's version.
    written = re.sub(r'"text": "[0-9a-f]{16}"', '"text": "@"', written)
    assert written == golden(f"{name}-body.md").replace("@program@", __version__)


@pytest.mark.parametrize("name", GOLDEN)
def test_every_decision_and_every_patch_has_one_line(name: str) -> None:
    plan = GOLDEN[name]()
    written = body(plan)
    for one in plan.decisions:
        assert written.count(f"\n| [XSA-{one.xsa}](") == 1
    patches = plan.patches
    changed = [one.patch.url for one in patches.drop] + [one.patch.url for one in patches.add]
    for url in [*changed, *(one.url for one in patches.keep)]:
        assert written.count(f"\n- `{url}`") == max(changed.count(url), 1)


def test_what_is_ticked() -> None:
    series = "] the series of patches applies to the tree in order"
    signature = "- [x] the tag's signature"
    assert signature in body(plans.bump())
    assert signature not in body(plans.tip())
    assert "**Nobody has signed this commit.**" in body(plans.tip())
    assert f"[x{series}" in body(plans.full())
    untried = replace(plans.full(), patches=replace(plans.full().patches, series=()))
    assert f"[ {series}" in body(untried)
    assert series not in body(plans.drops(plans.patch(474)))
    for plan in (plans.bump(), plans.tip(), plans.security(480)):
        assert "- [x] the advisories published for this branch" in body(plan)
        for step in ("built", "`dom0` booted on it", "`xtf --all --host` there"):
            assert f"- [ ] {step}" in body(plan)


def test_a_plan_that_does_not_move_has_no_rows_of_a_version() -> None:
    written = body(plans.security(480))
    assert "Xen 4.20.3 stays: patch with XSA-480\n" in written
    assert not re.search(r"^\| (Tag|Commit|Signed by|Source hash) ", written, re.MULTILINE)
    assert "compare" not in written
    assert "| Source hash |" in body(replace(plans.security(), hash="sha256-x"))


def test_a_tip_that_is_pinned_anew() -> None:
    plan = replace(plans.tip(), subject=plans.subject(plans.tip().target.version, rev="5" * 40))
    written = body(plan)
    assert "**Nobody has signed this commit.**" in written
    assert "| Branch | `refs/heads/stable-4.20`" in written
    assert "--to stable-tip --diff" in written


def test_a_patch_of_an_advisory_that_was_not_decided_on_has_a_row() -> None:
    written = body(replace(plans.security(480), decisions=()))
    assert (
        "| [XSA-480](https://xenbits.xenproject.org/xsa/advisory-480.html) |  |  | patch added: `xsa480.patch` |"
        in written
    )


def test_a_long_list_is_folded() -> None:
    few, many = (body(plans.security(*range(400, 400 + count))) for count in (10, 11))
    assert "<summary>Patches added" not in few
    assert "<summary>Patches added: 11</summary>" in many
    for written in (few, many):
        assert written.count("<details>") == written.count("</details>")


# --- the limit -------------------------------------------------------------------------------------------------------


def crowded(count: int, text: str) -> Plan:
    """A plan with `count` of everything."""
    plan = plans.security(*range(1, count + 1), replaced=True)
    decided = [
        replace(one, title=text, reason=text, evidence=(text,) * 3, cves=(text,) * 3) for one in plan.decisions
    ] + [
        plans.decision(count + 1 + number, verdict, text)
        for number, verdict in zip(range(count), [*Verdict] * count, strict=False)
    ]
    return replace(
        plan,
        subject=replace(plan.subject, version="4.20.2", file=text, fetcher=text),
        hash=text,
        decisions=tuple(decided),
        warnings=(text,) * count,
        patches=replace(plan.patches, keep=tuple(plans.patch(number) for number in range(count))),
    )


def test_500_decisions_stay_under_the_limit() -> None:
    usual = replace(
        plans.full(),
        decisions=tuple(plans.decision(number, Verdict.OTHER_BRANCH) for number in range(1, 501)),
        closes=(),
        patches=replace(plans.full().patches, add=()),
    )
    written = body(usual)
    assert len(written) < LIMIT
    left = re.findall(r"^\| \[XSA-(\d+)\]", written, re.MULTILINE)
    more = re.search(r"and (\d+) more, for which there is no room here \| \|", written)
    assert len(left) == len(set(left))
    assert len(left) + (int(more[1]) if more else 0) == 500
    assert "What the decisions rest on has no room here" in written


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("x" * 10_000, 3), ("`" * 10_000, 3), ("`" * 10_000, 60), ("\U0001f600" * 10_000, 60), ("|`\u202e" * 3_000, 60),
        ("\U0001f600" * 10_000, 150), ("a", 300),
    ],
)  # fmt: skip
def test_nothing_makes_a_body_too_long(text: str, count: int) -> None:
    written = body(crowded(count, text), text, (text,) * count)
    assert len(written.encode()) < LIMIT
    assert "### What was checked" in written
    assert written.count("<details>") == written.count("</details>")


def test_evidence_goes_first_then_reasons_then_lists() -> None:
    def of(count: int, length: int) -> str:
        plan = plans.security(480)
        reason = "r" * length
        left = tuple(
            replace(plans.decision(500 + number, Verdict.OTHER_BRANCH, reason), evidence=("e" * 400,))
            for number in range(count)
        )
        return body(replace(plan, decisions=(*plan.decisions, *left)))

    small, some, none, cut, most = (of(*one) for one in ((20, 100), (60, 450), (90, 450), (150, 450), (1000, 450)))
    assert small.count("e" * 400) == 20
    assert some.count("e" * 400) == 48  # and two pieces of the advisory whose patch comes
    assert "more, for which there is no room here; the command" in some
    assert (some.count("r" * 450), none.count("r" * 450), none.count("e" * 400)) == (60, 90, 0)
    assert cut.count("r" * 450) == cut.count("e" * 400) == 0
    assert cut.count("\n| [XSA-5") + cut.count("\n| [XSA-6") == 150
    assert re.search(r"and \d+ more, for which there is no room here \| \|", most)
    assert "r" * 60 in most


# --- text from outside -----------------------------------------------------------------------------------------------


def outside_of_code(written: str) -> str:
    """What of a body is not in a code span, read as GitHub's Markdown (section 6.3) does, line by line.

    Code spans are found by backtick runs alone: a run opens a span that the next run of the same length ends.
    """
    left = []
    for line in written.split("\n"):
        position = 0
        kept = ""
        while position < len(line):
            run = re.compile(r"`+").search(line, position)
            if run is None:
                kept += line[position:]
                break
            end = next((one for one in re.finditer(r"`+", line[run.end() :]) if one[0] == run[0]), None)
            kept += line[position : run.start()]
            if end is None:
                kept += run[0]
                position = run.end()
            else:
                kept += "CODE"
                position = run.end() + end.end()
        left.append(kept)
    return "\n".join(left)


def harmless(text: str) -> None:
    """A body with a text of an attacker is word for word one with a harmless text, but for the code spans."""
    usual, written = (body(hostile(one), one or "x", (one,)).partition("\n")[2] for one in ("two words", text))
    assert outside_of_code(written) == outside_of_code(usual)
    assert "CODE" in outside_of_code(written)
    assert set(re.findall(r"<[^>]*>", outside_of_code(written))) <= TAGS
    assert "@" not in outside_of_code(written)
    # In a table a bar ends a cell also in a code span.
    bars = [line.count("|") for line in written.split("\n") if line.startswith("|")]
    assert bars == [line.count("|") for line in usual.split("\n") if line.startswith("|")]
    assert all(char.isprintable() or char == "\n" for char in written)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_outside_cannot_be_markup(text: str) -> None:
    harmless(text)


@settings(max_examples=80, deadline=None, database=None)
@given(text=st.text(st.sampled_from("`@a|\\ <>-!#\n\r\t*_[]()~&/:\u202e\u2029é"), max_size=20))
def test_no_text_can_leave_its_code_span(text: str) -> None:
    harmless(text)


def test_a_drop_without_a_reason_of_its_own() -> None:
    plan = plans.drops(plans.patch(474))
    empty = replace(plan, patches=replace(plan.patches, drop=(Drop(plans.patch(474), ""),)))
    assert "xsa474.patch`: ` `\n" in body(empty)
