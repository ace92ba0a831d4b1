"""OpenVEX documents against the published schema, and that nothing is called safe that nobody knows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report import views
from tests.support import schemas
from xenbump.plan.model import Verdict
from xenbump.report import documents, openvex, view

# The published schema without its prose (openvex_json_schema.json of the specification, for 0.2.0).
SCHEMA = json.loads((Path(__file__).parents[1] / "data" / "openvex-0.2.0.json").read_text("utf-8"))
FIXED, AFFECTED, SPARED, ASKED = "fixed", "affected", "not_affected", "under_investigation"


def written(overview: view.Overview, author: str = "octo-operator") -> Any:
    """A document as a program reads it, checked against its schema."""
    made = openvex.document(overview, author=author, repository="NixOS/nixpkgs")
    value = json.loads(documents.encode(made))
    schemas.validate(value, SCHEMA)
    return value


def of(value: Any, product: str) -> dict[str, Any]:
    """The statements on a product, by the name of the vulnerability."""
    return {one["vulnerability"]["name"]: one for one in value["statements"] if one["products"][0]["@id"] == product}


DOCUMENT = written(views.SMALL)
OLD = of(DOCUMENT, "pkg:generic/NixOS/nixpkgs/xen_4_20@4.20.2")
NEW = of(DOCUMENT, "pkg:generic/NixOS/nixpkgs/xen@4.21.1")


def test_the_schema_is_one_and_refuses() -> None:
    schemas.check(SCHEMA)
    affected = next(one for one in DOCUMENT["statements"] if one["status"] == AFFECTED)
    for wrong in ({**affected, "status": "safe"}, {**affected, "status": SPARED}, {**affected, "more": 1}):
        assert not schemas.is_valid({**DOCUMENT, "statements": [wrong]}, SCHEMA)
    bare = {key: value for key, value in affected.items() if key != "action_statement"}
    assert not schemas.is_valid({**DOCUMENT, "statements": [bare]}, SCHEMA)


def test_the_head() -> None:
    assert DOCUMENT["@context"] == "https://openvex.dev/ns/v0.2.0"
    assert (DOCUMENT["author"], DOCUMENT["timestamp"], DOCUMENT["version"], DOCUMENT["tooling"]) == (
        "octo-operator", "2026-09-01T06:00:00Z", 1, "xenbump 0.1.0",
    )  # fmt: skip
    assert written(views.SMALL)["@id"] == DOCUMENT["@id"]
    assert written(views.GOOD)["@id"] != DOCUMENT["@id"]


def test_each_cve_or_advisory_has_a_statement_and_unused_numbers_have_none() -> None:
    cves = {"CVE-2026-11111", "CVE-2026-22222", "CVE-2026-33333"}
    names = cves | {f"XSA-{number}" for number in (478, 489, 496, 499, 500, 509)}
    assert OLD.keys() == NEW.keys() == names
    assert len(DOCUMENT["statements"]) == 2 * len(names)
    assert OLD["CVE-2026-22222"]["vulnerability"] == {
        "@id": "https://xenbits.xenproject.org/xsa/advisory-481.html",
        "name": "CVE-2026-22222",
        "description": views.TITLES[481],
        "aliases": ["XSA-481"],
    }
    assert "aliases" not in OLD["XSA-509"]["vulnerability"]


@pytest.mark.parametrize(
    ("statements", "name", "status"),
    [
        (OLD, "CVE-2026-11111", FIXED),  # its patch is listed
        (OLD, "CVE-2026-22222", AFFECTED),
        (OLD, "XSA-489", ASKED),  # in conflict
        (NEW, "XSA-489", ASKED),  # decided by hand, which says nothing of the code
        (OLD, "XSA-478", SPARED),
        (OLD, "XSA-499", ASKED),  # a build may bring QEMU along
        (OLD, "XSA-500", ASKED),  # embargoed
        (OLD, "XSA-496", SPARED),  # the branch had security support on that day
        (NEW, "CVE-2026-22222", FIXED),
    ],
)
def test_statuses(statements: dict[str, Any], name: str, status: str) -> None:
    one = statements[name]
    assert one["status"] == status
    assert ("justification" in one, "action_statement" in one) == (status == SPARED, status == AFFECTED)


def test_why() -> None:
    assert OLD["XSA-478"]["justification"] == "component_not_present"
    assert OLD["XSA-496"]["justification"] == "vulnerable_code_not_present"
    assert OLD["XSA-496"]["impact_statement"] == (
        "XSA-496 has patches for xen-unstable - Xen 4.21.x and none for Xen 4.20, which had security support when it"
        " was published, from 2025-03-05 to 2028-03-05"
    )
    assert OLD["CVE-2026-22222"]["action_statement"] == "Apply xsa481.patch, or move to a release that has the fix."
    assert NEW["XSA-489"]["status_notes"].endswith("; decided by hand: read by a person")
    assert "\x1b" not in json.dumps(DOCUMENT, ensure_ascii=False)


def branch(name: str, *windows: view.Branch) -> str:
    """What becomes of XSA-496, which has patches for 4.21 and newer, on a branch."""
    one = replace(views.OLD, branch=name)
    value = written(replace(views.SMALL, packages=(one,), branches=windows))
    (found,) = {one["status"] for one in value["statements"] if one["vulnerability"]["name"] == "XSA-496"}
    return str(found)


def test_a_branch_without_support_is_not_called_safe() -> None:
    ended = view.Branch("4.20", views.window("2023-01-01", "2024-07-01", "2026-07-20"))
    supported = view.Branch("4.20", views.window("2023-01-01", "2024-07-01", "2026-07-21"))
    later = view.Branch("4.20", views.window("2026-07-22", "2027-07-01", "2029-07-21"))
    assert [branch("4.20", one) for one in (ended, supported, later)] == [ASKED, SPARED, ASKED]
    assert branch("4.20") == ASKED
    # The table names an older branch, so one that it does not name was looked at.
    assert branch("4.30") == SPARED


def test_what_could_not_be_read_is_not_called_safe() -> None:
    unread = tuple(replace(one, lines=()) for one in views.SMALL.advisories)
    found = of(written(replace(views.SMALL, advisories=unread)), "pkg:generic/NixOS/nixpkgs/xen_4_20@4.20.2")
    assert {found[name]["status"] for name in ("XSA-478", "XSA-496", "XSA-499")} == {ASKED}


def test_products() -> None:
    (product,) = OLD["XSA-509"]["products"]
    where = "git%2Bhttps%3A%2F%2Fxenbits.xenproject.org%2Fgit-http%2Fxen.git%40RELEASE-4.20.2"
    source = f"pkg:generic/xen@4.20.2?vcs_url={where}"
    assert product["identifiers"] == {"purl": product["@id"]}
    assert product["subcomponents"] == [{"@id": source, "identifiers": {"purl": source}}]
    release = replace(views.SMALL, packages=(views.RELEASES[1],))
    (alone,) = {one["products"][0]["@id"] for one in written(release)["statements"]}
    assert alone == source


@given(st.text(max_size=40), st.sampled_from(list(Verdict)), st.text(max_size=20))
def test_whatever_the_words_it_is_valid(words: str, verdict: Verdict, attribute: str) -> None:
    decisions = tuple(replace(one, reason=words, title=words, verdict=verdict) for one in views.OLD.decisions[:3])
    one = replace(views.OLD, decisions=decisions, attribute=attribute)
    made = openvex.document(replace(views.SMALL, packages=(one,)), author=words, repository=words)
    value = json.loads(documents.encode(made))
    if verdict is Verdict.UNUSED:
        assert value["statements"] == []
    else:
        schemas.validate(value, SCHEMA)
        assert all(one["products"][0]["@id"].isascii() for one in value["statements"])
