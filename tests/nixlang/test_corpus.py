"""Every Nix file of folders that the caller names in the environment: read, and given back unchanged."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.nixlang.support import FIXTURES
from xenbump.nixlang import NixSyntaxError, parse, walk


@pytest.mark.parametrize("name", sorted(FIXTURES))
def test_fixture(name: str) -> None:
    document = parse(FIXTURES[name])
    assert "".join(token.text for token in document.tokens) == FIXTURES[name]


def test_corpus() -> None:
    folders = os.environ.get("XENBUMP_NIX_CORPUS")
    if not folders:
        pytest.skip("XENBUMP_NIX_CORPUS names no folder")
    refused = []
    files = [path for folder in folders.split(os.pathsep) for path in sorted(Path(folder).rglob("*.nix"))]
    assert files
    for path in files:
        # Some test files of Nix itself are not UTF-8.
        source = path.read_bytes().decode("utf-8", "surrogateescape")
        try:
            document = parse(source)
        except NixSyntaxError as error:
            refused.append(f"{path}: {error}")
            continue
        assert "".join(token.text for token in document.tokens) == source
        assert all(0 <= node.start < node.end <= len(source) for node in walk(document))
    # Nix's own tests have files that are meant to fail; they say so in their names.
    assert [one for one in refused if "-fail-" not in one] == []
