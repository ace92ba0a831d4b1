"""`xenbump.demo.xen_project` as the real git, gpgv and make see it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from xenbump.demo.git_server import isolated_git
from xenbump.demo.signing import SigningKey
from xenbump.demo.xen_project import DEFAULT, File, Pins, Release, Support, XenProject, build
from xenbump.demo.xen_tree import SYMLINK, numbers
from xenbump.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xenbump.process import Completed

ONE = (Release("4.20.0"),)


@pytest.fixture(scope="module")
def key() -> Iterator[SigningKey]:
    with SigningKey() as made:
        yield made


@pytest.fixture(scope="module")
def xen(key: SigningKey, tmp_path_factory: pytest.TempPathFactory) -> XenProject:
    """The default project; not to be changed."""
    return build(tmp_path_factory.mktemp("upstream") / "xen.git", key)


@pytest.fixture
def small(key: SigningKey, tmp_path: Path) -> XenProject:
    """One release, to add to."""
    return build(tmp_path / "xen.git", key, ONE)


def git(xen: XenProject, *arguments: str) -> str:
    return run(["git", f"--git-dir={xen.path}", *arguments], env=isolated_git()).stdout.decode()


def verify_tag(xen: XenProject, tag: str) -> Completed:
    argv = ["git", f"--git-dir={xen.path}", "verify-tag", "--raw", tag]
    return run(argv, env=xen.key.git_environment(), check=False)


def test_all_releases_and_much_else_are_tagged(xen: XenProject) -> None:
    tags = set(git(xen, "tag").split())
    assert tags == set(xen.commits)
    assert {release.tag for release in DEFAULT} < tags
    assert {"RELEASE-4.20.4", "RELEASE-4.21.2", "RELEASE-4.9.1"} < tags
    assert {"4.20.0-rc1", "xen-RELEASE-4.14.5", "RELEASE-4.1.6.1", "4.21.0-branched", "4.22-dev"} < tags


def test_tags_lead_to_the_commits(xen: XenProject) -> None:
    for tag, commit in xen.commits.items():
        assert git(xen, "rev-parse", f"{tag}^{{commit}}").strip() == commit


def test_the_forms_of_the_tags(xen: XenProject) -> None:
    kinds = dict(line.split() for line in git(xen, "tag", "--format=%(refname:short) %(objecttype)").splitlines())
    plain = {tag for tag, kind in kinds.items() if kind == "commit"}
    branched = {f"{line}.0-branched" for line in ("4.2", "4.9", "4.20", "4.21")}
    assert plain == {"RELEASE-4.2.1", *branched}


def test_tag_objects_verify(xen: XenProject) -> None:
    for line in git(xen, "tag", "--format=%(refname:short) %(objecttype)").splitlines():
        tag, kind = line.split()
        if kind == "tag":
            done = verify_tag(xen, tag)
            assert done.status == 0, done.error_text
            assert f"VALIDSIG {xen.key.fingerprint}".encode() in done.stderr


def test_a_tag_object_is_laid_out_as_xens(xen: XenProject, tmp_path: Path) -> None:
    text = git(xen, "cat-file", "tag", "RELEASE-4.20.4")
    body, begin, rest = text.partition("-----BEGIN PGP SIGNATURE-----\n")
    head, message = body.split("\n\n", 1)
    assert [line.split(" ", 1)[0] for line in head.splitlines()] == ["object", "type", "tag", "tagger"]
    assert "\ntag RELEASE-4.20.4\n" in head
    assert message == "Xen 4.20.4\n"
    assert rest.endswith("-----END PGP SIGNATURE-----\n")
    # gpgv alone agrees: the signature is over everything before it.
    for name, content in (("body", body), ("signature", begin + rest)):
        (tmp_path / name).write_text(content, encoding="utf-8")
    (tmp_path / "keys").write_bytes(xen.key.public_key(armored=False))
    run(["gpgv", "--keyring", *(str(tmp_path / name) for name in ("keys", "signature", "body"))])


def test_two_projects_have_the_same_commits(xen: XenProject, tmp_path: Path) -> None:
    with SigningKey() as other:
        again = build(tmp_path / "xen.git", other)
    assert again.commits == xen.commits
    assert again.tip("staging-4.20") == xen.tip("staging-4.20")


def test_git_finds_nothing_wrong(xen: XenProject) -> None:
    assert git(xen, "fsck", "--strict", "--no-dangling") == ""
    assert git(xen, "symbolic-ref", "HEAD").strip() == "refs/heads/master"


def test_branches_follow_each_other(xen: XenProject) -> None:
    for line, last in (("4.20", "RELEASE-4.20.4"), ("4.21", "RELEASE-4.21.2")):
        stable, staging = xen.tip(f"stable-{line}"), xen.tip(f"staging-{line}")
        assert git(xen, "rev-parse", f"{stable}^").strip() == xen.commits[last]
        assert git(xen, "rev-parse", f"{staging}^").strip() == stable
        assert git(xen, "merge-base", "master", stable).strip() == xen.commits[f"{line}.0-branched"]


def test_the_tree_says_which_version_it_is(xen: XenProject) -> None:
    for revision, extra in (("RELEASE-4.20.4", ".4"), ("4.20.0-rc1", ".0-rc1"), ("stable-4.20", ".5-pre")):
        makefile = git(xen, "show", f"{revision}:xen/Makefile")
        assert "export XEN_SUBVERSION    = 20\n" in makefile
        assert f"export XEN_EXTRAVERSION ?= {extra}$(XEN_VENDORVERSION)\n" in makefile
    assert "?= -unstable$(XEN_VENDORVERSION)\n" in git(xen, "show", "master:xen/Makefile")


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_reads_the_same(key: SigningKey, tmp_path: Path) -> None:
    pins = Pins("qemu-1", "rel-2", "0" * 40, "mini-3", "1" * 40)
    xen = build(tmp_path / "xen.git", key, [Release("4.20.3", pins=pins)])
    tree = tmp_path / "tree"
    tree.mkdir()
    git(xen, f"--work-tree={tree}", "checkout", "--quiet", "RELEASE-4.20.3", "--", ".")
    assert run(["make", "--silent", "-C", "xen"], cwd=tree).stdout == b"Xen 4.20.3\n"
    assert run(["make", "--silent", "-C", "tools/firmware/etherboot"], cwd=tree).stdout.split()[1] == b"1" * 40
    names = [f"$({name}_UPSTREAM_REVISION)" for name in ("QEMU", "SEABIOS", "OVMF", "MINIOS")]
    question = f"include Config.mk\nall:\n\t@echo {' '.join(names)}\n".encode()
    shown = run(["make", "--silent", "-f", "-"], cwd=tree, stdin=question).stdout.decode()
    assert shown.split() == ["qemu-1", "rel-2", "0" * 40, "mini-3"]


def test_pins_do_not_follow_every_point_release(xen: XenProject) -> None:
    config = git(xen, "show", "RELEASE-4.20.4:Config.mk")
    assert "QEMU_UPSTREAM_REVISION ?= qemu-xen-4.20.1\n" in config
    assert "MINIOS_UPSTREAM_REVISION ?= xen-RELEASE-4.20.0\n" in config


def test_support_windows_are_extended_on_the_branch_only(xen: XenProject) -> None:
    def windows(revision: str) -> list[str]:
        lines = git(xen, "show", f"{revision}:SUPPORT.md").splitlines()
        return [line.split(":", 1)[1].strip() for line in lines if line.startswith("    ") and "-" in line][1:]

    assert windows("RELEASE-4.20.4")[1:] == ["2025-07-15", "2026-01-15"]
    assert windows("stable-4.20")[1:] == ["2097-01-15", "2099-01-15"]
    assert windows("master") == ["n/a", "TBD", "Unreleased - not yet security-supported"]
    assert "SUPPORT.md" not in git(xen, "ls-tree", "--name-only", "stable-4.9")


def test_the_tree_has_what_makes_hashing_hard(xen: XenProject) -> None:
    entries = [line.split(None, 3) for line in git(xen, "ls-tree", "-r", "RELEASE-4.20.4").splitlines()]
    modes = {path: mode for mode, _, _, path in entries}
    assert set(modes.values()) == {"100644", "100755", SYMLINK}
    folder = git(xen, "ls-tree", "--name-only", "RELEASE-4.20.4:xen/common").split()
    assert folder != sorted(folder)
    assert git(xen, "cat-file", "-s", "RELEASE-4.20.4:xen/common/grant/empty.h").strip() == "0"


def test_git_archive_fills_in_the_commit(xen: XenProject) -> None:
    argv = ["git", f"--git-dir={xen.path}", "archive", "RELEASE-4.20.4", ".gitarchive-info"]
    packed = run(argv, env=isolated_git()).stdout
    assert f"Changeset: {xen.commits['RELEASE-4.20.4']}\n".encode() in packed
    assert b"Format" not in packed


def test_a_new_release_appears(small: XenProject) -> None:
    before = small.tip("staging-4.20")
    commit = small.add_release("4.20.1")
    assert small.commits["RELEASE-4.20.1"] == commit
    assert verify_tag(small, "RELEASE-4.20.1").status == 0
    assert git(small, "rev-parse", f"{commit}^").strip() == before
    assert git(small, "rev-parse", "stable-4.20^").strip() == commit


def test_a_new_line_appears(small: XenProject) -> None:
    small.add_release("4.21.0")
    assert {"4.21.0-branched", "4.21.0-rc1", "RELEASE-4.21.0", "4.22-dev"} < set(small.commits)
    assert small.tip("staging") == small.tip("master")
    assert small.tip("stable-4.21") != small.tip("stable-4.20")


def test_a_release_is_published_again(small: XenProject) -> None:
    before = small.commits["RELEASE-4.20.0"]
    assert small.add_release("4.20.0") != before
    assert git(small, "rev-parse", "RELEASE-4.20.0^{commit}").strip() == small.commits["RELEASE-4.20.0"]


def test_files_and_windows_of_a_release(small: XenProject) -> None:
    files = {"docs/new": File.text("new\n"), "docs/link": File(b"new", SYMLINK)}
    small.add_release(Release("4.20.1", files=files, support=Support("2025-01-01", "2025-02-02", "2025-03-03")))
    assert "    Security-Support-Until: 2025-03-03\n" in git(small, "show", "stable-4.20:SUPPORT.md")
    small.add_release("4.20.2")
    assert git(small, "show", "RELEASE-4.20.2:docs/new") == "new\n"
    assert git(small, "ls-tree", "RELEASE-4.20.2", "docs/link").startswith(SYMLINK)


def test_a_commit_is_pushed_to_both_branches(small: XenProject) -> None:
    fixed = File.text("/* fixed */\n")
    commit = small.add_commit("4.20", {"xen/common/grant.c": fixed}, "grant: count from 0\n\nThis is XSA-999.\n")
    assert small.tip("stable-4.20") == small.tip("staging-4.20") == commit
    assert git(small, "log", "-1", "--format=%b", commit).strip() == "This is XSA-999."
    small.add_release("4.20.1")
    assert git(small, "show", "RELEASE-4.20.1:xen/common/grant.c") == "/* fixed */\n"
    assert small.add_commit("master", {}, "nothing") == small.tip("master") == small.tip("staging")
    with pytest.raises(KeyError):
        small.add_commit("4.99", {}, "nothing")


def test_a_version_is_three_numbers(small: XenProject) -> None:
    before = git(small, "for-each-ref")
    for version in ("4.20", "4.20.0-rc1", "four"):
        with pytest.raises(ValueError, match="three numbers"):
            small.add_release(version)
    small.add_commit("4.20", {}, "nothing of them was left over")
    assert git(small, "tag", "--format=%(objectname)").split() == [
        line.split()[0] for line in before.splitlines() if "refs/tags/" in line
    ]
    assert numbers("4.20.5-pre") == (4, 20, ".5-pre")


def test_an_unsigned_tag(small: XenProject) -> None:
    small.add_release(Release("4.20.1", signed=False))
    assert git(small, "cat-file", "-t", "RELEASE-4.20.1").strip() == "tag"
    assert "PGP" not in git(small, "cat-file", "tag", "RELEASE-4.20.1")
    assert verify_tag(small, "RELEASE-4.20.1").status != 0


def test_a_lightweight_tag(small: XenProject) -> None:
    commit = small.add_release(Release("4.20.1", lightweight=True))
    assert git(small, "rev-parse", "RELEASE-4.20.1").strip() == commit


def test_a_tag_by_another_key(small: XenProject) -> None:
    with SigningKey() as other:
        small.add_release(Release("4.20.1", sign_with=other))
    done = verify_tag(small, "RELEASE-4.20.1")
    assert done.status != 0
    assert b"NO_PUBKEY" in done.stderr


def test_a_tampered_tag(small: XenProject) -> None:
    small.add_release(Release("4.20.1", tampered=True))
    done = verify_tag(small, "RELEASE-4.20.1")
    assert done.status != 0
    assert b"BADSIG" in done.stderr


def test_a_tag_under_another_name(small: XenProject) -> None:
    small.add_release(Release("4.20.1", inner_name="RELEASE-4.20.0"))
    # The signature is good: that the names differ is for the reader to see.
    assert verify_tag(small, "RELEASE-4.20.1").status == 0
    assert "\ntag RELEASE-4.20.0\n" in git(small, "cat-file", "tag", "RELEASE-4.20.1")


@pytest.mark.parametrize("kind", ["tag", "tree", "blob"])
def test_a_tag_that_points_elsewhere(small: XenProject, kind: str) -> None:
    release = {
        "tag": Release("4.20.1", points_to="tag"),
        "tree": Release("4.20.1", points_to="tree"),
        "blob": Release("4.20.1", points_to="blob"),
    }[kind]
    small.add_release(release)
    assert verify_tag(small, "RELEASE-4.20.1").status == 0
    target = git(small, "cat-file", "tag", "RELEASE-4.20.1").split()[1]
    assert git(small, "cat-file", "-t", target).strip() == kind


def test_a_tree_that_disagrees_with_its_tag(small: XenProject) -> None:
    small.add_release(Release("4.20.1", tree_version="4.20.0"))
    assert "?= .0$(XEN_VENDORVERSION)" in git(small, "show", "RELEASE-4.20.1:xen/Makefile")
    assert verify_tag(small, "RELEASE-4.20.1").status == 0
