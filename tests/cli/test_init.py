"""`xenbump init`: in a nixpkgs, in a flake, with several branches, and where there is nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.worlds import PROGRAM, Stage
from xenbump import config
from xenbump.init import finding, origin, wording

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "package" / "fixtures"
BY_NAME = "pkgs/by-name/xe/xen/package.nix"


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def checkout(folder: Path, files: dict[str, Path | str], **remotes: str) -> Path:
    git_folder = folder / "checkout"
    git_folder.mkdir()
    git(git_folder, "init", "--quiet", "--initial-branch=main")
    for name, content in files.items():
        (git_folder / name).parent.mkdir(parents=True, exist_ok=True)
        (git_folder / name).write_text(content if isinstance(content, str) else content.read_text("utf-8"))
    for name, url in remotes.items():
        git(git_folder, "remote", "add", name, url)
    git(git_folder, "add", "--all")
    return git_folder


def init(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(
        [PROGRAM, "init", *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def loaded(folder: Path) -> config.Config:
    return config.load(folder / "xenbump.toml", {})


def test_in_nixpkgs(tmp_path: Path) -> None:
    files: dict[str, Path | str] = {
        BY_NAME: FIXTURES / "derivation-github.nix",
        "default.nix": "{ }\n",
        "pkgs/top-level/all-packages.nix": "{ }\n",
        "pkgs/other/xen-tools/default.nix": FIXTURES / "build-xen-package.nix",
    }
    here = checkout(tmp_path, files, origin="git@github.com:me/nixpkgs.git")
    done = init(here / "pkgs")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{here}/xenbump.toml\n  xen: {BY_NAME}, 4.")
    found = loaded(here)
    assert [(one.name, one.file, one.track) for one in found.packages] == [("xen", BY_NAME, "branch")]
    github = found.github
    assert (github.repository, github.fork, github.base) == ("NixOS/nixpkgs", "me/nixpkgs", "master")
    assert found.verify.nixpkgs


def test_in_a_flake_of_ones_own(tmp_path: Path) -> None:
    files: dict[str, Path | str] = {
        "flake.nix": "{ }\n",
        "hypervisor/it.nix": FIXTURES / "build-xen-package.nix",
        "hosts/one.nix": "{ virtualisation.xen.enable = true; }\n",
        "tests/it.nix": FIXTURES / "derivation-fetchgit.nix",
        "broken.nix": "{ xen = ",
    }
    urls = {"upstream": "https://github.com/org/hosts", "origin": "https://github.com/me/hosts.git"}
    here = checkout(tmp_path, files, **urls)
    git(here, "symbolic-ref", "refs/remotes/upstream/HEAD", "refs/remotes/upstream/trunk")
    assert init(here, "--quiet").returncode == 0
    found = loaded(here)
    assert [one.file for one in found.packages] == ["hypervisor/it.nix"]
    github = found.github
    assert (github.repository, github.fork, github.base) == ("org/hosts", "me/hosts", "trunk")
    assert (found.verify.flake, found.verify.nixpkgs) == (".", False)


def test_several_branches(tmp_path: Path) -> None:
    here = tmp_path / "checkout"
    shutil.copytree(ROOT / "nix", here / "nix")
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(here))
    git(here, "add", "--all")
    done = init(here)
    assert done.returncode == 0
    assert "no remote is on GitHub" in done.stdout
    assert "there is no flake.nix" in done.stdout
    packages = loaded(here).packages
    branches = sorted(path.parent.name for path in (here / "nix" / "xen").glob("*.*/default.nix"))
    assert [one.file for one in packages] == [f"nix/xen/{branches[-1]}/default.nix", *(
        f"nix/xen/{branch}/default.nix" for branch in branches[:-1]
    )]  # fmt: skip
    assert [one.name for one in packages] == ["xen", *(f"xen-{branch}" for branch in branches[:-1])]
    assert [one.attribute for one in packages[1:]] == [f"xen_{one.replace('.', '_')}" for one in branches[:-1]]
    assert [one.track for one in packages] == ["latest", *(["branch"] * (len(branches) - 1))]


def test_what_is_there_is_not_overwritten_unasked(tmp_path: Path) -> None:
    here = checkout(tmp_path, {"xen.nix": FIXTURES / "derivation-github.nix", "xenbump.toml": "mine"})
    done = init(here)
    assert (done.returncode, done.stdout) == (2, "")
    assert "E-INIT-EXISTS" in done.stderr
    assert (here / "xenbump.toml").read_text() == "mine"
    assert init(here, "--force").returncode == 0
    assert loaded(here).packages[0].file == "xen.nix"
    assert [path.name for path in here.iterdir() if path.name.startswith(".x")] == []


def test_where_there_is_nothing(tmp_path: Path) -> None:
    here = checkout(tmp_path, {"a.nix": "{ }\n", "link.nix": "{ }\n"})
    (here / "link.nix").unlink()
    (here / "link.nix").symlink_to("/dev/zero")
    done = init(here)
    assert (done.returncode, "E-INIT-NOTHING" in done.stderr) == (2, True)
    outside = tmp_path / "outside"
    outside.mkdir()
    done = init(outside)
    assert (done.returncode, "E-NOT-CHECKOUT" in done.stderr) == (2, True)
    assert list(outside.iterdir()) == []


def test_check_works_with_it(stage: Stage) -> None:
    """The addresses of the world stand in the place of Xen's."""
    world = stage.world
    path = world.checkout / "xenbump.toml"
    upstream = path.read_text("utf-8").partition("[[package]]")[0]
    done = stage.call("init", "--force", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    path.write_text(upstream + path.read_text("utf-8"))
    check = stage.call("check", "-q")
    assert (check.returncode, check.stderr) == (10, "")
    assert check.stdout.startswith("xen: 4.20.2 -> 4.20.4 is there")


@pytest.mark.parametrize(
    ("remotes", "nixpkgs", "expected"),
    [
        ({}, False, ("", "")),
        ({"origin": "https://example.org/a/b"}, False, ("", "")),
        ({"origin": "https://github.com/a/b.git"}, False, ("a/b", "")),
        ({"origin": "ssh://git@github.com/a/b/"}, False, ("a/b", "")),
        ({"origin": "https://user:secret@github.com/a/b"}, False, ("a/b", "")),
        ({"origin": "git@github.com:a/b", "upstream": "git@github.com:c/b"}, False, ("c/b", "a/b")),
        ({"origin": "git@github.com:a/b", "mine": "git@github.com:me/b"}, False, ("a/b", "me/b")),
        ({"origin": "git@github.com:a/b", "other": "git@github.com:me/other"}, False, ("a/b", "")),
        ({"origin": "git@github.com:nixos/nixpkgs"}, True, ("NixOS/nixpkgs", "")),
        ({"origin": "/somewhere/nixpkgs"}, True, ("NixOS/nixpkgs", "")),
        ({"origin": "git@github.com.evil.org:a/b"}, False, ("", "")),
    ],
)
def test_remotes(remotes: dict[str, str], nixpkgs: bool, expected: tuple[str, str]) -> None:  # noqa: FBT001
    assert origin.among(remotes, nixpkgs=nixpkgs) == expected


def test_odd_names_are_still_toml(tmp_path: Path) -> None:
    package = finding.Package("xen", 'a"b\\c\x7f\n.nix', "", "4.20.1", "legacy")
    where = origin.Origin("", "", 'we"ird')
    path = tmp_path / "xenbump.toml"
    path.write_text(wording.text((package,), where, nixpkgs=False, flake=False), "utf-8")
    found = loaded(tmp_path)
    assert (found.packages[0].file, found.github.base) == (package.file, where.base)
    assert len(wording.notes((package,), where, nixpkgs=False, flake=True)) == 2
