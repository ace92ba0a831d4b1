"""The marks in a body: what was written is read again, and what is edited keeps what a person wrote."""

from __future__ import annotations

from xenbump.publish import marker, message, notes
from xenbump.publish.markup import quiet
from xenbump.publish.message import Message

_NEW = marker.marked({"package": "xen"}, "new")


def one(data: bytes) -> bool:
    """Read a text as a body and a comment, and write it into one as a fact, as text, and around it."""
    text = data.decode("utf-8", "replace")
    facts = marker.read(text)
    note = marker.read_note(text)
    for said in (*(facts or {}).items(), note or ()):
        assert all(isinstance(part, str) for part in said)
    marker.edited(text)
    message.proof(text)
    assert isinstance(message.is_ours(text), bool)
    assert isinstance(message.says_the_same(text, Message("a", "b", _NEW)), bool)
    _closed(text, facts)
    _replaced(text)
    _written(text)
    return facts is not None or note is not None


def _closed(text: str, facts: dict[str, str] | None) -> None:
    written = marker.with_closed(text, text)
    if facts is None:
        assert written == text
    else:
        assert marker.read(written) == {**facts, "closed": text}


def _replaced(text: str) -> None:
    after = marker.replaced(text, _NEW)
    assert marker.read(after) is not None or "<!-- xenbump:" in text
    if "<!--" not in text:
        # All of a person's: it stays where our part has a beginning and an end.
        around = f"{text}\n{_NEW}{text}"
        assert marker.replaced(around, marker.marked({}, "x")) == f"{text}\n{marker.marked({}, 'x')}{text}"
        assert not marker.edited(around)


def _written(text: str) -> None:
    facts = {"package": text, "branch": "4.20", "target": text}
    safe = quiet(text)
    body = marker.marked(facts, safe)
    found = marker.read(body)
    assert found is not None
    assert {key: found[key] for key in facts} == facts
    assert not marker.edited(body)
    if "\r" not in text:
        assert not marker.edited(body.replace("\n", "\r\n"))
    assert marker.read_note(marker.note(text, text, safe)) == (text, text)
    said = Message(text, "", "", text)
    for comment in (
        notes.hands_off(said, branch=text, commit=text),
        notes.edited_body(said),
        notes.superseded(said, text),
    ):
        assert (marker.read_note(comment) or ("", ""))[1] == text
