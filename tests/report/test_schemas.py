"""The JSON schemas in the documentation: those of the types, and strict ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import schemas
from xenbump.report.schemas import DOCUMENTS, schema

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_schemas_in_the_documentation_are_those_of_the_types(name: str) -> None:
    assert (SCHEMAS / f"{name}.json").read_text("utf-8") == schema(name)


def test_there_is_no_schema_of_a_document_that_is_gone() -> None:
    assert sorted(path.stem for path in SCHEMAS.glob("*.json")) == sorted(DOCUMENTS)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_schema_refuses_what_is_not_its_document(name: str) -> None:
    made = json.loads(schema(name))
    schemas.check(made)
    wrong: list[Any] = [{}, [], {"schema": "xenbump.other/1"}, {"schema": f"xenbump.{name}/2", "packages": []}]
    assert [value for value in wrong if schemas.is_valid(value, made)] == []
