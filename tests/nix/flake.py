"""The flake evaluated: a copy of what it is made of, and expressions over it with a stand-in for nixpkgs.

With XENBUMP_NIXPKGS_LIB naming a copy of nixpkgs' library (a folder with `lib/default.nix`, or `lib` itself), the same
is evaluated with that library and its module system, too.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
STAND_IN = Path(__file__).parent / "stand-in"
NIXPKGS = STAND_IN / "nixpkgs"
GOLDEN = Path(__file__).parent / "golden"
_PARTS = (
    "flake.lock", "flake.nix", "LICENSE", "README.md", "nix", "nixos-tests", "pyproject.toml", "templates", "xenbump",
)  # fmt: skip
_SECONDS = 60
PRELUDE = """
let
  lib = import {lib};
  nixpkgs = {{ inherit lib; outPath = {nixpkgs}; }};
  flake = (import {tree}/flake.nix).outputs {{
    self = flake // {{ lastModifiedDate = "20261121000000"; outPath = {tree}; }};
    nixpkgs = nixpkgs;
  }};
  pkgs = import {nixpkgs} {{
    system = "x86_64-linux";
    overlays = [ flake.overlays.default ];
  }};
  evaluated = modules: (lib.evalModules {{
    specialArgs = {{ inherit pkgs; }};
    modules = [ {host} ] ++ modules;
  }}).config;
  # What a module system says of a set of modules: those of its assertions that do not hold.
  broken = config: map (x: x.message) (builtins.filter (x: !x.assertion) config.assertions);
in
"""


def libraries() -> list[Any]:
    """The libraries to evaluate with: the stand-in, and nixpkgs' own where it is at hand."""
    found = [pytest.param(NIXPKGS / "lib", id="stand-in")]
    given = os.environ.get("XENBUMP_NIXPKGS_LIB", "")
    if given:
        place = Path(given)
        found.append(pytest.param(place / "lib" if (place / "lib" / "default.nix").exists() else place, id="nixpkgs"))
    return found


def need_nix() -> None:
    """Skip where there is no Nix; CI has one."""
    if shutil.which("nix-instantiate") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("nix is not installed")
        pytest.skip("nix is not installed")


def copied(folder: Path, *, xen: Path | None = STAND_IN / "xen") -> Path:
    """What the flake is made of, in a folder; `xen` takes the place of nix/xen, and has a branch folder for each."""
    tree = folder / "tree"
    tree.mkdir(parents=True)
    for name in _PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, tree / name)
    if xen is not None:
        shutil.rmtree(tree / "nix" / "xen", ignore_errors=True)
        shutil.copytree(xen, tree / "nix" / "xen")
        for branch in ("4.17", "4.22"):
            (tree / "nix" / "xen" / branch).mkdir()
    return tree


class Evaluator:
    """Evaluates expressions over the flake in a tree, with one library.

    Args:
        tree: the flake.
        library: the library.
        folder: for what Nix itself wants to write.
    """

    def __init__(self, tree: Path, library: Path, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # The flake imports nixpkgs by its path: there has to be one that has this library.
        (folder / "default.nix").write_text(f"args: import {NIXPKGS} (args // {{ lib = import {library}; }})\n")
        self._prelude = PRELUDE.format(tree=tree, lib=library, nixpkgs=folder, host=STAND_IN / "host.nix")
        self._env = environment(folder)
        self._known: dict[str, Any] = {}

    def __call__(self, expression: str) -> Any:
        """The value as JSON has it; each is evaluated once. What the expression can use is in PRELUDE."""
        if expression not in self._known:
            done = self.run(expression)
            assert done.returncode == 0, done.stderr
            self._known[expression] = json.loads(done.stdout)
        return copy.deepcopy(self._known[expression])

    def run(self, expression: str) -> subprocess.CompletedProcess[str]:
        """How the evaluation ended."""
        command = ["nix-instantiate", "--eval", "--strict", "--json", "--readonly-mode", "--expr"]
        return subprocess.run(
            [*command, self._prelude + expression],
            env=self._env,
            check=False,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )


def environment(folder: Path) -> dict[str, str]:
    """An environment in which Nix has a store, a state and a configuration of its own, and no network."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NIX_", "XDG_"))}
    (folder / "conf").mkdir(parents=True, exist_ok=True)
    (folder / "registry.json").write_text('{"version":2,"flakes":[]}')
    settings = f"substituters =\nbuild-users-group =\nflake-registry = {folder / 'registry.json'}\n"
    return kept | {
        "HOME": str(folder),
        "NIX_STORE_DIR": str(folder / "store"),
        "NIX_STATE_DIR": str(folder / "var"),
        "NIX_LOG_DIR": str(folder / "log"),
        "NIX_CONF_DIR": str(folder / "conf"),
        "NIX_CONFIG": f"{settings}experimental-features = nix-command flakes\n",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_CONFIG_HOME": str(folder / "conf"),
    }
