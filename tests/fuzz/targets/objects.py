"""Objects of git and lists of refs: tags, trees and commits as their bytes are, or refused."""

from __future__ import annotations

import re

from tests.fuzz.shown import refused
from xenbump.errors import Failure, Refusal
from xenbump.hashes.objects import parse_commit, parse_tree
from xenbump.upstream import release
from xenbump.upstream.tag import parse_tag

_OID = re.compile("[0-9a-f]{40}")


def one(data: bytes) -> bool:
    """Read bytes as a tag object, a tree, a commit and the listing of a repository."""
    # Each, whatever the others say.
    return any([_tag(data), _tree(data), _commit(data), _refs(data)])


def _tag(data: bytes) -> bool:
    try:
        tag = parse_tag(data, "RELEASE-4.20.3")
    except Refusal as error:
        return refused(error, "E-TAG-FORM")
    assert _OID.fullmatch(tag.object)
    assert tag.signed + (tag.signature or b"") == data
    assert "\n" not in tag.name
    tag.name.encode()
    return True


def _tree(data: bytes) -> bool:
    try:
        entries = parse_tree(data, "a tree")
    except Refusal as error:
        return refused(error, "E-TREE-FORM")
    written = b"".join(b"%s %s\0%s" % (b"%o" % one.mode, one.name, bytes.fromhex(one.oid)) for one in entries)
    # A mode may be written with zeros before it.
    assert len(written) <= len(data)
    assert not {one.name for one in entries} & {b"", b".", b"..", b".git"}
    assert not any(b"/" in one.name for one in entries)
    return bool(entries)


def _commit(data: bytes) -> bool:
    try:
        commit = parse_commit(data, "2" * 40)
    except Refusal as error:
        return refused(error, "E-COMMIT-FORM")
    assert all(map(_OID.fullmatch, (commit.tree, *commit.parents)))
    for zone in (commit.author_zone, commit.committer_zone):
        assert re.fullmatch(r"[+-]\d{4}", zone, re.ASCII)
    return True


def _refs(data: bytes) -> bool:
    try:
        refs = release.parse_refs(data.decode("utf-8", "backslashreplace"), "a repository")
    except Failure as error:
        return refused(error, "E-GIT-LISTING")
    found = release.releases(refs)
    assert [one.version for one in found] == sorted((one.version for one in found), key=release.order)
    for one in found:
        assert release.is_version(one.version)
        assert refs[f"refs/tags/{one.tag}"] == one.tag_object
        assert release.tag_of(one.version) == one.tag
        assert release.is_branch(one.branch)
    try:
        newest = release.newest(found, branch=None, where="a repository")
    except Refusal as error:
        refused(error, "E-NO-RELEASE")
        newest = None
    assert newest == (found[-1] if found else None)
    return bool(refs)
