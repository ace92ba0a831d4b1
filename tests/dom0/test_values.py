"""Values out of JSON that the other side of a serial line wrote."""

from __future__ import annotations

import json

import pytest

from xenbump.dom0 import values


@pytest.mark.parametrize("written", ["1" + "0" * 400, "-" + "1" * 400, "1e999", "-1", "true", '"1"', "null"])
def test_what_is_no_number(written: str) -> None:
    with pytest.raises(ValueError, match="`a`"):
        values.number(json.loads(f'{{"a": {written}}}'), "a")


@pytest.mark.parametrize("written", ["0", "1", "1.5", "1" + "0" * 300])
def test_what_is_a_number(written: str) -> None:
    assert values.number(json.loads(f'{{"a": {written}}}'), "a") == json.loads(written)


def test_half_a_character_does_not_come_through() -> None:
    source = json.loads(r'{"a": "x\ud800y", "b": ["\udfff", "\ud83d\ude00"]}')
    assert values.text(source, "a") == "x?y"
    assert values.texts(source, "b") == ("?", "\U0001f600")
