"""The hash of a checkout: computed from git's objects, against the real Nix on the real git's checkout."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hashes.support import FILE, LINK, PROGRAM, SUBMODULE, Entry, Trees, modes, nix_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

SOME_COMMIT = b"0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Trees:
    return Trees(tmp_path_factory.mktemp("trees"))


# Names that git (`a.b` < `a/` < `a0`) and NAR (`a` < `a.b` < `a0`) sort differently, and awkward ones.
names = st.sampled_from(
    [b"a", b"a.b", b"a-b", b"a0", b"a b", b"A", b".a", b"-", b"\xff", "é".encode(), b"a\nb", b'"', b"~"]
)
# Around the padding to 8 bytes.
contents = st.integers(0, 17).map(lambda size: bytes(range(65, 65 + size))) | st.binary(max_size=40)
files = st.builds(Entry, contents, st.sampled_from([FILE, PROGRAM]))
links = st.builds(Entry, st.sampled_from([b"a", b"../x", b"/nowhere", b"a b\xff", b"12345678"]), st.just(LINK))
submodules = st.just(Entry(SOME_COMMIT, SUBMODULE))


@st.composite
def folders(draw: st.DrawFn, depth: int = 3) -> dict[bytes, Entry]:
    """The files of a folder by path."""
    found: dict[bytes, Entry] = {}
    for name in draw(st.lists(names, min_size=1, max_size=5, unique=True)):
        if depth and draw(st.booleans()):
            below = draw(folders(depth - 1))
            found.update({name + b"/" + path: entry for path, entry in below.items()})
        else:
            found[name] = draw(st.one_of(files, files, links, submodules))
    return found


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(folders())
def test_any_tree_has_the_hash_that_nix_computes(trees: Trees, content: dict[bytes, Entry]) -> None:
    commit = trees.commit(content)
    with trees.checked_out(commit) as folder:
        expected = nix_hash(folder)
    assert trees.ours(commit) == expected
    with trees.archived(commit) as folder:
        assert nix_hash(folder) == expected
    assert trees.ours(commit, "fetchFromGitHub") == expected


EVERYTHING: Mapping[bytes, Entry] = {
    **{b"size/%d" % size: Entry(b"x" * size) for size in range(18)},
    b"a": Entry(b"text\n"),
    b"a.c": Entry(b"#!/bin/sh\n", PROGRAM),
    b"a0": Entry(b"a.c", LINK),
    b"b/a": Entry(b""),
    b"b.c/a": Entry(b"", PROGRAM),
    b"b0/a/b/c/d": Entry(b"deep"),
    b"large": Entry(bytes(range(256)) * 5000),
    b"crlf": Entry(b"a\r\nb\r\n"),
    b"sub/module": Entry(SOME_COMMIT, SUBMODULE),
}


def test_a_tree_of_everything(trees: Trees) -> None:
    commit = trees.commit(EVERYTHING)
    with trees.checked_out(commit) as folder:
        assert modes(folder) == {stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK}
        assert trees.ours(commit) == nix_hash(folder)


@pytest.mark.parametrize("name", [b"a", b"a.c", b"a0", b"b/a", b"sub/module", b"size/7"])
def test_each_entry_counts(trees: Trees, name: bytes) -> None:
    commit = trees.commit(EVERYTHING)
    without = trees.commit({path: entry for path, entry in EVERYTHING.items() if path != name})
    other = trees.commit({**EVERYTHING, name: Entry(b"other")})
    assert len({trees.ours(one) for one in (commit, without, other)}) == 3


def test_an_empty_commit(trees: Trees) -> None:
    commit = trees.commit({})
    with trees.checked_out(commit) as folder:
        assert trees.ours(commit) == nix_hash(folder)


def test_a_mode_that_git_no_longer_writes_is_that_of_a_file(trees: Trees) -> None:
    blob = trees.git("hash-object", "-w", "--stdin", stdin=b"x").strip().decode()
    hashes = set()
    for mode in ("100664", "100644"):
        raw = f"{mode} a\0".encode() + bytes.fromhex(blob)
        tree = trees.git("hash-object", "-t", "tree", "-w", "--stdin", "--literally", stdin=raw).decode().strip()
        hashes.add(trees.ours(commit_of(trees, tree)))
    assert len(hashes) == 1


def commit_of(trees: Trees, tree: str) -> str:
    person = "Xen demo <demo@localhost> 1767614400 +0000"
    text = f"tree {tree}\nauthor {person}\ncommitter {person}\n\nx\n"
    return trees.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=text.encode()).decode().strip()


def test_an_empty_folder_is_refused_since_no_checkout_has_it(trees: Trees) -> None:
    empty = trees.git("mktree").decode().strip()
    blob = trees.git("hash-object", "-w", "--stdin", stdin=b"x").strip().decode()
    tree = trees.git("mktree", stdin=f"040000 tree {empty}\ta\n100644 blob {blob}\tb\n".encode()).decode().strip()
    commit = commit_of(trees, tree)
    for way in (trees.checked_out, trees.archived):
        with way(commit) as folder:
            assert [path.name for path in folder.iterdir()] == ["b"]
    error = trees.refusal(commit)
    assert (error.code, error.where) == ("E-TREE-FORM", "a")
