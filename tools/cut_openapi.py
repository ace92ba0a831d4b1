"""Cut GitHub's OpenAPI description down to the operations that the stand-in of the tests serves.

    python tools/cut_openapi.py package/generated/api.github.com.json tests/support/github-openapi.json

In: the description `api.github.com.json` where the package `@octokit/openapi` has it, two steps below the package's
`LICENSE`, which goes into the cut (the source is https://github.com/github/rest-api-description). Out: an OpenAPI 3.0
document with the operations of `SERVED`, the components that these reach, and nothing that is prose. What stays is
every keyword that accepts or rejects a value, unchanged; the same input gives the same bytes.

The walk knows what kind of object it is in, because the same key is prose in one place and a name in another: the
`description` of a schema is dropped, a property named `description` is kept.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_REPO = "/repos/{owner}/{repo}"

# The operations that xenbump.demo.github_server answers.
SERVED: dict[str, tuple[str, ...]] = {
    "/app/installations/{installation_id}/access_tokens": ("post",),
    "/rate_limit": ("get",),
    "/search/issues": ("get",),
    "/user": ("get",),
    _REPO: ("get",),
    f"{_REPO}/branches/{{branch}}": ("get",),
    f"{_REPO}/commits/{{ref}}": ("get",),
    f"{_REPO}/compare/{{basehead}}": ("get",),
    f"{_REPO}/git/blobs": ("post",),
    f"{_REPO}/git/blobs/{{file_sha}}": ("get",),
    f"{_REPO}/git/commits": ("post",),
    f"{_REPO}/git/commits/{{commit_sha}}": ("get",),
    f"{_REPO}/git/ref/{{ref}}": ("get",),
    f"{_REPO}/git/refs": ("post",),
    f"{_REPO}/git/refs/{{ref}}": ("patch",),
    f"{_REPO}/git/trees": ("post",),
    f"{_REPO}/git/trees/{{tree_sha}}": ("get",),
    f"{_REPO}/installation": ("get",),
    f"{_REPO}/issues": ("get", "post"),
    f"{_REPO}/issues/{{issue_number}}": ("get", "patch"),
    f"{_REPO}/issues/{{issue_number}}/assignees": ("post",),
    f"{_REPO}/issues/{{issue_number}}/comments": ("get", "post"),
    f"{_REPO}/issues/{{issue_number}}/labels": ("get", "post", "put"),
    f"{_REPO}/labels": ("get",),
    f"{_REPO}/labels/{{name}}": ("get",),
    f"{_REPO}/merge-upstream": ("post",),
    f"{_REPO}/pulls": ("get", "post"),
    f"{_REPO}/pulls/{{pull_number}}": ("get", "patch"),
    f"{_REPO}/pulls/{{pull_number}}/requested_reviewers": ("get", "post"),
}

# Kept whether or not an operation names them: the replies to errors that the description leaves out.
_ALWAYS = ("#/components/schemas/basic-error", "#/components/schemas/validation-error")

# A schema's keywords that describe and neither accept nor reject.
_SCHEMA_PROSE = frozenset({"default", "deprecated", "description", "example", "examples", "externalDocs", "title"})
_SCHEMA_MAPS = frozenset({"properties", "patternProperties"})
_SCHEMA_LISTS = frozenset({"allOf", "anyOf", "oneOf"})
_SCHEMA_SINGLE = frozenset({"additionalProperties", "items", "not"})
# The keywords of the objects around schemas that validate. `x-multi-segment` is GitHub's mark for a path
# parameter that may hold slashes (a branch name), which OpenAPI 3.0 itself cannot say.
_PARAMETER_KEYS = ("allowEmptyValue", "explode", "in", "name", "required", "style", "x-multi-segment")

Json = dict[str, Any]


def cut_schema(schema: Any) -> Any:
    """Return a schema without its prose; a reference and a boolean come back as they are."""
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    kept: Json = {}
    for key, value in schema.items():
        if key in _SCHEMA_PROSE or key.startswith("x-"):
            continue
        if key in _SCHEMA_MAPS:
            kept[key] = {name: cut_schema(inner) for name, inner in value.items()}
        elif key in _SCHEMA_LISTS:
            kept[key] = [cut_schema(inner) for inner in value]
        elif key in _SCHEMA_SINGLE:
            kept[key] = cut_schema(value)
        else:
            kept[key] = value
    return kept


def _cut_content(content: Json) -> Json:
    """Cut the media types of a body: each keeps its schema alone."""
    return {
        kind: {"schema": cut_schema(media["schema"])} if "schema" in media else {} for kind, media in content.items()
    }


def _cut_parameter(parameter: Json) -> Json:
    """Cut a parameter or a header, which is a parameter without a name."""
    if "$ref" in parameter:
        return {"$ref": parameter["$ref"]}
    kept = {key: parameter[key] for key in _PARAMETER_KEYS if key in parameter}
    if "schema" in parameter:
        kept["schema"] = cut_schema(parameter["schema"])
    if "content" in parameter:
        kept["content"] = _cut_content(parameter["content"])
    return kept


def _cut_response(response: Json) -> Json:
    """Cut a response; OpenAPI wants a `description` in it, so an empty one stays."""
    if "$ref" in response:
        return {"$ref": response["$ref"]}
    kept: Json = {"description": ""}
    if "content" in response:
        kept["content"] = _cut_content(response["content"])
    if "headers" in response:
        kept["headers"] = {name: _cut_parameter(header) for name, header in response["headers"].items()}
    return kept


def _cut_operation(operation: Json) -> Json:
    """Cut an operation: its id, parameters, request body and responses stay."""
    kept: Json = {"operationId": operation["operationId"]}
    if operation.get("parameters"):
        kept["parameters"] = [_cut_parameter(parameter) for parameter in operation["parameters"]]
    if "requestBody" in operation:
        body = operation["requestBody"]
        kept["requestBody"] = {"content": _cut_content(body["content"]), "required": body.get("required", False)}
    kept["responses"] = {status: _cut_response(reply) for status, reply in operation["responses"].items()}
    return kept


_COMPONENTS = {
    "headers": _cut_parameter,
    "parameters": _cut_parameter,
    "responses": _cut_response,
    "schemas": cut_schema,
}


def _references(node: Any) -> set[str]:
    """Return every `#/…` that a node points to, by `$ref` or by a discriminator's mapping."""
    if isinstance(node, list):
        return set().union(*(_references(inner) for inner in node))
    if not isinstance(node, dict):
        return set()
    found: set[str] = set()
    for key, value in node.items():
        if key == "$ref" and isinstance(value, str):
            found.add(value)
        elif key == "discriminator" and isinstance(value, dict):
            found.update(str(target) for target in value.get("mapping", {}).values())
        else:
            found |= _references(value)
    return found


