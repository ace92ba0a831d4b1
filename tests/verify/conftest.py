"""A Nix of the machine with a store, a state and a configuration of its own, and a flake to build with it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from xenbump.verify.nix import Buildable

if TYPE_CHECKING:
    from collections.abc import Callable

FLAKE = Path(__file__).parent / "flake"
# For root without builders of its own, without network; what a user's machine needs is in the user's configuration.
CONFIG = "substituters =\nbuild-users-group =\nsandbox = false\n"


@pytest.fixture(scope="session")
def nix_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("nix") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("nix is not installed")
        pytest.skip("nix is not installed")
    folder = tmp_path_factory.mktemp("nix").resolve()
    # Beside the checkout: a flake in a repository is copied with all of it.
    shutil.copytree(FLAKE, folder / "flake")
    (folder / "conf").mkdir()
    return folder


@pytest.fixture
def nix_machine(nix_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with everything that Nix reads and writes; its name is in the environment of each of its processes."""
    for name in [name for name in os.environ if name.startswith(("NIX_", "XDG_"))]:
        monkeypatch.delenv(name)
    for name, part in (
        ("NIX_STORE_DIR", "store"),
        ("NIX_STATE_DIR", "var"),
        ("NIX_LOG_DIR", "log"),
        ("NIX_CONF_DIR", "conf"),
        ("XDG_CACHE_HOME", "cache"),
        ("XDG_CONFIG_HOME", "conf"),
        ("HOME", "."),
    ):
        monkeypatch.setenv(name, str(nix_folder / part))
    monkeypatch.setenv("NIX_CONFIG", CONFIG)
    return nix_folder


@pytest.fixture
def wanted(nix_machine: Path) -> Callable[..., Buildable]:
    """Makes what Nix is asked for: an attribute of the flake, or of the folder without it."""

    def make(attribute: str, *options: str, nixpkgs: bool = False) -> Buildable:
        return Buildable(attribute, nix_machine / "flake", nixpkgs=nixpkgs, options=options)

    return make
