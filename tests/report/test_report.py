"""Documents for every way that the work on a package can end."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from tests.publish import plans
from tests.report.outcomes import EDITS, FILE, OUTCOMES, PLAN, SUBJECT, SUPPORT, WORDS
from tests.support import schemas
from xenbump.outcomes import NeedsPatches, Planned, SourceHash, UpToDate
from xenbump.plan.model import Decision, Verdict
from xenbump.report import documents
from xenbump.report.schemas import schema
from xenbump.upstream.support import Window

if TYPE_CHECKING:
    import msgspec

CHECKED = ("up-to-date", "newer", "needs-patch", "refused", "usage", "failed")
PLANNED = (
    "up-to-date",
    "planned",
    "security",
    "tip",
    "dry-run",
    "written",
    "committed",
    "published",
    "refused",
    "usage",
    "failed",
)
RUN = ("up-to-date", "planned", "dry-run", "published", "refused", "usage", "failed")


def encoded(name: str, document: msgspec.Struct) -> Any:
    """A document as a program reads it, checked against its schema."""
    value = json.loads(documents.encode(document))
    schemas.validate(value, json.loads(schema(name)))
    assert value["schema"] == f"xenbump.{name}/1"
    return value


@pytest.mark.parametrize("key", CHECKED)
def test_check_documents(key: str) -> None:
    (entry,) = encoded("check", documents.check([OUTCOMES[key]]))["packages"]
    expected = {"newer": "newer-release", "usage": "failed"}.get(key, key)
    assert (entry["name"], entry["file"], entry["outcome"]) == ("xen", FILE, expected)
    if key in {"up-to-date", "newer", "needs-patch"}:
        assert entry["from"] == {"version": "4.20.2", "rev": None, "tag": "RELEASE-4.20.2"}
        assert entry["refusal"] is None
        assert entry["warnings"] == ["line 3: odd"]
        told = [(one["xsa"], one["verdict"]) for one in entry["advisories"]]
        assert told == ([] if key == "up-to-date" else [(484, "needs-patch")]) + [(489, "conflict")]
        assert entry["advisories"][-1]["title"] == "a title of XSA-489"
    else:
        assert entry["advisories"] == []
    if key == "newer":
        assert entry["to"]["tag"] == "RELEASE-4.20.3"
        assert entry["to"]["signed_by"] == "A" * 40


@pytest.mark.parametrize("ended", [False, True])
def test_how_long_the_branch_is_supported(*, ended: bool) -> None:
    support = replace(SUPPORT, today=date(2030, 3, 6)) if ended else SUPPORT
    for outcome in (UpToDate(SUBJECT, (), support), NeedsPatches(SUBJECT, (), support)):
        (entry,) = encoded("check", documents.check([outcome]))["packages"]
        assert entry["support"] == {
            "branch": "4.20",
            "supported_until": "2028-03-05",
            "security_until": "2030-03-05",
            "ended": ended,
            "status": "",
        }
        (entry,) = encoded("check", documents.check([replace(outcome, support=None)]))["packages"]
        assert entry["support"] is None
    unreleased = replace(SUPPORT, window=Window(status="TBD"))
    (entry,) = encoded("check", documents.check([UpToDate(SUBJECT, support=unreleased)]))["packages"]
    assert entry["support"] == {
        "branch": "4.20", "supported_until": None, "security_until": None, "ended": False, "status": "TBD"
    }  # fmt: skip
    (entry,) = encoded("check", documents.check([OUTCOMES["newer"]]))["packages"]
    assert (entry["support"]["supported_until"], entry["support"]["security_until"]) == ("2028-03-05", "2030-03-05")


@pytest.mark.parametrize("key", PLANNED)
def test_plan_documents(key: str) -> None:
    (entry,) = encoded("plan", documents.plan([OUTCOMES[key]], {"xen": "the diff"}))["packages"]
    done = key not in {"up-to-date", "refused", "usage", "failed"}
    assert entry["outcome"] == ("planned" if done else {"usage": "failed"}.get(key, key))
    assert entry["diff"] == ("the diff" if done else None)
    assert entry["written"] == (key in {"written", "committed"})
    assert entry["commit"] == ("c" * 40 if key == "committed" else None)
    if done:
        assert entry["source"] == {"fetcher": "fetchFromGitHub", "hash": plans.NEW}


def test_the_patches_and_advisories_of_a_plan() -> None:
    (entry,) = encoded("plan", documents.plan([OUTCOMES["planned"]]))["packages"]
    patches = entry["patches"]
    assert patches["keep"] == [{"url": one.url, "xsa": None} for one in (plans.LOCAL, plans.LIBXL)]
    assert patches["drop"][0] == {
        "url": f"{plans.XSA}/xsa477.patch",
        "xsa": 477,
        "reason": "4.20.3 has the fix of XSA-477",
    }
    assert [one["xsa"] for one in patches["drop"]] == [477, 478, 479, 480]
    assert patches["add"][0] == {
        "url": f"{plans.XSA}/xsa483.patch",
        "xsa": 483,
        "hash": plans.NEW,
        "sha256": f"{483:064x}",
    }
    assert [one["xsa"] for one in patches["add"]] == list(PLAN.patched)
    assert entry["closes"] == list(PLAN.closes)
    assert [one["xsa"] for one in entry["decisions"]] == [one.xsa for one in PLAN.decisions]
    assert entry["warnings"] == list(PLAN.warnings)


def test_a_plan_for_the_same_version() -> None:
    (entry,) = encoded("plan", documents.plan([OUTCOMES["security"]]))["packages"]
    assert (entry["outcome"], entry["from"]["version"], entry["to"]["version"]) == ("planned", "4.20.3", "4.20.3")
    assert entry["closes"] == [480, 481]


def test_a_tip_has_neither_tag_nor_signer() -> None:
    made = replace(plans.tip(), subject=plans.subject("4.20.3-unstable-2026-01-01", rev="5" * 40))
    (entry,) = encoded("plan", documents.plan([Planned(made, EDITS)]))["packages"]
    assert entry["from"] == {"version": "4.20.3-unstable-2026-01-01", "rev": "5" * 40, "tag": None}
    assert (entry["to"]["tag"], entry["to"]["signed_by"], entry["to"]["commit"]) == (None, None, "4" * 40)


def test_what_was_decided_when_nothing_is_to_be_done() -> None:
    outcome = OUTCOMES["up-to-date"]
    assert isinstance(outcome, UpToDate)
    (entry,) = encoded("plan", documents.plan([outcome]))["packages"]
    assert [one["xsa"] for one in entry["decisions"]] == [one.xsa for one in outcome.decisions]


def test_open_advisories_are_no_outcome_of_a_plan() -> None:
    outcome = OUTCOMES["needs-patch"]
    assert isinstance(outcome, NeedsPatches)
    for make in (documents.plan, documents.run):
        with pytest.raises(TypeError, match="NeedsPatches"):
            make([outcome])


@pytest.mark.parametrize("key", RUN)
def test_run_documents(key: str) -> None:
    (entry,) = encoded("run", documents.run([OUTCOMES[key]]))["packages"]
    assert entry["outcome"] == {"usage": "failed", "dry-run": "planned"}.get(key, key)
    if key == "published":
        assert entry["pull_request"] == {
            "number": 7,
            "url": "https://example.org/7",
            "title": WORDS.title,
            "branch": "xenbump/xen-4.20",
            "commit": "c" * 40,
            "draft": True,
            "action": "opened",
            "reason": "",
            "notes": [],
        }
    if key in {"published", "dry-run"}:
        assert (entry["title"], entry["body"]) == (WORDS.title, WORDS.body)
    if key in {"refused", "usage", "failed"}:
        assert entry["plan"] is None


def test_an_error_in_a_document() -> None:
    (entry,) = encoded("plan", documents.plan([OUTCOMES["refused"]]))["packages"]
    assert entry["refusal"] == {"code": "E-DIRTY", "what": "what\nthere is", "where": "here", "remedy": "do"}


def test_a_decision_in_a_document() -> None:
    decision = Decision(498, Verdict.OTHER_TREE, "it is for XAPI", (), ("advisory-498",))
    outcome = Planned(replace(PLAN, decisions=(decision,)), EDITS)
    (entry,) = encoded("plan", documents.plan([outcome]))["packages"]
    (found,) = entry["decisions"]
    assert (found["xsa"], found["verdict"], found["evidence"]) == (498, "other-tree", ["advisory-498"])


@pytest.mark.parametrize("signed_by", [None, "A" * 40])
def test_hash_documents(signed_by: str | None) -> None:
    found = SourceHash("RELEASE-4.20.4", "2" * 40, "fetchgit", plans.NEW, signed_by, "https://example.org")
    value = encoded("hash", documents.hashed(found))
    assert (value["hash"], value["signed_by"], value["rev"]) == (plans.NEW, signed_by, "RELEASE-4.20.4")


def test_a_document_is_utf8_and_ends_its_line() -> None:
    written = documents.encode(documents.run([OUTCOMES["published"]]))
    assert written.endswith("}\n")
    assert "→" in written
