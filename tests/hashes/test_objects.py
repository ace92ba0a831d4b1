"""The forms of trees and commits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenbump.errors import Refusal
from xenbump.hashes.objects import TreeEntry, parse_commit, parse_tree

OID = "0123456789abcdef0123456789abcdef01234567"
RAW = bytes.fromhex(OID)
PERSON = "Xen demo <demo@localhost> 1767614400 +0100"
COMMIT = f"tree {OID}\nparent {OID}\nparent {OID[::-1]}\nauthor {PERSON}\ncommitter {PERSON[:-5]}-0330\n\nText\n"


def test_a_tree() -> None:
    raw = b"100644 a\0" + RAW + b"40000 b c\0" + RAW + b"120000 \xff\n\0" + RAW + b"160000 s\0" + RAW
    assert parse_tree(raw, "x") == (
        TreeEntry(b"a", 0o100644, OID),
        TreeEntry(b"b c", 0o040000, OID),
        TreeEntry(b"\xff\n", 0o120000, OID),
        TreeEntry(b"s", 0o160000, OID),
    )
    assert parse_tree(b"", "x") == ()


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        *((b"100644 %b\0" % name + RAW, "forbidden name") for name in (b"", b".", b"..", b".git", b"a/b", b"/")),
        *((b"%b a\0" % mode + RAW, "unknown mode") for mode in (b"100600", b"0", b"", b"+100644", b"100648", b"644")),
        *(
            (b"%b a\0" % mode + RAW, "unknown mode")
            for mode in ("\uff1100644".encode(), b"1_00644", b"0o100644", b"140000")
        ),
        (b"100644 a\0" + RAW[:-1], "in the middle of an entry, at byte 0"),
        (b"100644 a\0" + RAW + b"1", "in the middle of an entry, at byte 29"),
        (b"100644 a" + RAW.replace(b"\0", b""), "in the middle"),
        (b"100644\0" + RAW, "in the middle"),
        ((b"100644 a\0" + RAW) * 2, "two entries of one name"),
        (b"100644 a\0" + RAW + b"40000 a\0" + RAW, "two entries of one name"),
    ],
)
def test_a_malformed_tree_is_refused(raw: bytes, what: str) -> None:
    with pytest.raises(Refusal, match=what) as caught:
        parse_tree(raw, "tree x")
    assert (caught.value.code, caught.value.where) == ("E-TREE-FORM", "tree x")


@given(st.binary(max_size=100) | st.lists(st.sampled_from([b"100644", b" ", b"a", b"\0", RAW])).map(b"".join))
def test_a_tree_is_read_whole_or_refused(raw: bytes) -> None:
    try:
        entries = parse_tree(raw, "x")
    except Refusal:
        return
    written = b"".join(b"%o %b\0" % (one.mode, one.name) + bytes.fromhex(one.oid) for one in entries)
    assert len(written) <= len(raw)  # git once wrote modes with leading zeros
    assert sum(len(one.name) + 22 for one in entries) <= len(raw)


def test_a_commit() -> None:
    commit = parse_commit(COMMIT.encode(), "x")
    assert (commit.oid, commit.tree, commit.parents) == ("x", OID, (OID, OID[::-1]))
    assert (commit.author_time, commit.author_zone) == (1767614400, "+0100")
    assert (commit.committer_time, commit.committer_zone) == (1767614400, "-0330")


@pytest.mark.parametrize(
    "raw",
    [
        COMMIT.replace(f"parent {OID}\nparent {OID[::-1]}\n", ""),
        COMMIT.replace("\n\n", "\nencoding ISO-8859-1\ngpgsig -----BEGIN\n tree x\n -----END\n\n"),
        COMMIT.replace("Text", "tree x\nauthor y\n\ntree z"),
        COMMIT.replace("Xen demo ", " "),
        COMMIT.replace("Xen demo", "a > b"),
        COMMIT.split("\n\n", maxsplit=1)[0] + "\n",
    ],
)
def test_other_commits_that_git_writes(raw: str) -> None:
    assert parse_commit(raw.encode(), "x").tree == OID


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        ("", "0 `tree`"),
        (COMMIT.replace("tree", "tee", 1), "0 `tree`"),
        (f"tree {OID}\n{COMMIT}", "2 `tree`"),
        (COMMIT.replace("author", "author x\nauthor"), "2 `author`"),
        (COMMIT.replace("committer", "comitter"), "0 `committer`"),
        (COMMIT.replace("1767614400 +0100", ""), "no time"),
        (COMMIT.replace("+0100", "0100"), "no time"),
        (COMMIT.replace("+0100", "+01000"), "no time"),
        (COMMIT.replace("1767614400 -", "-1767614400 -"), "no time"),
        (COMMIT.replace(OID, OID[1:]), "identifier"),
        (COMMIT.replace(OID[::-1], "HEAD"), "identifier"),
        (COMMIT.replace(OID, "\u0663" * 40), "identifier"),
    ],
)
def test_a_malformed_commit_is_refused(raw: str, what: str) -> None:
    with pytest.raises(Refusal, match=what) as caught:
        parse_commit(raw.encode(), "the commit")
    assert (caught.value.code, caught.value.where) == ("E-COMMIT-FORM", "the commit")


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        parse_commit(raw, "x")
    assert caught.value.code == "E-COMMIT-FORM"
