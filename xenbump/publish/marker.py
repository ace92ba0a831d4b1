"""The hidden marks by which a later run knows again what it wrote, and what a person has written since.

A body's part of ours begins with a comment that holds facts as JSON and ends with another comment; what stands before
and behind it is a person's. GitHub gives a body back as it was sent, with other line ends once it was edited there.
"""

from __future__ import annotations

import hashlib
import json
import re

END = "<!-- /xenbump -->"
# `_json` writes no angle bracket, so that no two of these overlap and a text of many beginnings takes linear time.
_FACTS = r"(?P<facts>\{[^\r\n<>]*\}) -->"
_BEGIN = re.compile(r"<!-- xenbump: " + _FACTS)
_NOTE = re.compile(r"<!-- xenbump-note: " + _FACTS)
_DIGITS = 16
_TEXT, _CLOSED = "text", "closed"


def marked(facts: dict[str, str], text: str) -> str:
    """A body out of a text without markers: the facts, with the text's digest as `text`, the text, the end."""
    inner = text.strip("\n")
    return f"{_begin({**facts, _TEXT: digest(_canonical(inner))})}\n{inner}\n{END}\n"


def digest(text: str) -> str:
    """Some digits of a text's digest."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def read(written: str) -> dict[str, str] | None:
    """The facts in a body's marker; None where it has none that can be read."""
    match = _BEGIN.search(written)
    return None if match is None else _facts(match["facts"])


def edited(written: str) -> bool:
    """Whether a person changed our part of a body: a word, a box that was ticked, a marker that was taken out.

    A body without our part that is not empty is a person's, too.
    """
    part = _part(written)
    if part is None:
        return bool(written.strip())
    begin, end = part
    facts = _facts(begin["facts"]) or {}
    return facts.get(_TEXT) != digest(_canonical(written[begin.end() : end]))


def replaced(written: str, body: str) -> str:
    """A body with our part put anew, its markers with it.

    Args:
        written: the body as it stands; one without both markers is replaced as a whole.
        body: the new one, as `marked` gives it.
    """
    part = _part(written)
    if part is None:
        return body
    begin, end = part
    return written[: begin.start()] + body.rstrip("\n") + written[end + len(END) :]


def with_closed(written: str, why: str) -> str:
    """A body whose marker says that the pull request was closed by us, and why; without a marker it stays as it is."""
    match = _BEGIN.search(written)
    facts = None if match is None else _facts(match["facts"])
    if match is None or facts is None:
        return written
    return written[: match.start()] + _begin({**facts, _CLOSED: why}) + written[match.end() :]


def note(kind: str, key: str, text: str) -> str:
    """A comment with a hidden marker, by which a later run knows that it said this already.

    Args:
        kind: what it is about, such as `hands-off`.
        key: of the change that it is about (`summary.key`).
        text: Markdown.
    """
    return f"<!-- xenbump-note: {_json({'kind': kind, 'key': key})} -->\n{text.strip()}\n"


def read_note(written: str) -> tuple[str, str] | None:
    """Kind and key of a comment of ours; None for any other comment."""
    match = _NOTE.match(written.lstrip())
    facts = None if match is None else _facts(match["facts"])
    if facts is None or not {"kind", "key"} <= facts.keys():
        return None
    return facts["kind"], facts["key"]


def _part(written: str) -> tuple[re.Match[str], int] | None:
    """The first beginning in a body, and the offset of the end behind it; None where one of them is missing."""
    begin = _BEGIN.search(written)
    end = -1 if begin is None else written.find(END, begin.end())
    return None if begin is None or end < 0 else (begin, end)


def _facts(written: str) -> dict[str, str] | None:
    try:
        return {str(key): str(value) for key, value in json.loads(written).items()}
    except (ValueError, RecursionError):
        return None


def _begin(facts: dict[str, str]) -> str:
    return f"<!-- xenbump: {_json(facts)} -->"


def _json(facts: dict[str, str]) -> str:
    """JSON on one line, in which nothing can end the comment that it stands in."""
    return json.dumps(facts, sort_keys=True).replace("<", r"\u003c").replace(">", r"\u003e")


def _canonical(text: str) -> str:
    """A text without what GitHub's editor changes unasked: line ends, and white space at both ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()
