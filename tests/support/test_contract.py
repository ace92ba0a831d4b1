"""The check against GitHub's description rejects what it should, and the cut of the description lost nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openapi_core import OpenAPI
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError

from tests.support import contract
from tests.support.github_world import MASTER, PULLS, REPO, WRITER, claim, inhabited
from tools import cut_openapi
from xenbump.demo.github_server import Exchange, Fault, GitHubServer

DESCRIPTION = json.loads(Path(contract.__file__).with_name("github-openapi.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def opened() -> Exchange:
    """An exchange that is right: a pull request is opened."""
    with contract.checked(GitHubServer()) as server, inhabited(server) as world:
        world.pull()
        return server.exchanges[-1]


@pytest.fixture(scope="module")
def listed() -> Exchange:
    """An exchange that is right: pull requests are listed."""
    with contract.checked(GitHubServer()) as server, inhabited(server) as world:
        world.pull()
        world.ask("GET", PULLS, params={"state": "open", "per_page": 5})
        return server.exchanges[-1]


def replied(exchange: Exchange, change: dict[str, Any], *, without: str = "") -> Exchange:
    body = {**json.loads(exchange.response_body), **change}
    body.pop(without, None)
    return replace(exchange, response_body=json.dumps(body).encode())


def requested(exchange: Exchange, change: dict[str, Any], *, without: str = "") -> Exchange:
    body = {**json.loads(exchange.request_body), **change}
    body.pop(without, None)
    return replace(exchange, request_body=json.dumps(body).encode())


def test_a_right_exchange_passes(opened: Exchange, listed: Exchange) -> None:
    assert (opened.method, opened.status, listed.status) == ("POST", 201, 200)
    assert contract.violations(opened) == contract.violations(listed) == []
    contract.check(opened)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"number": "1"}, r"reply: \$\.number: '1' is not of type '?integer"),
        ({"state": "merged"}, r"reply: \$\.state: 'merged' is not one of"),
        ({"created_at": "yesterday"}, r"reply: \$\.created_at: 'yesterday' is not a 'date-time'"),
        ({"title": None}, r"reply: \$\.title: "),
        ({"base": {}}, r"reply: \$\.base: 'ref' is a required property"),
        ({"labels": [{"id": 1}]}, r"reply: \$\.labels\[0\]: 'name' is a required property"),
    ],
)
def test_a_wrong_value_in_a_reply_is_told(opened: Exchange, change: dict[str, Any], told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        contract.check(replied(opened, change))


@pytest.mark.parametrize("name", ["id", "html_url", "user", "head", "merged", "mergeable", "commits"])
def test_a_missing_field_of_a_reply_is_told(opened: Exchange, name: str) -> None:
    with pytest.raises(AssertionError, match=rf"reply: \$: '{name}' is a required property"):
        contract.check(replied(opened, {}, without=name))


def test_a_wrong_element_of_a_list_is_told(listed: Exchange) -> None:
    pulls = json.loads(listed.response_body)
    pulls[0]["user"]["id"] = "x"
    wrong = replace(listed, response_body=json.dumps(pulls).encode())
    with pytest.raises(AssertionError, match=r"\$\[0\]\.user\.id: 'x' is not of type '?integer"):
        contract.check(wrong)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"draft": "yes"}, r"request: \$\.draft: 'yes' is not of type '?boolean"),
        ({"drafts": True}, "request: the body has a property 'drafts'"),
        ({"head": None}, r"request: \$\.head: "),
    ],
)
def test_a_wrong_body_of_a_request_is_told(opened: Exchange, change: dict[str, Any], told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        contract.check(requested(opened, change))


def test_a_body_that_is_incomplete_absent_or_no_json_is_told(opened: Exchange) -> None:
    with pytest.raises(AssertionError, match=r"request: \$: 'base' is a required property"):
        contract.check(requested(opened, {}, without="base"))
    for body in (b"", b"{"):
        with pytest.raises(AssertionError, match="request: "):
            contract.check(replace(opened, request_body=body))


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (("state", "merged"), "request: .*'merged' is not one of"),
        (("per_page", "many"), "request: .*per_page"),
        (("author", "octo-operator"), "query: the operation has no parameter 'author'"),
    ],
)
def test_a_wrong_query_is_told(listed: Exchange, query: tuple[str, str], told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        contract.check(replace(listed, query=(query,)))


@pytest.mark.parametrize("path", ["/emojis", f"/repos/{REPO}/pulls/one/files", "/repos/NixOS"])
def test_an_operation_that_is_not_described_is_told(listed: Exchange, path: str) -> None:
    with pytest.raises(AssertionError, match="no such operation"):
        contract.check(replace(listed, path=path))


def test_a_number_in_the_path_must_be_one(opened: Exchange) -> None:
    with pytest.raises(AssertionError, match=r"request: .*pull_number"):
        contract.check(replace(opened, method="GET", path=f"{PULLS}/one", status=200, request_body=b""))


@pytest.mark.parametrize("status", [200, 202, 204, 303, 418])
def test_a_status_that_is_neither_described_nor_allowed_is_told(opened: Exchange, status: int) -> None:
    with pytest.raises(AssertionError, match=f"reply: .*{status}"):
        contract.check(replace(opened, status=status))


def test_content_types_are_checked(opened: Exchange) -> None:
    for_request = replace(opened, request_headers={**opened.request_headers, "content-type": "text/plain"})
    with pytest.raises(AssertionError, match=r"request: .*text/plain"):
        contract.check(for_request)
    for_reply = replace(opened, response_headers={**opened.response_headers, "content-type": "text/plain"})
    with pytest.raises(AssertionError, match=r"reply: .*text/plain"):
        contract.check(for_reply)


def test_another_version_of_the_api_is_told(opened: Exchange) -> None:
    headers = {**opened.request_headers, "x-github-api-version": "2099-01-01"}
    with pytest.raises(AssertionError, match="another version of the API"):
        contract.check(replace(opened, request_headers=headers))


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (404, {"documentation_url": "https://docs.github.com/rest"}, "an error without a message"),
        (404, {"message": 1}, r"\$\.message"),
        (404, "gone", r"\$: 'gone' is not of type '?object"),
        (422, {"message": "Validation Failed"}, "'documentation_url' is a required property"),
        (422, {"message": "x", "documentation_url": "x", "errors": [{"field": "head"}]}, "'code' is a required"),
    ],
)
def test_an_error_of_a_wrong_form_is_told(opened: Exchange, status: int, body: Any, told: str) -> None:
    with pytest.raises(AssertionError, match=f"reply: .*{told}"):
        contract.check(replace(opened, status=status, response_body=json.dumps(body).encode()))


def test_a_request_is_checked_even_when_its_reply_never_arrives(opened: Exchange) -> None:
    lost = replace(opened, status=0, response_headers={}, response_body=b"", fault=Fault.reset())
    contract.check(lost)
    with pytest.raises(AssertionError, match="drafts"):
        contract.check(requested(lost, {"drafts": True}))


def test_leaving_tells_the_violations_of_all_exchanges() -> None:
    def run() -> None:
        with contract.checked(GitHubServer()) as server, inhabited(server) as world:
            world.ask("GET", PULLS, params={"state": "bogus"})
            world.ask("GET", "/user")
            world.ask("GET", f"/repos/{REPO}/labels", params={"name": "x"})

    with pytest.raises(AssertionError) as caught:
        run()
    lines = str(caught.value).splitlines()
    told = [line for line in lines if line.startswith("GET")]
    assert told == [f"GET {PULLS} -> 422", f"GET /repos/{REPO}/labels -> 200"]


def test_leaving_keeps_the_error_of_the_test_and_notes_the_violations() -> None:
    def run() -> None:
        with contract.checked(GitHubServer()) as server, inhabited(server) as world:
            world.ask("GET", PULLS, params={"state": "bogus"}, token=WRITER)
            raise LookupError

    with pytest.raises(LookupError) as caught:
        run()
    assert "'bogus' is not one of" in caught.value.__notes__[0]


def test_the_description_has_exactly_what_the_cut_names_and_the_stand_in_serves() -> None:
    described = {path: tuple(sorted(methods)) for path, methods in DESCRIPTION["paths"].items()}
    assert described == {path: tuple(sorted(methods)) for path, methods in cut_openapi.SERVED.items()}
    with GitHubServer() as server, inhabited(server) as world:
        world.pull()
        values = {"owner": "NixOS", "repo": "nixpkgs", "branch": "master", "ref": "heads/master"}
        values |= {"issue_number": "1", "pull_number": "1", "name": "6.topic: xen-project"}
        values |= {"installation_id": str(world.app().installation), "basehead": "master...xen-4.20"}
        values |= dict.fromkeys(("file_sha", "commit_sha", "tree_sha"), MASTER)
        bodies: dict[str, Any] = {"comments": {"body": "x"}, "labels": {"labels": ["x"]}}
        bodies["pulls"] = {"head": "xen/4.19", "base": "master"}
        for path, methods in described.items():
            for method in methods:
                body = {"title": "x", **bodies.get(path.rpartition("/")[2], {})} if method != "get" else None
                query = {"q": f"repo:{REPO} is:pr"} if path.startswith("/search/") else {}
                token = claim() if "installation" in path else WRITER
                reply = world.ask(method.upper(), path.format(**values), token, json=body, params=query)
                # The repository of this world is not on disk: whatever looks into it says that it is empty.
                on_disk = "/git/" in path or path.endswith(("/commits/{ref}", "{basehead}", "/merge-upstream"))
                empty = on_disk and reply.status_code == 409
                assert reply.ok or empty, (method, path, reply.text)


def test_the_description_is_one_of_openapi() -> None:
    assert OpenAPI.from_dict(DESCRIPTION).spec["openapi"] == DESCRIPTION["openapi"]
    with pytest.raises(OpenAPIValidationError):
        OpenAPI.from_dict({**DESCRIPTION, "paths": {"/user": {"get": {}}}})


def test_the_description_keeps_what_validates_and_drops_prose() -> None:
    schema = {
        "type": "object",
        "title": "A thing",
        "description": "Prose",
        "x-prose": 1,
        "required": ["description"],
        "additionalProperties": {"type": "string", "example": "prose"},
        "properties": {
            "description": {"type": "string", "nullable": True, "description": "prose", "maxLength": 3},
            "title": {"$ref": "#/components/schemas/title", "description": "prose"},
            "example": {"enum": ["x-a"], "default": "x-a", "deprecated": True},
            "x-y": {"oneOf": [{"type": "array", "items": {"type": "string", "examples": ["a"]}}]},
        },
    }
    assert cut_openapi.cut_schema(schema) == {
        "type": "object",
        "required": ["description"],
        "additionalProperties": {"type": "string"},
        "properties": {
            "description": {"type": "string", "nullable": True, "maxLength": 3},
            "title": {"$ref": "#/components/schemas/title"},
            "example": {"enum": ["x-a"]},
            "x-y": {"oneOf": [{"type": "array", "items": {"type": "string"}}]},
        },
    }


def test_cutting_the_cut_again_changes_nothing(tmp_path: Path) -> None:
    source = tmp_path / "generated" / "api.json"
    source.parent.mkdir()
    (tmp_path / "LICENSE").write_text(DESCRIPTION["info"]["license"]["x-notice"], encoding="utf-8")
    shipped = Path(contract.__file__).with_name("github-openapi.json")
    source.write_bytes(shipped.read_bytes())
    outputs = [tmp_path / "first.json", tmp_path / "second.json"]
    for output in outputs:
        assert cut_openapi.main([str(source), str(output)]) == 0
        assert output.read_bytes() == shipped.read_bytes()
    assert shipped.stat().st_size < 400_000


def test_the_cut_tells_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert cut_openapi.main([]) == 2
    assert capsys.readouterr().err.startswith("usage: ")
