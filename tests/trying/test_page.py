"""A report as a page, and that page in a headless Chromium."""

from __future__ import annotations

import os
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from tests.support import browser
from tests.trying.reports import bad, told
from tests.trying.verdicts import GOOD, failing, skipped, verdict
from xenbump.trying import page
from xenbump.trying.model import Phase

if TYPE_CHECKING:
    from pathlib import Path

    from xenbump.trying.report import Told

PROGRAM = browser.found()
VOID = {"meta", "link", "br", "img", "input"}


class Elements(HTMLParser):
    """The elements of a page, those that were left open, and the identifiers."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.open += [] if tag in VOID else [tag]
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    "given",
    [told(), bad(), told(verdict=verdict(failing(Phase.BUILD), skipped(Phase.DOM0), tests=(), engine=""), repeat=())],
)
def test_it_is_whole_and_asks_for_nothing(given: Told) -> None:
    text = page.page(given)
    found = Elements(text)
    assert found.open == []
    assert "script" not in found.names
    assert all(link.startswith("#") and link[1:] in found.ids for link in found.links)
    assert len(found.ids) == len(set(found.ids))
    assert "url(" not in text
    assert "@import" not in text


def test_text_from_outside_stays_text() -> None:
    text = page.page(bad())
    assert "alert(1)" in text
    assert "<script" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "somebody" not in text


def test_it_says_what_the_mail_says() -> None:
    text = re.sub(r"<style>.*?</style>", "", page.page(bad()), flags=re.DOTALL)
    for said in (
        "FAILED in guests", "2 of 3", "SUCCESS before, FAILURE now", "not in the baseline", "Against RELEASE-4.21.0",
        "4 results are worse, 6 results are the same.", "guest-pv: it printed nothing", "    at ^ here",
        "console.log", "other architectures than x86-64", "xenbump try 4.22.0-rc3 --again",
    ):  # fmt: skip
        assert said in text, said
    assert "No result is unexpected" in page.page(told(verdict=verdict(*GOOD)))


@pytest.mark.skipif(PROGRAM is None and os.environ.get("CI") != "true", reason="there is no Chromium")
@pytest.mark.xdist_group("chromium")
def test_a_browser_shows_it_without_a_complaint(tmp_path: Path) -> None:
    assert PROGRAM is not None
    path = tmp_path / "report.html"
    path.write_text(page.page(bad()), "utf-8")
    with browser.Browser(PROGRAM, tmp_path / "profile") as running:
        for width in (1280, 420):
            running.look(width=width, dark=width < 600)
            running.open(f"file://{path}")
            assert running.complaints == []
            assert running.requests == [f"file://{path}"]
            assert running.run("document.documentElement.scrollWidth <= innerWidth")
        colour = running.run("getComputedStyle(document.querySelector('.r-failed')).color")
        assert colour != running.run("getComputedStyle(document.body).color")
