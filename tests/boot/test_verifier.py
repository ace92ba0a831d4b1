"""A package of Nix' is built, looked at and booted: all of `xenbump verify` on a real hypervisor."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.boot.machines import qemu_processes
from tests.boot.test_dom0 import version_of
from tests.support.worlds import PROGRAM
from tests.verify.conftest import CONFIG

if TYPE_CHECKING:
    from typing import Any

    from xenbump.verify.image import Image

pytestmark = pytest.mark.xdist_group("boot")
COMMIT = "0" * 40
FLAKE = """{
  outputs = { self }: {
    packages.x86_64-linux.xen =
      let
        version = "@version@";
        built = builtins.derivation {
          name = "xen-@file@";
          version = "@file@";
          upstream = version;
          system = "x86_64-linux";
          builder = "/bin/sh";
          outputs = [ "out" "boot" ];
          hypervisor = ./xen;
          args = [ "-c" ''
            PATH=/usr/bin:/bin
            mkdir -p $out/bin $boot/boot
            printf '#!/bin/sh\\n' >$out/bin/xl; chmod +x $out/bin/xl
            cp $hypervisor $boot/boot/xen-$upstream
          '' ];
        };
      in
      built // {
        upstreamVersion = version;
        multiboot = "boot/xen-${version}";
        meta = {
          description = "Type-1 hypervisor";
          longDescription = "Xen ${version}";
          branch = "4.20";
          changelog = "https://wiki.xenproject.org/wiki/Xen_Project_4.20_Release_Notes";
        };
      };
  };
}
"""
PACKAGE = """{ buildXenPackage }:

buildXenPackage {
  pname = "xen";
  version = "@file@";
  upstreamVersion = "@version@";
  rev = "@commit@";
  hash = "sha256-+qTHIsDD2A5lVwmpJ7artnzdviT1XN05CYeu7JFxfqc=";
}
"""


def verified(folder: Path, image: Image, version: str, *only: str) -> tuple[int, Any, str]:
    """The status, the document of the one package, and what was said, of `xenbump verify` on such a flake."""
    release = version.removesuffix("-pre")
    (folder / "flake").mkdir(parents=True)
    (folder / "flake" / "xen").write_bytes(image.hypervisor.read_bytes())
    named = release if release == version else f"{release}-unstable-2026-01-01"
    (folder / "flake" / "flake.nix").write_text(FLAKE.replace("@version@", version).replace("@file@", named))
    text = PACKAGE.replace("@file@", named).replace("@version@", version).replace("@commit@", COMMIT)
    (folder / "package.nix").write_text(text)
    (folder / "xenbump.toml").write_text(
        f'[upstream]\ngit = "{folder}/none"\n[[package]]\nname = "xen"\nfile = "package.nix"\n'
        f'[verify]\nflake = "path:{folder}/flake"\nimage = "{image.folder}"\n'
        'steps = ["build", "outputs", "meta", "dom0", "guests", "xtf"]\n'
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith(("NIX_", "XENBUMP_"))}
    env |= {"NIX_CONFIG": CONFIG, "XENBUMP_IMAGES": str(folder / "images"), "HOME": str(folder)}
    env |= {f"NIX_{name}_DIR": str(folder / "nix" / name) for name in ("STORE", "STATE", "LOG", "CONF")}
    env |= {"XENBUMP_STATE_DIR": str(folder / "state"), "XDG_CACHE_HOME": str(folder / "cache")}
    arguments = ["--junit", "junit.xml", "--markdown", "table.md", *(["--only", ",".join(only)] if only else [])]
    done = subprocess.run(
        [PROGRAM, "verify", "--json", *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    (entry,) = json.loads(done.stdout)["packages"]
    return done.returncode, entry, done.stderr


def test_from_the_build_to_the_guests(image_420: Image, tmp_path: Path) -> None:
    before = qemu_processes()
    status, entry, said = verified(tmp_path, image_420, version_of(image_420))
    steps = {step["step"]: step for step in entry["steps"]}
    results = {name: step["result"] for name, step in steps.items()}
    assert results == {
        "build": "passed",
        "outputs": "passed",
        "meta": "passed",
        "dom0": "passed",
        "guests": "passed",
        "xtf": "skipped",
    }, (said, entry)
    assert (status, entry["outcome"]) == (0, "incomplete")
    assert entry["engine"].startswith("QEMU ")
    passed = [check["name"] for check in steps["guests"]["checks"] if check["result"] == "passed"]
    assert passed == ["guest-pv", "guest-pvh"]
    assert Path(steps["dom0"]["log"]).read_bytes()
    assert (tmp_path / "junit.xml").read_text().count("<testsuite ") == 6
    assert "| dom0 | passed" in (tmp_path / "table.md").read_text()
    assert qemu_processes() <= before


def test_a_version_that_lies_is_found(image_420: Image, tmp_path: Path) -> None:
    """The package says that it is another point release than the hypervisor in it."""
    status, entry, said = verified(tmp_path, image_420, "4.20.99", "build", "dom0")
    build, dom0 = entry["steps"]
    assert (status, entry["outcome"]) == (30, "rejected"), said
    assert (build["result"], dom0["result"]) == ("passed", "failed")
    assert "4.20.99" in dom0["reason"]
