"""The page of a report, and that it, JSON, Markdown, OpenVEX and the text of an audit have the same numbers."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.report import views
from tests.support import schemas
from xenbump.advisories import Audit
from xenbump.plan.model import Verdict
from xenbump.report import advisories, documents, html, openvex, packed, timeline, view
from xenbump.report import overview as report
from xenbump.report.schemas import schema

VOID = frozenset({"meta", "input", "br", "link", "img"})


class Page(HTMLParser):
    """A page as a program reads it: elements with attributes, the text of each, and what is left open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[int] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), []))
        if tag not in VOID and not (self.get_starttag_text() or "").endswith("/>"):
            self._open.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self._open[-1]][0] == tag, (tag, self.getpos())
        self._open.pop()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        for place in self._open:
            self.elements[place][2].append(data)

    def all(self, tag: str, **attributes: str) -> list[tuple[dict[str, str | None], str]]:
        return [
            (given, "".join(text))
            for name, given, text in self.elements
            if name == tag and all(given.get(key.replace("_", "-")) == value for key, value in attributes.items())
        ]


TEXT = html.page(views.SMALL)
PAGE = Page(TEXT)


def data(text: str) -> Any:
    return json.loads(Page(text).all("script", id="data")[0][1])


def figures(page: Page) -> dict[str, int]:
    """The numbers of the head, as the page has them."""
    found = [(given, text) for name in ("span", "strong") for given, text in page.all(name) if "data-figure" in given]
    return {str(given["data-figure"]): int(text) for given, text in found}


@pytest.mark.parametrize("overview", [views.SMALL, views.large(advisories=60, each=3)], ids=["small", "large"])
def test_the_numbers_are_the_same_everywhere(overview: view.Overview) -> None:
    text = html.page(overview)
    document = json.loads(documents.encode(report.document(overview)))
    schemas.validate(document, json.loads(schema("report")))
    assert document["figures"].items() >= figures(Page(text)).items()
    assert figures(Page(text)).keys() >= {"advisories", "patched", "releases"}
    head = re.findall(r"\d+", next(line for line in report.markdown(overview).splitlines() if " packages lack" in line))
    names = ("lacking", "packages", "missing", "uncertain", "patched", "advisories")
    assert [int(one) for one in head] == [document["figures"][name] for name in names]
    cells = {one["name"]: one["cells"] for one in data(text)["packages"]}
    rows = {
        line.split("|")[1].strip(" `"): line for line in report.markdown(overview).splitlines() if line.count("|") == 8
    }
    made = openvex.document(overview, author="a", repository="b/c")
    for one, package in zip(overview.packages, document["packages"], strict=True):
        lacks = {verdict: sum(lack["verdict"] == verdict for lack in package["lacks"]) for verdict in view.OPEN}
        (start,) = [
            place for place, found in enumerate(Page(text).elements) if found[1].get("data-package") == one.name
        ]
        told = {given["data-count"]: int("".join(words)) for _, given, words in Page(text).elements[start : start + 12]
                if "data-count" in given}  # fmt: skip
        counted = package["counts"]
        assert told == {
            "missing": lacks[Verdict.NEEDS_PATCH], "uncertain": lacks[Verdict.CONFLICT],
            "patched": counted.get("already-patched", 0),
        }  # fmt: skip
        assert [int(number) for number in rows[one.name].split("|")[3:6]] == list(told.values())
        for verdict, sign in packed.SIGNS.items():
            if verdict is not Verdict.UNUSED:
                assert cells[one.name].count(sign) == counted.get(verdict.value, 0)
        audit = advisories.audit_text(Audit(one.name, one.version, one.tag, one.decisions), everything=False)
        spoken = re.findall(r"(\d+) ([a-z-]+)", audit.splitlines()[0].partition("): ")[2])
        assert {verdict: int(count) for count, verdict in spoken} == counted
        product = [one for one in made.statements if one.products[0].id.endswith(f"@{package['version']}")]
        affected = {one.vulnerability.id for one in product if one.status == "affected"}
        assert len(affected) == lacks[Verdict.NEEDS_PATCH]


