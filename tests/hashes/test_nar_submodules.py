"""The hash of a checkout with submodules: the trees of other repositories at the links to their commits."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.hashes.support import LINK, PROGRAM, SUBMODULE, Entry, Trees, nix_hash
from xenbump.hashes import nar, sri
from xenbump.upstream import git
from xenbump.upstream.objects import open_objects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Put:
    """Puts trees at links, by path; a link that is not named stays empty. It tells what was asked and given back."""

    def __init__(self, store: Path, trees: Mapping[bytes, str], below: Put | None = None) -> None:
        self.store = store
        self.trees = trees
        self.below = below
        self.told: list[tuple[str, bytes, str]] = []

    @contextlib.contextmanager
    def __call__(self, path: bytes, commit: str) -> Iterator[nar.Checkout | None]:
        self.told.append(("asked", path, commit))
        if path not in self.trees:
            yield None
            return
        with open_objects(self.store, git.environment(None)) as objects:
            tree = objects.commit(self.trees[path]).tree
            yield nar.Checkout(objects, tree, self.below or Put(self.store, {}))
        self.told.append(("left", path, commit))


@pytest.fixture(scope="module")
def outer(tmp_path_factory: pytest.TempPathFactory) -> Trees:
    return Trees(tmp_path_factory.mktemp("outer"))


@pytest.fixture(scope="module")
def inner(tmp_path_factory: pytest.TempPathFactory) -> Trees:
    return Trees(tmp_path_factory.mktemp("inner"))


def ours(trees: Trees, commit: str, submodules: nar.Submodules | None) -> str:
    with open_objects(trees.store, git.environment(None)) as objects:
        return sri.encode(nar.tree_hash(objects, objects.commit(commit).tree, submodules=submodules))


def test_trees_of_another_repository_stand_at_the_links(outer: Trees, inner: Trees) -> None:
    leaf = inner.commit({b"leaf": Entry(b"leaf\n")})
    files = {
        b"run": Entry(b"#!/bin/sh\n", PROGRAM),
        b"to": Entry(b"run", LINK),
        b"deep/er": Entry(leaf.encode(), SUBMODULE),
    }
    middle = inner.commit(files)
    links = {path: Entry(middle.encode(), SUBMODULE) for path in (b"a/lib", b"a.lib", b"empty")}
    top = outer.commit({b"f": Entry(b"f\n"), b"zz": Entry(b"zz\n"), **links})

    below = Put(inner.store, {b"deep/er": leaf})
    put = Put(inner.store, {b"a/lib": middle, b"a.lib": middle}, below)
    with outer.checked_out(top) as folder:
        assert ours(outer, top, None) == nix_hash(folder)
        for place in ("a/lib", "a.lib"):
            with inner.checked_out(middle) as lib, inner_folder(inner, leaf) as low:
                shutil.copytree(lib, folder / place, dirs_exist_ok=True, symlinks=True)
                shutil.copytree(low, folder / place / "deep/er", dirs_exist_ok=True)
        expected = nix_hash(folder)
    assert ours(outer, top, put) == expected != ours(outer, top, None)
    # One after the other, each asked for by its path in the tree that has it.
    assert put.told == [
        ("asked", b"a/lib", middle),
        ("left", b"a/lib", middle),
        ("asked", b"a.lib", middle),
        ("left", b"a.lib", middle),
        ("asked", b"empty", middle),
    ]
    assert below.told == [("asked", b"deep/er", leaf), ("left", b"deep/er", leaf)] * 2


@contextlib.contextmanager
def inner_folder(trees: Trees, commit: str) -> Iterator[Path]:
    """A second checkout beside the first."""
    other = Trees(trees.folder / "second")
    try:
        other.git("fetch", "--quiet", str(trees.store), commit)
        with other.checked_out(commit) as folder:
            yield folder
    finally:
        shutil.rmtree(other.folder)


def test_a_submodule_without_files_is_an_empty_folder(outer: Trees, inner: Trees) -> None:
    nothing = inner.commit({})
    top = outer.commit({b"lib": Entry(nothing.encode(), SUBMODULE)})
    assert ours(outer, top, Put(inner.store, {b"lib": nothing})) == ours(outer, top, None)


def test_a_tree_without_links_asks_for_nothing(outer: Trees, inner: Trees) -> None:
    top = outer.commit({b"a/b": Entry(b"x")})
    put = Put(inner.store, {})
    assert ours(outer, top, put) == ours(outer, top, None)
    assert put.told == []
