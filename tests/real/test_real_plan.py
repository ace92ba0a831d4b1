"""From 4.20.2 to 4.20.3 and 4.20.4 of the real Xen, with tables of real advisories and real commits as patches."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.advisories import resolutions
from xenbump import config as configuration
from xenbump.demo.advisory_text import expand
from xenbump.demo.git_server import isolated_git
from xenbump.demo.signing import SigningKey
from xenbump.demo.xenbits import Shelf
from xenbump.hashes import patch as hashing
from xenbump.journal import Journal
from xenbump.outcomes import Planned, Stopped, UpToDate
from xenbump.package import patches
from xenbump.pipeline import hash_of, opened
from xenbump.process import run
from xenbump.upstream import ranges, signature
from xenbump.upstream.markers import fixes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xenbump.outcomes import Outcome

REAL = os.environ.get("XENBUMP_REAL_XEN", "")
pytestmark = pytest.mark.skipif(not REAL, reason="XENBUMP_REAL_XEN does not name a repository")
PROJECT_KEY = "23E3222C145F4475FA8060A783FE14C957E82BD9"
BEFORE, WITH_3, LAST = (477, 479, 480, 481), (483, 484, 486, 488, 490, 491, 492, 493, 494), 494
# Two whose tables are not among the facts: the names are the real ones, the ranges as far as they concern 4.20.
MORE = (
    {"xsa": 486, "public": "2026-03-17", "title": None, "cves": [], "version": 2,
     "resolution": [["xsa486.patch", "xen-unstable - Xen 4.20.x"]]},
    {"xsa": 490, "public": "2026-06-09", "title": None, "cves": [], "version": 2,
     "resolution": [["xsa490.patch", "xen-unstable"], ["xsa490-4.21.patch", "Xen 4.21.x - Xen 4.20.x"]]},
)  # fmt: skip
LIBXL = "https://github.com/xen-project/xen/commit/f6281291704aa356489f4bd927cc7348a920bd01.diff?full_index=1"
LIBXL_HASH = "sha256-LH+68kxH/gxdyh45kYCPxKwk+9cztLrScpC2pCNQV2M="
FILE = """\
{
  lib,
  stdenv,
  fetchFromGitHub,
  fetchpatch,
}:

stdenv.mkDerivation (finalAttrs: {
  pname = "xen";
  version = "4.20.2";

  # What the tree calls itself.
  upstreamVersion = finalAttrs.version;

  patches = [
    ./0001-local.patch

@patches@
    # libxl looks for QEMU in PATH; it is in 4.21.
    (fetchpatch {
      url = "@libxl@";
      hash = "@libxl-hash@";
    })
  ];

  src = fetchFromGitHub {
    owner = "xen-project";
    repo = "xen";
    tag = "RELEASE-4.20.2";
    hash = "@hash@";
  };

  meta.branch = lib.versions.majorMinor finalAttrs.version;
})
"""
ONE = """\
    # XSA #{number}
    (fetchpatch {{
      url = "https://xenbits.xenproject.org/xsa/{name}";
      hash = "{hash}";
    }})
