"""Text that is meant for a terminal, for GitHub's runner or for Markdown, in every place that others write to.

A whole run is made with it, and what it says, its documents and its pull request are looked at.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.hostile import servers as s
from xenbump.demo import story

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.hostile.conftest import Siege

EVIL = (
    "\x1b[31m\x1b]8;;http://evil.example/\x07x\x9b2J\u202e\u200b\u2066\x08\r::error::y ##[error]z @all #1 <!-- --> `` |"
)
# Not the one that separates lines in JSON and in text, nor the colours of our own.
HARMFUL = ("\x1b", "\x9b", "\x07", "\x08", "\r", "\u202e", "\u2066", "\x00")
PUBLIC = "2026-01-04 12:00"


def harmless(text: str) -> None:
    """Check that nothing in a text steers a terminal, or is a command of GitHub's runner but our own."""
    assert [letter for letter in HARMFUL if letter in text] == []
    # The runner takes blanks away before it looks for a command.
    lines = [line.strip() for line in text.split("\n")]
    assert [line for line in lines if line.startswith("::") and not ours(line)] == []
    assert [line for line in lines if "##[" in line and not ours(line)] == []


def ours(line: str) -> bool:
    return line.startswith(("::group::", "::endgroup::", "::error title=", "::warning title=", "::notice title="))


def strings(value: object) -> Iterable[str]:
    """All texts of a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, below in value.items():
            yield from (*strings(key), *strings(below))
    elif isinstance(value, list):
        for below in value:
            yield from strings(below)


@pytest.fixture
def evil(siege: Siege) -> Siege:
    """A world whose index, GitHub and tag message are full of it."""
    shelf = siege.stage.world.xenbits
    title = " ".join(EVIL.replace("\x1b", "").replace("\r", "").split())
    shelf.add(483, [("xsa483.patch", "xen-unstable - Xen 4.9.x")], contents={"xsa483.patch": story.grant_patch()},
              public=PUBLIC)  # fmt: skip
    shelf.entries[483]["title"] = EVIL
    shelf.entries[483]["x-\x1b[31m" + title[:20]] = EVIL
    shelf.listed(484, title=EVIL, version=1, public_time=PUBLIC, files=[{"name": f"--x/../{EVIL}"}])
    return siege


@pytest.mark.parametrize("arguments", [("check",), ("xsa", "483"), ("audit",), ("plan",), ("check", "--json")])
@pytest.mark.parametrize("where", ["", "true"])
def test_titles_of_the_index(arguments: tuple[str, ...], where: str, evil: Siege) -> None:
    ended = evil.run(*arguments, GITHUB_ACTIONS=where)
    assert "Traceback" not in ended.err
    harmless(ended.text)
    if "--json" in arguments:
        assert list(strings(json.loads(ended.out)))


@pytest.mark.parametrize("status", ["401 No", "403 No", "404 No", "422 No", "500 No"])
def test_what_github_says(status: str, siege: Siege) -> None:
    said = json.dumps({"message": EVIL, "errors": [{"message": EVIL}, EVIL]}).encode()
    siege.github.talk = lambda line: line.send(s.reply(said, status=status))
    ended = siege.run("pr", GITHUB_ACTIONS="true")
    assert ended.status in {1, 2, 20}
    assert "Traceback" not in ended.err
    harmless(ended.text)


def test_pull_requests_of_others(siege: Siege) -> None:
    pull = {
        "number": 7, "html_url": f"http://x/{EVIL}", "state": "open", "title": f"xen: 4.20.4 {EVIL}", "body": EVIL,
        "draft": False, "merged": False, "node_id": EVIL, "user": {"login": EVIL}, "labels": [{"name": EVIL}],
        "head": {"ref": f"--exec=x {EVIL}", "sha": "0" * 40, "label": EVIL, "repo": {"full_name": EVIL}},
        "base": {"ref": f"--upload-pack=x {EVIL}", "sha": "0" * 40, "label": EVIL},
    }  # fmt: skip
    found = {"total_count": 1, "incomplete_results": False, "items": [pull]}

    def talk(line: s.Line) -> None:
        if line.path.startswith("/search/"):
            line.send(s.reply(json.dumps(found).encode()))
        elif line.path.rpartition("/")[2].isdigit():
            line.send(s.reply(json.dumps(pull).encode()))
        else:
            line.send(s.reply(b"[]"))

    siege.github.talk = talk
    for arguments in (("pr",), ("pr", "--json")):
        ended = siege.run(*arguments, GITHUB_ACTIONS="true")
        assert "Traceback" not in ended.err
        harmless(ended.text)
    assert siege.stage.pulls == []
