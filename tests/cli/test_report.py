"""`xenbump report` and `audit --fail-on` as programs, on the world of the demo after a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.report.test_html import Page, data, figures
from tests.report.test_openvex import SCHEMA
from tests.support import schemas
from tests.support.worlds import Stage, isolated_home
from xenbump.demo import world as worlds
from xenbump.report.schemas import schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import CompletedProcess


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("report")
    with isolated_home(folder), worlds.stand(folder / "world") as world:
        stage = Stage(world)
        assert call(stage, "run").returncode == 0
        yield stage


def call(stage: Stage, *arguments: str, status: int = 0) -> CompletedProcess[str]:
    done = stage.call(*arguments, "--quiet")
    assert done.returncode == status, done.stderr
    return done


def document(stage: Stage) -> Any:
    value = json.loads(call(stage, "report", "--format", "json").stdout)
    schemas.validate(value, json.loads(schema("report")))
    return value


def test_the_page_and_the_document_of_the_same_audit(place: Stage) -> None:
    output = place.world.folder / "report.html"
    assert call(place, "report", "--format", "html", "--output", str(output)).stdout == ""
    text = output.read_text("utf-8")
    told = document(place)
    assert told["figures"].items() >= figures(Page(text)).items()
    assert (told["figures"]["lacking"], told["figures"]["missing"]) == (1, 1)
    (package,) = told["packages"]
    (lack,) = package["lacks"]
    assert (package["version"], lack["xsa"], lack["verdict"]) == ("4.20.3", 484, "needs-patch")
    # The pull request of the run closes it, so the journal's plan was read.
    assert lack["pull_request"].endswith("/demo/packages/pull/1")
    (wait,) = told["waits"]
    assert (wait["xsa"], wait["number"], wait["public"]) == (484, 1, "2026-03-17T12:00:00Z")
    assert wait["hours"] > 0
    versions = [one["version"] for one in told["releases"]]
    assert versions == [one["version"] for one in data(text)["releases"]]
    assert all(version >= "4.20" for version in versions)
    assert not list(output.parent.glob(".report*"))
    audit = json.loads(call(place, "audit", "--json").stdout)["subjects"][0]
    assert audit["decisions"] == package["decisions"]


def test_markdown(place: Stage) -> None:
    text = call(place, "report", "--format", "markdown", "--since", "4.21").stdout
    assert "1 of 1 packages lack fixes or may lack them: 1 missing" in text
    assert "| [XSA-484](https://xenbits.xenproject.org/xsa/advisory-484.html) | needs-patch | 2026-03-17" in text


def test_openvex_of_packages_and_of_releases(place: Stage) -> None:
    package = json.loads(call(place, "report", "--format", "openvex").stdout)
    release = json.loads(
        call(place, "report", "--format", "openvex", "--version", "4.20.4", "--author", "somebody").stdout
    )
    for value in (package, release):
        schemas.validate(value, SCHEMA)
    assert (package["author"], release["author"]) == ("demo-bot", "somebody")
    assert {one["products"][0]["@id"].partition("?")[0] for one in package["statements"]} == {
        "pkg:generic/demo/packages/xen@4.20.3"
    }
    statuses = {one["vulnerability"]["name"]: one["status"] for one in release["statements"]}
    assert statuses == {
        "XSA-480": "fixed",
        "XSA-482": "not_affected",
        "XSA-483": "not_affected",
        "CVE-2097-48401": "affected",
        "XSA-485": "under_investigation",
    }


def test_an_audit_can_fail_on_what_is_open(place: Stage) -> None:
    told = call(place, "audit", "--fail-on", "unpatched", status=10)
    assert told.stdout == call(place, "audit").stdout
    assert call(place, "audit", "--version", "4.20.4", "--fail-on", "unpatched", "--json", status=10).stdout
    # A person has decided on the one that is open, which says nothing of a release.
    place.configure('name = "xen"\n', 'name = "xen"\ndecided = { 484 = "not built here" }\n')
    try:
        call(place, "audit", "--fail-on", "unpatched")
        call(place, "audit", "--version", "4.20.4", "--fail-on", "unpatched", status=10)
    finally:
        place.configure("decided = .*\n", "")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--format", "pdf"], 2, "Invalid value"),
        ([], 2, "--format"),
        (["--format", "html", "--since", "4.20.3"], 2, "--since takes a branch X.Y"),
        (["--format", "html", "--version", "4.20.3"], 2, "are for --format openvex"),
        (["--format", "json", "--author", "me"], 2, "are for --format openvex"),
        (["--format", "openvex", "--since", "4.20"], 2, "--since is not for"),
        (["--format", "openvex", "--version", "4.20"], 2, "--version takes a release"),
        (["--format", "openvex", "--version", "4.20.99"], 20, "E-TAG-MISSING"),
        (["--format", "html", "--package", "other"], 2, "E-PACKAGE-NAME"),
        (["--format", "markdown", "--output", "no/such/folder/x.md"], 1, "E-FILE-WRITE"),
    ],
)
def test_what_is_wrong_is_told(place: Stage, arguments: list[str], status: int, words: str) -> None:
    done = call(place, "report", *arguments, status=status)
    assert words in done.stderr
    assert done.stdout == ""


def test_openvex_needs_somebody_who_says_so(place: Stage) -> None:
    place.configure('operator = "demo-bot"\n', "")
    try:
        assert "needs an author" in call(place, "report", "--format", "openvex", status=2).stderr
    finally:
        place.configure(r"\[github\]\n", '[github]\noperator = "demo-bot"\n')
