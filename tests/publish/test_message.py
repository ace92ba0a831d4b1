"""Commit messages and markers; and that nothing from outside can be more in them than text."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.publish import plans
from tests.publish.plans import GOLDEN, HOSTILE, golden, hostile
from xenbump import __version__
from xenbump.publish import message, summary

if TYPE_CHECKING:
    from xenbump.verify.evidence import Evidence


def test_branches() -> None:
    assert message.head_branch(plans.bump()) == "xenbump/xen-4.20"
    assert message.head_branch(plans.tip()) == "xenbump/xen-4.20"
    assert message.branch_line(plans.security(480)) == "4.20"
    other = replace(plans.bump(), subject=replace(plans.subject(), name="xen_4_19"))
    assert message.head_branch(other) == "xenbump/xen_4_19-4.20"
    assert message.head_branch(plans.bump(), message.Backport("release-25.11")) == "xenbump/xen-4.20-release-25.11"
    assert message.head_branch(plans.bump(), message.Backport("a/b")) == "xenbump/xen-4.20-a-b"


@pytest.mark.parametrize("name", GOLDEN)
def test_the_commit_message_is_as_it_was(name: str) -> None:
    written = message.write(GOLDEN[name](), operator="x").commit
    assert written == golden(f"{name}-commit.txt").replace("@program@", __version__)


@pytest.mark.parametrize(("name", "picked"), [("backport", "5" * 40), ("backport-anew", "")])
def test_the_commit_message_of_a_backport(name: str, picked: str) -> None:
    plan = plans.security(480) if picked else plans.bump()
    written = message.write(plan, operator="x", backport=message.Backport("release-25.11", picked))
    assert written.commit == golden(f"{name}-commit.txt").replace("@program@", __version__)
    assert written.title == f"[release-25.11] {summary.title(plan)}" == written.commit.partition("\n")[0]
    assert message.is_ours(written.commit)
    # As git has it: a line behind the other trailers, and a form that nixpkgs' checks look for.
    last = written.commit.rstrip("\n").split("\n")[-2:]
    if picked:
        assert last == [f"Automated-by: xenbump {__version__}", f"(cherry picked from commit {picked})"]
    else:
        assert last[0].startswith("Not-cherry-picked-because: ")
        assert "cherry picked from" not in written.commit


@pytest.mark.parametrize("picked", ["5" * 12, "x" * 40, "A" * 40, "5" * 40 + "\n", "HEAD", " "])
def test_what_is_no_commit_is_not_said_to_be_picked(picked: str) -> None:
    written = message.write(plans.bump(), operator="x", backport=message.Backport("release-25.11", picked))
    assert "cherry picked from" not in written.commit
    assert "no commit was found" in written.body


def test_a_message_has_the_key_of_its_plan() -> None:
    assert message.write(plans.full(), operator="x").key == summary.key(plans.full())


@pytest.mark.parametrize("name", GOLDEN)
def test_a_commit_message_is_as_git_wants_it(name: str) -> None:
    plan = GOLDEN[name]()
    lines = message.commit_message(plan).split("\n")
    assert lines[0] == summary.title(plan)
    assert lines[1] == ""
    assert lines[-1] == lines[-3] == ""
    assert lines[-2] == f"Automated-by: xenbump {__version__}"
    assert max(map(len, lines)) <= 200
    assert message.is_ours("\n".join(lines))


def test_why_the_version_stays() -> None:
    assert "Xen 4.20.3 stays.\n" in message.commit_message(plans.security(480))
    corrected = replace(plans.security(), hash="sha256-x")
    assert "Xen 4.20.3 stays. Its source hash becomes sha256-x.\n\nAuto" in message.commit_message(corrected)


def test_a_long_commit_message_says_what_it_leaves_out() -> None:
    plan = plans.security(*range(1, 251), replaced=True)
    written = message.commit_message(plan)
    assert written.count("\nand 150 more\n") == written.count("\n- and 150 more\n") == 1
    assert len(written) < 60_000


@pytest.mark.parametrize(
    "text", ["", "xen: x", "Automated-by: another", "x Automated-by: xenbump 1", "Automated-by: xenbump"]
)
def test_a_persons_commit_is_not_ours(text: str) -> None:
    assert not message.is_ours(text)


# --- text from outside -----------------------------------------------------------------------------------------------


def tame(written: str, usual: str) -> None:
    """A commit message has the lines of a harmless one, and nothing in it is an order to GitHub or git."""
    lines = written.split("\n")
    assert [line[:2] for line in lines] == [line[:2] for line in usual.split("\n")]
    assert max(map(len, lines)) <= 200
    assert all(char.isprintable() for line in lines for char in line)
    assert "@" not in written
    assert re.search(r"#\d|\bgh-\d", written, re.IGNORECASE) is None
    assert [line for line in lines if line.startswith("Automated-by:")] == [f"Automated-by: xenbump {__version__}"]
    # The only addresses are ours, each on a line of its own.
    for line in lines:
        assert "://" not in line or re.fullmatch(
            r"https://(xenbits\.xenproject\.org|github\.com/xen-project)/\S+", line
        )


USUAL = message.commit_message(hostile("x harmless"))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_commit_message_gives_no_orders(text: str) -> None:
    tame(message.commit_message(hostile(f"x{text}")), USUAL)


@settings(max_examples=60, deadline=None, database=None)
@given(text=st.text(st.sampled_from("@a1#/:.gh-GH\n\r\u2029 |`<>-!"), max_size=30))
def test_no_text_can_give_orders_in_a_commit_message(text: str) -> None:
    tame(message.commit_message(hostile(f"x{text}")), USUAL)


# --- the marker ------------------------------------------------------------------------------------------------------


def test_the_marker_there_and_back() -> None:
    written = message.write(plans.full(), operator="x")
    facts = message.read_marker(written.body)
    assert facts is not None
    assert (facts["package"], facts["branch"], facts["target"]) == ("xen", "4.20", summary.key(plans.full()))
    assert message.says_the_same(written.body, written)
    ticked = written.body.replace("- [ ] NixOS test", "- [x] NixOS test") + "\nA comment."
    assert message.says_the_same(ticked, written)
    assert message.edited(ticked)
    assert message.says_the_same(written.body.replace("\n", "\r\n"), written)
    assert message.same_target(written.body, written)


@pytest.mark.parametrize(
    "body", ["", "text", "<!-- xenbump: {broken} -->", "<!-- xenbump: {} -->", "<!-- other: {} -->"]
)
def test_a_body_without_a_marker_says_something_else(body: str) -> None:
    written = message.write(plans.bump(), operator="x")
    assert not message.read_marker(body)
    assert not message.says_the_same(body, written)
    assert not message.same_target(body, written)


def test_what_changes_the_marker() -> None:
    plan = plans.full()
    first = message.write(plan, operator="x")
    changes: dict[str, message.Message] = {
        "operator": message.write(plan, operator="y"),
        "labels": message.write(plan, operator="x", refused_labels=("l",)),
        "hash": message.write(replace(plan, hash="sha256-x"), operator="x"),
        "warning": message.write(replace(plan, warnings=()), operator="x"),
        "decision": message.write(replace(plan, decisions=plan.decisions[1:]), operator="x"),
        "title": message.write(replace(plan, subject=replace(plan.subject, attribute="y")), operator="x"),
        "evidence": message.write(plan, operator="x", evidence=plans.complete()),
        "see also": message.write(plan, operator="x", see_also="https://github.com/NixOS/nixpkgs/pull/1"),
    }
    for name, other in changes.items():
        assert not message.says_the_same(first.body, other), name
        assert message.same_target(first.body, other), name
    for other_plan in (plans.bump(), plans.security(483), plans.tip()):
        assert not message.same_target(first.body, message.write(other_plan, operator="x"))


def test_another_base_is_another_target() -> None:
    plan = plans.bump()
    usual = message.write(plan, operator="x")
    one, other = (message.write(plan, operator="x", backport=message.Backport(f"release-25.{n}")) for n in ("05", "11"))
    for left, right in ((usual, one), (one, usual), (one, other)):
        assert not message.same_target(left.body, right)
    picked = message.write(plan, operator="x", backport=message.Backport("release-25.11", "5" * 40))
    assert message.same_target(other.body, picked)
    assert not message.says_the_same(other.body, picked)


def test_a_verification_that_came_to_the_same_says_the_same() -> None:
    def written(evidence: Evidence) -> message.Message:
        return message.write(plans.bump(), operator="x", evidence=evidence)

    made = plans.broken()
    later = replace(made, when="2026-11-21T01:02:03Z", of="commit 89abcdef")
    slower = replace(made, steps=tuple(replace(one, seconds=one.seconds * 2, tail=("x",)) for one in made.steps))
    for other in (later, slower):
        assert written(other).body != written(made).body
        assert message.says_the_same(written(other).body, written(made))
        assert not message.edited(written(other).body)
    better = replace(made, steps=plans.complete().steps)
    assert not message.says_the_same(written(better).body, written(made))
    assert not message.says_the_same(written(replace(made, tests=())).body, written(made))


@pytest.mark.parametrize("name", ["x --> <script>", '"} --> @everyone <!-- {"', "é", "<!--"])
def test_nothing_ends_the_marker(name: str) -> None:
    made = replace(plans.bump(), subject=replace(plans.subject(), name=name))
    body = message.write(made, operator="x").body
    line = body.split("\n", 1)[0]
    assert line.startswith("<!-- xenbump: {")
    assert line.endswith("} -->")
    assert line.count("--" + ">") == line.count("<!" + "--") == 1
    assert (message.read_marker(body) or {}).get("package") == name
    assert html.escape("<") not in line


@settings(max_examples=40, deadline=None, database=None)
@given(text=st.text(st.sampled_from('->!<{}" \n@\\u003e'), max_size=20))
def test_no_text_can_end_the_marker(text: str) -> None:
    made = hostile(text)
    body = message.write(replace(made, subject=replace(made.subject, name=text)), operator=text or "x").body
    line = body.partition("\n")[0]
    assert line.count("-->") == line.count("<!--") == 1
    assert json.loads(line.removeprefix("<!-- xenbump: ").removesuffix(" -->"))["package"] == text


def test_a_marker_in_a_patch_is_not_taken_for_ours() -> None:
    forged = '<!-- xenbump: {"package": "xen", "branch": "4.20", "target": "9.9.9"} -->'
    body = message.write(hostile(forged), operator=forged).body
    assert (message.read_marker(body) or {})["target"] == summary.key(hostile(forged))