def test_what_is_lacking_since_when_and_the_pull_request() -> None:
    document = report.document(views.SMALL)
    told = [(one.xsa, one.since, one.days, one.pull_request) for one in document.packages[0].lacks]
    url = "https://github.example/NixOS/nixpkgs/pull/8"
    assert told == [(509, "2026-08-25", 6, url), (489, "2026-07-21", 41, url), (481, "2026-06-09", 83, url)]
    assert [one.lacks for one in document.packages[1:]] == [()]
    assert "since 2026-06-09 (83 days); pull request" in " ".join(
        " ".join(PAGE.all("ul", **{"class": "lacks"})[0][1].split()).split()
    )


def test_waiting_times_count_to_the_first_pull_request_that_closes() -> None:
    waits = [(one.xsa, one.request.number, one.hours) for one in view.waits(views.SMALL)]
    assert waits == [(481, 8, 1890.0), (509, 8, 18.0), (480, 7, 1.5)]
    early = replace(views.SMALL, requests=(replace(views.REQUESTS[0], at=views.MADE.replace(year=2025)),))
    assert [one.hours for one in view.waits(early)] == [0.0]


def test_nothing_is_open_where_nothing_is() -> None:
    assert not view.unpatched(views.GOOD.packages)
    assert view.unpatched(views.SMALL.packages)
    assert "The package has the fix or a patch" in html.page(views.GOOD)
    # What a person has decided on is not open; in another package it is.
    assert view.lacks(views.SMALL, views.NEW) == ()


def test_xtf_side_by_side() -> None:
    found = html.tests(views.SMALL.proofs[0])
    assert found is not None
    assert found.old == "4.20.1"
    assert found.differ == (
        ("test-pv64-b", "FAILURE", "SUCCESS"), ("test-pv64-c", "SUCCESS", "CRASH"), ("test-pv64-gone", "SUCCESS", ""),
        ("test-pv64-new", "", "SKIP"),
    )  # fmt: skip
    assert found.counts == (("SUCCESS", 3, 2), ("SKIP", 0, 1), ("FAILURE", 1, 0), ("CRASH", 0, 1))
    assert html.tests(view.Proof(replace(views.PROVED, tests=()))) is None
    document = report.document(views.SMALL).verifications
    assert [(one.outcome, one.compared_tests != {}) for one in document] == [("incomplete", True), ("passed", False)]


def test_the_picture() -> None:
    found = timeline.picture(views.SMALL)
    assert found is not None
    assert [row.name for row in found.rows] == ["4.21", "4.20"]
    assert [bar.kind for row in found.rows for bar in row.bars] == ["unknown", "full", "security"]
    opened = [mark.words[:7] for mark in found.rows[1].marks if mark.kind == "open"]
    assert opened == ["XSA-481", "XSA-489", "XSA-509"]
    assert [mark.words for mark in found.rows[0].marks if mark.kind == "release"] == [
        "4.21.0, 2026-02-10", "4.21.1, 2026-07-02",
    ]  # fmt: skip
    places = [mark.x for row in found.rows for mark in row.marks] + [found.today]
    assert all(timeline.LEFT <= x <= timeline.WIDTH for x in places)
    ages = view.Branch("4.20", views.window("1990-03-05", "2098-08-05", "2099-03-05"))
    old = timeline.picture(replace(views.SMALL, branches=(ages,)))
    assert old is not None
    assert old.years[0][0] == 1991
    assert all(after - before >= 40 for (_, before), (_, after) in pairwise(old.years))
    assert all(bar.x + bar.width <= timeline.WIDTH for bar in old.rows[0].bars)
    assert timeline.picture(replace(views.GOOD, branches=())) is None
    assert "nothing to draw" in html.page(replace(views.GOOD, branches=()))


def test_packed_decisions_are_the_decisions() -> None:
    found = data(TEXT)
    numbers = [one[0] for one in found["advisories"]]
    assert numbers == [478, 480, 481, 489, 496, 499, 500, 509]
    old = found["packages"][0]
    assert old["cells"] == "opX?-oeX"
    assert sum(length for length, _ in old["told"]) == len(numbers)
    spread = [texts for length, texts in old["told"] for _ in range(length)]
    words = found["texts"][spread[2][0]].replace("\ue000", "XSA-481").replace("\ue001", "4.20.2")
    assert words == "4.20.2 has needs-patch for XSA-481"


