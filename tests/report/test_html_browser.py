"""The page of a report in a headless Chromium: filter, sort, links, keyboard, and no complaint of the browser."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.report import views
from tests.support import browser
from xenbump.report import html

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = browser.found()
pytestmark = [
    pytest.mark.skipif(PROGRAM is None and os.environ.get("CI") != "true", reason="there is no Chromium"),
    pytest.mark.xdist_group("chromium"),
]
SHOWN = "[...document.querySelectorAll('#grid tbody tr:not([hidden])')].map((row) => Number(row.dataset.xsa))"
FOCUS = "document.activeElement"


class Seen:
    """A page in the browser."""

    def __init__(self, running: browser.Browser, folder: Path) -> None:
        self.browser = running
        self.path = folder / "small.html"
        self.path.write_text(html.page(views.SMALL), "utf-8")

    def open(self, fragment: str = "") -> browser.Browser:
        self.browser.look()
        self.browser.open(f"file://{self.path}{fragment}")
        return self.browser

    def choose(self, name: str, value: str) -> list[int]:
        """Give a control of the filter a value, as a person does; the advisories that are shown then."""
        self.browser.run(
            f"(() => {{ const one = document.getElementById('{name}'); one.value = '{value}';"
            " one.dispatchEvent(new Event('input', {bubbles: true})); })()"
        )
        return self.shown()

    def shown(self) -> list[int]:
        """The advisories that are shown, once those out of sight are there, too."""
        self.browser.run("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)))")
        found: list[int] = self.browser.run(SHOWN)
        return found

    def sort(self, head: str) -> list[int]:
        """Click on the head of a column; the advisories in their order then."""
        self.browser.run(
            f"[...document.querySelectorAll('#grid thead button')].find((one) => one.textContent === '{head}').click()"
        )
        return self.shown()


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    assert PROGRAM is not None, "with CI=true nothing is left out: Chromium is missing"
    folder = tmp_path_factory.mktemp("browser")
    with browser.Browser(PROGRAM, folder / "profile") as running:
        yield Seen(running, folder)


@pytest.fixture(autouse=True)
def _no_complaint(seen: Seen) -> Iterator[None]:
    yield
    assert seen.browser.complaints == []
    assert {one for one in seen.browser.requests if not one.startswith("file://")} == set()
    assert seen.browser.run("document.title") == "Xen packages and advisories, 2026-09-01"


def test_a_complaint_would_be_seen(seen: Seen) -> None:
    page = seen.open()
    page.run("console.error('a test')")
    page.run("(() => { const one = document.createElement('img'); one.src = 'data:,'; document.body.append(one); })()")
    page.run("new Promise((done) => setTimeout(done, 50))")
    assert len([one for one in page.complaints if "a test" in one]) == 1
    assert [one for one in page.complaints if "Content Security Policy" in one]
    page.complaints.clear()
    page.requests.clear()


def test_filters(seen: Seen) -> None:
    seen.open()
    assert seen.shown() == [509, 496, 489, 481, 480]
    assert seen.browser.run("document.getElementById('count').textContent") == "5 of 8 advisories"
    assert seen.choose("which", "open") == [509, 489, 481]
    assert seen.choose("which", "patched") == [496, 480]
    assert seen.choose("which", "all") == [509, 500, 499, 496, 489, 481, 480, 478]
    assert seen.choose("branch", "4.21") == [509, 496, 489, 481, 480]
    assert seen.choose("search", "x86 conflict") == [489]
    assert seen.choose("search", "cve-2026-33333") == [481]
    # A number is found whatever else is chosen.
    assert seen.choose("search", "478") == [478]
    assert seen.choose("search", "nothing of that") == []
    seen.browser.run("document.querySelector('button[type=reset]').click()")
    seen.browser.run("new Promise((done) => setTimeout(done, 20))")
    assert seen.shown() == [509, 496, 489, 481, 480]


def test_sorting(seen: Seen) -> None:
    seen.open()
    assert seen.sort("XSA") == [480, 481, 489, 496, 509]
    assert seen.browser.run("document.querySelector('#grid th[aria-sort]').getAttribute('aria-sort')") == "ascending"
    assert seen.sort("Title") == [509, 496, 481, 489, 480]
    assert seen.sort("Public")[0] == 509
    assert seen.sort("xen-4.20") == [509, 481, 489, 480, 496]
    assert seen.sort("4.21")[:2] == [496, 489]
    assert seen.browser.run("document.querySelectorAll('#grid th[aria-sort]').length") == 1


def test_an_advisory_by_its_link(seen: Seen) -> None:
    page = seen.open("#xsa-481")
    panel = page.run("document.getElementById('advisory').innerText")
    patches = ("xsa481/xsa481-01.patch", "sha256-")
    decisions = ("4.20.1 \u2013 4.20.2", "lacks the fix", "79 days", "4.20.2 has needs-patch for XSA-481")
    for words in ("XSA-481", 'something <is> wrong & "quoted"', "CVE-2026-33333", *patches, *decisions):
        assert words in panel, words
    assert page.run(f"{FOCUS}.id") == "h-advisory"
    page.run("location.hash = '#xsa-489'; new Promise((done) => setTimeout(done, 50))")
    panel = page.run("document.getElementById('advisory').innerText")
    assert "decided by hand: read by a person" in panel
    assert "E-ADVISORY-RANGE" in panel
    page.run("document.querySelector('#advisory .close').click()")
    assert page.run("document.getElementById('advisory').hidden") is True
    assert page.run(f"{FOCUS}.textContent") == "489"


def test_no_link_leads_nowhere(seen: Seen) -> None:
    page = seen.open()
    assert page.run("[...document.querySelectorAll('a[href^=\"#\"]')].map((one) => one.hash).filter((hash) =>"
                    " !/^#xsa-/.test(hash) && !document.querySelector(hash))") == []  # fmt: skip
    for number in page.run("[...document.querySelectorAll('a[href^=\"#xsa-\"]')].map((one) => one.hash.slice(5))"):
        page.run(f"location.hash = '#xsa-{number}'; new Promise((done) => setTimeout(done, 10))")
        assert page.run("document.getElementById('h-advisory').textContent").startswith(f"XSA-{number}")
    page.run("location.hash = '#xsa-77777'; new Promise((done) => setTimeout(done, 20))")
    assert page.run("document.getElementById('advisory').hidden") is True


def test_the_keyboard(seen: Seen) -> None:
    page = seen.open()
    page.press("/")
    assert page.run(f"{FOCUS}.id") == "search"
    for letter in "x86":
        page.press(letter)
    assert seen.shown() == [489, 481, 480]
    page.press("Escape")
    assert seen.shown() == [509, 496, 489, 481, 480]
    page.run("document.querySelector('#grid tbody a[tabindex=\"0\"]').focus()")
    assert page.run("document.querySelectorAll('#grid tbody a[tabindex=\"0\"]').length") == 1
    page.press("Home")
    page.press("ArrowDown")
    page.press("ArrowDown")
    assert page.run(f"{FOCUS}.textContent") == "489"
    page.press("End")
    page.press("ArrowDown")
    assert page.run(f"{FOCUS}.textContent") == "480"
    page.press("ArrowUp")
    page.press("Enter")
    page.run("new Promise((done) => setTimeout(done, 50))")
    assert page.run("location.hash") == "#xsa-481"
    assert page.run(f"{FOCUS}.id") == "h-advisory"
    page.press("Escape")
    assert page.run("document.getElementById('advisory').hidden") is True
    assert page.run(f"{FOCUS}.textContent") == "481"


def test_what_is_read_aloud(seen: Seen) -> None:
    page = seen.open()
    row = page.run("[...document.querySelectorAll('tr[data-xsa=\"481\"] [aria-label]')].map((one) =>"
                   " one.getAttribute('aria-label'))")  # fmt: skip
    assert row == [
        "xen-4.20: lacks the fix",
        "xen: fixed",
        "4.20: lacks the fix in 4.20.1 to 4.20.2, fixed in 4.20.3",
        "4.21: lacks the fix in 4.21.0, fixed in 4.21.1",
    ]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_words_can_be_told_from_their_ground(seen: Seen, *, dark: bool) -> None:
    """The contrast that WCAG 2.2 asks for (1.4.3): 4.5 to 1, for each text that is seen."""
    page = seen.open("#xsa-481")
    page.look(dark=dark)
    bad = page.run("""(() => {
      const parse = (text) => text.match(/[\\d.]+/g).map(Number);
      const light = (rgb) => rgb.slice(0, 3).map((one) => one / 255).map((one) =>
        one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
      const lum = (rgb) => { const [r, g, b] = light(rgb); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const ground = (node) => {
        for (let one = node; one; one = one.parentElement) {
          const rgb = parse(getComputedStyle(one).backgroundColor);
          if (rgb.length < 4 || rgb[3] === 1) return rgb;
        }
        return [255, 255, 255];
      };
      const bad = new Set();
      const walk = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
      while (walk.nextNode()) {
        const node = walk.currentNode.parentElement;
        if (!walk.currentNode.data.trim() || !node.getClientRects().length || node.closest("svg, noscript")) continue;
        const a = lum(parse(getComputedStyle(node).color)), b = lum(ground(node));
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) bad.add(node.className + " " + node.tagName + " " + ratio.toFixed(2));
      }
      return [...bad];
    })()""")
    assert bad == []


def test_it_fits_a_phone(seen: Seen) -> None:
    page = seen.open("#xsa-481")
    page.look(width=360, height=740)
    assert page.run("document.documentElement.scrollWidth") <= 360
    assert page.run("document.getElementById('grid').scrollWidth > document.getElementById('grid').clientWidth") is True


def test_print_shows_all_of_it_and_no_controls(seen: Seen) -> None:
    page = seen.open()
    page.look(media="print")
    assert page.run("[...document.querySelectorAll('form, nav')].some((one) => one.getClientRects().length)") is False
    assert (
        page.run("document.getElementById('grid').scrollHeight <= document.getElementById('grid').clientHeight") is True
    )
    page.look()
