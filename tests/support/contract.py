"""Checks exchanges with the GitHub stand-in against GitHub's own OpenAPI description.

The description is `github-openapi.json`, which `tools/cut_openapi.py` cuts from the one that GitHub publishes
(https://github.com/github/rest-api-description). Both sides are checked: the client's request (path, query, content
type, body) and the stand-in's reply (status, content type, headers, body). Where GitHub is known to do what its
description leaves out, `_UNLISTED` and `_AMENDED` say so, with the reason. What it has nothing of is in
`graphql_contract`.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openapi_core import Config, OpenAPI, V30RequestValidator, V30ResponseValidator
from openapi_core.datatypes import RequestParameters
from werkzeug.datastructures import Headers, ImmutableMultiDict

from tests.support import graphql_contract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from xenbump.demo.github_server import Exchange, GitHubServer

_DESCRIPTION = Path(__file__).with_name("github-openapi.json")
_BASIC, _VALIDATION = "basic-error", "validation-error"
_ERRORS_FROM = 400

# Statuses that GitHub sends for every operation, while the description lists them for a few: the schema of the reply
# and where GitHub says so.
_UNLISTED = {
    "301": (_BASIC, "a repository that was renamed; docs: using-the-rest-api, best practices, follow redirects"),
    "302": (_BASIC, "a temporary redirect; the same page"),
    "307": (_BASIC, "a temporary redirect that keeps the method; the same page"),
    "400": (_BASIC, "a body that is no JSON object; docs: using-the-rest-api, troubleshooting"),
    "401": (_BASIC, "a token that is wrong or missing; docs: authentication"),
    "403": (_BASIC, "a token without the permission, or a rate limit; docs: authentication, rate limits"),
    "404": (_BASIC, "what does not exist or must not be seen; docs: troubleshooting"),
    "422": (_VALIDATION, "a field that fails validation; docs: troubleshooting"),
    "429": (_BASIC, "a rate limit; docs: rate limits"),
    "500": (_BASIC, "a fault of GitHub"),
    "502": (_BASIC, "a fault of GitHub"),
    "503": (_BASIC, "a fault of GitHub"),
    "504": (_BASIC, "a fault of GitHub"),
}

# The description's schema for labels takes an object alone; its own prose and every client know the bare list, too.
_LABELS = "/repos/{owner}/{repo}/issues/{issue_number}/labels"
_AMENDED = {
    (_LABELS, "post"): {"type": "array", "items": {"type": "string"}, "minItems": 1},
    (_LABELS, "put"): {"type": "array", "items": {"type": "string"}},
}

# The violations that were found, by what `_alike` says of a request or a reply.
_JUDGED: dict[bytes, tuple[str, ...]] = {}
# What is as good as any other of its form: a commit, a time, a port. The description knows none of them but by form.
_PASSING = re.compile(
    rb"\b([0-9a-f]{40})\b|\b(20[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)"
    rb"|(?<=//127\.0\.0\.1:)([0-9]+)\b"
)

_SENTENCES = re.compile(rb'"(?:[^"\\]|\\.){40,}"')

Json = dict[str, Any]


@dataclass(frozen=True)
class _Operation:
    """An operation of the description: its path as an expression, and what openapi-core lets pass."""

    template: str
    method: str
    pattern: re.Pattern[str]
    query: frozenset[str]
    properties: frozenset[str] | None


@dataclass
class _Request:
    """A request in the form that openapi-core asks for (`openapi_core.protocols.Request`)."""

    host_url: str
    path: str
    method: str
    parameters: RequestParameters
    content_type: str
    body: bytes | None


@dataclass
class _Response:
    """A reply in the form that openapi-core asks for (`openapi_core.protocols.Response`)."""

    status_code: int
    headers: Headers
    content_type: str
    data: bytes


@dataclass(frozen=True)
class _Contract:
    """The description, loaded: openapi-core's two checkers, the address of the API and the operations."""

    request: V30RequestValidator
    response: V30ResponseValidator
    host: str
    operations: tuple[_Operation, ...]


