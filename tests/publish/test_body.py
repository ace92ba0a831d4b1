"""Bodies of pull requests: as they were, never too long, and with nothing from outside that is more than text."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.publish import plans
from tests.publish.markdown import REFERENCES, Read
from tests.publish.plans import GOLDEN, HOSTILE, golden, hostile, hostile_evidence
from xenbump import __version__
from xenbump.plan.model import Drop, PatchChange, Plan, Verdict
from xenbump.publish import message

if TYPE_CHECKING:
    from collections.abc import Callable

    from xenbump.verify.evidence import Evidence

REFUSED = ("6.topic: xen-project", "a `b`")
LIMIT = 60_000  # bytes; GitHub's is 65,536 characters
PICKED = "5" * 40
BODIES: dict[str, Callable[[], str]] = {
    **{name: lambda make=make: body(make()) for name, make in GOLDEN.items()},  # type: ignore[misc]
    "refused": lambda: body(plans.bump(), "", REFUSED),
    "complete": lambda: body(plans.bump(), evidence=plans.complete()),
    "nixos": lambda: body(plans.security(480), evidence=plans.complete("NixOS 26.05, QEMU, kvm")),
    "failed": lambda: body(plans.bump(), evidence=plans.broken()),
    "skipped": lambda: body(plans.bump(), evidence=plans.skipped()),
    "unjudged": lambda: body(plans.bump(), evidence=plans.unjudged()),
    "backport": lambda: (
        message.write(
            plans.security(480),
            operator="octo-operator",
            backport=message.Backport("release-25.11", PICKED),
            see_also="https://github.com/NixOS/nixpkgs/pull/480001",
        ).body
    ),
    "backport-anew": lambda: (
        message.write(plans.bump(), operator="octo-operator", backport=message.Backport("release-25.11")).body
    ),
    "elsewhere": lambda: message.write(plans.bump(), operator="octo-operator", repository="octo/flake").body,
}


def body(
    plan: Plan, operator: str = "octo-operator", labels: tuple[str, ...] = (), evidence: Evidence | None = None
) -> str:
    return message.write(plan, operator=operator, refused_labels=labels, evidence=evidence).body


@pytest.mark.parametrize("name", BODIES)
def test_the_body_is_as_it_was(name: str) -> None:
    # The digests in the marker depend on the program's version.
    written = re.sub(r'"(says|text)": "[0-9a-f]{16}"', r'"\1": "@"', BODIES[name]())
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
        for step in ("Built on `x86_64-linux`", "NixOS test", "Basic function"):
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


def test_lists_of_patches_are_folded() -> None:
    for plan, summary in (
        (plans.security(*range(400, 411)), "11 added, 1 kept"),
        (plans.full(), "9 added, 4 dropped, 2 kept"),
        (plans.drops(plans.patch(474)), "1 dropped"),
    ):
        written = body(plan)
        assert f"<summary>Patches: {summary}</summary>" in written
        assert written.count("<details>") == written.count("</details>")
    assert "Patches:" not in body(replace(plans.bump(), patches=PatchChange()))


def test_proof_of_another_version_is_none() -> None:
    other = replace(plans.complete(), version="4.20.2")
    written = body(plans.bump(), evidence=other)
    assert "what was verified is `4.20.2`, and it does not count here" in written
    assert "- [ ] Built on `x86_64-linux`" in written
    assert "| build |" not in written


def test_a_failure_is_told_at_the_top() -> None:
    for evidence, told in ((plans.broken(), True), (plans.complete(), False), (plans.skipped(), False), (None, False)):
        written = body(plans.bump(), evidence=evidence)
        assert ("> [!CAUTION]\n> The verification failed: dom0, xtf. See below.\n" in written) is told


def test_the_command_of_a_backport() -> None:
    def command(base: str) -> str:
        written = message.write(plans.bump(), operator="", backport=message.Backport(base)).body
        return written.rpartition("To repeat it: ")[2].partition(".\n")[0]

    assert command("release-25.11") == "`xenbump pr --package xen --to 4.20.3 --backport release-25.11 --dry-run`"
    assert command("a; `rm`") == "``xenbump pr --package xen --to 4.20.3 --backport 'a; `rm`' --dry-run``"


def test_other_pull_requests() -> None:
    def see(also: str) -> str:
        written = message.write(plans.bump(), operator="", see_also=also).body
        return "".join(line for line in written.split("\n") if line.startswith("See also"))

    one, two = "https://github.com/NixOS/nixpkgs/pull/1", "http://127.0.0.1:8080/a/b/pull/2"
    assert see("") == ""
    assert see(f"{one} {two}") == f"See also: {one}, {two}"
    assert see("fixes #1") == "See also: `fixes`, `# 1`"
    assert see(f"{one}) [x](y)") == f"See also: `{one})`, `[x](y)`"


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


def long_evidence(count: int, text: str) -> Evidence:
    """A verification with `count` of everything."""
    made = hostile_evidence(text)
    steps = tuple(
        replace(step, checks=step.checks * count, tail=(text, "\n".join([text] * 10)) * count) for step in made.steps
    )
    return replace(made, steps=steps, tests=made.tests * count)


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
    [("x" * 10_000, 3), ("`" * 10_000, 12), ("\U0001f600" * 10_000, 40), ("|`\u202e" * 3_000, 8), ("a", 100)],
)
def test_nothing_makes_a_body_too_long(text: str, count: int) -> None:
    written = message.write(
        crowded(count, text), operator=text, refused_labels=(text,) * count, evidence=long_evidence(count, text),
        backport=message.Backport(text[:100], text), see_also=f"{text} " * count,
    ).body  # fmt: skip
    assert len(written.encode()) < LIMIT
    assert Read(written).shape[-1][3] == "<!-- /xenbump -->\n"
    assert "### What was checked" in written
    assert written.count("<details>") == written.count("</details>")


def test_ten_megabytes_of_log_stay_under_the_limit() -> None:
    megabytes = "0123456789abcde\n" * 655_360
    for tail in ((megabytes,), tuple(megabytes.splitlines()), (megabytes.replace("\n", " "),), ("\x1b[" * 5_000_000,)):
        written = body(plans.full(), evidence=plans.failing(tail))
        assert len(written.encode()) < LIMIT
        assert "### Things done" in written
    assert "0123456789abcde\n" * 30 in body(plans.full(), evidence=plans.failing((megabytes,)))


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


def read(text: str) -> Read:
    """A body with a text of an attacker in every place, read as Markdown."""
    return Read(
        message.write(
            hostile(text),
            operator=f"x{text}",
            refused_labels=(text,),
            evidence=hostile_evidence(text),
            backport=message.Backport(text, f"x{text}"),
            see_also="-".join(f"x{text}x".split()),
        ).body.partition("\n")[2]
    )


@cache
def usual() -> Read:
    return read("two words")


def harmless(text: str) -> None:
    """A body with a text of an attacker has nothing else outside of code than one with a harmless text."""
    found = read(text)
    assert found.shape == usual().shape
    for content in found.code:
        assert REFERENCES.search(content) is None
        assert all(char.isprintable() or char == "\n" for char in content)


def test_the_reader_sees_what_is_not_code() -> None:
    for text in ("@everyone", "<b>", "*x*", "https://example.org", "[x](y)"):
        assert Read(f"`a` {text}").shape != Read("`a` b").shape != Read("`a`").shape
    assert Read("`a` b").shape == Read("`c` b").shape
    assert Read("```text\na\n```").shape == Read("````text\n```\n\n@b\n````").shape


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_outside_cannot_be_markup(text: str) -> None:
    harmless(text)


MARKUP = st.lists(
    st.sampled_from(
        [
            *"`@a|\\ <>-!#\n\r\t*_[]()~&/:\u202e\u2029é\x00\x1b",
            "```",
            "~~~",
            "<!--",
            "-->",
            "</details>",
            "\n\n",
            "fixes #1",
        ]
    )
    | st.characters(),
    max_size=20,
).map("".join)


@settings(max_examples=30, deadline=None, database=None)
@given(text=MARKUP)
def test_no_text_can_leave_its_code(text: str) -> None:
    harmless(text)


def test_a_drop_without_a_reason_of_its_own() -> None:
    plan = plans.drops(plans.patch(474))
    empty = replace(plan, patches=replace(plan.patches, drop=(Drop(plans.patch(474), ""),)))
    assert "xsa474.patch`: ` `\n" in body(empty)
