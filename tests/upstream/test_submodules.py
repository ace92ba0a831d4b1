"""Submodules: what git makes of `.gitmodules` and of relative addresses, and what stands in the folders."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hashes.support import LINK, SUBMODULE, Entry, Trees, nix_hash
from xenbump.demo.git_server import GitServer, isolated_git
from xenbump.errors import Failure, Refusal
from xenbump.process import run
from xenbump.upstream import submodules
from xenbump.upstream.components import Components, Named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

WHERE = "qemu v1"


@dataclass
class World:
    """Repositories beside each other, at paths and over HTTP."""

    root: Path
    server: GitServer
    top: Trees
    lib: Trees
    lib_commit: str

    def hash(self, commit: str, cache: Path, address: str = "", roots: Mapping[str, str] | None = None) -> str:
        """The hash with submodules, as xenbump computes it."""
        address = address or str(self.top.store)
        named = Named("qemu", address, commit)
        return Components(roots or {}, cache).hash(named, commit, commit, address, submodules=True)

    def refusal(self, commit: str, cache: Path, address: str = "") -> Refusal:
        with pytest.raises(Refusal) as caught:
            self.hash(commit, cache, address)
        return caught.value

    def checkout(self, commit: str, place: Path, address: str = "") -> str | None:
        """The hash of the checkout that `nix-prefetch-git --fetch-submodules` makes; None where git stops."""
        git = ["git", "-C", str(place)]
        env = isolated_git({"protocol.file.allow": "always", "advice.detachedHead": "false"})
        run(["git", "init", "--quiet", "--template=", str(place)], env=env)
        try:
            run([*git, "remote", "add", "origin", address or str(self.top.store)], env=env)
            run([*git, "fetch", "--quiet", "--depth=1", "origin", commit], env=env)
            run([*git, "checkout", "--quiet", "FETCH_HEAD"], env=env)
            update = ["submodule", "--quiet", "update", "--init", "--recursive", "--depth=1"]
            if run([*git, *update], env=env, check=False).status != 0:
                return None
            for left in list(place.rglob(".git")):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            return nix_hash(place)
        finally:
            shutil.rmtree(place)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("world")
    for name in ("top", "lib"):
        (root / name).mkdir()
    top, lib = Trees(root / "top"), Trees(root / "lib")
    with GitServer(root) as server:
        yield World(root, server, top, lib, lib.commit({b"lib.c": Entry(b"int lib;\n"), b"doc/a": Entry(b"a\n")}))


def entry(name: str, path: str, url: str, more: str = "") -> str:
    return f'[submodule "{name}"]\n\tpath = {path}\n\turl = {url}\n{more}'


def tree(gitmodules: str | bytes, links: Mapping[bytes, str], **more: Entry) -> dict[bytes, Entry]:
    """The files of a tree with submodules."""
    text = gitmodules if isinstance(gitmodules, bytes) else gitmodules.encode()
    files = {b".gitmodules": Entry(text), b"f": Entry(b"f\n")}
    files |= {path: Entry(commit.encode(), SUBMODULE) for path, commit in links.items()}
    return files | {name.encode(): one for name, one in more.items()}


SIBLING = "../../lib/store.git"


@pytest.mark.parametrize("way", ["path", "http"])
def test_submodules_of_submodules(way: str, world: World, tmp_path: Path) -> None:
    middle = world.lib.commit(tree(entry("deep", "sub/deep", "./../store.git/"), {b"sub/deep": world.lib_commit}))
    text = entry("one", "a/one", SIBLING) + entry("two", "two", "../../lib/store.git") + entry("no", "none", SIBLING)
    top = world.top.commit(tree(text, {b"a/one": middle, b"two": world.lib_commit}))
    address = str(world.top.store) if way == "path" else world.server.url("top/store.git")
    ours = world.hash(top, tmp_path / "cache", address)
    assert ours == world.checkout(top, tmp_path / "checkout", address)
    named = Named("qemu", address, top)
    assert ours != Components({}, tmp_path / "cache").hash(named, top, top, address, submodules=False)


def test_what_is_cached_is_not_fetched_again(world: World, tmp_path: Path) -> None:
    address = world.server.url("top/store.git")
    top = world.top.commit(tree(entry("one", "one", SIBLING), {b"one": world.lib_commit}))
    first = world.hash(top, tmp_path, address)
    world.server.reset_counters()
    assert world.hash(top, tmp_path, address) == first
    assert world.server.requests == ()


def test_another_address_for_a_submodule(world: World, tmp_path: Path) -> None:
    gone = world.server.url("gone.git")
    top = world.top.commit(tree(entry("one", "one", gone), {b"one": world.lib_commit}))
    with pytest.raises(Failure, match=r"E-GIT-REPOSITORY.*gone\.git"):
        world.hash(top, tmp_path)
    here = world.top.commit(tree(entry("one", "one", SIBLING), {b"one": world.lib_commit}, f=Entry(b"other\n")))
    moved = world.hash(top, tmp_path, roots={gone: str(world.lib.store)})
    assert moved != world.hash(here, tmp_path)
    assert moved == world.hash(top, tmp_path / "cold", roots={gone: str(world.lib.store)})


# What git makes of each, by the real git: a full folder, an empty one, or an error.
FORMS = {
    "none": (entry("a", "lib", SIBLING, "\tupdate = none\n"), "empty"),
    "merge": (entry("a", "lib", SIBLING, "\tupdate = merge\n\tbranch = .\n\tactive = false\n"), "full"),
    "command": (entry("a", "lib", SIBLING, "\tupdate = !touch x\n"), "error"),
    "letters": (f'; x\n[SubModule.A]\nPATH=lib\n  Url = "{SIBLING}" # x\n', "full"),
    "continued": (f'[submodule "a\\"b"] path = l\\\nib\nurl = {SIBLING}\n', "full"),
    "slash": (entry("a", "lib/", SIBLING), "error"),
    "no url": ('[submodule "a"]\n\tpath = lib\n', "error"),
    "name": (entry("a/../b", "lib", SIBLING), "error"),
    "no value": (f'[submodule "a"]\n\tpath\n\turl = {SIBLING}\n', "error"),
    "broken": ('[submodule "a"\n\tpath = lib\n', "error"),
    "other": (entry("a", "lob", SIBLING), "error"),
    "dash": (entry("a", "lib", "-u"), "error"),
    "command url": (entry("a", "lib", "ext::sh -c true"), "error"),
}


@pytest.mark.parametrize("form", FORMS)
def test_git_is_followed(form: str, world: World, tmp_path: Path) -> None:
    text, outcome = FORMS[form]
    commit = world.top.commit(tree(text, {b"lib": world.lib_commit}))
    expected = world.checkout(commit, tmp_path / "checkout")
    if outcome == "error":
        assert expected is None
        assert world.refusal(commit, tmp_path / "cache").code in {"E-SUBMODULE", "E-GIT-FSCK"}
        return
    assert world.hash(commit, tmp_path / "cache") == expected
    empty = Components({}, tmp_path / "cache").hash(
        Named("qemu", "", commit), commit, commit, str(world.top.store), submodules=False
    )
    assert (expected == empty) == (outcome == "empty")


@pytest.mark.parametrize("text", [None, b"", b"x", b"\xff"])
def test_a_link_that_gitmodules_does_not_have_is_refused_as_git_does(
    text: bytes | None, world: World, tmp_path: Path
) -> None:
    files = tree(text or b"", {b"a/lib": world.lib_commit})
    if text is None:
        del files[b".gitmodules"]
    commit = world.top.commit(files)
    error = world.refusal(commit, tmp_path)
    assert error.code in {"E-SUBMODULE", "E-GIT-FSCK"}
    if not text:
        assert error.where == f"qemu {commit}, 'a/lib'"


def test_what_changes_bytes_in_a_submodule_is_refused(world: World, tmp_path: Path) -> None:
    lib = world.lib.commit({b".gitattributes": Entry(b"* text\n*.bat eol=crlf\n"), b"x.bat": Entry(b"x\n")})
    commit = world.top.commit(tree(entry("one", "one", SIBLING), {b"one": lib}))
    error = world.refusal(commit, tmp_path)
    assert (error.code, error.where) == ("E-TREE-ATTRIBUTE", f"qemu {commit}, 'one', .gitattributes, line 2")


def test_a_commit_that_the_submodule_has_not(world: World, tmp_path: Path) -> None:
    commit = world.top.commit(tree(entry("one", "one", SIBLING), {b"one": "0" * 39 + "1"}))
    assert world.refusal(commit, tmp_path).code == "E-TAG-MISSING"


def test_a_chain_of_submodules_has_an_end(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submodules, "DEEPEST", 2)
    commits = [world.lib_commit]
    for _ in range(3):
        commits.append(world.lib.commit(tree(entry("x", "x", "../store.git"), {b"x": commits[-1]})))
    named = Named("qemu", str(world.lib.store), "v1")
    hashed = Components({}, tmp_path)
    assert hashed.hash(named, commits[2], commits[2], named.url, submodules=True)
    with pytest.raises(Refusal) as caught:
        hashed.hash(named, commits[3], commits[3], named.url, submodules=True)
    assert (caught.value.code, caught.value.where) == ("E-SUBMODULE", "qemu v1, 'x', 'x', 'x'")


PARENTS = ("https://host.example/a/b/c.git", "ssh://git@host.example:22/a/b/c/", "git@host.example:a/b/c.git", "/a/b/c")
RELATIVE = ("../x.git", "../../x.git", "./x", "../x/", "./../x", ".././x/y", "../x/../y", "..//x")


def test_relative_addresses_are_those_of_git(tmp_path: Path) -> None:
    repository = Trees(tmp_path)
    place = tmp_path / "checkout"
    text = "".join(entry(f"m{number}", f"m{number}", url) for number, url in enumerate(RELATIVE))
    git = ["git", "-C", str(place)]
    commit = repository.commit(tree(text, {b"m%d" % number: "1" * 40 for number, _ in enumerate(RELATIVE)}))
    run(["git", "init", "--quiet", "--template=", str(place)], env=isolated_git())
    run([*git, "fetch", "--quiet", str(repository.store), commit], env=isolated_git())
    run([*git, "checkout", "--quiet", "FETCH_HEAD"], env=isolated_git())
    for parent in PARENTS:
        run([*git, "config", "remote.origin.url", parent], env=isolated_git())
        run([*git, "submodule", "--quiet", "init"], env=isolated_git())
        for number, url in enumerate(RELATIVE):
            key = f"submodule.m{number}.url"
            theirs = run([*git, "config", "--get", key], env=isolated_git()).stdout.decode().removesuffix("\n")
            assert submodules.address_of(url, parent, WHERE) == theirs
            run([*git, "config", "--unset", key], env=isolated_git())


@pytest.mark.parametrize(
    ("url", "parent", "address"),
    [
        ("../x", "a/b", "a/x"),
        ("../x", "b", "x"),
        ("../../x", "../a/b", "../x"),
        ("https://gitlab.example/x.git/", "https://host.example/y", "https://gitlab.example/x.git/"),
        ("user@host.example:x.git", "https://host.example/y", "user@host.example:x.git"),
        ("/x", "/y", "/x"),
        ("file:///x", "http://127.0.0.1:80/y", "file:///x"),
        ("/x", "http://[::1]/y", "/x"),
        ("/x", "http://localhost/y", "/x"),
    ],
)
def test_addresses_that_are_taken(url: str, parent: str, address: str) -> None:
    assert submodules.address_of(url, parent, WHERE) == address


@pytest.mark.parametrize("parent", ["https://host.example/y", "ssh://host.example/y", "host.example:y"])
@pytest.mark.parametrize(
    "url",
    [
        *("/x", "x", "file:///x", "~/x", "git://host.example/x", "ext::sh -c true", "-x", "--upload-pack=x", ""),
        *("ftp://h/x", "http://h\nx/", "https://u:p@h/x", "https:///x", "http://[x", "../../../x", "./", "../"),
    ],
)
def test_addresses_that_are_refused(url: str, parent: str) -> None:
    with pytest.raises(Refusal) as caught:
        submodules.address_of(url, parent, WHERE)
    assert (caught.value.code, caught.value.where) == ("E-SUBMODULE", WHERE)


@pytest.mark.parametrize(("url", "parent"), [("x", "/y"), ("../../x", "y"), ("../x", "/"), ("../../../../x", "h:a/b")])
def test_addresses_that_lead_nowhere(url: str, parent: str) -> None:
    with pytest.raises(Refusal, match="E-SUBMODULE"):
        submodules.address_of(url, parent, WHERE)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (entry("a", "x", "/y", "\turl = /z\n"), "two values"),
        (entry("a", "x", "/y") + entry("b", "x", "/y"), "two submodules have the path"),
        (entry("", "x", "/y"), "git ignores"),
        (entry("..", "x", "/y"), "git ignores"),
        (entry("a", "x", "/y", "\tupdate = odd\n"), "updated by 'odd'"),
        ('[submodule "a"]\n\turl', "no value"),
        ("[", "cannot read"),
    ],
)
def test_what_is_refused_of_gitmodules(text: str, what: str) -> None:
    with pytest.raises(Refusal, match=what) as caught:
        submodules.parse(text.encode(), WHERE)
    assert (caught.value.code, caught.value.where) == ("E-SUBMODULE", "qemu v1, .gitmodules")


def test_an_include_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "more").write_text(entry("b", "y", "/z"))
    text = f"[include]\n\tpath = {tmp_path}/more\n" + entry("a", "x", "/y", "\turl = /y\n")
    assert submodules.parse(text.encode(), WHERE) == {b"x": submodules.Submodule(b"x", "/y", left_out=False)}


def test_a_link_instead_of_gitmodules_is_not_followed(world: World, tmp_path: Path) -> None:
    files = tree("", {b"lib": world.lib_commit}, gm=Entry(entry("a", "lib", SIBLING).encode()))
    commit = world.top.commit({**files, b".gitmodules": Entry(b"gm", LINK)})
    assert world.refusal(commit, tmp_path).code in {"E-SUBMODULE", "E-GIT-FSCK"}


pieces = st.sampled_from(
    [
        b"[submodule ",
        b'"a"',
        b"]",
        b"\n",
        b"path",
        b"url",
        b"update",
        b" = ",
        b"x",
        b"\\",
        b'"',
        b"none",
        b"\0",
        b"\xff",
    ]
)


def outcome(text: bytes) -> dict[bytes, submodules.Submodule] | Refusal:
    try:
        return submodules.parse(text, WHERE)
    except Refusal as error:
        return error


@settings(max_examples=40)
@given(st.lists(pieces, max_size=14).map(b"".join) | st.binary(max_size=30))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    found = outcome(text)
    if isinstance(found, Refusal):
        assert found.code == "E-SUBMODULE"
    else:
        assert all(one.path == path for path, one in found.items())
