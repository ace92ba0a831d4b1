"""JSON schemas (2020-12): whether a document is what its schema says."""

from __future__ import annotations

import importlib
from typing import Any

# It has no types of its own, and is there because openapi-core needs it.
_jsonschema: Any = importlib.import_module("jsonschema")


def check(schema: Any) -> None:
    """Raise an error when a schema is none itself."""
    _jsonschema.Draft202012Validator.check_schema(schema)


def validate(value: Any, schema: Any) -> None:
    """Raise an error that tells where a value is not what the schema says."""
    _jsonschema.Draft202012Validator(schema).validate(value)


def is_valid(value: Any, schema: Any) -> bool:
    """Tell whether a value is what the schema says."""
    return bool(_jsonschema.Draft202012Validator(schema).is_valid(value))
