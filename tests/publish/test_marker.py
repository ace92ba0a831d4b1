"""Hidden marks: what a later run knows again, what a person changed, and that a person's words stay."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.publish import plans
from xenbump.publish import marker, message

FIRST = message.write(plans.bump(), operator="x")
SECOND = message.write(plans.full(), operator="x", evidence=plans.complete())
BEFORE, BEHIND = "Please read this first.\n\n", "\n\n- [ ] my own box\n"
# What a person may write: no marker of ours, which they would have to write on purpose.
WORDS = st.text(st.sampled_from("a \r\n#<>!-`/{}"), max_size=30).filter(lambda text: "xenbump" not in text)


def test_a_body_begins_and_ends_with_a_marker() -> None:
    for one in (FIRST, SECOND):
        assert one.body.startswith("<!-- xenbump: {")
        assert one.body.endswith(f"\n{marker.END}\n")
        assert one.body.count(marker.END) == 1
        assert not message.edited(one.body)


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace("- [ ] NixOS test", "- [x] NixOS test"),
        lambda body: body.replace("Xen 4.20.2", "Xen  4.20.2"),
        lambda body: body.replace(marker.END, ""),
        lambda body: body.replace(marker.END, f"one more line\n{marker.END}"),
        lambda body: body.partition("\n")[2],
        lambda body: body.replace('"text"', '"txet"'),
        lambda body: body.replace('{"branch"', "{branch"),
        lambda _: "A description of my own.",
    ],
)
def test_what_a_person_changed_between_the_markers(change: object) -> None:
    assert callable(change)
    assert message.edited(change(FIRST.body))


@pytest.mark.parametrize(
    "change",
    [
        lambda body: BEFORE + body,
        lambda body: body + BEHIND,
        lambda body: (BEFORE + body + BEHIND).replace("\n", "\r\n"),
        lambda body: body.strip(),
        lambda _: "",
        lambda _: " \r\n",
    ],
)
def test_what_is_no_edit(change: object) -> None:
    assert callable(change)
    assert not message.edited(change(FIRST.body))


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_our_part_is_put_anew_and_a_persons_stays(line_end: str) -> None:
    written = (BEFORE + FIRST.body + BEHIND).replace("\n", line_end)
    anew = message.replaced(written, SECOND)
    # A line end of the body itself is ours.
    assert anew.startswith(BEFORE.replace("\n", line_end) + SECOND.body.rstrip("\n"))
    assert anew.endswith(line_end * 3 + BEHIND.strip("\n").replace("\n", line_end) + line_end)
    assert message.says_the_same(anew, SECOND)
    assert not message.edited(anew)


def test_a_body_without_our_part_is_replaced() -> None:
    for written in ("", "a person's", FIRST.body.replace(marker.END, "")):
        assert message.replaced(written, SECOND) == SECOND.body
    assert message.replaced(FIRST.body, SECOND) == SECOND.body


@settings(max_examples=60, deadline=None, database=None)
@given(before=WORDS, behind=WORDS)
def test_whatever_a_person_writes_around_it_stays(before: str, behind: str) -> None:
    written = before + FIRST.body + behind
    assert not message.edited(written)
    anew = message.replaced(written, SECOND)
    assert anew == before + SECOND.body.rstrip("\n") + "\n" + behind
    assert message.replaced(anew, SECOND) == anew
    assert message.read_marker(anew) == message.read_marker(SECOND.body)
    assert message.replaced(anew, FIRST) == written


def test_a_body_that_was_closed_by_us_says_why() -> None:
    written = BEFORE + FIRST.body + BEHIND
    closed = message.with_closed(written, "superseded --> <!--")
    facts = message.read_marker(closed)
    assert facts is not None
    assert facts.pop("closed") == "superseded --> <!--"
    assert facts == message.read_marker(FIRST.body)
    assert closed.partition("-->")[2] == written.partition("-->")[2]
    assert not message.edited(closed)
    assert message.same_target(closed, FIRST)
    # Reopened by a person it is written anew, and then it is open to us, too.
    assert not message.says_the_same(closed, FIRST)
    assert message.replaced(closed, FIRST) == written


@pytest.mark.parametrize("body", ["", "text", "<!-- xenbump: {broken} -->"])
def test_a_body_without_a_marker_cannot_be_marked_as_closed(body: str) -> None:
    assert message.with_closed(body, "superseded") == body


# --- comments --------------------------------------------------------------------------------------------------------


def test_comments_are_known_again() -> None:
    url = "https://github.com/octo/packages/pull/2"
    odd = replace(FIRST, title="@everyone fixes #1", key="--> 4.20")
    for message_, key in ((FIRST, "4.20.3"), (odd, "--> 4.20")):
        written = {
            "hands-off": message.hands_off(message_, branch="xenbump/xen-4.20", commit="5" * 40),
            "edited-body": message.edited_body(message_),
            "superseded": message.superseded(message_, url),
        }
        for kind, text in written.items():
            assert message.read_note(text) == (kind, key)
            assert message.read_note(text.replace("\n", "\r\n")) == (kind, key)
            assert "#1" not in text
            assert "@everyone" not in text
    assert "`555555555555`" in message.hands_off(FIRST, branch="b", commit="5" * 40)
    assert f"Superseded by {url}: `xen: 4.20.2 -> 4.20.3`." in message.superseded(FIRST, url)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Looks good to me.",
        FIRST.body,
        '> <!-- xenbump-note: {"kind": "a", "key": "b"} -->',
        'A reply to <!-- xenbump-note: {"kind": "a", "key": "b"} -->',
        '<!-- xenbump-note: {"kind": "a"} -->',
        "<!-- xenbump-note: {} -->",
        "<!-- xenbump-note: {x} -->",
    ],
)
def test_what_is_no_comment_of_ours(text: str) -> None:
    assert message.read_note(text) is None


@given(st.text(), st.text())
def test_any_kind_and_key_come_back(kind: str, key: str) -> None:
    written = message.note(kind, key, "text")
    assert message.read_note(written) == (kind, key)
    assert written.count("-->") == written.count("<!--") == 1
    assert written.isprintable() or written.replace("\n", "").isprintable()


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=4), st.text())
def test_any_facts_come_back(facts: dict[str, str], text: str) -> None:
    body = marker.marked(facts, text.replace(marker.END, ""))
    read = marker.read(body)
    assert read is not None
    assert {**read, "text": ""} == {**facts, "text": ""}
    assert json.loads(body.partition(": ")[2].partition(" -->")[0]) == read
    assert not marker.edited(body)


@pytest.mark.parametrize("piece", ["<!-- xenbump: {", "<!-- xenbump: {} -->", "<!-- xenbump: {}} -->"])
def test_many_beginnings_without_an_end_take_no_time(piece: str) -> None:
    text = piece * 5000
    began = time.process_time()
    assert marker.read(text) == ({} if piece.endswith("{} -->") else None)
    assert marker.edited(text)
    assert marker.replaced(text, "new") == "new"
    assert time.process_time() - began < 1


def test_the_part_goes_from_the_first_beginning_to_the_first_end_behind_it() -> None:
    one, other = marker.marked({"a": "1"}, "one"), marker.marked({"b": "2"}, "other")
    assert marker.replaced(f"{marker.END} x {one}{other}", "new\n") == f"{marker.END} x new\n{other}"
    assert marker.edited(f"{marker.END} x")
