"""What nixpkgs' fetchers hash of a patch: the file itself (`fetchurl`), or its normal form (`fetchpatch`).

The normal form is what nixpkgs' pkgs/build-support/fetchpatch makes with patchutils: `lsdiff` lists the files,
`sort -u` orders them, `filterdiff --clean` writes the diffs of each, and a second `filterdiff` applies `includes` and
`excludes`. `fetchpatch` uses patchutils 0.3.3 with one change (text after the closing `@@` is dropped), `fetchpatch2`
uses 0.4.2, which also keeps most of git's lines above the names. A change that the normal form would lose is refused.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from xenbump.errors import Refusal
from xenbump.hashes import sri
from xenbump.hashes.unified import DEV_NULL, PLAIN, form, reach, read

if TYPE_CHECKING:
    from xenbump.hashes.unified import Entry

_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_LOST_MODE = re.compile(rb"old mode |new mode |new file mode (?!100644\n)")
_GIT_LINE = re.compile(rb"diff --git ([^\s-]\S*) ([^\s-]\S*)\n")
# Patchutils 0.4.2 keeps no more lines above the names.
_MOST_EXTENDED = 5


@dataclass(frozen=True, slots=True)
class Options:
    """The arguments of a call of `fetchpatch` that change what it hashes; the defaults are nixpkgs' own."""

    strip_len: int = 0
    extra_prefix: str | None = None
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    relative: str | None = None
    revert: bool = False
    decode: str = "cat"
    hunks: tuple[str, ...] = ()
    post_fetch: str = ""


@dataclass(frozen=True, slots=True)
class PatchFacts:
    """What a patch touches: the paths after stripping one component (`patch -p1`), in order, each once."""

    files: tuple[str, ...]


_DEFAULT = Options()


def flat(content: bytes, sha256: str) -> str:
    """The SRI that `fetchurl` wants, once the bytes are what was signed.

    Args:
        content: the patch as it was fetched.
        sha256: the digest that the signed advisory gives, in hexadecimal.

    Raises:
        Refusal: E-PATCH-SHA256, where `sha256` is no digest or not that of `content`.
    """
    if not _DIGEST.fullmatch(sha256):
        raise Refusal("E-PATCH-SHA256", f"expected {sha256!r}, which is not a SHA-256 in 64 hexadecimal digits")
    digest = hashlib.sha256(content)
    if digest.hexdigest() != sha256.lower():
        raise Refusal("E-PATCH-SHA256", f"expected {sha256.lower()}, found {digest.hexdigest()}")
    return sri.encode(digest.digest())


def fetchpatch(content: bytes, options: Options = _DEFAULT) -> str:
    """The SRI that `fetchpatch` wants; refuses as `normal_form` does."""
    return sri.encode(hashlib.sha256(normal_form(content, options)).digest())


def fetchpatch2(content: bytes, options: Options = _DEFAULT) -> str:
    """The SRI that `fetchpatch2` wants; refuses as `normal_form` does."""
    return sri.encode(hashlib.sha256(normal_form(content, options, version=2)).digest())


def fetchurl(content: bytes) -> str:
    """The SRI that `fetchurl` wants of a file as it is."""
    return sri.encode(hashlib.sha256(content).digest())


# By the name of the fetcher, with its arguments as they are by default.
FETCHERS = MappingProxyType({"fetchpatch": fetchpatch, "fetchpatch2": fetchpatch2, "fetchurl": fetchurl})


def normal_form(content: bytes, options: Options = _DEFAULT, *, version: Literal[1, 2] = 1) -> bytes:
    """What nixpkgs' fetcher makes of a patch before it is hashed.

    Args:
        content: the patch as it was fetched.
        options: the arguments of the call.
        version: 1 for `fetchpatch`, 2 for `fetchpatch2`.

    Raises:
        Refusal: E-PATCH-FORM for a patch that is not certain to be read as meant, E-PATCH-PATH for a path that leads
            out of the tree, E-PATCH-OPTION for an argument whose effect is not known here or that leaves nothing.
    """
    change = _change(options)
    files: dict[bytes, list[Entry]] = {}
    for entry in read(content):
        files.setdefault(_listed(entry), []).append(_cleaned(entry, version))
    _refuse_new_order(files)
    written = [
        _written(renamed)
        for name in sorted(files)
        if change.listing.fullmatch(_stripped(name, 1))
        for renamed in map(change.renamed, files[name])
        if change.keeps(_stripped(_listed(renamed), 1))
    ]
    if not written:
        raise Refusal("E-PATCH-OPTION", "`relative`, `includes` or `excludes` leave nothing of the patch")
    return b"".join(written)


def parse(content: bytes) -> PatchFacts:
    """The files that a patch touches when it is applied with `patch -p1`.

    Raises:
        Refusal: E-PATCH-FORM, where that is not certain; E-PATCH-PATH for a path that leads out of the tree.
    """
    files: dict[str, None] = {}
    for entry in read(content):
        if not all(b"/" in name for name in entry.names):
            raise form("a file's name has no leading component to strip", entry.line)
        paths = {_stripped(name, 1).decode("ascii") for name in entry.names}
        if len(paths) > 1:
            raise form("the old and the new name are of two different files", entry.line)
        files |= dict.fromkeys(paths)
    return PatchFacts(tuple(files))


