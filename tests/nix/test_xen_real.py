"""The pins of nix/xen against the real Xen repository, where XENBUMP_REAL_XEN names it; and the bot on its own."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.nix.test_xen_build_steps import steps
from tests.nix.xen import BRANCHES, ROOT, XEN, attribute, evaluate
from xenbump.config import load
from xenbump.demo.git_server import isolated_git
from xenbump.hashes import patch
from xenbump.journal import Journal
from xenbump.outcomes import UpToDate
from xenbump.pipeline import opened
from xenbump.process import run
from xenbump.upstream import components, release, support
from xenbump.upstream.repository import Repository

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from xenbump.upstream.model import Listing

REAL = os.environ.get("XENBUMP_REAL_XEN", "")
pytestmark = pytest.mark.skipif(not REAL, reason="XENBUMP_REAL_XEN does not name a repository")
FIX = "f6281291704aa356489f4bd927cc7348a920bd01"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository([REAL], tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def listing(repository: Repository) -> Listing:
    return repository.listing()


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    fields = "inherit (p) version src sources support patches;"
    asked = {one: f"plain (let p = (packages {{ }}).{attribute(one)}; in {{ {fields} }})" for one in BRANCHES}
    return evaluate(tmp_path_factory.mktemp("nix"), asked)


def git(*arguments: str) -> bytes:
    return run(["git", f"--git-dir={REAL}", *arguments], env=isolated_git(), timeout=300).stdout


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_branch_packages_its_newest_release(
    branch: str, listing: Listing, repository: Repository, packages: dict[str, Any]
) -> None:
    newest = max((one for one in listing.releases if one.branch == branch), key=lambda one: release.order(one.version))
    package = packages[branch]
    assert (package["version"], package["src"]["rev"]) == (newest.version, newest.commit)
    ref = f"refs/tags/{newest.tag}"
    assert package["src"]["hash"] == repository.source_hash(newest.commit or "", ref, REAL, "fetchFromGitHub")


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_branch_pins_what_its_release_names(branch: str, packages: dict[str, Any]) -> None:
    """A tag of SeaBIOS is pinned as the commit that it stands for; tags that nobody could resolve stay tags."""
    rev = packages[branch]["src"]["rev"]
    contents = [git("cat-file", "blob", f"{rev}:{path}") for path in (components.CONFIG, components.ETHERBOOT)]
    named = components.read(contents[0], contents[1], rev)
    sources = {name.lower(): source for name, source in packages[branch]["sources"].items()}
    assert sources.keys() == named.keys()
    for name, source in sources.items():
        assert source["url"] == named[name].url
        if name != "seabios":
            assert source["rev"] == named[name].revision
    tags = {
        "rel-1.16.0": "d239552ce7220e448ae81f41515138f7b9e3c4db",
        "rel-1.16.2": "ea1b7a0733906b8425d948ae94fba63c32b1d425",
        "rel-1.16.3": "a6ed6b701f0a57db0569ab98b0661c12a6ec3ff8",
        "rel-1.17.0": "b52ca86e094d19b58e2304417787e96b940e39c6",
    }
    assert sources["seabios"]["rev"] == tags[named["seabios"].revision]


def test_the_windows_are_those_of_the_tips(listing: Listing, repository: Repository, packages: dict[str, Any]) -> None:
    found = support.windows(repository, listing, BRANCHES)
    for branch, window in found.items():
        said = packages[branch]["support"]
        assert (said["full"], said["security"]) == (str(window.supported_until), str(window.security_until))


def test_the_patch_that_is_no_advisory_s_is_the_commit_and_fits(packages: dict[str, Any], tmp_path: Path) -> None:
    change = git("show", "--format=", "--full-index", FIX)
    for branch in BRANCHES:
        listed = [one["hash"] for one in packages[branch]["patches"] if FIX in one["url"]]
        assert listed == ([patch.fetchpatch(change)] if branch < "4.21" else [])
        if listed:
            folder = tmp_path / branch / "tools/libs/light"
            folder.mkdir(parents=True)
            file = folder / "libxl_dm.c"
            file.write_bytes(git("cat-file", "blob", f"{packages[branch]['src']['rev']}:tools/libs/light/{file.name}"))
            run(["patch", "-p1", "--force"], cwd=tmp_path / branch, stdin=change)


@pytest.mark.parametrize("branch", BRANCHES)
def test_what_the_build_replaces_is_in_the_tree(branch: str, packages: dict[str, Any]) -> None:
    words = steps()["plain"]["postPatch"].replace("\\\n", " ").split()
    file = ""
    looked_for = []
    for number, word in enumerate(words):
        if word == "substituteInPlace":
            file = words[number + 1]
        elif word == "--replace-fail":
            looked_for.append((file, words[number + 1]))
    assert len(looked_for) == 3
    for path, old in looked_for:
        assert old.encode() in git("cat-file", "blob", f"{packages[branch]['src']['rev']}:{path}")


def test_the_bot_finds_nothing_to_do_on_its_own_repository(tmp_path: Path) -> None:
    """Without advisories: which are open is known where there is a network."""
    shutil.copytree(XEN, tmp_path / "nix/xen")
    (tmp_path / "xsa").mkdir()
    entry = {"xsa": "9999", "public_time": "2099-01-01 12:00"}
    (tmp_path / "xsa/xsa.json").write_text(json.dumps([{"xsas": [entry]}]))
    upstream = f'[upstream]\ngit = "{REAL}"\nxsa = "xsa"\n\n'
    (tmp_path / "xenbump.toml").write_text(upstream + (ROOT / "xenbump.toml").read_text("utf-8"))
    config = load(tmp_path / "xenbump.toml", {"XENBUMP_STATE_DIR": str(tmp_path / "state")})
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.nix")}
    with Journal(config.state).run("test") as journal, opened(config, journal, lambda _: None) as pipeline:
        for package in config.packages:
            for outcome in (
                pipeline.check(package),
                pipeline.plan(package),
                pipeline.bump(package, "", commit=False),
            ):
                assert isinstance(outcome, UpToDate), outcome
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*.nix")}
