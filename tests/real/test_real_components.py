"""The components that the real Xen's trees name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from xenbump.process import run
from xenbump.upstream import git, release
from xenbump.upstream.components import CONFIG, ETHERBOOT, NAMES, Named, read

REAL = os.environ.get("XENBUMP_REAL_XEN", "")
pytestmark = pytest.mark.skipif(not REAL, reason="XENBUMP_REAL_XEN is not set")

XENBITS = "https://xenbits.xen.org/git-http"
URLS = {
    "qemu": f"{XENBITS}/qemu-xen.git",
    "seabios": f"{XENBITS}/seabios.git",
    "ovmf": f"{XENBITS}/ovmf.git",
    "ipxe": "https://github.com/ipxe/ipxe.git",
    "minios": f"{XENBITS}/mini-os.git",
}


def content(rev: str, path: str) -> bytes | None:
    """A file of a revision; None where it has none."""
    argv = ["git", f"--git-dir={Path(REAL)}", "-c", "safe.directory=*", "cat-file", "blob", f"{rev}:{path}"]
    done = run(argv, env=git.environment(None), check=False)
    return done.stdout if done.status == 0 else None


def named(rev: str) -> dict[str, Named]:
    return read(content(rev, CONFIG), content(rev, ETHERBOOT), rev)


def releases() -> list[str]:
    """The versions of all releases since 4.2.0, oldest first."""
    argv = ["git", f"--git-dir={Path(REAL)}", "-c", "safe.directory=*", "tag", "--list", "RELEASE-*"]
    tags = run(argv, env=git.environment(None)).stdout.decode().split()
    versions = [version for tag in tags if (version := release.version_of(tag)) is not None]
    return sorted((v for v in versions if release.order(v) >= release.order("4.2.0")), key=release.order)


def test_every_release_names_its_components() -> None:
    recent = [v for v in releases() if release.order("4.16.0") <= release.order(v) <= release.order("4.22.0")]
    assert len(recent) >= 39
    for version in recent:
        found = named(release.tag_of(version))
        assert tuple(found) == NAMES
        assert {name: one.url for name, one in found.items()} == URLS
        # Tags and commits of these very projects, no newer than the release.
        series = release.order(version).release[:2]
        for name, prefix in (("qemu", "qemu-xen-"), ("minios", "xen-RELEASE-")):
            pinned = release.order(found[name].revision.removeprefix(prefix))
            assert (pinned.release[:2], pinned <= release.order(version)) == (series, True)
        assert found["seabios"].revision.startswith("rel-1.")
        for name in ("ovmf", "ipxe"):
            assert len(bytes.fromhex(found[name].revision)) == 20


def test_the_components_of_one_release() -> None:
    assert {name: one.revision for name, one in named("RELEASE-4.20.4").items()} == {
        "qemu": "qemu-xen-4.20.1",
        "seabios": "rel-1.16.3",
        "ovmf": "ba91d0292e593df8528b66f99c1b0b14fadc8e16",
        "ipxe": "1d1cf74a5e58811822bee4b3da3cff7282fcdfca",
        "minios": "xen-RELEASE-4.20.0",
    }


def test_old_releases_lack_some() -> None:
    for version in releases():
        found = set(named(release.tag_of(version)))
        assert {"qemu", "seabios", "ovmf", "ipxe"} <= found
        # Until 4.5 it was a folder of Xen's own tree.
        assert ("minios" in found) == (release.order(version) >= release.order("4.6.0"))
    assert list(named("RELEASE-4.1.0")) == ["ipxe"]