def cut(description: Json, notice: str) -> Json:
    """Return the cut of a whole description with its licence; a `KeyError` names what GitHub has taken out of it."""
    paths = {
        path: {method: _cut_operation(description["paths"][path][method]) for method in methods}
        for path, methods in SERVED.items()
    }
    components: dict[str, Json] = {}
    seen: set[str] = set()
    waiting = _references(paths) | set(_ALWAYS)
    while waiting:
        reference = waiting.pop()
        seen.add(reference)
        _, _, group, name = reference.split("/")
        part = _COMPONENTS[group](description["components"][group][name])
        components.setdefault(group, {})[name] = part
        waiting |= _references(part) - seen
    info = description["info"]
    return {
        "openapi": description["openapi"],
        "info": {
            "title": "Cut of GitHub's REST API description by tools/cut_openapi.py",
            "version": info["version"],
            "license": {**info["license"], "x-notice": notice},
        },
        "servers": description["servers"],
        "paths": paths,
        "components": components,
    }


def main(argv: list[str]) -> int:
    """Read the description named first, write its cut to the file named second; return the exit status."""
    if len(argv) != 2:  # noqa: PLR2004 - an input and an output
        sys.stderr.write("usage: cut_openapi.py api.github.com.json OUTPUT\n")
        return 2
    source = Path(argv[0]).resolve()
    description = json.loads(source.read_text(encoding="utf-8"))
    notice = (source.parents[1] / "LICENSE").read_text(encoding="utf-8")
    text = json.dumps(
        cut(description, notice.strip()), sort_keys=True, ensure_ascii=False, indent=0, separators=(",", ":")
    )
    Path(argv[1]).write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
