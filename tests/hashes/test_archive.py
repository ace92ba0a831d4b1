"""What the archive of a forge changes: against the real `git archive`, the real tar and the real Nix."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hashes.support import LINK, Entry, Trees, nix_hash

INFO = b"Changeset: $Format:%H$\nCommit date: $Format:%cD$\n"


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Trees:
    return Trees(tmp_path_factory.mktemp("trees"))


def agrees(trees: Trees, commit: str) -> bool:
    """Whether both hashes are those of git and Nix; whether they differ from each other."""
    hashes = []
    for fetcher, way in (("fetchgit", trees.checked_out), ("fetchFromGitHub", trees.archived)):
        with way(commit) as folder:
            hashes.append(nix_hash(folder))
        assert trees.ours(commit, fetcher) == hashes[-1]
    return hashes[0] != hashes[1]


@pytest.mark.parametrize(
    ("attributes", "differs"),
    [
        (b"info export-subst\n", True),
        (b"/info export-subst\n", True),
        (b"folder/info export-subst\n", True),
        (b"  info\texport-subst text=auto diff=c\r\n", True),
        (b"# info export-subst\n\n   \n", False),
        (b"info export-subst", True),
        (b"info text eol=lf -crlf -diff merge=union whitespace=tab-in-indent\n", False),
        (b"* text=auto\n*.c -text\ninfo binary !eol -ident !filter -export-ignore\n", False),
        (b"folder export-subst\nnone export-subst\nlink export-subst\ninf export-subst\n", False),
    ],
)
def test_attributes_that_are_understood(attributes: bytes, differs: bool, trees: Trees) -> None:  # noqa: FBT001
    files = {b"info": Entry(INFO), b"folder/info": Entry(INFO), b"link": Entry(INFO, LINK)}
    commit = trees.commit({b".gitattributes": Entry(attributes), **files})
    assert agrees(trees, commit) == differs


@pytest.mark.parametrize(
    ("attributes", "line"),
    [
        (b"info export-ignore\n", 1),
        (b"info text\nx ident\n", 2),
        (b"info filter=lfs\n", 1),
        (b"info working-tree-encoding=UTF-16\n", 1),
        (b"info eol=crlf\n", 1),
        (b"info crlf\n", 1),
        (b"[attr]own export-subst\n", 1),
        (b"info export-subst\ninfo -export-subst\n", 2),
        (b"info !export-subst\n", 1),
        (b"info export-subst=x\n", 1),
        *((pattern + b" export-subst\n", 1) for pattern in (b"*", b"*.c", b"inf?", b"[i]nfo", b"in\\fo", b"info/")),
        *((pattern + b" export-subst\n", 1) for pattern in (b"**/info", b'"info"', b"!info", b"folder/*")),
    ],
)
@pytest.mark.parametrize("fetcher", ["fetchgit", "fetchFromGitHub"])
def test_attributes_whose_effect_is_not_known_are_refused(
    attributes: bytes, line: int, fetcher: str, trees: Trees
) -> None:
    commit = trees.commit({b".gitattributes": Entry(attributes), b"info": Entry(INFO)})
    if fetcher == "fetchgit" and b"export-" in attributes and not attributes.startswith(b"[attr]"):
        # Those are about archives; a checkout does not know them.
        with trees.checked_out(commit) as folder:
            assert trees.ours(commit) == nix_hash(folder)
        return
    error = trees.refusal(commit, fetcher)
    assert (error.code, error.where) == ("E-TREE-ATTRIBUTE", f".gitattributes, line {line}")


def test_attributes_of_a_folder(trees: Trees) -> None:
    harmless = trees.commit({b"a/b/.gitattributes": Entry(b"* text\n"), b"a/b/info": Entry(INFO)})
    assert not agrees(trees, harmless)
    commit = trees.commit({b"a/b/.gitattributes": Entry(b"info export-subst\n")})
    error = trees.refusal(commit, "fetchFromGitHub")
    assert (error.code, error.where) == ("E-TREE-ATTRIBUTE", "a/b/.gitattributes, line 1")


@pytest.mark.parametrize(
    "entry", [Entry(b"info export-subst", LINK), Entry(b"\xef\xbb\xbfinfo export-subst\n"), Entry(b"x", LINK)]
)
def test_attributes_that_git_reads_in_two_ways_are_refused(entry: Entry, trees: Trees) -> None:
    commit = trees.commit({b".gitattributes": entry, b"info": Entry(INFO)})
    for fetcher in ("fetchgit", "fetchFromGitHub"):
        assert trees.refusal(commit, fetcher).code == "E-TREE-ATTRIBUTE"


def substituted(content: bytes) -> dict[bytes, Entry]:
    return {b".gitattributes": Entry(b"info export-subst\n"), b"info": Entry(content)}


def test_placeholders_of_two_parents(trees: Trees) -> None:
    parents = [trees.commit({b"x": Entry(text)}) for text in (b"1", b"2")]
    tree = trees.git("rev-parse", trees.commit(substituted(b"$Format:%P|%H|%T$")) + "^{tree}").decode().strip()
    person = "Xen demo <demo@localhost> 1767614400 +0000"
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents), f"author {person}", f"committer {person}"]
    text = "\n".join(lines) + "\n\nx\n"
    commit = trees.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=text.encode()).decode().strip()
    with trees.archived(commit) as folder:
        assert (folder / "info").read_text() == f"{' '.join(parents)}|{commit}|{tree}"
    assert agrees(trees, commit)


pieces = st.sampled_from(
    [b"$Format:", b"$", b"%H", b"%T", b"%P", b"%at", b"%ct", b"%aD", b"%cD", b"%n", b"%%", b"\n", b"a", b"\xff", b":"]
)
times = st.builds(
    "{} {}{:02}{:02}".format,
    st.integers(90_000, 4_000_000_000) | st.sampled_from([90_000, 1_700_000_000, 253_402_200_000]),
    st.sampled_from("+-"),
    st.integers(0, 14),
    st.sampled_from([0, 15, 30, 59]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(pieces, max_size=12).map(b"".join), times, times)
def test_any_text_is_filled_in_as_git_does(trees: Trees, content: bytes, author: str, committer: str) -> None:
    commit = trees.commit(substituted(b"$Format:" + content + b"$"), times=f"{author}|{committer}")
    with trees.archived(commit) as folder:
        expected = nix_hash(folder)
    assert trees.ours(commit, "fetchFromGitHub") == expected


@pytest.mark.parametrize("time", ["1700000000 -0000", "1700000000 +9959", "90000 -1200", "1700000000 +1400"])
def test_odd_zones(time: str, trees: Trees) -> None:
    commit = trees.commit(substituted(b"$Format:%aD$ $Format:%cD$ $Format:%ct$"), times=time)
    assert agrees(trees, commit)


@pytest.mark.parametrize(
    "content", [*(b"%h", b"%an", b"%ae", b"%d", b"%D", b"%s", b"%ad", b"%ci", b"%(describe)", b"%", b"%x00", b"%H\0%T")]
)
def test_other_placeholders_are_refused(content: bytes, trees: Trees) -> None:
    commit = trees.commit(substituted(b"x\n$Format:" + content + b"$\n"))
    error = trees.refusal(commit, "fetchFromGitHub")
    assert (error.code, error.where) == ("E-TREE-PLACEHOLDER", "info")
    assert trees.ours(commit)  # a checkout has it as it stands


def test_a_time_beyond_all_calendars_is_refused_where_it_is_asked_for(trees: Trees) -> None:
    late = "99999999999999 +0000"
    assert trees.refusal(trees.commit(substituted(b"$Format:%cD$"), times=late), "fetchFromGitHub")
    assert agrees(trees, trees.commit(substituted(b"$Format:%ct$"), times=late))
