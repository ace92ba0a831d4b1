"""The flake: what it has for which system, and that its files are Nix, in the layout of RFC 166."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.nix import flake
from tests.nix.flake import NIXPKGS, ROOT, Evaluator
from xenbump import __version__
from xenbump import config as configuration

XEN = "x86_64-linux"
FILES = sorted(
    path for place in ("flake.nix", "nix", "nixos-tests", "templates", "tests/nix") for path in (
        [ROOT / place] if (ROOT / place).is_file() else (ROOT / place).rglob("*.nix")
    )
)  # fmt: skip
# What nixfmt cannot break: a text, and a comment, which it leaves as it is.
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_UNBREAKABLE = re.compile(r'"|\'\'|^\s*#|\$\{')


def systems(evaluate: Evaluator) -> list[str]:
    """The systems that there is something for: nixpkgs gives up on one now and then."""
    ours = '[ "aarch64-darwin" "aarch64-linux" "x86_64-darwin" "x86_64-linux" ]'
    found: list[str] = evaluate(f"lib.intersectLists lib.systems.flakeExposed {ours}")
    assert {"aarch64-darwin", "aarch64-linux", XEN} <= set(found)
    return sorted(found)


def names(evaluate: Evaluator, output: str) -> dict[str, list[str]]:
    """The names in an output, by system."""
    found: dict[str, list[str]] = evaluate(f"builtins.mapAttrs (_: builtins.attrNames) flake.{output}")
    return found


def test_every_file_is_nix() -> None:
    flake.need_nix()
    assert len(FILES) > 20
    done = subprocess.run(["nix-instantiate", "--parse", *FILES], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_layout(path: Path) -> None:
    """What can be said of the layout without nixfmt, which `checks` run where it is at hand."""
    text = path.read_text("utf-8")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert "\t" not in text
    assert "\n\n\n" not in text
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        assert line == line.rstrip(), number
        code = "" if line.lstrip().startswith("#") else _TEXT.sub('""', line)
        if not inside and line:
            assert (len(line) - len(line.lstrip())) % 2 == 0, number
            assert len(line) <= (120 if _UNBREAKABLE.search(line) else 100), number
            # More than one member of a list or of a set are on lines of their own.
            assert not re.search(r'\[ (?:""|[\w./-]+) (?:""|[\w./-]+) [^\]]*\]', code), number
            assert not re.search(r"\{ [^{}]*;[^{}]*; \}", code), number
        if re.sub(r"''(?:'|\$|\\)", "", code).count("''") % 2:
            inside = not inside
    assert not inside


def test_what_there_is_for_each_system(evaluate: Evaluator) -> None:
    common, every = ["default", "xenbump"], systems(evaluate)
    assert names(evaluate, "packages") == {
        **dict.fromkeys(every, common),
        XEN: [
            "default", "qemu-xen", "xen", "xen-slim", "xen-stack", "xen_4_22", "xen_4_22-slim", "xenbump", "xtf",
        ],
    }  # fmt: skip
    assert names(evaluate, "apps") == {**dict.fromkeys(every, common), XEN: [*common, "xtf-runner"]}
    assert names(evaluate, "devShells") == {system: ["default"] for system in every}
    assert evaluate("builtins.mapAttrs (_: x: x.name) flake.formatter") == dict.fromkeys(every, "nixfmt-tree")
    assert names(evaluate, "hydraJobs")["packages"] == names(evaluate, "packages")[XEN]
    assert names(evaluate, "hydraJobs")["checks"] == names(evaluate, "checks")[XEN]
    assert evaluate("builtins.attrNames flake.hydraJobs.checks.lint") == every
    assert evaluate("builtins.attrNames flake.hydraJobs.checks.pytest") == [one for one in every if "linux" in one]


def test_nothing_but_derivations_and_apps(evaluate: Evaluator) -> None:
    """`nix flake check` refuses what `callPackage` adds to a set."""
    kinds = "builtins.mapAttrs (_: builtins.mapAttrs (_: x: x.type or null))"
    for output, kind in (
        ("packages", "derivation"),
        ("checks", "derivation"),
        ("devShells", "derivation"),
        ("apps", "app"),
    ):
        found = evaluate(f"{kinds} flake.{output}")
        assert {one for system in found.values() for one in system.values()} == {kind}, output


def test_a_branch_past_its_support_is_in_the_overlay_alone(evaluate: Evaluator) -> None:
    assert evaluate("[ pkgs.xen_4_17.version pkgs.xenPackages.branches ]") == ["4.17.9", ["4.17", "4.22"]]
    assert evaluate("pkgs.xen.today") == "20261121000000"
    assert not [name for name in names(evaluate, "checks")[XEN] if "4-17" in name]


def test_the_overlay_hands_the_siblings_through(evaluate: Evaluator) -> None:
    found = evaluate("builtins.filter (name: pkgs.xenPackages.${name} ? name) (builtins.attrNames pkgs.xenPackages)")
    assert {
        "guest-agent",
        "windows-drivers",
        "ocaml-vchan",
        "ocaml-xenstore",
        "ocaml-xenstore-tool",
        "qemu",
        "xtf",
    } <= {*found}
    assert evaluate("(pkgs.xenPackages.qemuFor pkgs.xen_4_17).xen.version") == "4.17.9"
    assert evaluate('(flake.legacyPackages.x86_64-linux.xenPackages.buildXenPackage { version = "1"; }).version') == "1"


def test_any_tree_can_be_tried(evaluate: Evaluator) -> None:
    """What `xenbump try --nix` asks for: the Xen of a folder, and the tests of just that one."""
    asked = '{ source = /a-tree; version = "4.23.0-rc1"; options = { DEBUG = "y"; }; }'
    tried = f"(flake.legacyPackages.{XEN}.tried {asked})"
    assert evaluate(f"builtins.attrNames {tried}") == ["dom0", "guests", "xen"]
    found = evaluate(f"let x = {tried}.xen; in {{ inherit (x) changes; inherit (x.definition) version options; }}")
    assert found == {"version": "4.23.0-rc1", "options": {"DEBUG": "y"}, "changes": {"withOVMF": False}}
    assert evaluate(f"toString {tried}.xen.definition.src") == "/a-tree"
    for test in ("dom0", "guests"):
        assert evaluate(f"{tried}.{test}.wanted.job.version") == "4.23.0-rc1"
        machine = f"(evaluated {tried}.{test}.test.nodes.machine.imports).virtualisation.xen.package.version"
        assert evaluate(machine) == "4.23.0-rc1"


def test_every_check_is_the_one_that_its_name_says(evaluate: Evaluator) -> None:
    found = evaluate(
        "builtins.mapAttrs (_: x: { inherit (x) name; wanted = x.wanted or null; script = x.script or null; })"
        f" flake.checks.{XEN}"
    )
    assert sorted(found) == [
        "dom0", "dom0-xen-4-22", "format", "guests", "lint", "pytest", "xen-boot", "xenbump", "xenbump-service",
        "xenstored-c", "xenstored-ocaml",
    ]  # fmt: skip
    for name, check in found.items():
        if check["wanted"] is not None:
            assert check["name"] == f"vm-test-run-{name}"
    jobs = {name: check["wanted"]["job"] for name, check in found.items() if (check["wanted"] or {}).get("job")}
    assert {name: job["version"] for name, job in jobs.items()} == dict.fromkeys(
        ["dom0", "dom0-xen-4-22", "guests", "xenstored-c", "xenstored-ocaml"], "4.22.1"
    )
    assert jobs["dom0"]["xtf"]["folder"] == "/stand-in/xtf-0-unstable-2025-10-02/libexec/xtf"
    assert jobs["guests"]["guests"] == ["pv", "pvh", "hvm"]
    assert "pytest -n" in found["pytest"]["script"]
    assert "ruff check" in found["lint"]["script"]
    assert "nixfmt --check" in found["format"]["script"]


def test_xenbump_has_the_dependencies_of_the_project(evaluate: Evaluator) -> None:
    package = evaluate(
        "{ inherit (pkgs.xenbump) version makeWrapperArgs; python = map (x: x.name) pkgs.xenbump.dependencies; }"
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    def plain(requirements: list[str]) -> set[str]:
        return {re.split(r"[<>=]", one, maxsplit=1)[0].lower() for one in requirements}

    assert set(package["python"]) == plain(project["dependencies"])
    assert package["version"] == __version__
    path = package["makeWrapperArgs"]
    assert path[:3] == ["--suffix", "PATH", ":"]
    assert path[3].split(":") == [f"/stand-in/{name}/bin" for name in ("gitMinimal", "gnupg", "nix", "qemu")]
    # Those that only judge style have no place in it, nor has a fuzzer.
    python = set(evaluate("(builtins.head pkgs.xenbump.tests.pytest.nativeBuildInputs).packages"))
    others = {"atheris", "import-linter", "zizmor"}
    assert python == plain(project["dependencies"]) | plain(project["optional-dependencies"]["dev"]) - others


def test_the_stack_has_all_that_a_dom0_needs(evaluate: Evaluator) -> None:
    found = evaluate(
        "{ inherit (pkgs.xen-stack) name paths; parts = (builtins.elemAt pkgs.xen-stack.paths 3).entries; }"
    )
    assert found["name"] == "xen-stack-4.22.1"
    assert found["paths"][:3] == ["/stand-in/xen-4.22.1", "/stand-in/qemu_xen", "/stand-in/libvirt"]
    assert {name.rpartition("/")[2] for name in found["parts"]} == {
        "grub-pv", "grub-pvh", "ipxe", "linux", "ovmf", "seabios", "xen",
    }  # fmt: skip


def test_every_branch_has_its_folder_and_is_listed() -> None:
    """The overlay has the names of the folders, and the list is in the file beside them: a bump changes both."""
    place = ROOT / "nix" / "xen"
    folders = {path.parent.name for path in place.glob("4.*/default.nix")}
    listed = re.findall(
        r"^    xen_(4_\d+) = callPackage \./(4\.\d+) ", (place / "default.nix").read_text(), re.MULTILINE
    )
    assert dict(listed) == {folder.replace(".", "_"): folder for folder in folders}


@pytest.mark.skipif(not os.environ.get("XENBUMP_NIXPKGS_LIB"), reason="XENBUMP_NIXPKGS_LIB names no library of nixpkgs")
def test_our_own_xen_with_nixpkgs_library(tmp_path: Path) -> None:
    """Every package of the flake, as nix/xen has it, with a test for each branch."""
    flake.need_nix()
    tree = flake.copied(tmp_path.resolve(), xen=None)
    library = flake.libraries()[-1].values[0]
    assert isinstance(library, Path)
    real = Evaluator(tree, library, tmp_path.resolve() / "nix")
    versions = real(
        "lib.mapAttrs (_: xen: [ xen.meta.branch xen.upstreamVersion ])"
        f' (lib.filterAttrs (name: _: builtins.match "xen_4_[0-9]+" name != null) flake.packages.{XEN})'
    )
    assert len(versions) > 1
    for name, (branch, version) in versions.items():
        assert name == f"xen_{branch.replace('.', '_')}"
        assert version.startswith(f"{branch}.")
    tested = real(
        f"lib.mapAttrs (_: x: x.wanted.job.version or null) (lib.filterAttrs (_: x: x ? wanted) flake.checks.{XEN})"
    )
    for name, (_, version) in versions.items():
        assert tested[f"dom0-{name.replace('_', '-')}"] == version
    newest = max(versions.values(), key=lambda one: [int(part) for part in one[0].split(".")])
    assert tested["dom0"] == newest[1]


def test_the_lock_names_the_nixpkgs_that_was_read() -> None:
    lock = json.loads((ROOT / "flake.lock").read_text("utf-8"))
    assert lock["nodes"]["nixpkgs"]["locked"] == {
        "lastModified": 1786801259,
        "narHash": "sha256-dL6Qx1ycmvm+7N/X3a3TrQxcZgyKcsYBF3zjXziFjvE=",
        "owner": "NixOS",
        "repo": "nixpkgs",
        "rev": "00c2b6e885e1b0c321fdcec025e29c2520abb95e",
        "type": "github",
    }
    assert lock["nodes"]["nixpkgs"]["original"]["ref"] == "nixos-unstable-small"
    assert lock["nodes"]["root"]["inputs"] == {"nixpkgs": "nixpkgs"}


def test_nix_itself_takes_the_flake(flake_tree: Path, tmp_path: Path) -> None:
    """As a flake, with another input in place of nixpkgs: the lock is read, and nothing is fetched."""
    command = ["nix", "eval", "--offline", "--json", f"path:{flake_tree}#checks.{XEN}.guests.wanted.job.guests"]
    done = subprocess.run(
        [*command, "--override-input", "nixpkgs", f"path:{NIXPKGS}", "--no-write-lock-file"],
        env=flake.environment(tmp_path.resolve()),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["pv", "pvh", "hvm"]


CONSUMER = """
let
  consumer = (import {template}/flake.nix).outputs {{
    self = consumer;
    xenbump = flake;
    nixpkgs.lib.nixosSystem = {{ system, modules }}: evaluated (modules ++ [ ({{ lib, ... }}: {{
      options = lib.genAttrs [ "fileSystems" "nix" ] (_: lib.mkOption {{
        type = lib.types.attrsOf lib.types.anything;
        default = {{ }};
      }}) // {{ system.stateVersion = lib.mkOption {{ type = lib.types.str; }}; }};
    }}) ]);
  }};