@cache
def _loaded() -> _Contract:
    """Read the description, once a process."""
    description = json.loads(_DESCRIPTION.read_text(encoding="utf-8"))
    operations = []
    for template, methods in description["paths"].items():
        for method, operation in methods.items():
            for status, (schema, _) in _UNLISTED.items():
                reply = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
                content = {"description": "", "content": {"application/json": reply}}
                operation["responses"].setdefault(status, content)
            if (template, method) in _AMENDED:
                media = operation["requestBody"]["content"]["application/json"]
                media["schema"] = {"oneOf": [media["schema"], _AMENDED[template, method]]}
            operations.append(_operation(description, template, method, operation))
    # That the description is one takes a second to see, and is seen once, in a test of its own.
    spec = OpenAPI.from_dict(description, config=Config(spec_validator_cls=None)).spec
    host = description["servers"][0]["url"]
    return _Contract(V30RequestValidator(spec), V30ResponseValidator(spec), host, tuple(operations))


def _operation(description: Json, template: str, method: str, operation: Json) -> _Operation:
    """Note what openapi-core does not look at: names of the query and the body, slashes in a parameter of the path."""
    listed = [
        description["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]
        if "$ref" in parameter
        else parameter
        for parameter in operation.get("parameters", [])
    ]
    long = {parameter["name"] for parameter in listed if parameter.get("x-multi-segment")}
    expression = re.sub(
        r"\\\{(\w+)\\\}", lambda m: f"(?P<{m[1]}>{'.+' if m[1] in long else '[^/]+'})", re.escape(template)
    )
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return _Operation(
        template=template,
        method=method,
        pattern=re.compile(expression),
        query=frozenset(parameter["name"] for parameter in listed if parameter["in"] == "query"),
        properties=frozenset(body["properties"]) if "properties" in body else None,
    )


def _found(exchange: Exchange, operations: Iterable[_Operation]) -> tuple[_Operation, str] | None:
    """Find the operation that a request means, and its path with every slash inside a parameter encoded."""
    for operation in operations:
        match = operation.pattern.fullmatch(exchange.path)
        if match is not None and operation.method == exchange.method.lower():
            parts = {name: part.replace("/", "%2F") for name, part in match.groupdict().items()}
            return operation, operation.template.format(**parts)
    return None


def _told(error: BaseException) -> Iterator[str]:
    """Tell what an error of openapi-core says; the schema's own words are further down the chain of causes."""
    deepest: BaseException = error
    while deepest.__cause__ is not None:
        deepest = deepest.__cause__
    schema_errors = getattr(deepest, "schema_errors", None)
    if not schema_errors:
        yield f"{error} ({deepest})" if deepest is not error else str(error)
        return
    for schema_error in schema_errors:
        inner = schema_error
        while inner.context:  # of several alternatives, the one that comes nearest
            inner = max(inner.context, key=lambda failed: len(failed.absolute_path))
        yield f"{inner.json_path}: {inner.message[:300]}"


def _request_violations(
    contract: _Contract, request: _Request, operation: _Operation, exchange: Exchange
) -> Iterator[str]:
    for name, _ in exchange.query:
        if name not in operation.query:
            yield f"query: the operation has no parameter {name!r}"
    for error in contract.request.iter_errors(request):
        yield from (f"request: {text}" for text in _told(error))
    if operation.properties is not None and exchange.request_body:
        try:
            body = json.loads(exchange.request_body)
        except ValueError:
            return  # told above
        unknown = sorted(set(body) - operation.properties) if isinstance(body, dict) else []
        yield from (f"request: the body has a property {name!r} that the operation does not know" for name in unknown)
    version = exchange.request_headers.get("x-github-api-version", "2022-11-28")
    if version != "2022-11-28":
        yield f"request: the description is of another version of the API than {version!r}"


def _reply_violations(contract: _Contract, request: _Request, exchange: Exchange) -> Iterator[str]:
    headers = Headers(list(exchange.response_headers.items()))
    content_type = exchange.response_headers.get("content-type", "")
    response = _Response(exchange.status, headers, content_type, exchange.response_body)
    for error in contract.response.iter_errors(request, response):
        yield from (f"reply: {text}" for text in _told(error))
    if exchange.status >= _ERRORS_FROM:
        try:
            body = json.loads(exchange.response_body)
        except ValueError:
            return  # told above
        if not isinstance(body, dict) or not isinstance(body.get("message"), str):
            yield "reply: an error without a message"


def _reply_arrived(exchange: Exchange) -> bool:
    """Tell whether a reply is GitHub's to answer for: a reset connection and a proxy's error page are not."""
    fault = exchange.fault
    if fault is None:
        return True
    return not (fault.drop or fault.truncate or isinstance(fault.body, bytes))


def violations(exchange: Exchange) -> list[str]:
    """Return what of an exchange the description does not allow, one sentence each."""
    if exchange.path == graphql_contract.PATH:
        return graphql_contract.violations(exchange)
    contract = _loaded()
    found = _found(exchange, contract.operations)
    if found is None:
        return ["request: the description has no such operation"]
    operation, path = found
    request = _Request(
        host_url=contract.host,
        path=path,
        method=operation.method,
        parameters=RequestParameters(
            query=ImmutableMultiDict(exchange.query),
            header=Headers(list(exchange.request_headers.items())),
        ),
        content_type=exchange.request_headers.get("content-type", ""),
        body=exchange.request_body or None,
    )
    told = _once(
        _alike(exchange.request_body, operation.method, path, exchange.query, _plain(exchange.request_headers)),
        lambda: _request_violations(contract, request, operation, exchange),
    )
    if _reply_arrived(exchange):
        told += _once(
            _alike(
                exchange.response_body,
                operation.method,
                operation.template,
                exchange.status,
                _plain(exchange.response_headers),
            ),
            lambda: _reply_violations(contract, request, exchange),
        )
    return told


def _once(known: bytes, judge: Callable[[], Iterator[str]]) -> list[str]:
    """What is found of a request or a reply: runs say the same again and again, and of those alike one is looked at."""
    if known not in _JUDGED:
        _JUDGED[known] = tuple(judge())
    return list(_JUDGED[known])


def _plain(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Headers without the values of which the description says no more than what they are: tokens, counts, numbers."""
    passing = {"authorization", "x-github-request-id"}
    return sorted((name, "0" if name in passing or value.isdecimal() else value) for name, value in headers.items())


def _alike(body: bytes, *facts: object) -> bytes:
    """A digest of facts and a body; it leaves out which commit, second and port it is, and what whole sentences say."""
    whole = repr(facts).encode() + b"\0" + _SENTENCES.sub(lambda found: b'"-"' if b" " in found[0] else found[0], body)
    return hashlib.sha256(_PASSING.sub(lambda found: b"%d" % (found.lastindex or 0), whole)).digest()


def check(exchange: Exchange) -> None:
    """Raise an `AssertionError` that tells every violation of one exchange."""
    verify([exchange])


def verify(exchanges: Iterable[Exchange]) -> None:
    """Raise one `AssertionError` that tells every violation of many exchanges."""
    lines = []
    for exchange in exchanges:
        told = violations(exchange)
        if told:
            lines.append(f"{exchange.method} {exchange.path} -> {exchange.status}")
            lines += [f"    {text}" for text in told]
    if lines:
        raise AssertionError("against GitHub's OpenAPI description:\n" + "\n".join(lines))


@contextmanager
def checked(server: GitHubServer) -> Iterator[GitHubServer]:
    """Start a stand-in, hand it out, stop it, and then check every exchange that it had.

    The check comes after the end and in the caller's thread, so that a violation cannot be lost in a thread of the
    server. When the caller's own code fails, its error goes on, with the violations as a note.
    """
    try:
        with server:
            yield server
    except BaseException as error:
        try:
            verify(server.exchanges)
        except AssertionError as violation:
            error.add_note(str(violation))
        raise
    verify(server.exchanges)