"""


def git(*arguments: str) -> bytes:
    return run(["git", f"--git-dir={REAL}", *arguments], env=isolated_git(), timeout=300).stdout


class Place:
    """A package file, advisories, and the real repository."""

    def __init__(self, folder: Path, key: SigningKey) -> None:
        self.folder = folder
        self.shelf = Shelf(folder / "xsa", key)
        self.facts = {fact["xsa"]: fact for fact in (*resolutions(), *MORE)}
        self.commits = self._commits("RELEASE-4.20.2..RELEASE-4.20.4")
        shipped = signature.load_trust(None, (PROJECT_KEY,))
        (folder / "keys.gpg").write_bytes(key.public_key(armored=False) + shipped.keyring)
        (folder / "xenbump.toml").write_text(
            f'[upstream]\ngit = "{REAL}"\nxsa = "xsa"\nkeyring = "keys.gpg"\n'
            f'fingerprints = ["{key.fingerprint}", "{PROJECT_KEY}"]\n'
            f'[[package]]\nname = "xen"\nfile = "package.nix"\n[state]\ndirectory = "{folder / "state"}"\n'
        )
        # A patch of the packager's own: on a file that no release of the branch changes.
        (folder / "0001-local.patch").write_bytes(
            b"--- a/.gitarchive-info\n+++ b/.gitarchive-info\n@@ -1,2 +1,3 @@\n"
            b" Changeset: $Format:%H$\n Commit date: $Format:%cD$\n+Packaged: yes\n"
        )

    def _commits(self, span: str) -> dict[int, list[str]]:
        """The commits that say they fix an advisory, oldest first."""
        found: dict[int, list[str]] = {}
        log = git("log", "-z", "--reverse", "--format=%H%n%B", span).decode("utf-8", "replace")
        for oid, _, text in (entry.partition("\n") for entry in log.split("\0")):
            for number in fixes(text):
                found.setdefault(number, []).append(oid)
        return found

    def publish(self, number: int) -> None:
        """An advisory with its real table, and for 4.20 the real commits as patches; two stand-ins for others."""
        fact = self.facts[number]
        table: list[tuple[str, str, tuple[str, ...]]] = []
        contents: dict[str, bytes] = {}
        for glob, text in fact["resolution"]:
            meant = ranges.parse(text)
            made = self.commits.get(number, [])
            if meant.is_xen and meant.covers("4.20") and made:
                names = expand(glob, len(made))
                contents |= {
                    name: git("diff-tree", "-p", "--full-index", oid) for name, oid in zip(names, made, strict=False)
                }
            else:
                names = expand(glob, 2)
            table.append((glob, text, names))
        self.shelf.add(
            number,
            table,
            contents=contents,
            title=fact["title"] or "x86: a title",
            cves=fact["cves"],
            version=fact["version"] or 2,
            public=f"{(fact['public'] or '2024-12-17')[:10]} 12:00",
        )

    def config(self) -> configuration.Config:
        return configuration.load(self.folder / "xenbump.toml", {})

    def plan(self, to: str = "", *, security_only: bool = False) -> Outcome:
        config = self.config()
        with Journal(config.state).run("plan") as journal, opened(config, journal, lambda _: None) as pipeline:
            return pipeline.plan(config.packages[0], to, security_only=security_only)

    def planned(self, to: str = "", *, security_only: bool = False) -> Planned:
        outcome = self.plan(to, security_only=security_only)
        assert not isinstance(outcome, Stopped), outcome.error
        assert isinstance(outcome, Planned)
        return outcome

    def write(self, outcome: Planned) -> None:
        assert (self.folder / "package.nix").read_bytes() == outcome.edits[0].before
        (self.folder / "package.nix").write_bytes(outcome.edits[0].after or b"")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with SigningKey() as key:
        made = Place(tmp_path_factory.mktemp("plan"), key)
        for number in made.facts:
            if number <= LAST:
                made.publish(number)
        listed = ""
        for number in BEFORE:
            for path in sorted(made.shelf.folder.glob(f"xsa{number}*.patch")):
                if path.name in listed_for(made, number):
                    digest = hashing.fetchpatch(path.read_bytes())
                    listed += ONE.format(number=number, name=path.name, hash=digest) + "\n"
        text = FILE.replace("@patches@\n", listed).replace("@libxl@", LIBXL).replace("@libxl-hash@", LIBXL_HASH)
        config = made.config()
        digest = hash_of(config, "RELEASE-4.20.2", "fetchFromGitHub", lambda _: None).hash
        (made.folder / "package.nix").write_text(text.replace("@hash@", digest))
        yield made


def listed_for(place: Place, number: int) -> set[str]:
    found: set[str] = set()
    for glob, text in place.facts[number]["resolution"]:
        if ranges.parse(text).covers("4.20"):
            found |= set(expand(glob, len(place.commits[number])))
    return found


def names(urls: list[str]) -> list[str]:
    return [patches.advisory_file(url) or url for url in urls]


def test_from_4_20_2_to_4_20_3_and_4_20_4(place: Place) -> None:
    outcome = place.planned("4.20.3")
    change = outcome.plan.patches
    assert {one.patch.xsa for one in change.drop} == set(BEFORE)
    assert [patch.url for patch in change.keep] == ["./0001-local.patch", LIBXL]
    added = names([one.patch.url for one in change.add])
    assert sorted({one.patch.xsa or 0 for one in change.add}) == list(WITH_3)
    assert "xsa490-4.21.patch" in added
    big = [f"xsa492/xsa492-4.20-{place:02}.patch" for place in range(1, 19)]
    assert [name for name in added if "xsa492" in name] == big
    assert [patch.url for patch in change.series][:: len(change.series) - 1] == ["./0001-local.patch", LIBXL]
    assert outcome.plan.warnings == ()
    for one in change.add:
        name = patches.advisory_file(one.patch.url) or ""
        assert one.patch.hash == hashing.fetchpatch((place.shelf.folder / name).read_bytes())
    before = time.process_time()
    assert place.planned("4.20.3").edits == outcome.edits
    assert time.process_time() - before < 60  # the figure itself is for the notes
    print(f"warm: {time.process_time() - before:.2f} s, {len(change.add)} added")  # noqa: T201
    place.write(outcome)
    assert isinstance(place.plan(security_only=True), UpToDate)

    for number in place.facts:
        if number > LAST:
            place.publish(number)
    fix = b"--- a/README\n+++ b/README\n@@ -1,2 +1,3 @@\n"
    first = git("show", "RELEASE-4.20.4:README").splitlines(keepends=True)[:2]
    fix += b" " + first[0] + b"+a fix\n" + b" " + first[1]
    place.shelf.add(
        509, [("xsa509.patch", "xen-unstable - Xen 4.17.x", ["xsa509.patch"])], contents={"xsa509.patch": fix},
        public="2026-08-25 12:00",
    )  # fmt: skip
    outcome = place.planned()
    change = outcome.plan.patches
    assert outcome.plan.target.version == "4.20.4"
    assert len(change.drop) == len(added)
    assert {one.patch.xsa for one in change.drop} == set(WITH_3)
    assert names([one.patch.url for one in change.add]) == ["xsa509.patch"]
    assert [patch.url for patch in change.keep] == ["./0001-local.patch", LIBXL]
    print(f"{len(change.drop)} dropped")  # noqa: T201
    place.write(outcome)
    assert isinstance(place.plan(), UpToDate)
