"""Addresses that name a commit of Xen, what messages say of other commits, and which files differ between trees."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenbump.errors import Failure
from xenbump.hashes.objects import DIRECTORY, EXECUTABLE, REGULAR, SUBMODULE, SYMLINK, Blob, Commit, TreeEntry
from xenbump.upstream.commits import changed_files, commit_of, origins, reverted

if TYPE_CHECKING:
    from collections.abc import Sequence

ONE = "f6281291704aa356489f4bd927cc7348a920bd01"
OTHER = "36aa64095d0419d52d2466405ac13b9858463f48"
XENBITS = "https://xenbits.xen.org/gitweb/"


@pytest.mark.parametrize(
    "address",
    [
        f"{XENBITS}?p=xen.git;a=patch;h={ONE}",
        f"{XENBITS}?p=xen.git&a=patch&h={ONE}",
        f"{XENBITS}?h={ONE};a=commitdiff_plain;p=xen.git",
        f"{XENBITS}?p=xen.git;a=commitdiff;h={ONE};",
        f"{XENBITS}?p=xen.git;a=commit;h={ONE.upper()}",
        f"{XENBITS}?p=xen%2Egit;a=patch;h={ONE}",
        f"http://xenbits.xen.org/gitweb?p=xen.git;a=patch;h={ONE}",
        f"https://xenbits.xenproject.org/gitweb/?p=xen.git;a=patch;h={ONE}",
        f"HTTPS://XenBits.xen.org/gitweb/?p=xen.git;a=patch;h={ONE}",
        f"https://github.com/xen-project/xen/commit/{ONE}.patch",
        f"https://github.com/xen-project/xen/commit/{ONE}.diff?full_index=1",
        f"https://GitHub.com/Xen-Project/XEN/commit/{ONE.upper()}.diff#start",
        f"https://gitlab.com/xen-project/xen/-/commit/{ONE}.patch",
        f"https://gitlab.com/xen-project/xen/-/commit/{ONE}.diff?a=b",
    ],
)
def test_addresses_of_a_commit(address: str) -> None:
    assert commit_of(address) == ONE


@pytest.mark.parametrize(
    "address",
    [
        "",
        ONE,
        "https://xenbits.xen.org/xsa/xsa480.patch",
        f"{XENBITS}?p=people/somebody/xen.git;a=patch;h={ONE}",
        f"{XENBITS}?p=qemu-xen.git;a=patch;h={ONE}",
        f"{XENBITS}?p=xen.git;a=blob;h={ONE}",
        f"{XENBITS}?p=xen.git;a=patch;h={ONE[:39]}",
        f"{XENBITS}?p=xen.git;a=patch;h={ONE};hp={OTHER}",
        f"{XENBITS}?p=xen.git;a=patch;h={ONE};h={OTHER}",
        f"{XENBITS}?p=xen.git;a=patch",
        f"{XENBITS}xen.git?p=xen.git;a=patch;h={ONE}",
        f"{XENBITS}?p=xen.git;a=patch;h={ONE}\n",
        f"ftp://xenbits.xen.org/gitweb/?p=xen.git;a=patch;h={ONE}",
        f"https://xenbits.xen.org:8443/gitweb/?p=xen.git;a=patch;h={ONE}",
        f"https://xenbits.xen.org.localhost/gitweb/?p=xen.git;a=patch;h={ONE}",
        f"https://github.com/xen-project/xen/commit/{ONE}",
        f"https://github.com/xen-project/xen/commit/{ONE[:12]}.patch",
        f"https://github.com/xen-project/xen/commit/{ONE}.patch/x",
        f"https://github.com/xen-project/xen/compare/{ONE}...{OTHER}.patch",
        f"https://github.com/somebody/xen/commit/{ONE}.patch",
        f"https://github.com/xen-project/xen.wiki/commit/{ONE}.patch",
        f"https://gitlab.com/xen-project/hardware/xen/-/commit/{ONE}.patch",
        f"https://gitlab.com/xen-project/xen/commit/{ONE}.patch",
        f"https://user@github.com/xen-project/xen/commit/{ONE}.patch",
        f"//github.com/xen-project/xen/commit/{ONE}.patch",
        f"https://[github.com/xen-project/xen/commit/{ONE}.patch",
        "https://github.com/xen-project/xen/commit/" + "\u0661" * 40 + ".patch",
    ],
)
def test_other_addresses(address: str) -> None:
    assert commit_of(address) is None


PIECES = st.sampled_from(
    [XENBITS, "https://github.com/xen-project/xen/commit/", "?", "p=xen.git", ";", "&", "a=patch", "h=", ONE, ".patch"]
)


@given(st.text(max_size=40) | st.lists(PIECES | st.text(max_size=2), max_size=10).map("".join))
def test_a_commit_is_one_that_the_address_names(address: str) -> None:
    found = commit_of(address)
    assert found is None or (re.fullmatch(r"[0-9a-f]{40}", found) and found in address.lower())


@given(st.permutations(["p=xen.git", "a=patch", f"h={ONE}"]), st.lists(st.sampled_from(";&"), min_size=2, max_size=2))
def test_the_order_does_not_matter(words: list[str], between: list[str]) -> None:
    assert commit_of(XENBITS + "?" + words[0] + between[0] + words[1] + between[1] + words[2]) == ONE


@pytest.mark.parametrize(
    "line",
    [
        f"master commit: {ONE}",
        f"master commit: {ONE} ",
        f"master commit: {ONE}\r",
        f"(cherry picked from commit {ONE})",
        f"(cherry picked from commit: {ONE})",
    ],
)
def test_the_origin_of_a_backport(line: str) -> None:
    assert origins(line) == {ONE}
    assert origins(f"x86: fix it\n\nIt was wrong.\n{line}\nmaster date: 2026-02-01 10:00:00 +0100\n") == {ONE}
    assert origins(f"x86: fix it\n\n{line}\n\nmaster commit: {OTHER}\n") == {ONE, OTHER}


@pytest.mark.parametrize(
    "line",
    [
        f"master commit: {ONE[:39]}",
        f"master commit: {ONE}0",
        f"Fixes: {ONE}",
        f"This reverts commit {ONE}.",
        f"like master commit: {ONE}",
        f"  (cherry picked from commit {ONE})",
        f"(cherry picked from commit {ONE}",
        f"(cherry picked from commits {ONE}",
        f"(cherry picked from commit {ONE} of Linux)",
        f"master commit:\n{ONE}",
        "xen-unstable changeset: 25733:353bc0801b11",
    ],
)
def test_no_origin(line: str) -> None:
    assert origins(line) == frozenset()
    assert origins(f"x86: fix it\n\n{line}\n") == frozenset()


@pytest.mark.parametrize(
    ("message", "named"),
    [
        (f'Revert "x86: fix it"\n\nThis reverts commit {ONE}.\n', (ONE,)),
        (f"This reverts commits {ONE} and\n{OTHER}, which broke it. See 0123456789ab.", (ONE, OTHER)),
        ("x86: Revert f628129170", ("f628129170",)),
        (f"This reverts most of c/s {ONE[:12]}", (ONE[:12],)),
        (f"x86: fix it\n\nFixes: {ONE}\n", ()),
        (f"The reverted order. Commit {ONE}.", ()),
        ("This reverts it.", ()),
    ],
)
def test_what_may_be_taken_back(message: str, named: tuple[str, ...]) -> None:
    assert reverted(message) == named


@given(st.lists(st.sampled_from([*"revt \n.0af:()", "revert ", ONE, "master commit: "]), max_size=30).map("".join))
def test_no_message_raises(message: str) -> None:
    assert all(one in message for one in [*origins(message), *reverted(message)])


class Trees:
    """Trees by their names."""

    def __init__(self, trees: dict[str, dict[bytes, tuple[int, str]]]) -> None:
        self._trees = trees

    def tree(self, oid: str) -> tuple[TreeEntry, ...]:
        if oid not in self._trees:
            raise Failure("E-OBJECT", "missing", where=oid)
        return tuple(TreeEntry(name, mode, content) for name, (mode, content) in self._trees[oid].items())

    def blob(self, oid: str) -> Blob:
        raise NotImplementedError

    def commit(self, oid: str) -> Commit:
        raise NotImplementedError

    def expect(self, files: Sequence[str]) -> None:
        raise NotImplementedError

    def gather(self, trees: Sequence[str]) -> None:
        raise NotImplementedError


def test_the_files_that_differ() -> None:
    same = (DIRECTORY, "untouched and not there")
    trees = Trees(
        {
            "old": {
                b"a": (REGULAR, "a1"),
                b"b": (REGULAR, "b"),
                b"c": (DIRECTORY, "c1"),
                b"d": (DIRECTORY, "d"),
                b"e": (REGULAR, "e"),
                b"f": (SUBMODULE, "f1"),
                b"g": (SYMLINK, "g1"),
                b"z": same,
            },
            "new": {
                b"a": (REGULAR, "a2"),
                b"b": (EXECUTABLE, "b"),
                b"c": (DIRECTORY, "c2"),
                b"d": (REGULAR, "d2"),
                b"f": (SUBMODULE, "f2"),
                b"g": (SYMLINK, "g2"),
                b"h": (DIRECTORY, "c1"),
                b"z": same,
            },
            "c1": {b"x": (REGULAR, "x1"), b"y": (REGULAR, "y")},
            "c2": {b"x": (REGULAR, "x2"), b"y": (REGULAR, "y")},
            "d": {b"x": (REGULAR, "in d")},
        }
    )
    expected = {"a1", "a2", "b", "x1", "x2", "in d", "d2", "e", "g1", "g2", "y"}
    assert changed_files(trees, "old", "new") == changed_files(trees, "new", "old") == expected
    assert changed_files(trees, "old", "old") == frozenset()
    with pytest.raises(Failure):
        changed_files(trees, "old", "none")
