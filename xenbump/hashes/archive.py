"""What differs between a checkout and the archive that a forge makes of the same commit.

`fetchFromGitHub` unpacks what `git archive` writes. Git attributes can make that differ from the checkout (`git help
attributes`, "Creating an archive"): a file with `export-subst` gets its `$Format:…$` filled with facts of the commit.
Xen uses it for one file, so one commit has two hashes. Attributes that would change the bytes of a file in any other
way are refused, not guessed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from xenbump.errors import Refusal
from xenbump.hashes.objects import DIRECTORY, SUBMODULE, SYMLINK, Walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xenbump.hashes.objects import Commit, Objects, TreeEntry

_ATTRIBUTES = b".gitattributes"
_FORMAT = re.compile(rb"\$Format:([^$]*)\$")
_PLACEHOLDER = re.compile(r"%([ac].|.?)", re.DOTALL)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_WILDCARDS = frozenset(b'*?[\\"')
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def substitutions(objects: Objects, commit: Commit) -> dict[bytes, bytes]:
    """The files of a commit whose content in an archive differs from the tree, with that content.

    Args:
        objects: where trees and files come from.
        commit: the commit that the archive is made of.

    Returns:
        New contents by path from the root; empty when archive and checkout are alike.

    Raises:
        Refusal: E-TREE-ATTRIBUTE for an attribute whose effect is not known here, E-TREE-PLACEHOLDER for a `$Format:…$`
            with a placeholder that is not a fact of the commit alone.
    """
    files = dict(_files(objects, commit.tree, b"", Walk()))
    patterns = list(_substituted(objects, files))
    replaced: dict[bytes, bytes] = {}
    for path, entry in files.items():
        if entry.mode != SYMLINK and any(_matches(pattern, path) for pattern in patterns):
            content = b"".join(objects.blob(entry.oid).chunks)
            new = _fill(content, commit, path.decode("utf-8", "replace"))
            if new != content:
                replaced[path] = new
    return replaced


def refuse_conversions(objects: Objects, commit: Commit) -> None:
    """Refuse a tree whose attributes would make a checkout differ from the objects (`fetchgit`).

    What is about archives alone (`export-ignore`, `export-subst`) does nothing there.

    Raises:
        Refusal: E-TREE-ATTRIBUTE.
    """
    for path, entry in _files(objects, commit.tree, b"", Walk()):
        if path.rpartition(b"/")[2] == _ATTRIBUTES:
            for words, place in _rules(objects, path, entry):
                for attribute in words[1:]:
                    if not attribute.lstrip(b"-!").startswith(b"export-"):
                        _refuse_change(attribute, place)


def _files(objects: Objects, tree: str, prefix: bytes, walk: Walk) -> Iterator[tuple[bytes, TreeEntry]]:
    for entry in objects.tree(tree):
        walk.entry(prefix + entry.name)
        if entry.mode == DIRECTORY:
            yield from _files(objects, entry.oid, prefix + entry.name + b"/", walk)
        elif entry.mode != SUBMODULE:
            yield prefix + entry.name, entry


def _substituted(objects: Objects, files: dict[bytes, TreeEntry]) -> Iterator[bytes]:
    """The patterns that have `export-subst`; any other attribute that changes bytes is refused."""
    for path, entry in files.items():
        folder, _, name = path.rpartition(b"/")
        if name != _ATTRIBUTES:
            continue
        for words, place in _rules(objects, path, entry):
            for attribute in words[1:]:
                if attribute == b"export-subst":
                    if folder or _WILDCARDS & set(words[0]) or words[0].endswith(b"/") or words[0].startswith(b"!"):
                        raise Refusal(
                            "E-TREE-ATTRIBUTE",
                            "`export-subst` stands in a folder or with a pattern that is not a plain name",
                            where=place,
                        )
                    yield words[0]
                else:
                    _refuse_change(attribute, place)


def _refuse_change(attribute: bytes, place: str) -> None:
    if _changes_bytes(attribute):
        raise Refusal(
            "E-TREE-ATTRIBUTE",
            f"the attribute `{attribute.decode('utf-8', 'replace')}` changes what a fetcher sees",
            where=place,
        )


def _rules(objects: Objects, path: bytes, entry: TreeEntry) -> Iterator[tuple[list[bytes], str]]:
    """The lines of an attributes file, a pattern and attributes each, with their places."""
    shown = path.decode("utf-8", "replace")
    text = b"".join(objects.blob(entry.oid).chunks)
    # Git 2.39 takes a link's target for the attributes when it makes an archive, and skips the mark in a checkout only.
    if entry.mode == SYMLINK or text.startswith(_BYTE_ORDER_MARK):
        raise Refusal("E-TREE-ATTRIBUTE", "it is a symbolic link or begins with a byte order mark", where=shown)
    for number, line in enumerate(text.split(b"\n"), start=1):
        words = line.split()
        place = f"{shown}, line {number}"
        if not words or words[0].startswith(b"#"):
            continue
        if words[0].startswith(b"[attr]"):
            raise Refusal("E-TREE-ATTRIBUTE", "a macro attribute is defined", where=place)
        yield words, place


def _changes_bytes(attribute: bytes) -> bool:
    name, _, value = attribute.partition(b"=")
    if name in {b"export-ignore", b"ident", b"filter", b"working-tree-encoding", b"crlf"}:
        return True
    return (name == b"eol" and value != b"lf") or name.lstrip(b"-!") == b"export-subst"


def _matches(pattern: bytes, path: bytes) -> bool:
    if b"/" in pattern:
        return pattern.lstrip(b"/") == path
    return path.rpartition(b"/")[2] == pattern


def _fill(content: bytes, commit: Commit, place: str) -> bytes:
    return _FORMAT.sub(lambda found: _expand(found[1], commit, place), content)


def _expand(text: bytes, commit: Commit, place: str) -> bytes:
    """Fill one `$Format:…$` as `git log --format` would (`git help log`, "PRETTY FORMATS")."""
    if b"\0" in text:
        raise Refusal("E-TREE-PLACEHOLDER", "`$Format:` has a NUL character, where git would end it", where=place)
    facts = {
        "%": "%",
        "n": "\n",
        "H": commit.oid,
        "T": commit.tree,
        "P": " ".join(commit.parents),
        "at": str(commit.author_time),
        "ct": str(commit.committer_time),
        "aD": _rfc2822(commit.author_time, commit.author_zone),
        "cD": _rfc2822(commit.committer_time, commit.committer_zone),
    }

    def fill(found: re.Match[str]) -> str:
        fact = facts.get(found[1])
        if fact is None:
            raise Refusal(
                "E-TREE-PLACEHOLDER",
                f"`$Format:` has the placeholder `{found[0]}`, which is not known here as a fact of the commit alone",
                where=place,
            )
        return fact

    return _PLACEHOLDER.sub(fill, text.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _rfc2822(seconds: int, zone: str) -> str | None:
    """A time as git's `%aD` writes it; None for one after the year 9999."""
    minutes = int(zone[1:3]) * 60 + int(zone[3:5])
    try:
        # Not a `timezone`: git takes zones of a day and more as well.
        t = _EPOCH + timedelta(seconds=seconds, minutes=-minutes if zone[0] == "-" else minutes)
    except OverflowError:
        return None
    # Written out: strftime would follow the locale, and git does not pad the day. Its zones are numbers: no `-0000`.
    shown = f"{int(zone):+05d}"
    return f"{_DAYS[t.weekday()]}, {t.day} {_MONTHS[t.month - 1]} {t.year} {t:%H:%M:%S} {shown}"