@dataclass(frozen=True, slots=True)
class _Change:
    """What the arguments of a call come to.

    Attributes:
        listing: which files `lsdiff` lists.
        strip: the components that each name loses.
        prefixes: what the old and the new names get then, or None, which is not the same as two empty texts:
            `filterdiff` writes a prefix before `/dev/null` too.
        includes, excludes: patterns for the changed names.
    """

    listing: re.Pattern[bytes]
    strip: int
    prefixes: tuple[bytes, bytes] | None
    includes: tuple[re.Pattern[bytes], ...]
    excludes: tuple[re.Pattern[bytes], ...]

    def keeps(self, name: bytes) -> bool:
        """Whether `filterdiff -i … -x …` keeps a file of this name."""
        if any(pattern.fullmatch(name) for pattern in self.excludes):
            return False
        return not self.includes or any(pattern.fullmatch(name) for pattern in self.includes)

    def renamed(self, entry: Entry) -> Entry:
        """The entry as `filterdiff --strip=… --addoldprefix=… --addnewprefix=…` writes it."""
        place = f"line {entry.line}"
        if not self.strip and self.prefixes is None:
            return entry
        if self.prefixes is not None and DEV_NULL in {entry.old, entry.new}:
            raise Refusal("E-PATCH-OPTION", "`relative` and `extraPrefix` make a path of /dev/null", where=place)
        before, after = self.prefixes or (b"", b"")
        extended = entry.extended
        if extended:
            found = _GIT_LINE.fullmatch(extended[0])
            if found is None:
                raise Refusal("E-PATCH-OPTION", "names in this `diff` line are not changed here", where=place)
            names = (before + _stripped(found[1], self.strip), after + _stripped(found[2], self.strip))
            extended = (b"diff --git %s %s\n" % names, *extended[1:])
        old, new = before + _stripped(entry.old, self.strip), after + _stripped(entry.new, self.strip)
        return replace(entry, extended=extended, old=old, new=new)


def _change(options: Options) -> _Change:
    for name, given in (
        ("revert", options.revert),
        ("decode", options.decode != "cat"),
        ("hunks", options.hunks),
        ("postFetch", options.post_fetch),
    ):
        if given:
            raise Refusal("E-PATCH-OPTION", f"`{name}` changes the patch in a way that is not computed here")
    if options.includes and options.excludes:
        raise Refusal("E-PATCH-OPTION", "nixpkgs takes `includes` or `excludes`, not both")
    if options.strip_len < 0:
        raise Refusal("E-PATCH-OPTION", "`stripLen` is negative")
    strip, prefix, listing = options.strip_len, options.extra_prefix, "*"
    if prefix:
        _plain("extraPrefix", prefix)
    if options.relative is not None:
        _plain("relative", options.relative)
        if not all(options.relative.split("/")):
            raise Refusal("E-PATCH-OPTION", "`relative` has an empty component, so no file can be in it")
        strip, prefix, listing = strip + options.relative.count("/") + 2, prefix or "", options.relative + "/*"
    return _Change(
        _pattern(listing),
        strip,
        None if prefix is None else (b"a/" + prefix.encode(), b"b/" + prefix.encode()),
        tuple(map(_pattern, options.includes)),
        tuple(map(_pattern, options.excludes)),
    )


def _plain(option: str, value: str) -> None:
    raw = value.encode()
    if not PLAIN.fullmatch(raw) or b"//" in raw or reach(raw):
        raise Refusal("E-PATCH-OPTION", f"`{option}` is not a plain relative path: {value!r}")


def _pattern(pattern: str) -> re.Pattern[bytes]:
    """A pattern of fnmatch(3) without flags, so that `*` also matches a slash; brackets and escapes are refused."""
    if not pattern.isascii() or not pattern.isprintable() or "[" in pattern or "\\" in pattern:
        raise Refusal("E-PATCH-OPTION", f"the pattern {pattern!r} is more than plain characters, `*` and `?`")
    written = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(written.encode(), re.DOTALL)


def _listed(entry: Entry) -> bytes:
    """The name that `lsdiff` prints: of both the one with the shortest base name, then the shortest, then the old one.

    `/dev/null` does not count. Names of different depth do not get here: patchutils 0.3.3 decides those by memory that
    it has not set.
    """
    return min(entry.names, key=lambda name: (len(name.rpartition(b"/")[2]), len(name)))


def _cleaned(entry: Entry, version: int) -> Entry:
    """The entry with the lines above its names that the fetcher's patchutils keeps; a mode must not go with the others.

    0.3.3 keeps none. 0.4.2 keeps git's, but drops them all for a new file: it compares one byte too many there.
    """
    kept = version > 1 and not any(line.startswith(b"new file mode ") for line in entry.extended)
    if kept and len(entry.extended) > _MOST_EXTENDED:
        raise form("git's header of a file is longer than patchutils keeps", entry.line)
    if not kept and any(_LOST_MODE.match(line) for line in entry.extended):
        raise form("it changes a file's mode, and the fetcher drops that", entry.line)
    return entry if kept else replace(entry, extended=())


def _refuse_new_order(files: dict[bytes, list[Entry]]) -> None:
    """Refuse where sorting would apply two changes of one file in another order: a creation sorts by its new name."""
    seen: set[bytes] = set()
    for name, entries in files.items():
        path = _stripped(name, 1)
        if path in seen:
            raise form("a file is changed twice under two names, and fetchpatch would reorder that", entries[0].line)
        seen.add(path)


def _stripped(name: bytes, components: int) -> bytes:
    """A name without its first components; where it has no more of them, its base name."""
    if name == DEV_NULL:
        return name
    parts = name.split(b"/")
    return b"/".join(parts[min(components, len(parts) - 1) :])


def _written(entry: Entry) -> bytes:
    names = (b"--- ", entry.old, entry.old_rest, b"+++ ", entry.new, entry.new_rest)
    return b"".join((*entry.extended, *names, entry.hunks))
