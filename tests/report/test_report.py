"""Documents and texts for every way that the work on a package can end."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.package.support import DERIVED, FILE, FIXTURES, NEW_HASH, plan_for, read, release
from tests.support import schemas
from xenbump.errors import Failure, Refusal, UsageError
from xenbump.outcomes import NewerRelease, Planned, Published, SourceHash, Stopped, UpToDate, Written
from xenbump.package import rewrite
from xenbump.package.rewrite import Edit
from xenbump.plan.model import Decision, Verdict
from xenbump.publish import message
from xenbump.publish.github import PullRequest
from xenbump.report import documents, text

if TYPE_CHECKING:
    import msgspec

    from xenbump.outcomes import Outcome

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
SUBJECT = read(FIXTURES[DERIVED].replace('pname = "xen";', 'pname = "xen"; # 4.20.3'))
CONTENT = FIXTURES[DERIVED].replace('pname = "xen";', 'pname = "xen"; # 4.20.3').encode()
PLAN = plan_for(SUBJECT)
EDIT = rewrite.write(CONTENT, PLAN)
WORDS = message.write(PLAN, operator="octo-operator")
PULL = PullRequest(7, "https://example.org/7", WORDS.title, WORDS.body, "open", merged=False, draft=True, labels=("a",))
OUTCOMES: dict[str, Outcome] = {
    "up-to-date": UpToDate(SUBJECT),
    "newer": NewerRelease(SUBJECT, release()),
    "planned": Planned(PLAN, EDIT),
    "dry-run": Planned(PLAN, EDIT, WORDS),
    "written": Written(PLAN, EDIT, ""),
    "committed": Written(PLAN, EDIT, "c" * 40),
    "published": Published(PLAN, EDIT, WORDS, "xenbump/xen-4.20", "c" * 40, PULL, "opened"),
    "refused": Stopped("xen", FILE, Refusal("E-DIRTY", "what\nthere is", where="here", remedy="do")),
    "usage": Stopped("xen", FILE, UsageError("E-BASE", "no base")),
    "failed": Stopped("xen", FILE, Failure("E-NETWORK", "no network", where="https://example.org")),
}
CHECKED = ("up-to-date", "newer", "refused", "usage", "failed")
PLANNED = ("up-to-date", "planned", "dry-run", "written", "committed", "published", "refused", "usage", "failed")
RUN = ("up-to-date", "planned", "dry-run", "published", "refused", "usage", "failed")


def encoded(name: str, document: msgspec.Struct) -> Any:
    """A document as a program reads it, checked against its schema."""
    value = json.loads(documents.encode(document))
    schema = json.loads(documents.schema(name))
    schemas.check(schema)
    schemas.validate(value, schema)
    assert value["schema"] == f"xenbump.{name}/1"
    return value


@pytest.mark.parametrize("name", documents.DOCUMENTS)
def test_the_schemas_in_the_documentation_are_those_of_the_types(name: str) -> None:
    assert (SCHEMAS / f"{name}.json").read_text("utf-8") == documents.schema(name)


def test_there_is_no_schema_of_a_document_that_is_gone() -> None:
    assert sorted(path.stem for path in SCHEMAS.glob("*.json")) == sorted(documents.DOCUMENTS)


@pytest.mark.parametrize("name", documents.DOCUMENTS)
def test_a_schema_refuses_what_is_not_its_document(name: str) -> None:
    schema = json.loads(documents.schema(name))
    wrong: list[Any] = [{}, [], {"schema": "xenbump.other/1"}, {"schema": f"xenbump.{name}/2", "packages": []}]
    assert [value for value in wrong if schemas.is_valid(value, schema)] == []


@pytest.mark.parametrize("key", CHECKED)
def test_check_documents(key: str) -> None:
    (entry,) = encoded("check", documents.check([OUTCOMES[key]]))["packages"]
    expected = {"newer": "newer-release", "usage": "failed"}.get(key, key)
    assert (entry["name"], entry["file"], entry["outcome"]) == ("xen", FILE, expected)
    if key in {"up-to-date", "newer"}:
        assert entry["from"] == {"version": "4.20.3", "rev": None, "tag": "RELEASE-4.20.3"}
        assert entry["refusal"] is None
        assert len(entry["warnings"]) == 1
    if key == "newer":
        assert entry["to"]["tag"] == "RELEASE-4.20.4"
        assert entry["to"]["signed_by"] == "A" * 40


@pytest.mark.parametrize("key", PLANNED)
def test_plan_documents(key: str) -> None:
    (entry,) = encoded("plan", documents.plan([OUTCOMES[key]], {"xen": "the diff"}))["packages"]
    done = key not in {"up-to-date", "refused", "usage", "failed"}
    assert entry["outcome"] == ("planned" if done else {"usage": "failed"}.get(key, key))
    assert entry["diff"] == ("the diff" if done else None)
    assert entry["written"] == (key in {"written", "committed"})
    assert entry["commit"] == ("c" * 40 if key == "committed" else None)
    if done:
        assert entry["source"] == {"fetcher": "fetchFromGitHub", "hash": NEW_HASH}
        assert [patch["xsa"] for patch in entry["patches"]["keep"]] == [None, None, None, 480, None]


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
    outcome = Planned(replace(PLAN, decisions=(decision,)), EDIT)
    (entry,) = encoded("plan", documents.plan([outcome]))["packages"]
    (found,) = entry["decisions"]
    assert (found["xsa"], found["verdict"], found["evidence"]) == (498, "other-tree", ["advisory-498"])


@pytest.mark.parametrize("signed_by", [None, "A" * 40])
def test_hash_documents(signed_by: str | None) -> None:
    found = SourceHash("RELEASE-4.20.4", "2" * 40, "fetchgit", NEW_HASH, signed_by, "https://example.org")
    value = encoded("hash", documents.hashed(found))
    assert (value["hash"], value["signed_by"], value["rev"]) == (NEW_HASH, signed_by, "RELEASE-4.20.4")


def test_a_document_is_utf8_and_ends_its_line() -> None:
    written = documents.encode(documents.run([OUTCOMES["published"]]))
    assert written.endswith("}\n")
    assert "→" in written


# --- text ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", OUTCOMES)
def test_the_first_line_names_the_package_and_what_became_of_it(key: str) -> None:
    first, *more = text.outcome(OUTCOMES[key])
    assert first.startswith("xen: ")
    assert all(line.startswith("  ") for line in more)
    expected = {
        "up-to-date": "xen: 4.20.3 is up to date (pkgs/xen/package.nix)",
        "newer": "xen: 4.20.3 -> 4.20.4 is there (pkgs/xen/package.nix)",
        "planned": "xen: 4.20.3 -> 4.20.4 is planned (pkgs/xen/package.nix)",
        "dry-run": "xen: 4.20.3 -> 4.20.4 is planned (pkgs/xen/package.nix)",
        "written": "xen: 4.20.3 -> 4.20.4 is written (pkgs/xen/package.nix)",
        "committed": "xen: 4.20.3 -> 4.20.4 is written and committed as cccccccccccc (pkgs/xen/package.nix)",
        "published": "xen: 4.20.3 -> 4.20.4: draft pull request 7 opened",
        "refused": "xen: refused: E-DIRTY: here: what\nthere is",
        "usage": "xen: usage: E-BASE: no base",
        "failed": "xen: failed: E-NETWORK: https://example.org: no network",
    }
    assert first == expected[key]


@pytest.mark.parametrize("key", ["planned", "written", "published"])
def test_what_a_plan_rests_on_is_told(key: str) -> None:
    told = "\n".join(text.outcome(OUTCOMES[key]))
    for fact in ("RELEASE-4.20.4", "2" * 40, "A" * 40, "https://example.org/xen.git", NEW_HASH, "warning: line "):
        assert fact in told


def test_a_pull_request_that_is_no_draft() -> None:
    outcome = OUTCOMES["published"]
    assert isinstance(outcome, Published)
    (first, url, branch, *_) = text.outcome(replace(outcome, pull=replace(PULL, draft=False), action="updated"))
    assert first.endswith(": pull request 7 updated")
    assert (url, branch) == ("  https://example.org/7", "  branch xenbump/xen-4.20")


def test_an_error_says_what_where_what_to_do_and_where_to_read_on() -> None:
    assert text.error(Refusal("E-DIRTY", "it is dirty", where="here", remedy="clean it")) == [
        "refused: E-DIRTY: here: it is dirty",
        "  what to do: clean it",
        "  more: xenbump explain E-DIRTY",
    ]
    assert text.error(Failure("E-DISK", "full")) == ["failed: E-DISK: full", "  more: xenbump explain E-DISK"]


@pytest.mark.parametrize("ending", [b"", b"\n"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_a_diff_is_one_that_git_applies(tmp_path: Path, ending: bytes, newline: bytes) -> None:
    before, after = ((b.rstrip(b"\n") + ending).replace(b"\n", newline) for b in (EDIT.before, EDIT.after))
    shown = text.diff(Edit(FILE, before, after))
    assert shown.startswith(f"--- a/{FILE}\n+++ b/{FILE}\n@@ ")
    file = tmp_path / FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(before)
    argv = ["git", "apply", "--unidiff-zero", "-"]
    subprocess.run(argv, cwd=tmp_path, input=shown.encode(), check=True, capture_output=True)
    assert file.read_bytes() == after


def test_a_change_in_the_last_line_that_has_no_break(tmp_path: Path) -> None:
    shown = text.diff(Edit("x", b"a\nb", b"a\nc"))
    assert shown.count("\\ No newline at end of file\n") == 2
    (tmp_path / "x").write_bytes(b"a\nb")
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=shown.encode(), check=True, capture_output=True)
    assert (tmp_path / "x").read_bytes() == b"a\nc"


def test_only_a_line_break_breaks_a_line(tmp_path: Path) -> None:
    before, after = (f"a\x0cb\rc\u2028d\n{word}\n\x85e\n" for word in ("old", "new"))
    (tmp_path / "x").write_bytes(before.encode())
    shown = text.diff(Edit("x", before.encode(), after.encode()))
    assert "No newline" not in shown
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=shown.encode(), check=True, capture_output=True)
    assert (tmp_path / "x").read_bytes() == after.encode()


def test_no_change_is_no_diff() -> None:
    assert text.diff(Edit("x", b"a", b"a")) == ""
