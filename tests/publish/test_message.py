"""Titles, bodies and commit messages; and that nothing from outside can be more in them than text."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.package.support import DERIVED, FIXTURES, plan_for, read
from xenbump import __version__
from xenbump.plan.model import Patch, PatchChange, Plan
from xenbump.publish import message

GOLDEN = Path(__file__).parent / "golden"
HOSTILE = (
    "a\n\n# Heading",
    "`@everyone`",
    "``` @everyone ```",
    "--> <!-- xenbump: {} -->",
    "<script>alert(1)</script>",
    "</details></td></table>",
    "![x](https://example.org/x.png)",
    "[x](javascript:alert)",
    "fixes #1, closes demo/packages#2",
    "@NixOS/xen-project",
    "a | b \\| c",
    "\\` @everyone \\`",
    "`",
    "``",
    "",
    " ",
    "\r\n- [x] built",
    "\u2028@everyone",
    "\x00\x1b[31m",
    "\u202egnp.exe",
    "~~~\n@everyone",
    "> [!NOTE]\n> x",
    "&#64;everyone",
)


def plan() -> Plan:
    subject = read(FIXTURES[DERIVED])
    return replace(plan_for(subject), warnings=("3 patch(es) stay as they are",))


def hostile(text: str) -> Plan:
    """A plan with a text of an attacker in every place that comes from outside."""
    made = plan()
    patches = (Patch(text, None, None), Patch("./b.patch", None, None))
    return replace(
        made,
        subject=replace(made.subject, file=text, patches=patches),
        hash=text,
        patches=PatchChange(keep=patches, drop=patches, add=patches),
        warnings=(text, "another"),
    )


def test_titles_and_branches() -> None:
    assert message.title(plan()) == "xen: 4.20.3 -> 4.20.4"
    assert message.head_branch(plan()) == "xenbump/xen-4.20"
    assert message.branch_line(plan()) == "4.20"
    other = replace(plan(), subject=replace(plan().subject, name="xen_4_19", attribute="xenPackages.xen_4_19"))
    assert message.title(other) == "xenPackages.xen_4_19: 4.20.3 -> 4.20.4"
    assert message.head_branch(other) == "xenbump/xen_4_19-4.20"
    folded = replace(plan(), subject=replace(plan().subject, attribute="xen\n\nCo-authored-by: x"))
    assert "\n" not in message.title(folded)


@pytest.mark.parametrize(
    ("name", "operator", "labels"),
    [("usual", "octo-operator", ()), ("refused", "", ("6.topic: xen-project", "a `b`"))],
)
def test_the_words_are_as_they_were(name: str, operator: str, labels: tuple[str, ...]) -> None:
    written = message.write(plan(), operator=operator, refused_labels=labels)
    for part, text in (("body.md", written.body), ("commit.txt", written.commit)):
        golden = (GOLDEN / f"{name}-{part}").read_text("utf-8").replace("@program@", __version__)
        # The digest in the marker depends on the program's version.
        digest = re.compile(r'"text": "[0-9a-f]{16}"')
        assert digest.sub('"text": "@"', text) == golden


def test_a_commit_message_is_as_git_wants_it() -> None:
    lines = message.write(plan(), operator="x").commit.split("\n")
    assert lines[0] == message.title(plan())
    assert lines[1] == ""
    assert lines[-1] == ""
    assert lines[-2] == f"Automated-by: xenbump {__version__}"
    assert max(map(len, lines)) <= 80
    assert message.is_ours("\n".join(lines))


@pytest.mark.parametrize(
    "text", ["", "xen: x", "Automated-by: another", "x Automated-by: xenbump 1", "Automated-by: xenbump"]
)
def test_a_persons_commit_is_not_ours(text: str) -> None:
    assert not message.is_ours(text)


def test_the_marker_there_and_back() -> None:
    written = message.write(plan(), operator="x")
    facts = message.read_marker(written.body)
    assert facts is not None
    assert (facts["package"], facts["branch"], facts["target"]) == ("xen", "4.20", "4.20.4")
    assert message.says_the_same(written.body, written)
    assert message.says_the_same(written.body.replace("- [ ] built", "- [x] built") + "\nA comment.", written)
    assert message.says_the_same(written.body.replace("\n", "\r\n"), written)
    assert message.same_target(written.body, written)


@pytest.mark.parametrize(
    "body", ["", "text", "<!-- xenbump: {broken} -->", "<!-- xenbump: {} -->", "<!-- other: {} -->"]
)
def test_a_body_without_a_marker_says_something_else(body: str) -> None:
    written = message.write(plan(), operator="x")
    assert not message.read_marker(body)
    assert not message.says_the_same(body, written)
    assert not message.same_target(body, written)


def test_what_changes_the_marker() -> None:
    first = message.write(plan(), operator="x")
    changes: dict[str, message.Message] = {
        "operator": message.write(plan(), operator="y"),
        "labels": message.write(plan(), operator="x", refused_labels=("l",)),
        "hash": message.write(replace(plan(), hash="sha256-x"), operator="x"),
        "warning": message.write(replace(plan(), warnings=()), operator="x"),
        "title": message.write(replace(plan(), subject=replace(plan().subject, attribute="y")), operator="x"),
    }
    for name, other in changes.items():
        assert not message.says_the_same(first.body, other), name
        assert message.same_target(first.body, other), name
    later = replace(plan(), target=replace(plan().target, version="4.20.5", tag="RELEASE-4.20.5"))
    assert not message.same_target(first.body, message.write(later, operator="x"))


def outside_of_code(body: str) -> str:
    """What of a body is not in a code span, read as GitHub's Markdown (section 6.3) does, paragraph by paragraph.

    Code spans are found by backtick runs alone: a run opens a span that the next run of the same length ends.
    """
    left = []
    for line in body.split("\n"):
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


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_outside_cannot_be_markup(text: str) -> None:
    usual = message.write(hostile("harmless"), operator="harmless", refused_labels=("harmless",))
    written = message.write(hostile(text), operator=text or "x", refused_labels=(text,))
    head, _, rest = written.body.partition("\n")
    assert head.endswith(" -->")
    # Everything but the spans is word for word as with a harmless text: no line, mark, tag or mention more.
    assert outside_of_code(rest) == outside_of_code(usual.body.partition("\n")[2])
    assert "CODE" in outside_of_code(rest)
    # In a table a bar ends a cell also in a code span.
    for line in rest.split("\n"):
        if line.startswith("|"):
            assert line.count("|") == 3, line
    assert all(c.isprintable() or c == "\n" for c in written.body)


@settings(max_examples=80, deadline=None, database=None)
@given(text=st.text(st.sampled_from("`@a|\\ <>-!#\n\r\t*_[]()~&\u202e\u2029é"), max_size=20))
def test_no_text_can_leave_its_code_span(text: str) -> None:
    usual = message.write(hostile("harmless"), operator="harmless", refused_labels=("harmless",))
    written = message.write(hostile(text), operator=text or "x", refused_labels=(text,))
    assert outside_of_code(written.body.partition("\n")[2]) == outside_of_code(usual.body.partition("\n")[2])


@pytest.mark.parametrize("name", ["x --> <script>", '"} --> @everyone <!-- {"', "é", "<!--"])
def test_nothing_ends_the_marker(name: str) -> None:
    made = replace(plan(), subject=replace(plan().subject, name=name))
    body = message.write(made, operator="x").body
    line = body.split("\n", 1)[0]
    assert line.startswith("<!-- xenbump: {")
    assert line.endswith("} -->")
    assert line.count("--" + ">") == line.count("<!" + "--") == 1
    assert (message.read_marker(body) or {}).get("package") == name
    assert html.escape("<") not in line


def test_a_marker_in_a_patch_is_not_taken_for_ours() -> None:
    forged = '<!-- xenbump: {"package": "xen", "branch": "4.20", "target": "9.9.9"} -->'
    body = message.write(hostile(forged), operator=forged).body
    assert (message.read_marker(body) or {})["target"] == "4.20.4"