def test_the_policy_allows_what_is_there_and_nothing_else() -> None:
    (policy,) = [
        given["content"] for given, _ in PAGE.all("meta") if given.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert allowed.pop("default-src") == allowed.pop("base-uri") == allowed.pop("form-action") == "'none'"
    own = {"style-src": PAGE.all("style")[0][1], "script-src": PAGE.all("script")[-1][1]}
    digests = {name: hashlib.sha256(text.encode()).digest() for name, text in own.items()}
    assert allowed == {name: f"'sha256-{base64.b64encode(digest).decode()}'" for name, digest in digests.items()}
    assert len(PAGE.all("script")) == 2
    assert len(PAGE.all("style")) == 1


def attributes(page: Page) -> set[str]:
    return {name for _, given, _ in page.elements for name in given}


def test_it_needs_nothing_from_elsewhere() -> None:
    assert not {"src", "srcset", "style", "action"} & attributes(PAGE)
    assert not [name for name in attributes(PAGE) if name.startswith("on")]
    links = {str(given["href"]) for given, _ in PAGE.all("a")}
    ids = {str(given["id"]) for _, given, _ in PAGE.elements if "id" in given}
    assert {link.removeprefix("#") for link in links if link.startswith("#")} - ids == {
        "xsa-480",
        "xsa-481",
        "xsa-489",
        "xsa-509",
    }
    assert {link for link in links if not link.startswith("#")} == {
        f"https://github.example/NixOS/nixpkgs/pull/{number}" for number in (7, 8)
    }


# What a report in Markdown is made of: no HTML, no image, no heading that is not its own.
MARKDOWN = {token.type for token in MarkdownIt("commonmark", {"html": True}).enable("table").parse(
    "## a\n\nb\n\n| `a` | b |\n| --- | --- |\n| [c](https://d) | e |\n")} | {
    "text", "code_inline", "link_open", "link_close"}  # fmt: skip
HOSTILE = st.text(max_size=30) | st.sampled_from([views.HOSTILE, "<!--", "]]>", "</style>", "{{ 1 }}", "javascript:x"])


@settings(max_examples=25, deadline=None)
@given(HOSTILE, HOSTILE)
def test_text_from_outside_is_text(words: str, url: str) -> None:
    one = replace(
        views.OLD, name=words, version=f"4.20.2{words}", file=words, decided=((489, words),),
        decisions=tuple(replace(found, title=words, reason=words, evidence=(words,)) for found in views.OLD.decisions),
    )  # fmt: skip
    request = replace(views.REQUESTS[2], package=words, url=url, title=words)
    evidence = replace(views.PROVED, package=words, engine=words, of=words, when=words, tests=((words, words),))
    overview = replace(
        views.SMALL, packages=(one, views.NEW), requests=(request,), proofs=(view.Proof(evidence, views.OLDER),),
        branches=(replace(views.SMALL.branches[1], note=words), views.SMALL.branches[0]),
        advisories=tuple(replace(found, title=words, unread=words) for found in views.SMALL.advisories),
    )  # fmt: skip
    text = html.page(overview)
    page = Page(text)
    assert len(page.all("script")) == 2
    assert len(page.all("style")) == 1
    assert {name for name, _, _ in page.elements} <= {name for name, _, _ in PAGE.elements} | {"strong"}
    assert attributes(page) <= attributes(PAGE) | {"colspan"}
    assert all(str(given["href"]).startswith(("#", "https://", "http://")) for given, _ in page.all("a"))
    assert all(
        char == "\n" or char.isprintable() for char in re.sub(r'id="data">.*?</script>', "", text, flags=re.DOTALL)
    )
    assert not set("<>&") & set(re.findall(r'id="data">(.*?)</script>', text, re.DOTALL)[0])
    document = MarkdownIt("commonmark", {"html": True}).enable("table").parse(report.markdown(overview))
    inline = [child for token in document for child in token.children or ()]
    assert {token.type for token in (*document, *inline)} <= MARKDOWN