in
{{
  package = consumer.packages.{system}.default.version;
  dom0 = builtins.attrNames consumer.nixosConfigurations.dom0.environment.etc;
  xen = consumer.nixosConfigurations.dom0.virtualisation.xen.package.version;
  toml = consumer.nixosConfigurations.bot.environment.etc."xenbump.toml".source.text;
  broken = builtins.concatMap broken (builtins.attrValues consumer.nixosConfigurations);
}}
"""


def test_the_template_for_consumers(evaluate: Evaluator, flake_tree: Path, tmp_path: Path) -> None:
    template = flake_tree / "templates" / "consumer"
    found: dict[str, Any] = evaluate(CONSUMER.format(template=template, system=XEN))
    assert (found["package"], found["xen"]) == ("4.20.4", "4.20.4")
    assert found["dom0"] == ["xen/auto/web.cfg", "xen/web.cfg"]
    assert found["broken"] == []
    (tmp_path / "xenbump.toml").write_text(found["toml"], "utf-8")
    bot = configuration.load(tmp_path / "xenbump.toml", {"HOME": str(tmp_path)})
    own = configuration.load(template / "xenbump.toml", {"HOME": str(tmp_path)})
    assert bot.packages == own.packages
    assert bot.github.repository == own.github.repository
    assert own.file_of(own.packages[0]).is_file()
    assert evaluate("builtins.attrNames flake.templates") == ["consumer", "default"]
