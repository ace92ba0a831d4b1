"""Which commit of Xen a patch comes from, and what commits say of other commits.

Addresses: those under which the project's own repository and its mirrors on GitHub and GitLab give a commit as a patch.

Messages: those of the 11,623 commits that only the branches stable-4.0 to stable-4.22 have, as of August 2026. There is
no specification of them. 8,671 say on a line of its own what they were made from; 458 of these name several commits:

- `master commit: <40 digits>`, 5,870 lines;
- `(cherry picked from commit <40 digits>)`, 3,428 lines, and with a colon behind `commit`, 8 lines.

Nearly all of the others are changes for that branch alone, or of 4.0 to 4.2, where numbers of Mercurial changesets are
written. No abbreviated identifier stands on such a line. Not read, for being no whole backport or no fixed form: the
second form indented (remnants of a commit, in one backport to two branches), `(cherry picked from commits …` over
several lines (of 2013 to 2015), and free text. Of 9,306 identifiers 399 are of another stable branch, and 41 are
neither there nor on master.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from xenbump.hashes import objects as form

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xenbump.hashes.objects import Objects, TreeEntry

# What git is told to write a change, before the two commits: whatever a configuration could alter is said.
# Attributes of the machine are left out by GIT_ATTR_NOSYSTEM.
DIFF = (
    *("-c", "core.attributesFile=/dev/null", "-c", "diff.indentHeuristic=true", "-c", "diff.suppressBlankEmpty=false"),
    *("diff-tree", "--patch", "--unified=3", "--inter-hunk-context=0", "--diff-algorithm=myers", "--full-index"),
    *("--no-renames", "--no-ext-diff", "--no-textconv", "--no-color", "--no-relative", "--ignore-submodules=none"),
    *("--submodule=short", "--src-prefix=a/", "--dst-prefix=b/"),
)

_OID = re.compile(r"[0-9a-fA-F]{40}")
_GITWEB = frozenset({"xenbits.xen.org", "xenbits.xenproject.org"})
_GITWEB_ACTIONS = frozenset({"patch", "commit", "commitdiff", "commitdiff_plain"})
_MIRRORS = {
    "github.com": re.compile(r"/xen-project/xen/commit/([0-9a-f]{40})\.(?:patch|diff)", re.IGNORECASE | re.ASCII),
    "gitlab.com": re.compile(r"/xen-project/xen/-/commit/([0-9a-f]{40})\.(?:patch|diff)", re.IGNORECASE | re.ASCII),
}

_ORIGIN = re.compile(
    r"^(?:master commit: ([0-9a-f]{40})|\(cherry picked from commit:? ([0-9a-f]{40})\))[ \t\r]*$", re.MULTILINE
)
_REVERTS = re.compile(r"\breverts?\b[^.]*", re.IGNORECASE)
# `git log` gives 7 digits or more; a word of that many letters from a to f that begins an identifier is not to be met.
_NAMED = re.compile(r"\b[0-9a-f]{7,40}\b")


def commit_of(address: str) -> str | None:
    """The commit of Xen that the address of a patch names.

    Args:
        address: as a package file has it.

    Returns:
        40 hexadecimal digits in lower case; None for an address of any other form, another repository included.
    """
    if any(character <= " " for character in address):  # urlsplit would drop line breaks silently
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    host = parts.netloc.lower()
    if parts.scheme in {"http", "https"} and host in _MIRRORS:
        named = _MIRRORS[host].fullmatch(parts.path)
        return named[1].lower() if named else None
    if parts.scheme in {"http", "https"} and host in _GITWEB and parts.path in {"/gitweb", "/gitweb/"}:
        return _by_gitweb(parts.query)
    return None


def origins(message: str) -> frozenset[str]:
    """The commits that a commit with this message says it is the backport of, as identifiers."""
    return frozenset(named[1] or named[2] for named in _ORIGIN.finditer(message))


def reverted(message: str) -> tuple[str, ...]:
    """What a commit with this message may take back: the beginnings of identifiers in sentences with `revert`.

    More than what it takes back may be among them, and nothing that it takes back and names is missing.
    """
    return tuple(named[0] for sentence in _REVERTS.finditer(message) for named in _NAMED.finditer(sentence[0]))


def changed_files(objects: Objects, old: str, new: str) -> frozenset[str]:
    """The contents that differ between two trees, on either side.

    Args:
        objects: where trees are read from.
        old: identifier of a tree.
        new: identifier of another.

    Returns:
        Identifiers of blobs; links and executables are files too, submodules are not.

    Raises:
        Failure: E-OBJECT where a tree is missing.
    """
    return frozenset(_changed(objects, old, new))


def _by_gitweb(query: str) -> str | None:
    pairs = [word.partition("=") for word in re.split("[;&]", query) if word]
    given = {key: unquote(value) for key, _, value in pairs}
    # With `hp`, the parent, it would be the difference of two commits that need not follow each other.
    if len(pairs) != len(given) or given.keys() != {"p", "a", "h"}:
        return None
    is_patch = given["p"] == "xen.git" and given["a"] in _GITWEB_ACTIONS and _OID.fullmatch(given["h"]) is not None
    return given["h"].lower() if is_patch else None


def _changed(objects: Objects, old: str | None, new: str | None) -> Iterator[str]:
    before, after = (_by_name(objects, tree) for tree in (old, new))
    for name in before.keys() | after.keys():
        sides = [side.get(name) for side in (before, after)]
        if sides[0] == sides[1]:
            continue
        folders = [one.oid if one is not None and one.mode == form.DIRECTORY else None for one in sides]
        yield from (one.oid for one in sides if one is not None and one.mode not in {form.DIRECTORY, form.SUBMODULE})
        if folders != [None, None]:
            yield from _changed(objects, folders[0], folders[1])


def _by_name(objects: Objects, tree: str | None) -> dict[bytes, TreeEntry]:
    return {} if tree is None else {entry.name: entry for entry in objects.tree(tree)}
