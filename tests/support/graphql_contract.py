"""Checks exchanges with the stand-in's GraphQL API by hand: GitHub's OpenAPI description does not have it.

What is checked against is written down here from docs.github.com/graphql/reference: the query `viewer`, the mutation
`markPullRequestReadyForReview` with its input object, and the fields that either may be asked for. The form of a reply
is that of the GraphQL specification, section 7.1, with the `type` that GitHub adds to an error.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xenbump.demo.github_server import Exchange

PATH = "/api/graphql"
_TOKEN = re.compile(r"\.\.\.|[{}():$!,]|\w+")
_FINE, _ERRORS_FROM = 200, 400

# From the reference: the fields that may be asked for, by type; a nested one names its own type.
_FIELDS: dict[str, dict[str, Any]] = {
    "Query": {"viewer": "User"},
    "User": {"login": str, "databaseId": int, "id": str},
    "Mutation": {"markPullRequestReadyForReview": "MarkPullRequestReadyForReviewPayload"},
    "MarkPullRequestReadyForReviewPayload": {"clientMutationId": (str, type(None)), "pullRequest": "PullRequest"},
    "PullRequest": {"id": str, "number": int, "isDraft": bool, "title": str, "url": str},
}
# The input object: its fields, and whether they must be there.
_INPUT = {"MarkPullRequestReadyForReviewInput": {"clientMutationId": False, "pullRequestId": True}}

Selection = dict[str, Any]


def violations(exchange: Exchange) -> list[str]:
    """What of an exchange the reference does not allow, one sentence each."""
    try:
        body = json.loads(exchange.request_body)
        kind, variables, selection = _parsed(body["query"])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        return [f"request: no GraphQL request ({error!r})"]
    told = list(_request(exchange, body, kind, variables, selection))
    fault = exchange.fault
    if fault is None or not (fault.drop or fault.truncate or isinstance(fault.body, bytes)):
        told += _reply(exchange, kind, selection)
    return told


def _request(
    exchange: Exchange, body: dict[str, Any], kind: str, variables: dict[str, str], selection: Selection
) -> Iterator[str]:
    if exchange.method != "POST" or exchange.query:
        yield "request: GraphQL takes a POST without a query string"
    if exchange.request_headers.get("content-type", "").partition(";")[0] != "application/json":
        yield "request: GraphQL takes JSON"
    yield from (f"request: {name!r} is no part of a request" for name in set(body) - {"query", "variables"})
    yield from (f"request: {text}" for text in _unknown(selection, kind))
    given = body.get("variables") or {}
    for name in set(given) ^ set(variables):
        yield f"request: the variable {name!r} is not both declared and given"
    for name, form in variables.items():
        fields = _INPUT.get(form)
        value = given.get(name)
        if fields is None or not isinstance(value, dict):
            yield f"request: no input object {form!r} is known, or {name!r} is none"
            continue
        yield from (f"request: {form} has no field {field!r}" for field in set(value) - set(fields))
        yield from (f"request: {form} needs {field!r}" for field, must in fields.items() if must and field not in value)
        yield from (f"request: {field!r} is no string" for field, text in value.items() if not isinstance(text, str))


def _reply(exchange: Exchange, kind: str, selection: Selection) -> Iterator[str]:
    try:
        body = json.loads(exchange.response_body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        yield "reply: no JSON object"
        return
    if exchange.status >= _ERRORS_FROM:
        yield from _messages([body])
        return
    if exchange.status != _FINE:
        yield f"reply: GraphQL does not answer {exchange.status}"
    yield from _answered(body, kind, selection)


def _messages(errors: list[Any]) -> Iterator[str]:
    for error in errors:
        if not isinstance(error, dict) or not isinstance(error.get("message"), str):
            yield "reply: an error without a message"


def _answered(body: dict[str, Any], kind: str, selection: Selection) -> Iterator[str]:
    """What is wrong with data and errors."""
    errors = body.get("errors", [])
    if not isinstance(errors, list) or ("errors" in body and not errors) or set(body) - {"data", "errors"}:
        yield "reply: neither data nor errors, or more than these"
        return
    yield from _messages(errors)
    data = body.get("data") or {}
    for name, inner in selection.items():
        if data.get(name) is None and not errors:
            yield f"reply: {name} is null without an error"
        elif data.get(name) is not None:
            yield from (f"reply: {text}" for text in _wrong(data[name], inner, _FIELDS[kind][name]))


def _unknown(selection: Selection, form: str) -> Iterator[str]:
    """The fields of a selection that a type does not have."""
    for name, inner in selection.items():
        wanted = _FIELDS[form].get(name)
        if wanted is None or isinstance(wanted, str) != bool(inner):
            yield f"{form} has no field {name!r} of that kind"
        elif isinstance(wanted, str):
            yield from _unknown(inner, wanted)


def _wrong(value: Any, selection: Selection, form: str) -> Iterator[str]:
    """What of a value does not fit the selection."""
    if not isinstance(value, dict) or set(value) != set(selection):
        yield f"{form} has not just the fields that were asked for"
        return
    for name, inner in selection.items():
        wanted = _FIELDS[form].get(name)
        if isinstance(wanted, str):
            yield from _wrong(value[name], inner, wanted)
        elif wanted is not None and not isinstance(value[name], wanted):
            yield f"{form}.{name} is {value[name]!r}"


def _parsed(query: str) -> tuple[str, dict[str, str], Selection]:
    """Read a request: the root type, the variables with their types, and the selection of fields."""
    tokens = _TOKEN.findall(query)
    kind = {"query": "Query", "mutation": "Mutation"}[tokens.pop(0)]
    if re.fullmatch(r"\w+", tokens[0]):
        tokens.pop(0)
    variables: dict[str, str] = {}
    if tokens[0] == "(":
        while tokens.pop(0) != ")":
            if tokens[0] == "$":
                variables[tokens[1]] = tokens[3]
    selection = _selection(tokens)
    if tokens:
        raise ValueError(tokens[0])
    return kind, variables, selection


def _selection(tokens: list[str]) -> Selection:
    """Read `{ field (arguments) { … } … }`; arguments are passed over."""
    if tokens.pop(0) != "{":
        raise ValueError(tokens)
    found: Selection = {}
    while tokens[0] != "}":
        name = tokens.pop(0)
        if tokens[0] == "(":
            del tokens[: tokens.index(")") + 1]
        found[name] = _selection(tokens) if tokens[0] == "{" else {}
    tokens.pop(0)
    return found
