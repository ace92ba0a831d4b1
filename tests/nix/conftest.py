"""The flake, evaluated once with each library that is at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.nix import flake
from tests.nix.flake import Evaluator

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def flake_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The flake with a stand-in for nix/xen."""
    flake.need_nix()
    return flake.copied(tmp_path_factory.mktemp("flake").resolve())


@pytest.fixture(scope="session")
def evaluate_once(flake_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    """Evaluates over that flake with the stand-in alone, for what takes its time elsewhere."""
    return Evaluator(flake_tree, flake.NIXPKGS / "lib", tmp_path_factory.mktemp("nix").resolve())


@pytest.fixture(scope="session", params=flake.libraries())
def evaluate(request: pytest.FixtureRequest, flake_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    """Evaluates over that flake."""
    return Evaluator(flake_tree, request.param, tmp_path_factory.mktemp("nix").resolve())
